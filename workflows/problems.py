"""From what an activity or a rule raised to words for the card and the failure of the run.

The first detail of our application errors is a mapping with `code`, `message` and `hint` (`activities.failures`).
"""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    FailureError,
    TimeoutError,
    TimeoutType,
)

with workflow.unsafe.imports_passed_through():
    from domain.errors import OpsError, RefusedError
    from operations.messages import Problem

#: Classes that are expected outcomes and not faults of ours.
_EXPECTED = ("RefusedError", "InvalidRequestError", "BusyError")


def problem_of(error: BaseException, *, site: str = "") -> Problem:
    """Say an error as code, sentence and hint."""
    if isinstance(error, OpsError):
        return Problem(code=error.code, message=error.message, hint=error.hint)
    cause = error.cause if isinstance(error, FailureError) and error.cause is not None else error
    if isinstance(cause, ApplicationError) and cause.details and isinstance(cause.details[0], Mapping):
        said = cause.details[0]
        return Problem(code=str(said["code"]), message=str(said["message"]), hint=str(said.get("hint", "")))
    if isinstance(cause, TimeoutError) and isinstance(error, ActivityError):
        if cause.type == TimeoutType.SCHEDULE_TO_START and error.activity_type.startswith("signing."):
            return Problem(
                code="signer.away",
                message=f"The signer of site {site} does not answer; nothing was created.",
                hint="Start worker.py --role signer, then ask again.",
            )
        return Problem(
            code="step.timed-out",
            message=f"{error.activity_type} did not end in time.",
            hint="The run's history in Temporal's Web UI names the last attempt's cause.",
        )
    return Problem(code="step.broken", message=str(cause) or type(cause).__name__, hint="See the run's history.")


def failure_of(problem: Problem, error: BaseException) -> ApplicationError:
    """Return what the run fails with: final, and benign when it is an expected refusal."""
    kind = type(error).__name__
    if isinstance(error, FailureError) and isinstance(error.cause, ApplicationError):
        kind = error.cause.type or kind
    category = ApplicationErrorCategory.BENIGN if kind in _EXPECTED else ApplicationErrorCategory.UNSPECIFIED
    return ApplicationError(problem.message, problem.model_dump(), type=kind, non_retryable=True, category=category)


def refusal(error: RefusedError) -> ApplicationError:
    """Return the answer of a validator that says no."""
    return ApplicationError(
        error.message,
        {"code": error.code, "message": error.message, "hint": error.hint},
        type="RefusedError",
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )
