"""The worker's inbound interceptor: no update reaches its validator without a fresh, fitting token.

It runs outside the sandbox and is not replayed, so it may look at the clock. It checks signature, time, verb and run;
role, four-eyes and state are the validator's (`workflows`). An update without a validator would pass by it, so every
update has one and a test lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from domain.errors import RefusedError
from operations.messages import Decision
from tokens.keyring import KeyRing
from tokens.verify import verify_fresh


def _now() -> datetime:
    return datetime.now(UTC)


class UpdateTokenInterceptor(Interceptor):
    """Checks the token of every update before its validator runs."""

    def __init__(self, ring: KeyRing, *, clock: Callable[[], datetime] = _now) -> None:
        self._ring = ring
        self._clock = clock

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """Return the inbound interceptor, bound to this worker's key ring."""
        ring, clock = self._ring, self._clock

        class _CheckUpdates(WorkflowInboundInterceptor):
            def handle_update_validator(self, input: HandleUpdateInput) -> None:
                # Imports too: cryptography looks up its exception when it first refuses a signature, and a copy made
                # inside the sandbox would be another class than the one that `tokens.verify` catches.
                with workflow.unsafe.sandbox_unrestricted(), workflow.unsafe.imports_passed_through():
                    _check(input, ring, clock())
                super().handle_update_validator(input)

        return _CheckUpdates


def _check(input: HandleUpdateInput, ring: KeyRing, now: datetime) -> None:
    info = workflow.info()
    # Exactly one argument: what stands beside a decision would be signed by nobody.
    decision = input.args[0] if len(input.args) == 1 else None
    try:
        if not isinstance(decision, Decision):
            raise RefusedError("token.missing", "The update carries no signed decision.")
        claims = verify_fresh(decision.token, ring, now=now)
        if (claims.verb, claims.workflow_id, claims.run_id) != (input.update, info.workflow_id, info.run_id):
            raise RefusedError(
                "token.other-run", "The signed decision is for another run or another act.", hint="Use the newest card."
            )
    except RefusedError as error:
        # The same shape as a validator's refusal (`workflows.problems`), so that a front end reads one.
        raise ApplicationError(
            error.message,
            {"code": error.code, "message": error.message, "hint": error.hint},
            type=type(error).__name__,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from None
