"""From our errors to Temporal's, once, and the one log line an activity ends with.

Vendor exceptions became ours before (`activities.clients`). Anything that is not ours passes through and is retried a
limited number of times by the workflow's policy.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.errors import (
    BrokenError,
    BusyError,
    InvalidRequestError,
    NotReadyError,
    OpsError,
    RefusedError,
    TransientError,
)
from domain.model import ClusterRef

#: Attempts that fail by a passing trouble are worth a warning from here on.
_WARN_FROM = 3
_BENIGN = ApplicationErrorCategory.BENIGN
_FINAL = (RefusedError, InvalidRequestError, BusyError, BrokenError)
_EXPECTED = (RefusedError, InvalidRequestError, BusyError, NotReadyError)


class FailureInterceptor(Interceptor):
    """Wraps every activity of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Return the wrapper."""
        return _Translate(next)


class _Translate(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        began = time.monotonic()
        fields: dict[str, object] = {
            "activity": info.activity_type,
            "attempt": info.attempt,
            "workflow_id": info.workflow_id,
            "run_id": info.workflow_run_id,
            **_cluster(input.args),
        }
        with structlog.contextvars.bound_contextvars(**fields):
            try:
                result = await super().execute_activity(input)
            except OpsError as error:
                _log(error, attempt=info.attempt, seconds=time.monotonic() - began)
                raise translated(error) from None
            activity.logger.info("activity done", extra={"duration_s": round(time.monotonic() - began, 3)})
            return result


def translated(error: OpsError) -> ApplicationError:
    """Return the error that Temporal records: type, details for the card, whether and when to try again."""
    return ApplicationError(
        error.message,
        {"code": error.code, "message": error.message, "hint": error.hint, **error.details},
        type=type(error).__name__,
        non_retryable=isinstance(error, _FINAL),
        next_retry_delay=error.retry_after if isinstance(error, (NotReadyError, TransientError)) else None,
        category=_BENIGN if isinstance(error, _EXPECTED) else ApplicationErrorCategory.UNSPECIFIED,
    )


def _log(error: OpsError, *, attempt: int, seconds: float) -> None:
    fields = {"error_code": error.code, "error": error.message, "duration_s": round(seconds, 3)}
    if isinstance(error, BrokenError):
        activity.logger.error("activity failed", extra=fields)
    elif isinstance(error, TransientError) and attempt >= _WARN_FROM:
        activity.logger.warning("activity is retried", extra=fields)
    elif isinstance(error, (NotReadyError, TransientError)):
        activity.logger.debug("activity is retried", extra=fields)
    else:
        activity.logger.info("activity refused", extra=fields)


def _cluster(args: Any) -> dict[str, object]:
    ref = getattr(args[0], "ref", None) if args else None
    return {"cluster": ref.cluster, "namespace": ref.namespace} if isinstance(ref, ClusterRef) else {}
