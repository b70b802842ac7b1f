"""`Certify`: the life of one certificate signing request, from its card to its certificate or its end.

The card and what people may do with it are `approval`; what is written into Kubernetes is `activities.certificates`
and `activities.signing`, each under its own identity.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.certificates import CertificateActivities
    from activities.payloads import (
        BehindRequest,
        CsrReading,
        CsrRequest,
        FailRequest,
        IssuedCertificate,
        Judgement,
        SignRequest,
        VerifyRequest,
        WriteDecisionRequest,
    )
    from activities.running import RunningActivities
    from activities.signing import SigningActivities
    from operations.certify import CertifyResult, CertifyStart
    from operations.messages import CERTIFICATE_CHANGED, OUTSIDE, CertificateChanged, CertifyState, OutsideChange
    from operations.queues import change_id, signer_queue
    from workflows.announce import AnnounceRequest, announce
    from workflows.approval import CLOSED, CardWorkflow
    from workflows.problems import problem_of
    from workflows.retries import DECIDE, NEVER_SHOWN, READ, REREAD, SIGN, SIGNER_SILENT

Answer = TypeVar("Answer")


@workflow.defn(name="Certify")
class CertifyWorkflow(CardWorkflow):
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
            problem = problem_of(error, site=self._start.ref.site)
            self._set("failed", f"{problem.message} [{problem.code}]")

    async def _act(self) -> None:
        if self._denial() is not None:
            await self._write_denial()
        elif self._decisions and len(self._approvals()) >= self._status.approvals_wanted:
            await self._write_approval()
        elif self._ask_again:
            self._ask_again = False
            await self._open_round(await self._read())
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
                if status.state == "pending" and workflow.now() >= end:
                    self._set("expired", "Expired: nobody decided in time. Nothing was changed in Kubernetes.")
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
        reading = await workflow.execute_activity_method(
            CertificateActivities.read,
            CsrRequest(ref=self._start.ref, csr=self._start.csr, csr_uid=self._start.csr_uid),
            summary=f"read {self._start.csr}",
            **READ,
        )
        if reading.policy is not None:
            self._reading = reading
        return reading

    async def _find_who_is_behind(self) -> None:
        change = await workflow.execute_activity_method(
            RunningActivities.behind,
            BehindRequest(ref=self._start.ref),
            summary="which change needs this certificate",
            **READ,
        )
        if change.requester is not None:
            self._behind = (change.workflow_id, change.run_id)
            self._exclude(change.requester)

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
        self._decisions = []
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
            await self._open_round(await self._read())
        else:
            if outcome.outcome == "opposite":
                await self._fail("CrdbopsDenied", f"approved outside, then denied: {record.reason}")
            self._set("denied", f"Denied by {record.person.name}: {record.reason}")

    async def _write_approval(self) -> None:
        """Judge, write Approved, sign, verify; each under the identity that may."""
        known = len(self._asked_by)
        # Side by side: that somebody else is behind it by now is rare, and then the signer is asked once more.
        _, judged = await asyncio.gather(self._find_who_is_behind(), self._judge())
        if judged is None or not self._drop_own_approvals():
            return
        if len(self._asked_by) != known:
            judged = await self._judge()
            if judged is None:
                return
        if judged.outcome in ("changed", "no"):
            said = "The request changed." if judged.outcome == "changed" else f"The signer refuses: {judged.sentence}"
            await self._open_round(await self._read(), sentence=f"{said} Nothing was written.")
            return
        if judged.outcome == "gone":
            self._set("gone", judged.sentence or "Gone: the request is not there any more.")
            return
        written = await workflow.execute_activity_method(
            CertificateActivities.approve, self._write_request(), summary="write Approved", **DECIDE
        )
        if written.outcome == "changed":
            await self._open_round(await self._read())
        elif written.outcome in ("gone", "opposite"):
            state: CertifyState = "gone" if written.outcome == "gone" else "denied"
            self._set(state, written.sentence or "Decided outside meanwhile.")
        else:
            await self._sign()

    async def _judge(self) -> Judgement | None:
        return await self._with_signer(
            workflow.start_activity_method(
                SigningActivities.judge,
                self._sign_request(),
                task_queue=signer_queue(self._start.ref.site),
                summary="the signer judges for itself",
                **SIGN,
            ),
            is_approved=False,
        )

    async def _sign(self) -> None:
        self._set("approved", f"Approved by {self._names()}, issuing…")
        issued = await self._with_signer(
            workflow.start_activity_method(
                SigningActivities.sign,
                self._sign_request(),
                task_queue=signer_queue(self._start.ref.site),
                summary="sign and write the certificate",
                **SIGN,
            ),
            is_approved=True,
        )
        if issued is None:
            return
        try:
            verified: IssuedCertificate = await workflow.execute_activity_method(
                CertificateActivities.verify,
                VerifyRequest(ref=self._start.ref, csr=self._start.csr, csr_uid=self._start.csr_uid),
                summary="verify the issued certificate",
                **DECIDE,
            )
        except ActivityError as error:
            self._set("failed", f"Issued, but it does not verify: {problem_of(error).message}")
            return
        self._update(serial=verified.serial, not_after=verified.not_after)
        self._set("issued", f"Issued to {self._start.csr}, approved by {self._names()}.")

    async def _with_signer(self, work: workflow.ActivityHandle[Answer], *, is_approved: bool) -> Answer | None:
        """Wait for the signer, saying so on the card when it is silent; None when it refused or stayed away."""
        try:
            await workflow.wait_condition(
                work.done, timeout=SIGNER_SILENT, timeout_summary="the signer should have answered"
            )
        except TimeoutError:
            since = workflow.now() - SIGNER_SILENT
            said = f"Decided by {self._names()}; waiting for the signer since {since:%H:%M} UTC."
            self._set(self._status.state, said)
        try:
            return await work
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            problem = problem_of(error, site=self._start.ref.site)
            if not _is_refusal(error):
                self._set("failed", f"The signer could not sign for 24 hours: {problem.message} [certify.signer-away]")
            elif is_approved:
                await self._fail("CrdbopsRefused", problem.message)
                self._set("failed", f"The signer refused: {problem.message}")
            else:
                said = f"The signer refuses: {problem.message} Nothing was written."
                await self._open_round(await self._read(), sentence=said)
            return None

    async def _fail(self, reason: str, message: str) -> None:
        """Set Failed on an approved request that shall not be signed; a CSR that is gone needs none."""
        await workflow.execute_activity_method(
            SigningActivities.fail,
            FailRequest(
                ref=self._start.ref,
                csr=self._start.csr,
                csr_uid=self._start.csr_uid,
                reason=reason,
                message=message,
            ),
            task_queue=signer_queue(self._start.ref.site),
            summary=f"set Failed: {reason}",
            **SIGN,
        )

    def _write_request(self, *, reason: str = "") -> WriteDecisionRequest:
        return WriteDecisionRequest(
            ref=self._start.ref,
            csr=self._start.csr,
            csr_uid=self._start.csr_uid,
            fingerprint=self._fingerprint(),
            approval_id=self._status.approval_id,
            people=tuple(record.person for record, _ in self._decisions),
            reason=reason,
        )

    def _sign_request(self) -> SignRequest:
        return SignRequest(
            ref=self._start.ref,
            csr=self._start.csr,
            csr_uid=self._start.csr_uid,
            workflow_id=self._status.workflow_id,
            approval_id=self._status.approval_id,
            fingerprint=self._fingerprint(),
            tokens=tuple(decision.token for _, decision in self._approvals()),
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


def _is_refusal(error: ActivityError) -> bool:
    """Whether an activity said no for good, rather than being away or in trouble until its time was over."""
    return isinstance(error.cause, ApplicationError) and error.cause.non_retryable
