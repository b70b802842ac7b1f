"""What `Certify` asks of the signer, which works on its own queue under its own identity and may be away for hours.

Here are the waiting for it, what the card says meanwhile, and for how long a decision is good. What follows from its
answers is `certify`; what it checks before it signs is `activities.signing`.
"""

from __future__ import annotations

from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.payloads import FailRequest, IssuedCertificate, Judgement, SignRequest
    from activities.signing import SigningActivities
    from operations.messages import Problem
    from operations.queues import signer_queue
    from workflows.approval import CardWorkflow
    from workflows.problems import problem_of
    from workflows.retries import SIGN, SIGN_WITHIN, SIGNER_SILENT, Terms, within

Answer = TypeVar("Answer")


class SignedWorkflow(CardWorkflow):
    """A card whose decision the signer carries out."""

    async def _judged(self) -> Judgement:
        """Let the signer judge; it writes nothing."""
        return await self._until_signer(
            workflow.start_activity_method(
                SigningActivities.judge,
                self._sign_request(),
                task_queue=signer_queue(self._start.ref.site),
                summary="the signer judges for itself",
                **self._sign_terms(),
            )
        )

    async def _signed(self) -> IssuedCertificate:
        """Let the signer sign what it judged and ops approved."""
        return await self._until_signer(
            workflow.start_activity_method(
                SigningActivities.sign,
                self._sign_request(),
                task_queue=signer_queue(self._start.ref.site),
                summary="sign and write the certificate",
                **self._sign_terms(),
            )
        )

    async def _fail(self, reason: str, message: str) -> None:
        """Set Failed on an approved request that shall not be signed; a CSR that is gone needs none."""
        ref, csr, uid = self._start.ref, self._start.csr, self._start.csr_uid
        await self._until_signer(
            workflow.start_activity_method(
                SigningActivities.fail,
                FailRequest(ref=ref, csr=csr, csr_uid=uid, reason=reason, message=message),
                task_queue=signer_queue(ref.site),
                summary=f"set Failed: {reason}",
                **self._sign_terms(),
            )
        )

    async def _until_signer(self, work: workflow.ActivityHandle[Answer]) -> Answer:
        """Wait for the signer, saying so on the card when it is silent."""
        try:
            await workflow.wait_condition(
                work.done, timeout=SIGNER_SILENT, timeout_summary="the signer should have answered"
            )
        except TimeoutError:
            since = workflow.now() - SIGNER_SILENT
            who = ", ".join(record.person.name or record.person.id for record, _ in self._decisions)
            said = f"Decided by {who}; waiting for the signer since {since:%H:%M} UTC."
            self._set(self._status.state, said)
        return await work

    def _sign_terms(self) -> Terms:
        """A decision is good for a day, however long its parts take."""
        decided_at = max((record.at for record, _ in self._decisions), default=workflow.now())
        return within(SIGN, decided_at + SIGN_WITHIN - workflow.now())

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


def is_refusal(error: ActivityError) -> bool:
    """Whether an activity said no for good, rather than being away or in trouble until its time was over."""
    return isinstance(error.cause, ApplicationError) and error.cause.non_retryable


def ending_problem(error: ActivityError, *, site: str) -> Problem:
    """Say why a request ends as failed: refused for good, or not done within a day."""
    if is_refusal(error) or not error.activity_type.startswith("signing."):
        return problem_of(error, site=site)
    return Problem(
        code="certify.signer-away",
        message=f"The signer of site {site} did not do its part within 24 hours of the decision.",
        hint="Start it, then let the pod ask again.",
    )
