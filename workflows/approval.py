"""A card that people decide on: approve, deny, ask again, each judged by the snapshot that was taken with the card.

Here are the state of the card, the updates with their validators, and the drawing. What a decision leads to is the
run's business (`certify`).
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.payloads import CsrReading
    from domain import roles
    from domain.errors import RefusedError
    from domain.model import Person
    from operations.certify import CertifyStart, CertifyStatus, DecisionRecord
    from operations.chat import SHOW_CARD, MessageRef, Say, ShowCard
    from operations.messages import (
        APPROVE,
        ASK_AGAIN,
        ASKED_BY,
        DENY,
        STATUS,
        AskedBy,
        CertifyState,
        Decision,
        DecisionReceipt,
    )
    from operations.queues import STATE
    from workflows import rounds
    from workflows.base import claims_of
    from workflows.painter import Painter
    from workflows.problems import refusal
    from workflows.reminders import Reminder, Reminders, Waiting
    from workflows.retries import CARD, ISSUING_SHOWN

_STATE = SearchAttributeKey.for_keyword(STATE)

CLOSED: frozenset[CertifyState] = frozenset({"issued", "denied", "failed", "gone"})


class CardWorkflow:
    """The part of `Certify` that people talk to."""

    def _begin(self, start: CertifyStart) -> None:
        info = workflow.info()
        self._start = start
        self._status = CertifyStatus(
            ref=start.ref,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            csr=start.csr,
            csr_uid=start.csr_uid,
            state="reading",
        )
        self._reading: CsrReading | None = None
        self._decisions: list[tuple[DecisionRecord, Decision]] = []
        self._asked_by: list[Person] = []
        self._behind = ("", "")
        self._ask_again = False
        self._round_begun = workflow.now()
        self._attributes: tuple[object, ...] = ()
        self._painter = self._new_painter()
        self._reminders = Reminders(self._reminder)

    def _new_painter(self) -> Painter[ShowCard]:
        return Painter(SHOW_CARD, self._card, first=CARD, edits=CARD, summary="the request's card", posted=self._shown)

    @workflow.query(name=STATUS, description="All that the card shows")
    def status(self) -> CertifyStatus:
        """Answer the card's state."""
        return self._status

    @workflow.signal(name=ASKED_BY)
    def asked_by(self, asked: AskedBy) -> None:
        """Exclude whoever started or resumed the change that needs this certificate."""
        self._behind = (asked.workflow_id, asked.run_id)
        self._exclude(asked.person)

    @workflow.update(name=APPROVE, description="Approve this request")
    async def approve(self, decision: Decision) -> DecisionReceipt:
        """Record the decision; the run does the rest."""
        record = self._record(decision)
        missing = self._status.approvals_wanted - len(self._approvals())
        if missing > 0:
            self._set(self._status.state, f"Approved by {record.person.name}; {missing} more needed.")
            return DecisionReceipt(sentence=f"Recorded; {missing} more needed.")
        self._set("decided", f"Approved by {record.person.name}, issuing…")
        return DecisionReceipt(sentence="Recorded.")

    @approve.validator
    def _may_approve(self, decision: Decision) -> None:
        self._require_open(decision)
        verdict = self._status.verdict
        if verdict is None or not verdict.is_approvable:
            failed = ", ".join(check.title for check in verdict.failed) if verdict else "it was not read yet"
            raise refusal(RefusedError("csr.not-approvable", f"Nobody can approve this request: {failed}."))
        self._require_person(decision, is_approval=True)

    @workflow.update(name=DENY, description="Deny this request")
    async def deny(self, decision: Decision) -> DecisionReceipt:
        """Record the decision; the run does the rest."""
        record = self._record(decision)
        self._set("decided", f"Denied by {record.person.name}: {record.reason}")
        return DecisionReceipt(sentence="Recorded.")

    @deny.validator
    def _may_deny(self, decision: Decision) -> None:
        self._require_open(decision)
        if len(decision.reason.strip()) < 5:
            raise refusal(
                RefusedError("certify.reason-missing", "Found no reason, expected a few words such as “wrong pod”.")
            )
        self._require_person(decision, is_approval=False)

    @workflow.update(name=ASK_AGAIN, description="Show an expired request again")
    async def ask_again(self, decision: Decision) -> DecisionReceipt:
        """Open a new round: new approval id, new snapshot, same request."""
        self._ask_again = True
        return DecisionReceipt(sentence="A new card follows.")

    @ask_again.validator
    def _may_ask_again(self, decision: Decision) -> None:
        if self._status.state != "expired":
            raise refusal(RefusedError("certify.not-expired", "This card has not expired: there is nothing to ask."))
        if claims_of(decision).approval_id != self._status.approval_id:
            raise refusal(
                RefusedError("decision.changed", "This card is old: a newer one took its place.", hint="See the newer.")
            )
        reading = self._reading
        person = claims_of(decision).person
        if (
            reading is None
            or reading.policy is None
            or not any(roles.holds(reading.policy, person, role) for role in ("operator", "approver"))
        ):
            raise refusal(RefusedError("role.missing", "Only operators and approvers may ask again."))

    def _require_open(self, decision: Decision) -> None:
        status = self._status
        if status.state in ("decided", "approved", *CLOSED):
            said = status.sentence or f"It is {status.state}."
            raise refusal(RefusedError("decision.already", f"Already decided. {said}"))
        if status.state == "expired" or (status.expires_at is not None and workflow.now() >= status.expires_at):
            raise refusal(RefusedError("decision.expired", "This card has expired.", hint="Ask again first."))
        if status.state != "pending":
            raise refusal(RefusedError("decision.not-yet", "This request is still being read."))
        rounds.require_named(decision, approval_id=status.approval_id, fingerprint=self._fingerprint())

    def _require_person(self, decision: Decision, *, is_approval: bool) -> None:
        reading = self._reading
        assert reading is not None
        assert reading.policy is not None
        rounds.require_right(
            decision,
            policy=reading.policy,
            rule=reading.rule,
            asked_by=self._asked_by,
            records=self._status.decisions,
            is_approval=is_approval,
        )

    def _record(self, decision: Decision) -> DecisionRecord:
        record = rounds.record_of(decision, at=workflow.now())
        self._decisions.append((record, decision))
        self._update(decisions=tuple(r for r, _ in self._decisions))
        return record

    def _approvals(self) -> list[tuple[DecisionRecord, Decision]]:
        return [(record, decision) for record, decision in self._decisions if record.verb == APPROVE]

    def _denial(self) -> DecisionRecord | None:
        return rounds.denial(self._status.decisions)

    def _names(self) -> str:
        return rounds.names([record for record, _ in self._approvals()])

    def _fingerprint(self) -> str:
        return self._status.verdict.fingerprint if self._status.verdict else ""

    def _drop_own_approvals(self) -> bool:
        """Take out approvals of who turned out to have asked; False when too few are left."""
        reading = self._reading
        if reading is None or not reading.rule.four_eyes:
            return True
        kept = [
            (record, decision)
            for record, decision in self._decisions
            if record.verb != APPROVE or not any(record.person.is_same_as(asker) for asker in self._asked_by)
        ]
        if len(kept) == len(self._decisions):
            return True
        self._decisions = kept
        self._update(decisions=tuple(record for record, _ in kept))
        if len(self._approvals()) >= self._status.approvals_wanted:
            return True
        self._set("pending", "An approval does not count: that person asked for what needs this certificate.")
        return False

    def _exclude(self, person: Person) -> None:
        if not any(person.is_same_as(other) for other in self._asked_by):
            self._asked_by.append(person)
            self._update(asked_by=tuple(self._asked_by))
            if self._status.state == "pending":
                self._painter.paint()

    def _update(self, **fields: object) -> None:
        self._status = self._status.model_copy(update={**fields, "sequence": self._status.sequence + 1})

    def _set(self, state: CertifyState, sentence: str) -> None:
        """Change state and sentence, record both where they can be found without a worker, redraw the card."""
        self._update(state=state, sentence=sentence)
        approvers = [record.person.id for record, _ in self._approvals()]
        attributes = (state, self._status.approval_id, self._fingerprint(), *approvers)
        if attributes != self._attributes:
            self._attributes = attributes
            asked = [(self._status.approval_id, self._fingerprint())] if self._status.approval_id else []
            workflow.upsert_search_attributes([_STATE.value_set(state), *rounds.asked_for(asked, approvers=approvers)])
        if state == "pending":
            self._reminders.go_on()
        else:
            self._reminders.pause()
        workflow.set_current_details(f"**{self._start.csr}**: {state}. {sentence}")
        if state in CLOSED or self._reading is None:
            return
        if state in ("decided", "approved"):
            self._painter.paint_within(ISSUING_SHOWN)  # the bot draws what it clicked; mostly the end comes sooner
        else:
            self._painter.paint()

    def _card(self, message: MessageRef | None) -> ShowCard:
        reading = self._reading
        return ShowCard(
            channel=reading.channel if reading else "",
            status=self._status,
            behind_workflow_id=self._behind[0],
            behind_run_id=self._behind[1],
            message=message,
        )

    def _shown(self, message: MessageRef) -> None:
        """Start the clocks: from now a person can decide."""
        assert self._reading is not None
        now, rule = workflow.now(), self._reading.rule
        expires_at = now + timedelta(minutes=rule.expires_minutes)
        self._update(shown_at=now, expires_at=expires_at)
        self._reminders.begin(rule, shown_at=now, until=expires_at)
        if self._status.state != "pending":
            self._reminders.pause()
        self._painter.paint()

    def _reminder(self, reminder: Reminder) -> Say:
        """Say that the card waits."""
        status, message, reading = self._status, self._painter.message, self._reading
        assert message is not None
        assert reading is not None
        assert status.shown_at is not None
        assert status.expires_at is not None
        approved = self._approvals()
        done = [record.person for record, _ in approved] + (self._asked_by if reading.rule.four_eyes else [])
        waiting = Waiting(
            what=f"The certificate for {status.whose}",
            cluster=status.ref.cluster,
            approval_id=status.approval_id,
            message=message,
            shown_at=status.shown_at,
            expires_at=status.expires_at,
            missing=status.approvals_wanted - len(approved),
            has_some=bool(self._decisions),
            audience=roles.audience(reading.policy, reading.rule.role, without=done) if reading.policy else (),
        )
        return waiting.say(reminder)
