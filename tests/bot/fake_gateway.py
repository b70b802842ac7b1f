"""A fake of Temporal behind the bot's port: one card or several, one change, validating like the workflows do.

It refuses impossible states, records what it was asked, and can be made slow, silent or away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from domain.errors import OpsError, RefusedError, TransientError
from domain.model import ClusterRef, Person
from gateway.client import Started
from gateway.links import run_url
from gateway.looks import LookResult
from gateway.running import ApprovalTarget, Home, Running
from operations.base import Operation, Start
from operations.certify import CertifyStatus, DecisionRecord
from operations.csr import CsrResult, CsrRow
from operations.gate import GateStatus
from operations.messages import Claims, Decision, DecisionReceipt, OperationStatus
from operations.observe import ObserveStatus
from tests.bot import given


class FakeGateway:
    def __init__(self) -> None:
        self.card: CertifyStatus = given.card()
        self.gate: GateStatus | None = None
        self.observation: ObserveStatus = given.observation()
        #: More open requests of the same cluster.
        self.others: dict[str, CertifyStatus] = {}
        self.silent: set[str] = set()
        self.change: OperationStatus | None = None
        self.started: list[tuple[str, Start, ClusterRef, Person]] = []
        self.decisions: list[tuple[str, Claims, str, str]] = []
        self.receipts: dict[str, DecisionReceipt] = {}
        self.homes: dict[str, Home] = {}
        self.delay = 0.0
        self.query_error: OpsError | None = None
        self.away: OpsError | None = None

    async def _answer(self) -> None:
        await asyncio.sleep(self.delay)
        if self.away is not None:
            raise self.away

    def url(self, workflow_id: str, *, run_id: str) -> str:
        return run_url("http://127.0.0.1:8233", namespace="crdb", workflow_id=workflow_id, run_id=run_id)

    async def is_healthy(self) -> bool:
        return self.away is None

    async def start(
        self, operation: Operation, start: Start, *, ref: ClusterRef, requester: Person, summary: str
    ) -> Started:
        await self._answer()
        for _, earlier, _, _ in self.started:
            if earlier.request_id == start.request_id:
                return Started(given.CHANGE_ID, given.RUN_ID, is_repeat=True)
        running = await self.running(ref)
        if running is not None:
            raise running.error()
        self.started.append((operation.name, start, ref, requester))
        self.change = given.operation(requester=requester)
        return Started(given.CHANGE_ID, given.RUN_ID)

    async def running(self, ref: ClusterRef) -> Running | None:
        await self._answer()
        change = self.change
        if change is None or change.ref != ref or change.state not in ("running", "person"):
            return None
        return Running(
            workflow_id=change.workflow_id,
            run_id=change.run_id,
            is_open=True,
            operation=change.operation,
            requester=change.requester,
            since=change.started_at,
            url=self.url(change.workflow_id, run_id=change.run_id),
        )

    async def home(self, workflow_id: str, *, run_id: str = "") -> Home:
        return self.homes.get(workflow_id, Home())

    async def target(self, workflow_id: str, *, run_id: str = "", approval_id: str = "") -> ApprovalTarget:
        await self._answer()
        if workflow_id == self.observation.workflow_id:
            return given.target(workflow_id=workflow_id, approval_id="", is_open=not self.observation.is_over)
        gate = self.gate
        if gate is not None and (workflow_id, run_id) == (gate.workflow_id, gate.run_id):
            return self._gate_target(gate)
        return self._target_of(self._card(workflow_id, run_id))

    def _card(self, workflow_id: str, run_id: str) -> CertifyStatus:
        for card in (self.card, *self.others.values()):
            if (workflow_id, run_id) == (card.workflow_id, card.run_id):
                return card
        raise RefusedError("decision.closed", "This request is closed already.")

    def _target_of(self, card: CertifyStatus) -> ApprovalTarget:
        return ApprovalTarget(
            workflow_id=card.workflow_id,
            run_id=card.run_id,
            approval_id=card.approval_id,
            fingerprint=card.verdict.fingerprint if card.verdict else "",
            state=card.state,
            cluster=str(card.ref),
            approved_by=tuple(d.person.id for d in card.decisions if d.verb == "approve"),
            is_open=card.state not in ("issued", "denied", "failed", "gone"),
            since=given.AT,
        )

    def _gate_target(self, gate: GateStatus) -> ApprovalTarget:
        is_asked = gate.state == "pending"
        return ApprovalTarget(
            workflow_id=gate.workflow_id,
            run_id=gate.run_id,
            approval_id=gate.approval_id if is_asked else "",
            fingerprint=gate.fingerprint if is_asked else "",
            question=gate.question.headline if is_asked else "",
            state="pending" if is_asked else "running",
            cluster=gate.ref.cluster,
            since=given.AT,
        )

    async def find_approval(self, approval_id: str) -> ApprovalTarget:
        await self._answer()
        if self.gate is not None and approval_id == self.gate.approval_id:
            return self._gate_target(self.gate)
        if approval_id != self.card.approval_id:
            raise RefusedError("approval.unknown", f"Found no open request with approval id {approval_id}.")
        return await self.target(self.card.workflow_id, run_id=self.card.run_id)

    async def pending(self, *, limit: int = 20) -> tuple[ApprovalTarget, ...]:
        await self._answer()
        card = await self.target(self.card.workflow_id, run_id=self.card.run_id)
        gate = [self._gate_target(self.gate)] if self.gate is not None else []
        return (card, *gate)[:limit]

    async def open_approvals(self, *, limit: int = 50) -> tuple[ApprovalTarget, ...]:
        return await self.pending(limit=limit)

    async def requests_of(self, ref: ClusterRef, *, limit: int = 50) -> tuple[ApprovalTarget, ...]:
        await self._answer()
        found = [self._target_of(card) for card in (self.card, *self.others.values()) if card.ref == ref]
        return tuple(target for target in found if target.is_open and target.approval_id)[:limit]

    async def runs(self, run_ids: Iterable[str]) -> tuple[ApprovalTarget, ...]:
        await self._answer()
        wanted = set(run_ids)
        return tuple(self._target_of(card) for card in (self.card, *self.others.values()) if card.run_id in wanted)

    async def decide(
        self, update: str, *, workflow_id: str, run_id: str, decision: Decision, update_id: str
    ) -> DecisionReceipt:
        await self._answer()
        if update_id in self.receipts:
            return self.receipts[update_id]
        claims = Claims.model_validate_json(decision.token.claims)
        assert (claims.verb, claims.workflow_id, claims.run_id) == (update, workflow_id, run_id)
        if self.gate is not None and claims.approval_id == self.gate.approval_id:
            self._answer_gate(self.gate, claims, decision.reason)
        else:
            self._validate(update, claims)
        self.decisions.append((update, claims, decision.reason, update_id))
        if self.gate is None or claims.approval_id != self.gate.approval_id:
            self._apply(update, claims, decision.reason)
        receipt = DecisionReceipt(sentence="Recorded.")
        self.receipts[update_id] = receipt
        return receipt

    def _answer_gate(self, gate: GateStatus, claims: Claims, reason: str) -> None:
        if gate.state != "pending":
            raise RefusedError("decision.already", f"Already decided. {gate.sentence}")
        record = DecisionRecord(
            verb=claims.verb,
            person=claims.person,
            at=datetime.now(UTC),
            approval_id=claims.approval_id or "",
            fingerprint=claims.fingerprint or "",
            reason=reason,
        )
        records = (*gate.decisions, record)
        is_enough = claims.verb == "deny" or len(records) >= gate.question.rule.approvals
        state = {"approve": "approved", "deny": "denied"}[claims.verb] if is_enough else "pending"
        said = f"Denied by {claims.person.name}: {reason}" if claims.verb == "deny" else f"Approved by {len(records)}."
        changed = {"state": state, "sentence": said, "sequence": gate.sequence + 1, "decisions": records}
        self.gate = gate.model_copy(update=changed)

    def _validate(self, update: str, claims: Claims) -> None:
        if claims.approval_id is None and (self.change is None or self.change.state not in ("running", "person")):
            raise RefusedError("decision.closed", "This operation is not running any more.")
        if update not in ("approve", "deny"):
            return
        card = self._card(claims.workflow_id, claims.run_id or "")
        if card.run_id in self.silent:
            raise TransientError("decision.not-recorded", "Your click was not recorded. Nothing was decided.")
        if card.state != "pending":
            raise RefusedError("decision.already", f"Already decided. {card.sentence}")
        if update == "approve" and card.verdict is not None and not card.verdict.is_approvable:
            failed = ", ".join(check.title for check in card.verdict.failed)
            raise RefusedError("csr.not-approvable", f"Nobody can approve this request: {failed}.")
        if update == "approve" and any(claims.person.is_same_as(p) for p in card.asked_by):
            raise RefusedError("approval.four-eyes", "Refused: that person asked.")

    def _put(self, card: CertifyStatus) -> None:
        if card.run_id == self.card.run_id:
            self.card = card
        else:
            self.others[card.run_id] = card

    def _apply(self, update: str, claims: Claims, reason: str) -> None:
        if update == "cancel" and self.change is not None:
            changed_change = {"state": "cancelled", "sequence": self.change.sequence + 1}
            self.change = self.change.model_copy(update=changed_change)
        if claims.approval_id is None:
            return
        card = self._card(claims.workflow_id, claims.run_id or "")
        sequence = card.sequence + 1
        if update in ("approve", "deny"):
            record = DecisionRecord(
                verb=update,
                person=claims.person,
                at=datetime.now(UTC),
                approval_id=claims.approval_id or "",
                fingerprint=claims.fingerprint or "",
                reason=reason,
            )
            said = f"Approved by {claims.person.name}, issuing…" if update == "approve" else f"Denied: {reason}"
            changed = {"state": "decided", "sentence": said, "sequence": sequence, "decisions": (record,)}
            self._put(card.model_copy(update=changed))
        if update == "ask_again":
            again = {"state": "pending", "approval_id": "new00001", "sequence": sequence}
            self._put(card.model_copy(update=again))

    async def certify_status(self, workflow_id: str, *, run_id: str) -> CertifyStatus:
        await self._answer()
        if self.query_error is not None:
            raise self.query_error
        return self._card(workflow_id, run_id) if self.others else self.card

    async def gate_status(self, workflow_id: str, *, run_id: str, approval_id: str) -> GateStatus:
        await self._answer()
        if self.query_error is not None:
            raise self.query_error
        if self.gate is None or self.gate.approval_id != approval_id:
            raise RefusedError("approval.unknown", "This operation asks nothing under that approval id.")
        return self.gate

    async def observe_status(self, workflow_id: str, *, run_id: str) -> ObserveStatus:
        await self._answer()
        if self.query_error is not None:
            raise self.query_error
        assert (workflow_id, run_id) == (self.observation.workflow_id, self.observation.run_id)
        return self.observation

    async def operation_status(self, workflow_id: str, *, run_id: str) -> OperationStatus:
        await self._answer()
        if self.query_error is not None:
            raise self.query_error
        if self.change is None:
            raise TransientError("workflow.silent", "No worker answers for this run.")
        return self.change

    async def look(
        self, operation: Operation, ref: ClusterRef, *, request_id: str, timeout: timedelta = timedelta(seconds=8)
    ) -> LookResult:
        await self._answer()
        if operation.name == "csr":
            row = CsrRow(
                name="crdb.node.cockroachdb-1",
                uid="6f1f",
                pod="cockroachdb-1",
                state="pending",
                summary="17 of 17 checks pass",
                created_at=given.AT,
            )
            return CsrResult(ref=ref, taken_at=given.AT, rows=(row,))
        return given.status(ref=ref)

    async def last_seen(self, site: str) -> datetime | None:
        return None
