"""The first activity of every change: is its start token good, and may this person ask for it.

Decisions on certificates are checked elsewhere: by the worker's interceptor, the workflow's validators and the signer.
"""

from __future__ import annotations

from temporalio import activity

from activities.payloads import Authorization, AuthorizeRequest
from domain.configuration import Configuration, RoleName
from domain.errors import InvalidRequestError, RefusedError
from domain.roles import PolicySnapshot, may_ask
from operations import find
from operations.queues import change_id
from tokens.keyring import KeyRing
from tokens.verify import verify_fresh


class AuthorizationActivities:
    """Activities about who asks."""

    def __init__(self, configuration: Configuration, ring: KeyRing) -> None:
        self._configuration = configuration
        self._ring = ring

    @activity.defn(name="operation.authorize")
    async def authorize(self, request: AuthorizeRequest) -> Authorization:
        """Check the start token and the role. Repeating it changes nothing: it reads its argument alone.

        The clock is the workflow's start time, which the server stamped, so that a retry judges as the first try did.
        """
        if not request.is_first_run:
            raise RefusedError(
                "token.other-run",
                "This run was made from an earlier one (reset or retry); the click was for that one.",
                hint="Ask for the operation again.",
            )
        claims = verify_fresh(request.token, self._ring, now=request.started_at)
        found = (claims.verb, claims.workflow_id, claims.request_id, claims.request_hash)
        if found != ("start", request.workflow_id, request.request_id, request.request_hash):
            raise RefusedError(
                "token.other-run", "The signed start is for another request.", hint="Ask for the operation again."
            )
        self._check_place(request)
        policy = PolicySnapshot.of(self._configuration)
        verdict = may_ask(policy, claims.person, self._role(request.operation))
        verdict.require("operation.not-allowed", f"{request.operation} on {request.ref.cluster} is refused")
        return Authorization(
            requester=claims.person,
            policy=policy,
            channel=self._configuration.clusters[request.ref.cluster].channel,
            role=self._role(request.operation),
            approvals=self._configuration.approvals,
        )

    def _check_place(self, request: AuthorizeRequest) -> None:
        known = self._configuration.ref(request.ref.cluster)
        if known != request.ref or request.workflow_id != change_id(known):
            raise InvalidRequestError(
                "cluster.unknown",
                f"Found {request.ref} as {request.workflow_id}, expected {known} as {change_id(known)}.",
            )

    def _role(self, operation: str) -> RoleName:
        entry = find(operation)
        if entry is None:
            raise InvalidRequestError("operation.unknown", f"Found {operation!r}, expected an operation of /crdb help.")
        rule = self._configuration.operations.get(operation)
        return rule.ask if rule else entry.role
