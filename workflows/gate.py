"""A running change asks people a yes/no question with evidence, and waits: a gate.

Here are the questions of a run, the updates by which people answer with their validators, and the clocks. What a yes or
no leads to is the story's; rules that certificates share are `rounds`; the question itself is `operations.gate`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from datetime import datetime, timedelta

    from domain import roles
    from domain.errors import RefusedError
    from domain.model import ClusterRef, Person
    from domain.roles import PolicySnapshot
    from operations.certify import DecisionRecord
    from operations.chat import SHOW_GATE, MessageRef, Say, ShowGate
    from operations.gate import ASKED, GATES, Decided, Gates, GateState, GateStatus, Question
    from operations.messages import APPROVE, DENY, Decision, DecisionReceipt
    from operations.queues import STATE
    from workflows import rounds
    from workflows.base import OperationWorkflow, claims_of
    from workflows.painter import Painter
    from workflows.problems import refusal
    from workflows.reminders import Reminder, Reminders, Waiting
    from workflows.retries import CARD, NEVER_SHOWN

_STATE = SearchAttributeKey.for_keyword(STATE)
#: What a no has to say at least, where it has to say something; as for certificates.
_SHORTEST_REASON = 5

Done = TypeVar("Done")


class _Gate:
    """One question with its card."""

    def __init__(self, status: GateStatus, *, step: str, channel: str, policy: PolicySnapshot) -> None:
        self.status = status
        self.step = step
        self.reminders = Reminders(self._reminder)
        self._channel, self._policy = channel, policy
        self.thread_ts = ""
        self.painter: Painter[ShowGate] = Painter(
            SHOW_GATE,
            self.card,
            first=CARD,
            edits=CARD,
            summary=f"the card of {status.approval_id}, {status.question.kind}",
            posted=self._shown,
        )

    @property
    def is_pending(self) -> bool:
        """Whether it waits for people."""
        return self.status.state == "pending"

    @property
    def ends_at(self) -> datetime:
        """When it expires; a card that nobody can see is given up after a day."""
        return self.status.expires_at or self.status.asked_at + NEVER_SHOWN

    def card(self, message: MessageRef | None) -> ShowGate:
        """Return what the card shows now."""
        return ShowGate(channel=self._channel, status=self.status, thread_ts=self.thread_ts, message=message)

    def edit(self, **fields: object) -> None:
        """Change how it stands, which is a newer state of the card."""
        self.status = self.status.model_copy(update={**fields, "sequence": self.status.sequence + 1})

    def _shown(self, message: MessageRef) -> None:
        """Start the clock: from now a person can decide."""
        if self.is_pending:
            now, rule = workflow.now(), self.status.question.rule
            expires_at = now + timedelta(minutes=rule.expires_minutes)
            self.edit(shown_at=now, expires_at=expires_at)
            self.reminders.begin(rule, shown_at=now, until=expires_at)
            self.painter.paint()

    def _reminder(self, reminder: Reminder) -> Say:
        """Say that the question waits."""
        status, message = self.status, self.painter.message
        assert message is not None
        assert status.shown_at is not None
        assert status.expires_at is not None
        rule, approved = status.question.rule, rounds.approvals(status.decisions)
        done = [record.person for record in approved] + ([*status.asked_by] if rule.four_eyes else [])
        waiting = Waiting(
            what=f"“{status.question.headline}”",
            cluster=status.ref.cluster,
            approval_id=status.approval_id,
            message=message,
            shown_at=status.shown_at,
            expires_at=status.expires_at,
            missing=rule.approvals - len(approved),
            has_some=bool(approved),
            audience=roles.audience(self._policy, rule.role, without=done),
        )
        return waiting.say(reminder)


class GatedWorkflow(OperationWorkflow[Done]):
    """A change that asks people. Stands first among the bases: `class X(GatedWorkflow[R], CertifiedWorkflow[R])`."""

    def _begin(self, ref: ClusterRef, headline: str) -> None:
        super()._begin(ref, headline)
        self._gates: dict[str, _Gate] = {}
        self._published: tuple[str, ...] = ()

    # --- what a person may ask and answer ---

    @workflow.query(name=GATES, description="All that the cards of this change's questions show")
    def gates(self) -> Gates:
        """Answer how every question stands."""
        return Gates(gates=tuple(gate.status for gate in self._gates.values()))

    @workflow.update(name=APPROVE, description="Say yes to a question of this change")
    async def approve(self, decision: Decision) -> DecisionReceipt:
        """Record the decision; the story does the rest."""
        gate = self._record(decision)
        yes = rounds.approvals(gate.status.decisions)
        missing, said = gate.status.question.rule.approvals - len(yes), gate.status.question.said_yes
        if missing > 0:
            self._set(gate, "pending", f"{said} by {rounds.names(yes)}; {missing} more needed.")
            return DecisionReceipt(sentence=f"Recorded; {missing} more needed.")
        self._set(gate, "approved", f"{said} by {rounds.names(yes)}.")
        return DecisionReceipt(sentence="Recorded.")

    @approve.validator
    def _may_approve(self, decision: Decision) -> None:
        self._require_may(decision, is_approval=True)

    @workflow.update(name=DENY, description="Say no to a question of this change")
    async def deny(self, decision: Decision) -> DecisionReceipt:
        """Record the decision; the story does the rest."""
        gate = self._record(decision)
        record = gate.status.decisions[-1]
        why = f": {record.reason}" if record.reason else "."
        self._set(gate, "denied", f"{gate.status.question.said_no} by {rounds.names([record])}{why}")
        return DecisionReceipt(sentence="Recorded.")

    @deny.validator
    def _may_deny(self, decision: Decision) -> None:
        question = self._require_may(decision, is_approval=False).question
        if question.is_reason_required and len(decision.reason.strip()) < _SHORTEST_REASON:
            raise refusal(
                RefusedError("decision.reason-missing", "Found no reason, expected a few words such as “still needed”.")
            )

    def _require_may(self, decision: Decision, *, is_approval: bool) -> GateStatus:
        """Refuse a decision on nothing that is open, on something else than was shown, or by whom it is not for."""
        self.require_running()
        assert self._authorization is not None
        gate = self._gates.get(claims_of(decision).approval_id or "")
        if gate is None:
            raise refusal(RefusedError("approval.unknown", "This operation asks nothing under that approval id."))
        status = gate.status
        if status.state in ("approved", "denied"):
            raise refusal(RefusedError("decision.already", f"Already decided. {status.sentence}"))
        if status.state == "withdrawn":
            raise refusal(RefusedError("decision.closed", f"This is not asked any more. {status.sentence}"))
        if status.state == "expired" or workflow.now() >= gate.ends_at:
            raise refusal(RefusedError("decision.expired", "This card has expired.", hint="Its thread says what now."))
        rounds.require_named(decision, approval_id=status.approval_id, fingerprint=status.fingerprint)
        rounds.require_right(
            decision,
            policy=self._authorization.policy,
            rule=status.question.rule,
            asked_by=status.asked_by,
            records=status.decisions,
            is_approval=is_approval,
        )
        return status

    def _record(self, decision: Decision) -> _Gate:
        record: DecisionRecord = rounds.record_of(decision, at=workflow.now())
        gate = self._gates[record.approval_id]
        gate.edit(decisions=(*gate.status.decisions, record))
        return gate

    # --- what a story uses ---

    async def _decide(self, question: Question, *, step: str = "", asked_by: Sequence[Person] = ()) -> Decided:
        """Ask people, and wait until enough of them have answered; several questions may be open at once.

        A cancel of the change withdraws the question and stops the story, whatever was answered by then.

        Args:
            question: What is asked.
            step: The step that waits meanwhile, so that the operation's message says so.
            asked_by: Who may not approve alone, beside the requester of this change.

        Raises:
            StoppedByPersonError: Somebody cancelled the change.
        """
        self._check_cancelled()
        gate = self._ask(question, step=step, asked_by=asked_by)
        try:
            await self._until_closed(gate)
            self._check_cancelled()
        except (Exception, asyncio.CancelledError):  # not GeneratorExit, which comes outside the workflow's loop
            if self._cancelled_by is not None or workflow.cancellation_reason() is not None:
                self._drop(gate)  # else the worker lets go of the run, which goes on elsewhere
            raise
        status = gate.status
        assert status.state != "pending"
        return Decided(
            outcome=status.state,
            approval_id=status.approval_id,
            fingerprint=status.fingerprint,
            records=status.decisions,
            sentence=status.sentence,
        )

    def _withdraw(self, question: Question, *, why: str) -> None:
        """Ask no more: whoever waits for the answer gets `withdrawn`. `why` is a whole sentence."""
        for gate in self._gates.values():
            if gate.is_pending and gate.status.question == question:
                self._set(gate, "withdrawn", f"Withdrawn. {why}")

    def _ask(self, question: Question, *, step: str, asked_by: Sequence[Person]) -> _Gate:
        askers = [self._status.requester]
        askers += [person for person in asked_by if not any(person.is_same_as(other) for other in askers)]
        status = GateStatus(
            ref=self._status.ref,
            workflow_id=self._status.workflow_id,
            run_id=self._status.run_id,
            question=question,
            approval_id=workflow.uuid4().hex[:8],
            fingerprint=question.fingerprint,
            asked_by=tuple(askers),
            asked_at=workflow.now(),
        )
        assert self._authorization is not None
        policy = self._authorization.policy
        gate = self._gates[status.approval_id] = _Gate(status, step=step, channel=self._channel, policy=policy)
        self._set(gate, "pending", "")
        return gate

    async def _until_closed(self, gate: _Gate) -> None:
        """Wait for enough decisions, the card's first showing (which starts its clock), a cancel, or its time."""
        while gate.is_pending and self._cancelled_by is None:
            try:
                await workflow.wait_condition(
                    partial(self._is_news, gate, gate.status.shown_at),
                    timeout=max(gate.ends_at - workflow.now(), timedelta(seconds=1)),
                    timeout_summary=f"people decide on {gate.status.approval_id}, {gate.status.question.kind}",
                )
            except TimeoutError:
                if gate.is_pending and workflow.now() >= gate.ends_at:
                    self._set(gate, "expired", "Expired: nobody decided in time. Nothing was done.")

    def _is_news(self, gate: _Gate, shown_at: datetime | None) -> bool:
        return not gate.is_pending or gate.status.shown_at != shown_at or self._cancelled_by is not None

    def _drop(self, gate: _Gate) -> None:
        """Say on the card that the change was stopped before the answer led to anything."""
        who = _name_of(self._cancelled_by)
        if gate.is_pending:
            self._set(gate, "withdrawn", f"Withdrawn: the operation was cancelled by {who}. Nothing was done.")
        elif gate.status.state == "approved":
            said = f"{gate.status.sentence} Nothing was done: the operation was cancelled by {who}."
            self._set(gate, "withdrawn", said)

    async def _last_gates(self) -> tuple[ShowGate, ...]:
        last: list[ShowGate] = []
        for gate in self._gates.values():
            if gate.is_pending:
                self._set(gate, "withdrawn", "Withdrawn: the operation ended. Nothing was done.")
            if gate.painter.is_busy or gate.painter.message is None:
                await gate.painter.stop()
                last.append(gate.card(gate.painter.message))
        return tuple(last)

    def _set(self, gate: _Gate, state: GateState, sentence: str) -> None:
        """Change state and sentence, make it findable without a worker, redraw card and message."""
        gate.edit(state=state, sentence=sentence)
        if state != "pending":
            gate.reminders.end()
        if self._painter.message is not None:
            gate.thread_ts = self._painter.message.ts
        gate.painter.paint()
        self._publish()
        if gate.step and not self._is_over:
            self._say_waiting(gate)
        workflow.set_current_details(self._as_log())

    def _publish(self) -> None:
        pending = [gate.status for gate in self._gates.values() if gate.is_pending]
        asked = [(status.approval_id, status.fingerprint) for status in pending]
        said = [record for gate in self._gates.values() for record in rounds.approvals(gate.status.decisions)]
        approvers = list(dict.fromkeys(record.person.id for record in said))
        state = "pending" if asked else "running"
        published = (state, *(approval_id for approval_id, _ in asked), "", *approvers)
        if published == self._published:
            return
        self._published = published
        updates = rounds.asked_for(asked, approvers=approvers)
        workflow.upsert_search_attributes(updates if self._is_over else [_STATE.value_set(state), *updates])
        workflow.upsert_memo({ASKED: {status.approval_id: status.question.headline for status in pending}})

    def _say_waiting(self, gate: _Gate) -> None:
        waiting = [other for other in self._gates.values() if other.step == gate.step and other.is_pending]
        if len(waiting) > 1:
            self._detail(gate.step, f"{len(waiting)} questions wait for people", "person")
        elif waiting:
            self._detail(gate.step, f"waits for people: {waiting[0].status.question.headline}", "person")
        else:
            self._detail(gate.step, f"{gate.status.question.headline} {gate.status.sentence}")

    def _as_log(self) -> str:
        lines = [super()._as_log()]
        for gate in self._gates.values():
            status = gate.status
            said = f"- {status.approval_id} {status.question.headline} {status.state} {status.sentence}"
            lines.append(said.rstrip())
        return "\n".join(lines)


def _name_of(person: Person | None) -> str:
    """Name who stopped a change."""
    return "somebody outside, person unknown" if person is None else person.name or person.id
