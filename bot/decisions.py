"""From a click to a signed decision: look what the run asks for now, check who clicks, sign exactly that, send it.

The checks here only make the refusal quick and friendly; the workflow validates again, with all that it knows. What is
signed for a certificate is read from Temporal alone: its workflow is not asked first, so a click costs no turn of its
worker, and a worker that comes back meets no question beside a decision (docs/decisions). Redrawing the card afterwards
is `bot.actions`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from bot.clicks import Click
from bot.people import Identity, People, missing_role
from bot.ports import GatewayPort
from domain.configuration import ApprovalRule, Configuration, RoleName
from domain.errors import InvalidRequestError, OpsError, RefusedError
from domain.model import Person
from domain.roles import PolicySnapshot, holds, may_decide
from gateway.running import ApprovalTarget
from operations.certify import CertifyStatus
from operations.gate import GateStatus
from operations.messages import APPROVE, ASK_AGAIN, RETARGET, Decision, DecisionReceipt, Token, Verb
from tokens.make import TokenSigner

_log = logging.getLogger(__name__)

#: The friendly check waits no longer for the workflow's own answer; the decision itself may wait.
_QUERY_SECONDS = 2.0


class Decisions:
    """Signs and sends what people decide.

    Args:
        gateway: Temporal.
        signer: The bot's key.
        people: Who somebody is.
        configuration: The bot's own view of the roles.
        clock: Now, stamped into tokens.
    """

    def __init__(
        self,
        gateway: GatewayPort,
        signer: TokenSigner,
        people: People,
        configuration: Configuration,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._gateway = gateway
        self._signer = signer
        self._people = people
        self._approvals = configuration.approvals
        self._policy = PolicySnapshot.of(configuration)
        self._clock = clock

    async def status(self, click: Click) -> CertifyStatus | None:
        """Return what a certificate's workflow says, when it says it quickly."""
        try:
            async with asyncio.timeout(_QUERY_SECONDS):
                return await self._gateway.certify_status(click.value.workflow_id, run_id=click.value.run_id)
        except (TimeoutError, OpsError):
            return None

    async def gate(self, click: Click) -> GateStatus | None:
        """Return what a change says of its question, when it says it quickly; None for a certificate."""
        value = click.value
        if not value.is_gate:
            return None
        try:
            async with asyncio.timeout(_QUERY_SECONDS):
                return await self._gateway.gate_status(
                    value.workflow_id, run_id=value.run_id, approval_id=value.approval_id
                )
        except (TimeoutError, OpsError):
            return None

    async def _asked(self, click: Click) -> CertifyStatus | GateStatus | None:
        return await (self.gate(click) if click.value.is_gate else self.status(click))

    async def may_open(self, click: Click, identity: Identity) -> CertifyStatus | GateStatus | None:
        """Check that a person may deny what a card asks, before the modal asks why.

        Raises:
            RefusedError: No, and why.
            TransientError: It cannot be known right now.
        """
        target, status = await asyncio.gather(self._target(click), self._asked(click))
        self._require_same(click, target, status)
        self._require_right(identity, status, is_approval=False)
        return status

    def require_approver(self, identity: Identity) -> None:
        """Check that a person may approve some request at all, before they are shown several.

        Raises:
            RefusedError: No, and why.
            TransientError: It cannot be known right now.
        """
        self._require_right(identity, None, is_approval=True)

    def objection(self, identity: Identity, status: CertifyStatus) -> str:
        """Return the code of what would keep a person from approving this request, as far as the bot knows; or ''."""
        try:
            self._require_right(identity, status, is_approval=True)
        except OpsError as error:
            return error.code
        return ""

    async def certify(
        self, verb: Verb, click: Click, identity: Identity, *, reason: str = "", fingerprint: str = ""
    ) -> DecisionReceipt:
        """Approve or deny what a card asks: a certificate's or a change's.

        Args:
            verb: `approve` or `deny`.
            click: The request.
            identity: Who decides.
            reason: Why, for a denial.
            fingerprint: What was shown, where that is known; anything else is refused as changed.

        Raises:
            OpsError: Refused, closed, not recorded in time, or Temporal cannot be reached.
        """
        target, gate = await asyncio.gather(self._target(click), self.gate(click))
        self._require_same(click, target, gate, fingerprint=fingerprint)
        self._require_right(identity, gate, is_approval=verb == APPROVE, approved_by=target.approved_by)
        token = self._signer.issue(
            verb,
            identity.person,
            workflow_id=target.workflow_id,
            now=self._clock(),
            run_id=target.run_id,
            approval_id=target.approval_id,
            fingerprint=target.fingerprint,
        )
        update_id = f"{verb}:{target.approval_id}:{identity.person.id}"
        return await self._send(verb, click, identity, token, update_id=update_id, reason=reason)

    async def ask_again(self, click: Click, identity: Identity) -> DecisionReceipt:
        """Open an expired card again, or let pods ask again whose request was denied."""
        value = click.value
        if value.is_certify:
            self._require_same(click, await self._target(click))
        token = self._signer.issue(
            "ask_again",
            identity.person,
            workflow_id=value.workflow_id,
            now=self._clock(),
            run_id=value.run_id,
            # A change has none: what is asked again there is all that was refused in its run.
            approval_id=value.approval_id or value.run_id,
        )
        # A change may be asked again more than once in its run: there the click itself tells them apart.
        update_id = f"{ASK_AGAIN}:{value.approval_id or f'{value.run_id}:{click.stamp}'}:{identity.person.id}"
        return await self._send("ask_again", click, identity, token, update_id=update_id)

    async def steer(
        self, verb: Literal["cancel", "pause", "resume"], click: Click, identity: Identity
    ) -> DecisionReceipt:
        """Stop a change before its next step, hold it there, or let it go on.

        Raises:
            RefusedError: `role.missing`: they did not ask for it, and are neither operator nor approver.
        """
        value = click.value
        await self._require_steering(verb, click, identity)
        token = self._signer.issue(
            verb, identity.person, workflow_id=value.workflow_id, now=self._clock(), run_id=value.run_id
        )
        # Nothing undoes a cancel, but a run may be paused twice: there the click itself tells them apart.
        which = value.run_id if verb == "cancel" else f"{value.run_id}:{click.stamp}"
        return await self._send(verb, click, identity, token, update_id=f"{verb}:{which}:{identity.person.id}")

    async def _require_steering(self, verb: Verb, click: Click, identity: Identity) -> None:
        """Refuse at once who surely may not; whose groups cannot be read is left to the workflow."""
        person = identity.person
        if identity.unreadable or any(holds(self._policy, person, role) for role in ("operator", "approver")):
            return
        running = await self._gateway.running(click.value.ref)
        if running is None or running.run_id != click.value.run_id:
            return  # it is over, which is what they hear
        if running.requester is None or not person.is_same_as(running.requester):
            raise RefusedError(
                "role.missing", f"Only the requester, operators and approvers may {verb} this operation."
            )

    async def retarget(self, click: Click, identity: Identity) -> DecisionReceipt:
        """Send a change that runs to another number of nodes; the token names it.

        Raises:
            InvalidRequestError: `click.unreadable`: the button names no number.
        """
        value = click.value
        if value.nodes is None:
            raise InvalidRequestError("click.unreadable", "This button is of an older release.", hint="Ask again.")
        token = self._signer.issue(
            "retarget",
            identity.person,
            workflow_id=value.workflow_id,
            now=self._clock(),
            run_id=value.run_id,
            nodes=value.nodes,
        )
        # There and back again is possible within a run: the click itself tells them apart.
        update_id = f"{RETARGET}:{value.run_id}:{value.nodes}:{click.stamp}:{identity.person.id}"
        return await self._send("retarget", click, identity, token, update_id=update_id)

    async def _send(
        self, verb: Verb, click: Click, identity: Identity, token: Token, *, update_id: str, reason: str = ""
    ) -> DecisionReceipt:
        receipt = await self._gateway.decide(
            verb,
            workflow_id=click.value.workflow_id,
            run_id=click.value.run_id,
            decision=Decision(token=token, reason=reason),
            update_id=update_id,
        )
        _log.info(
            "decision sent",
            extra={
                "verb": verb,
                "person": identity.person.id,
                "workflow_id": click.value.workflow_id,
                "run_id": click.value.run_id,
                "outcome": receipt.outcome,
            },
        )
        return receipt

    async def _target(self, click: Click) -> ApprovalTarget:
        value = click.value
        return await self._gateway.target(value.workflow_id, run_id=value.run_id, approval_id=value.approval_id)

    def _require_same(
        self,
        click: Click,
        target: ApprovalTarget,
        status: CertifyStatus | GateStatus | None = None,
        *,
        fingerprint: str = "",
    ) -> None:
        """Sign only what the clicked card named."""
        if isinstance(status, GateStatus) and status.state in ("approved", "denied"):
            raise RefusedError("decision.already", f"Already decided. {status.sentence}")
        if isinstance(status, GateStatus) and status.state != "pending":
            raise RefusedError("decision.closed", status.sentence, hint="The card shows its end.")
        if not target.is_open:
            raise RefusedError("decision.closed", "This request is closed already.", hint="The card shows its end.")
        is_same = bool(target.approval_id) and target.approval_id == click.value.approval_id
        if not is_same or (fingerprint and fingerprint != target.fingerprint):
            raise RefusedError(
                "decision.changed",
                "This card is old: a newer one took its place.",
                hint="Nothing was decided. Decide on the newer.",
            )

    def _require_right(
        self,
        identity: Identity,
        status: CertifyStatus | GateStatus | None,
        *,
        is_approval: bool,
        approved_by: tuple[str, ...] = (),
    ) -> None:
        rule = self._rule(status)
        self._people.holds(identity, rule.role)  # raises when that cannot be known
        approved = [Person(team=self._policy.team, id=one) for one in approved_by]
        approved += [d.person for d in status.decisions if d.verb == APPROVE] if status else []
        verdict = may_decide(
            self._policy,
            rule,
            identity.person,
            asked_by=status.asked_by if status else (),
            approved_by=tuple(approved),
            is_approval=is_approval,
        )
        if not verdict.is_yes:
            code = verdict.reasons[0].code
            if code == "role.missing":
                raise RefusedError(code, missing_role(self._policy, rule.role))
            said = "; ".join(reason.sentence() for reason in verdict.reasons)
            raise RefusedError(code, f"{said[:1].upper()}{said[1:]}.")

    def _rule(self, status: CertifyStatus | GateStatus | None) -> ApprovalRule:
        """Return the rule for what is asked; without the workflow's answer, the one that asks least."""
        if isinstance(status, GateStatus):
            return status.question.rule
        if status is None or status.evidence is None:
            return ApprovalRule(role=self._mildest(), four_eyes=False)
        if status.evidence.kind == "node":
            rule = self._approvals.node
        elif re.search(r"(^|[,/\s])CN=root($|[,/\s])", status.evidence.subject):
            rule = self._approvals.client_root
        else:
            rule = self._approvals.client
        return rule

    def _mildest(self) -> RoleName:
        asked = {rule.role for _, rule in self._approvals}
        return next((role for role in ("viewer", "operator", "approver") if role in asked), "approver")
