"""The worker's interceptor before a real Temporal server: no update reaches its validator without a fitting token."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from gateway.connect import connect
from gateway.settings import TemporalSettings
from operations.messages import Decision, DecisionReceipt, Token
from tests.tokens.keys import KID, OTHER_KEY, PERSON, RING, SIGNER, private_pem
from tests.tokens.update_workflow import SmallWorkflow
from tokens.interceptor import UpdateTokenInterceptor
from tokens.make import TokenSigner

Small = WorkflowHandle[SmallWorkflow, list[str]]

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(temporal: TemporalSettings) -> Client:
    return await connect(temporal, identity="test")


def _worker(client: Client, queue: str, *, now: datetime = NOW) -> Worker:
    """A worker with the interceptor, its clock standing still, and the sandbox as production has it."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("domain", "operations", "tokens")
    return Worker(
        client,
        task_queue=queue,
        workflows=[SmallWorkflow],
        interceptors=[UpdateTokenInterceptor(RING, clock=lambda: now)],
        workflow_runner=SandboxedWorkflowRunner(restrictions),
    )


async def _start(client: Client, queue: str) -> Small:
    handle = await client.start_workflow(SmallWorkflow.run, id=f"crdb/{queue}", task_queue=queue)
    run_id = handle.first_execution_run_id
    return client.get_workflow_handle_for(SmallWorkflow.run, handle.id, run_id=run_id)


@pytest_asyncio.fixture(loop_scope="module")
async def run(client: Client) -> AsyncIterator[Small]:
    queue = str(uuid.uuid4())
    async with _worker(client, queue):
        handle = await _start(client, queue)
        yield handle
        await handle.terminate()


def _token(run: Small, **changes: Any) -> Token:
    given: dict[str, Any] = {"verb": "approve", "workflow_id": run.id, "run_id": run.run_id, "now": NOW, "key": SIGNER}
    given |= {"approval_id": "ab12cd34", "fingerprint": "f" * 64} | changes
    signer = given.pop("key")
    verb = given.pop("verb")
    token: Token = signer.issue(verb, PERSON, **{name: value for name, value in given.items() if value is not None})
    return token


async def _refused(run: Small, arg: Any, update: str = "approve") -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await run.execute_update(update, arg)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def _updates_in_history(run: Small) -> list[int]:
    return [
        event.event_type
        async for event in run.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    ]


BAD: list[Any] = [
    pytest.param(lambda run: _token(run, run_id="another"), "token.other-run", id="a token of another run"),
    pytest.param(lambda run: _token(run, workflow_id="crdb/y"), "token.other-run", id="a token of another workflow"),
    pytest.param(lambda run: _token(run, verb="deny"), "token.other-run", id="a token of another verb"),
    pytest.param(
        lambda run: _token(run, verb="cancel", approval_id=None, fingerprint=None), "token.other-run", id="cancel"
    ),
    pytest.param(lambda run: _token(run, now=NOW - timedelta(minutes=4)), "token.expired", id="an old token"),
    pytest.param(lambda run: _token(run, now=NOW + timedelta(minutes=4)), "token.expired", id="a token of tomorrow"),
    pytest.param(
        lambda run: _token(run, key=TokenSigner(private_pem(OTHER_KEY), kid=KID)), "token.invalid", id="another key"
    ),
    pytest.param(
        lambda run: _token(run).model_copy(update={"claims": _token(run).claims.replace("U1", "U2")}), "token.invalid",
        id="a tampered token",
    ),
    pytest.param(lambda run: Token(kid="", claims="", signature=""), "token.invalid", id="an empty token"),
]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("make", "code"), BAD)
async def test_refuses_before_the_validator(run: Small, make: Callable[[Small], Token], code: str) -> None:
    error = await _refused(run, Decision(token=make(run), reason="validator says no"))

    assert error.type == "RefusedError"
    assert error.details[0]["code"] == code
    assert error.details[0]["message"] == error.message
    assert error.non_retryable
    assert error.category == ApplicationErrorCategory.BENIGN
    assert await run.query(SmallWorkflow.heard) == []
    assert await _updates_in_history(run) == []


@pytest.mark.asyncio(loop_scope="module")
async def test_an_argument_that_is_no_decision_never_reaches_the_validator(run: Small) -> None:
    with pytest.raises(WorkflowUpdateFailedError):
        await run.execute_update("approve", {"who": "me"})
    with pytest.raises(WorkflowUpdateFailedError):
        await run.execute_update("approve")

    assert await run.query(SmallWorkflow.heard) == []


@pytest.mark.asyncio(loop_scope="module")
async def test_something_beside_the_signed_decision_is_refused(run: Small) -> None:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await run.execute_update(SmallWorkflow.two, args=[Decision(token=_token(run)), "unsigned"])

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.details[0]["code"] == "token.missing"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_fitting_token_reaches_validator_and_handler(run: Small) -> None:
    decision = Decision(token=_token(run), reason="validator says no")
    error = await _refused(run, decision)
    receipt = await run.execute_update(SmallWorkflow.approve, Decision(token=_token(run)))

    assert error.message == "the validator was reached"
    assert receipt == DecisionReceipt()
    assert await run.query(SmallWorkflow.heard) == ["U1"]


@pytest.mark.asyncio(loop_scope="module")
async def test_each_verb_goes_to_its_own_update(run: Small) -> None:
    cancel = _token(run, verb="cancel", approval_id=None, fingerprint=None)
    await run.execute_update(SmallWorkflow.cancel, Decision(token=cancel))

    error = await _refused(run, Decision(token=_token(run)), update="cancel")
    assert error.details[0]["code"] == "token.other-run"
    assert await run.query(SmallWorkflow.heard) == ["cancel"]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_update_without_a_validator_passes_unchecked_which_is_why_every_update_of_ours_has_one(
    run: Small,
) -> None:
    assert await run.execute_update(SmallWorkflow.unguarded, "nobody signed this") == "nobody signed this"


@pytest.mark.asyncio(loop_scope="module")
async def test_what_was_accepted_is_not_checked_again_when_it_is_replayed_weeks_later(
    client: Client,
) -> None:
    queue = str(uuid.uuid4())
    async with _worker(client, queue):
        run = await _start(client, queue)
        await run.execute_update(SmallWorkflow.approve, Decision(token=_token(run)))

    async with _worker(client, queue, now=NOW + timedelta(days=30)):
        await run.signal(SmallWorkflow.end)
        heard = await run.result()

    assert heard == ["U1"]
