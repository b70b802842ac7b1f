"""From Temporal's errors to ours, once for all front ends.

What a front end's reader is told of ours is `bot.cards.failure`.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import (
    BrokenError,
    BusyError,
    InvalidRequestError,
    NotReadyError,
    OpsError,
    RefusedError,
    TransientError,
)

#: An answer may have been lost, or there may be no answer yet: the same call may succeed later.
_PASSING = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNKNOWN,
    }
)
_CLASSES: dict[str, type[OpsError]] = {
    cls.__name__: cls for cls in (RefusedError, InvalidRequestError, BusyError, TransientError, BrokenError)
}


def is_passing(error: RPCError) -> bool:
    """Whether the same call may succeed later."""
    return error.status in _PASSING


def unreachable(error: RPCError) -> TransientError:
    """Say that Temporal does not answer. Only where nothing was sent that could have an effect."""
    return TransientError(
        "temporal.unreachable",
        f"Temporal cannot be reached ({error.status.name.lower().replace('_', ' ')}).",
        hint="Try again in a minute.",
    )


def ours(error: BaseException | None) -> OpsError:
    """Return the error of ours that stands at the root of a failed update, activity or workflow."""
    while isinstance(error, FailureError) and not isinstance(error, ApplicationError) and error.cause is not None:
        error = error.cause
    if not isinstance(error, ApplicationError):
        found = type(error).__name__
        return BrokenError("operation.failed", f"Found {found}, expected an answer.", hint="Look at the run.")
    first = error.details[0] if error.details else None
    facts = first if isinstance(first, dict) else {"code": first if isinstance(first, str) else "operation.failed"}
    code, hint = str(facts.get("code") or "operation.failed"), str(facts.get("hint") or "")
    message = str(facts.get("message") or "")
    if not message:
        # The worker's interceptor sends the whole sentence as text: "… [code] Hint: …".
        message, _, rest = error.message.partition(f" [{code}]")
        hint = hint or rest.removeprefix(" Hint: ")
    if error.type == NotReadyError.__name__:
        return NotReadyError(code, message, hint=hint, retry_after=error.next_retry_delay or timedelta(seconds=5))
    return _CLASSES.get(error.type or "", BrokenError)(code, message, hint=hint)
