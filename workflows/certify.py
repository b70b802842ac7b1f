"""`Certify`: the life of one certificate signing request, from its card to its certificate or its end.

The card and what people may do with it are `approval`, reminding them is `reminders`, waiting for the signer `signer`.
What is written into Kubernetes is `activities.certificates` and `activities.signing`, each under its own identity.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.certificates import CertificateActivities
    from activities.payloads import (
        BehindRequest,
        CsrReading,
        CsrRequest,
        IssuedCertificate,
        Judgement,
        RunningChange,
        VerifyRequest,
        WriteDecisionRequest,
        WriteOutcome,
    )
    from activities.running import RunningActivities
    from operations.certify import CertifyResult, CertifyStart
    from operations.messages import (
        CERTIFICATE_CHANGED,
        OUTSIDE,
        CertificateChanged,
        CertifyState,
        OutsideChange,
    )
    from operations.queues import change_id
    from workflows.announce import AnnounceRequest, announce
    from workflows.approval import CLOSED
    from workflows.problems import problem_of
    from workflows.retries import DECIDE, IN_TURN, NEVER_SHOWN, ONCE, READ, REREAD
    from workflows.signer import SignedWorkflow, ending_problem, is_refusal

#: Runs that began before Approved was written within the turn write it as they did.
_IN_TURN = "certify-approves-in-turn"
_CHANGED = "The request changed. Nothing was written."


@workflow.defn(name="Certify")
class CertifyWorkflow(SignedWorkflow):
    """Certify one request.

    1. Read the CSR and its pod, judge them, take the policy snapshot, find out who is behind it.
    2. Show the card and wait for a person: approve, deny, or nobody until it expires.
    3. Approved: the signer judges, ops writes Approved, the signer signs, ops verifies: issued.
    4. Denied: ops writes Denied with the reason.
    5. Tell the running change, and hand over the card's last state.

    A certificate that was issued is not taken back; a request that changed under the card gets a new card.
    """

    @workflow.init
    def __init__(self, start: CertifyStart) -> None:
        """Make all state that handlers touch."""
        self._is_outside = False
        self._begin(start)

    @workflow.signal(name=OUTSIDE)
    def outside_change(self, change: OutsideChange) -> None:
        """Hear from the watch that the object changed or is missing; it is read again."""
        self._is_outside = True

    @workflow.run
    async def run(self, start: CertifyStart) -> CertifyResult:
        """Live until the request is issued, denied, failed or gone."""
        try:
            reading = await self._read()
            await self._find_who_is_behind()
            await self._open_round(reading)
            while self._status.state not in CLOSED:
                await self._wait_for_something()
                await self._react()
        except BaseException as error:
            # Without a reason the worker only lets go of the run, which goes on elsewhere.
            if not is_cancelled_exception(error) or workflow.cancellation_reason() is None:
                raise
            # From Temporal's UI: where nobody had decided yet, the next listing of the request opens a new card.
            self._set("gone", "This card was closed outside Slack, person unknown.")
            await self._close()
            raise
        return await self._close()

    async def _react(self) -> None:
        """Do what is due; what cannot be done in a day, or is refused for good, ends the request as failed."""
        try:
            await self._act()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            problem = ending_problem(error, site=self._start.ref.site)
            self._set("failed", f"{problem.message} {problem.hint} [{problem.code}]".replace("  ", " "))

    async def _act(self) -> None:
        if self._denial() is not None:
            await self._write_denial()
        elif self._decisions and len(self._approvals()) >= self._status.approvals_wanted:
            await self._write_approval()
        elif self._ask_again:
            reading = await self._read()
            self._ask_again = False  # also what others asked meanwhile: one new card is enough
            await self._open_round(reading)
        elif self._is_outside:
            self._is_outside = False
            await self._look_again()

    def _is_time(self) -> bool:
        return self._is_outside or self._ask_again or self._status.state == "decided"

    def _is_time_or_shown(self, before: datetime | None) -> bool:
        return self._is_time() or self._status.shown_at != before

    async def _wait_for_something(self) -> None:
        """Wait for a decision, an outside change, a question, or the time to expire or to read again."""
        while not self._is_time():
            status, now = self._status, workflow.now()
            end = status.expires_at or self._round_begun + NEVER_SHOWN
            due = min(now + REREAD, end) if status.state == "pending" else now + REREAD
            try:
                await workflow.wait_condition(
                    partial(self._is_time_or_shown, status.shown_at),
                    timeout=max(due - now, timedelta(seconds=1)),
                    timeout_summary="a person decides, or the card expires",
                )
            except TimeoutError:
                if self._status.state == "pending" and workflow.now() >= end:
                    why = "nobody decided in time" if self._status.shown_at else "it could not be shown for 24 hours"
                    self._set("expired", f"Expired: {why}. Nothing was changed in Kubernetes.")
                    await self._tell_change()
                else:
                    self._is_outside = True

    async def _look_again(self) -> None:
        """Read the CSR again and notice what others did to it."""
        reading = await self._read()
        if not reading.is_there:
            self._set("gone", f"Gone: {reading.gone_because or 'the request is not there any more'}.")
        elif reading.state in ("denied", "failed", "issued"):
            self._set(reading.state, f"Decided outside Slack: {reading.condition or reading.state}")
        elif reading.verdict is not None and reading.verdict.fingerprint != self._fingerprint():
            await self._open_round(reading, sentence="The request changed since the earlier card.")
        elif reading.state == "approved" and not reading.is_approved_by_us:
            said = "Approved outside Slack, which names nobody; a person's decision is still needed to sign."
            if said != self._status.sentence:
                self._set(self._status.state, said)

    async def _read(self) -> CsrReading:
        return await workflow.execute_activity_method(
            CertificateActivities.read,
            CsrRequest(ref=self._start.ref, csr=self._start.csr, csr_uid=self._start.csr_uid),
            summary=f"read {self._start.csr}",
            **READ,
        )

    async def _find_who_is_behind(self) -> None:
        self._take_behind(
            await workflow.execute_activity_method(
                RunningActivities.behind,
                BehindRequest(ref=self._start.ref),
                summary="which change needs this certificate",
                **READ,
            )
        )

    def _take_behind(self, change: RunningChange) -> None:
        if change.requester is not None:
            self._behind = (change.workflow_id, change.run_id)
            for person in change.askers:
                self._exclude(person)

    async def _open_round(self, reading: CsrReading, *, sentence: str = "") -> None:
        """Begin to ask: a new approval id that names this fingerprint and no other, and a card of its own."""
        if not reading.is_there or reading.verdict is None:
            self._set("gone", f"Gone: {reading.gone_because or 'the request is not there any more'}.")
            return
        if reading.state in ("denied", "failed", "issued"):
            self._set(reading.state, reading.condition or f"It was {reading.state} already.")
            return
        is_first = not self._status.approval_id
        if self._painter.message is not None:
            await self._painter.stop()
            self._painter = self._new_painter()
        self._reminders.end()
        self._reading, self._decisions = reading, []  # the card's rules are those of this moment until it ends
        self._round_begun = workflow.now()
        self._update(
            approval_id=workflow.uuid4().hex[:8],
            evidence=reading.evidence,
            verdict=reading.verdict,
            approvals_wanted=reading.rule.approvals,
            role=reading.rule.role,
            decisions=(),
            expires_at=None,
            shown_at=None,
        )
        self._set("pending", sentence)
        if not is_first:  # that a pod's first request waits, the change takes for granted
            await self._tell_change()

    # --- effects of a decision ---

    async def _write_denial(self) -> None:
        record = self._denial()
        assert record is not None
        outcome = await workflow.execute_activity_method(
            CertificateActivities.deny,
            self._write_request(reason=record.reason),
            summary=f"write Denied: {record.reason}",
            **DECIDE,
        )
        if outcome.outcome == "gone":
            self._set("gone", "Gone: the request is not there any more.")
        elif outcome.outcome == "changed":
            await self._open_round(await self._read(), sentence=_CHANGED)
        else:
            if outcome.outcome == "opposite":
                await self._fail("CrdbopsDenied", f"approved outside, then denied: {record.reason}")
            self._set("denied", f"Denied by {record.person.name}: {record.reason}")

    async def _write_approval(self) -> None:
        """Judge, write Approved, sign, verify; each under the identity that may."""
        if not self._drop_own_approvals():
            return
        known = len(self._asked_by)
        judged = await self._judge()
        if len(self._asked_by) != known:
            return  # still decided: from the beginning, with who asked meanwhile
        if judged.outcome in ("changed", "no"):
            said = f"The signer refuses: {judged.sentence.removeprefix('The signer refuses: ')} Nothing was written."
            await self._open_round(await self._read(), sentence=_CHANGED if judged.outcome == "changed" else said)
            return
        if judged.outcome == "gone":
            self._set("gone", judged.sentence or "Gone: the request is not there any more.")
            return
        written = await self._written()
        if written.outcome == "changed":
            await self._open_round(await self._read(), sentence=_CHANGED)
        elif written.outcome == "asked":
            self._take_behind(written.behind)  # still decided: the signer judges anew, if enough approvals are left
        elif written.outcome in ("gone", "opposite"):
            state: CertifyState = "gone" if written.outcome == "gone" else "denied"
            self._set(state, written.sentence or "Decided outside meanwhile.")
        else:
            await self._sign()

    async def _written(self) -> WriteOutcome:
        """Let ops write Approved, once within the turn that hears the signer's yes: an activity costs another turn.

        What does not succeed so is done, or refused for good, by that activity. Each finds what the other has written.
        """
        request = self._write_request()
        if workflow.patched(_IN_TURN):
            try:
                return await workflow.execute_local_activity_method(
                    CertificateActivities.approve,
                    request,
                    summary="write Approved",
                    start_to_close_timeout=IN_TURN,
                    retry_policy=ONCE,
                )
            except FailureError as error:  # the SDK raises what a local activity met as it is
                if is_cancelled_exception(error):
                    raise
        return await workflow.execute_activity_method(
            CertificateActivities.approve, request, summary="write Approved", **DECIDE
        )

    async def _judge(self) -> Judgement:
        """Let the signer judge; where it has nothing to sign with, that is a no as well."""
        try:
            return await self._judged()
        except ActivityError as error:
            if not is_refusal(error):
                raise
            return Judgement(outcome="no", sentence=problem_of(error).message)

    async def _sign(self) -> None:
        self._set("approved", f"Approved by {self._names()}, issuing…")
        try:
            await self._signed()
        except ActivityError as error:
            if not is_refusal(error):
                raise
            problem = problem_of(error)
            if problem.code == "certify.gone":
                self._set("gone", f"Gone: {problem.message}")
                return
            await self._fail("CrdbopsRefused", problem.message)
            self._set("failed", f"The signer refused: {problem.message}")
            return
        try:
            verified: IssuedCertificate = await workflow.execute_activity_method(
                CertificateActivities.verify,
                VerifyRequest(ref=self._start.ref, csr=self._start.csr, csr_uid=self._start.csr_uid),
                summary="verify the issued certificate",
                **DECIDE,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self._set("failed", f"Issued, but it does not verify: {problem_of(error).message}")
            return
        self._update(serial=verified.serial, not_after=verified.not_after)
        self._set("issued", f"Issued to {self._start.csr}, approved by {self._names()}.")

    def _write_request(self, *, reason: str = "") -> WriteDecisionRequest:
        return WriteDecisionRequest(
            ref=self._start.ref,
            csr=self._start.csr,
            csr_uid=self._start.csr_uid,
            fingerprint=self._fingerprint(),
            approval_id=self._status.approval_id,
            people=tuple(record.person for record, _ in self._decisions),
            reason=reason,
            asked_by=tuple(self._asked_by),
        )

    async def _tell_change(self) -> None:
        evidence = self._status.evidence
        change = CertificateChanged(
            csr=self._start.csr,
            csr_uid=self._start.csr_uid,
            pod=evidence.stamped_pod if evidence else "",
            state=self._status.state,
            reason=self._status.sentence,
            by=tuple(record.person.name or record.person.id for record, _ in self._decisions),
        )
        try:
            await workflow.get_external_workflow_handle(change_id(self._start.ref)).signal(CERTIFICATE_CHANGED, change)
        except FailureError:
            workflow.logger.debug("no change waits for this certificate")

    async def _close(self) -> CertifyResult:
        await self._tell_change()
        self._reminders.end()
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._painter.stop()
        if self._painter.message is not None or self._status.approval_id:
            await announce(AnnounceRequest(card=self._card(self._painter.message)))
        return CertifyResult(
            state=self._status.state,
            csr=self._start.csr,
            csr_uid=self._start.csr_uid,
            fingerprint=self._fingerprint(),
            decisions=tuple(record for record, _ in self._decisions),
            asked_by=tuple(self._asked_by),
            serial=self._status.serial,
            not_after=self._status.not_after,
            sentence=self._status.sentence,
        )
