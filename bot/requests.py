"""What a typed command does: start, look, decide by id, cancel, pause, help. Each ends in one answer to who typed it.

Reading the line is `bot.command`; clicks are `bot.actions`; the operation's own message is posted by its workflow.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from pydantic import create_model

from bot.asker import Asker
from bot.cards.approvals import approvals_message
from bot.cards.blocks import Message
from bot.cards.csr import csr_message
from bot.cards.failure import plain_message
from bot.cards.help import help_message
from bot.cards.started import started_message
from bot.cards.status import status_message
from bot.cards.whoami import whoami_message
from bot.clicks import ButtonValue, Click
from bot.command import Command, parse
from bot.decisions import Decisions
from bot.people import Identity, People, missing_role
from bot.ports import GatewayPort
from domain.configuration import Configuration, RoleName
from domain.errors import BusyError, OpsError, RefusedError, TransientError
from domain.model import ClusterRef
from domain.roles import PolicySnapshot
from gateway.running import ApprovalTarget, Running
from operations import CATALOGUE, find
from operations.approvals import ApprovalsRequest
from operations.base import Operation, Start, request_hash
from operations.csr import CsrResult
from operations.decide import ApproveRequest, CancelRequest, DenyRequest, HelpRequest, PauseRequest, ResumeRequest
from operations.queues import change_id
from operations.scale import ScaleRequest
from operations.whoami import WhoamiRequest
from tokens.make import TokenSigner

_log = logging.getLogger(__name__)


class Requests:
    """Does what a command says.

    Args:
        gateway: Temporal.
        signer: The bot's key, for start tokens.
        people: Who somebody is.
        decisions: Signs and sends decisions.
        configuration: Clusters, channels, roles.
        version: Ours, for help.
        clock: Now, stamped into tokens.
    """

    def __init__(
        self,
        gateway: GatewayPort,
        signer: TokenSigner,
        people: People,
        decisions: Decisions,
        configuration: Configuration,
        *,
        version: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._gateway = gateway
        self._signer = signer
        self._people = people
        self._decisions = decisions
        self._configuration = configuration
        self._policy = PolicySnapshot.of(configuration)
        self._version = version
        self._clock = clock

    async def answer(self, asker: Asker, text: str, *, trigger: str) -> Message:
        """Do what the line says and return the answer.

        Args:
            asker: Who typed it.
            text: What stands behind the command.
            trigger: Slack's id of this one command: the same command delivered twice is one request.

        Raises:
            OpsError: It was refused, cannot be right, or something does not answer.
        """
        command = parse(text, configuration=self._configuration, channel=asker.channel)
        is_decision = command.operation.kind in ("change", "decision")
        identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=is_decision)
        request = command.request
        if isinstance(request, HelpRequest):
            return help_message(
                request.verb, configuration=self._configuration, channel=asker.channel, version=self._version
            )
        if isinstance(request, ApproveRequest | DenyRequest):
            return await self._decide(command, identity)
        if isinstance(request, CancelRequest | PauseRequest | ResumeRequest):
            return await self._steer(command, identity, stamp=_request_id(asker, trigger))
        self._require_role(command.operation, identity)
        if isinstance(request, WhoamiRequest):
            return whoami_message(identity.person, self._people.standings(identity))
        if isinstance(request, ApprovalsRequest):
            return await self._approvals()
        if command.operation.kind == "change":
            return await self._start(command, asker, identity, trigger=trigger)
        return await self._look(command, trigger=trigger)

    def role_of(self, operation: Operation) -> RoleName:
        """Return the role that an operation asks for here."""
        rule = self._configuration.operations.get(operation.name)
        return rule.ask if rule else operation.role

    def _require_role(self, operation: Operation, identity: Identity) -> None:
        role = self.role_of(operation)
        if not self._people.holds(identity, role):
            raise RefusedError("role.missing", missing_role(self._policy, role))

    async def start(self, name: str, ref: ClusterRef, asker: Asker, *, trigger: str) -> Message:
        """Start a change that needs no more than its cluster, as a button does.

        Args:
            name: The operation.
            ref: The cluster.
            asker: Who clicked.
            trigger: Slack's id of this one click: delivered twice it is one request.

        Raises:
            OpsError: As for a command.
        """
        operation = find(name)
        assert operation is not None
        identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
        self._require_role(operation, identity)
        command = Command(operation=operation, request=operation.request.model_validate({"ref": ref}))
        return await self._start(command, asker, identity, trigger=trigger)

    async def _start(self, command: Command, asker: Asker, identity: Identity, *, trigger: str) -> Message:
        ref, operation, person = _ref(command), command.operation, identity.person
        request_id = _request_id(asker, trigger)
        token = self._signer.issue(
            "start",
            person,
            workflow_id=change_id(ref),
            now=self._clock(),
            request_id=request_id,
            request_hash=request_hash(operation.name, command.request),
        )
        try:
            started = await self._gateway.start(
                operation,
                _start_of(operation, request_id=request_id, request=command.request, token=token.model_dump()),
                ref=ref,
                requester=person,
                summary=f"{operation.name} {ref.cluster}, asked by {person.name or person.id}",
            )
        except BusyError as error:
            asked = command.request
            if isinstance(asked, ScaleRequest) and not asked.plan and error.details.get("operation") == operation.name:
                error.details["retarget"] = asked.nodes
            found = {name: str(error.details.get(name, "")) for name in ("operation", "workflow_id", "run_id")}
            if paused := await self._pause(**found):
                error.hint = f"It {paused}: /crdb resume lets it go on, /crdb cancel stops it."
            raise
        _log.info(
            "operation started",
            extra={
                "operation": operation.name,
                "cluster": ref.cluster,
                "person": person.id,
                "workflow_id": started.workflow_id,
                "run_id": started.run_id,
                "is_repeat": started.is_repeat,
            },
        )
        channel = self._configuration.clusters[ref.cluster].channel
        return started_message(
            f"{operation.name} of {ref.cluster}",
            channel="" if channel == asker.channel else channel,
            url=self._gateway.url(started.workflow_id, run_id=started.run_id),
        )

    async def _look(self, command: Command, *, trigger: str) -> Message:
        ref = _ref(command)
        running = await self._gateway.running(ref)
        request_id = hashlib.sha256(f"look:{trigger}".encode()).hexdigest()[:20]
        try:
            result = await self._gateway.look(command.operation, ref, request_id=request_id)
        except TransientError as error:
            # What Temporal alone knows is still worth saying.
            if running:
                error.message = f"{error.message} Temporal says: {_said(running)}"
            raise
        if isinstance(result, CsrResult):
            return csr_message(result)
        if running is None:
            return status_message(result)
        paused = await self._pause(running.operation, running.workflow_id, running.run_id)
        more = f" It {paused}; /crdb resume lets it go on." if paused else ""
        return status_message(result, running=f"{_said(running)}{more}", url=running.url)

    async def _pause(self, operation: str, workflow_id: str, run_id: str) -> str:
        """Say of a change who paused it; nothing where nobody did, or where it does not answer."""
        running = find(operation)
        if running is None or not running.may_pause:
            return ""
        try:
            status = await self._gateway.operation_status(workflow_id, run_id=run_id)
        except OpsError:
            return ""
        pause = status.pause
        if pause is None:
            return ""
        if not pause.before:
            return f"will be paused before its next node, as {pause.by.name or pause.by.id} asked"
        return f"is {pause.sentence()}"

    async def _approvals(self) -> Message:
        def url(target: ApprovalTarget) -> str:
            return self._gateway.url(target.workflow_id, run_id=target.run_id)

        return approvals_message(await self._gateway.open_approvals(), now=self._clock(), url=url)

    async def _decide(self, command: Command, identity: Identity) -> Message:
        request = command.request
        assert isinstance(request, ApproveRequest | DenyRequest)
        target = await self._gateway.find_approval(request.id)
        value = ButtonValue(workflow_id=target.workflow_id, run_id=target.run_id, approval_id=target.approval_id)
        if isinstance(request, DenyRequest):
            receipt = await self._decisions.certify("deny", Click(value=value), identity, reason=request.reason)
        else:
            receipt = await self._decisions.certify("approve", Click(value=value), identity)
        return plain_message(receipt.sentence or "Recorded.")

    async def _steer(self, command: Command, identity: Identity, *, stamp: str) -> Message:
        ref, request = _ref(command), command.request
        running = await self._gateway.running(ref)
        if running is None:
            code = "cancel.nothing" if isinstance(request, CancelRequest) else "pause.nothing"
            raise RefusedError(code, f"Found no operation running on {ref.cluster}, expected one.")
        click = Click(value=ButtonValue(workflow_id=running.workflow_id, run_id=running.run_id), stamp=stamp)
        if isinstance(request, CancelRequest):
            receipt = await self._decisions.steer("cancel", click, identity)
        else:
            _require_pausable(running, ref)
            verb: Literal["pause", "resume"] = "pause" if isinstance(request, PauseRequest) else "resume"
            receipt = await self._decisions.steer(verb, click, identity)
        return plain_message(receipt.sentence or "Recorded.")


def _ref(command: Command) -> ClusterRef:
    assert command.ref is not None
    return command.ref


def _require_pausable(running: Running, ref: ClusterRef) -> None:
    operation = find(running.operation)
    if operation is None or not operation.may_pause:
        able = " and ".join(entry.name for entry in CATALOGUE if entry.may_pause)
        raise RefusedError(
            "pause.cannot",
            f"Found {running.operation} running on {ref.cluster}, which cannot be paused, expected one of {able}.",
            hint="/crdb cancel stops it before its next step; the same command goes on from there.",
        )


def _said(running: Running) -> str:
    who = running.requester.name or running.requester.id if running.requester else "somebody"
    return f"{running.operation}, asked for by {who} at {running.since:%H:%M} UTC."


def _request_id(asker: Asker, trigger: str) -> str:
    return hashlib.sha256(f"{asker.team}/{asker.user}/{trigger}".encode()).hexdigest()[:20]


def _start_of(operation: Operation, **fields: Any) -> Start:
    """Make the workflow's argument: `Start` and the operation's own request, whatever operation it is."""
    model = create_model(f"{operation.workflow}Start", __base__=Start, request=(operation.request, ...))
    return model.model_validate(fields)
