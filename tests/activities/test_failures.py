"""From the API server's answers to our errors, and from ours to Temporal's: the two tables."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.clients.errors import network, of_answer
from activities.failures import FailureInterceptor, translated
from domain.errors import (
    BrokenError,
    BusyError,
    InvalidRequestError,
    NotReadyError,
    OpsError,
    RefusedError,
    TransientError,
)

SOON = timedelta(seconds=7)


@pytest.mark.parametrize(
    ("error", "is_final", "is_benign", "delay"),
    [
        (RefusedError("a.b", "no"), True, True, None),
        (InvalidRequestError("a.b", "no"), True, True, None),
        (BusyError("a.b", "no"), True, True, None),
        (BrokenError("a.b", "no"), True, False, None),
        (NotReadyError("a.b", "no", retry_after=SOON), False, True, SOON),
        (TransientError("a.b", "no", retry_after=SOON), False, False, SOON),
        (TransientError("a.b", "no"), False, False, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, OpsError) else str(value),
)
def test_each_error_of_ours_is_temporals_in_its_way(
    error: OpsError, is_final: bool, is_benign: bool, delay: timedelta | None
) -> None:
    made = translated(error)

    assert made.type == type(error).__name__
    assert made.non_retryable is is_final
    assert (made.category == ApplicationErrorCategory.BENIGN) is is_benign
    assert made.next_retry_delay == delay


def test_the_first_detail_is_what_a_card_needs() -> None:
    made = translated(RefusedError("deploy.not-ours", "found theirs", hint="remove it", reasons=["x"]))

    assert made.message == "found theirs"
    assert made.details[0] == {
        "code": "deploy.not-ours",
        "message": "found theirs",
        "hint": "remove it",
        "reasons": ["x"],
    }


class Innermost(ActivityInboundInterceptor):
    def __init__(self, outcome: Any) -> None:
        self._outcome = outcome

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


async def intercepted(outcome: Any) -> Any:
    @activity.defn
    async def act() -> Any:
        wrapped = FailureInterceptor().intercept_activity(Innermost(outcome))
        return await wrapped.execute_activity(ExecuteActivityInput(fn=act, args=[], executor=None, headers={}))

    return await ActivityEnvironment().run(act)


async def test_the_interceptor_translates_ours_without_its_cause() -> None:
    with pytest.raises(ApplicationError) as failed:
        await intercepted(BrokenError("a.b", "broken"))

    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    assert failed.value.type == "BrokenError"


async def test_the_interceptor_lets_results_and_foreign_errors_through() -> None:
    assert await intercepted("result") == "result"
    with pytest.raises(KeyError):
        await intercepted(KeyError("x"))


def answer(status: int, *, message: str = "said so", retry_after: str | None = None) -> OpsError:
    return of_answer(status, body=json.dumps({"message": message}), retry_after=retry_after, what="GET /x")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, BrokenError, "kubernetes.invalid"),
        (401, RefusedError, "kubernetes.unauthorized"),
        (403, RefusedError, "kubernetes.forbidden"),
        (404, BrokenError, "kubernetes.not-found"),
        (409, TransientError, "kubernetes.conflict"),
        (410, TransientError, "kubernetes.expired"),
        (422, BrokenError, "kubernetes.invalid"),
        (429, TransientError, "kubernetes.busy"),
        (500, TransientError, "kubernetes.unavailable"),
        (503, TransientError, "kubernetes.unavailable"),
    ],
)
def test_each_answer_of_the_api_server_is_ours_in_its_way(status: int, kind: type[OpsError], code: str) -> None:
    error = answer(status)

    assert type(error) is kind
    assert error.code == code
    assert error.message == "Cannot GET /x: said so"


@pytest.mark.parametrize(
    ("header", "delay"),
    [("3", timedelta(seconds=3)), ("9999", timedelta(seconds=60)), ("soon", None), (None, None), ("-1", None)],
)
def test_retry_after_is_obeyed_within_reason(header: str | None, delay: timedelta | None) -> None:
    error = answer(429, retry_after=header)

    assert isinstance(error, TransientError)
    assert error.retry_after == delay


def test_words_that_are_no_status_object_are_quoted_short() -> None:
    error = of_answer(502, body="<html>" + "x" * 1000, retry_after=None, what="GET /x")

    assert len(error.message) < 400


@pytest.mark.parametrize("failure", [TimeoutError(), ConnectionResetError("reset by peer"), OSError("no route")])
def test_a_broken_connection_is_transient(failure: Exception) -> None:
    with pytest.raises(TransientError) as error, network("GET /x"):
        raise failure

    assert error.value.code == "kubernetes.unreachable"
