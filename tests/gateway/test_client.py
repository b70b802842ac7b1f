from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError

from domain.errors import BrokenError, BusyError, RefusedError, TransientError
from domain.model import ClusterRef, Person
from gateway.client import OperationsClient, Started
from gateway.connect import DATA_CONVERTER, connect
from operations import find
from operations.base import Operation
from operations.certify import CertifyStart
from operations.deploy import DeployRequest, DeployStart
from operations.messages import Claims, Decision, Token, Verb
from operations.queues import CLUSTER, REQUESTER, certify_id, change_id, ops_queue
from operations.status import StatusResult
from tests.bot import given
from tests.bot.harness import eventually
from tests.gateway.conftest import Server
from tests.gateway.relay import Relay

pytestmark = pytest.mark.asyncio(loop_scope="package")

SIGNER = given.signer()
_uids = itertools.count(1)


def named(name: str) -> Operation:
    found = find(name)
    assert found is not None
    return found


def start_of(ref: ClusterRef, request_id: str = "r1") -> DeployStart:
    token = SIGNER.issue(
        "start", given.ERIN, workflow_id=change_id(ref), now=datetime.now(UTC), request_id=request_id, request_hash="h"
    )
    return DeployStart(request_id=request_id, token=token, request=DeployRequest(ref=ref))


async def start(
    gateway: OperationsClient, ref: ClusterRef, request_id: str = "r1", requester: Person = given.ERIN
) -> Started:
    return await gateway.start(
        named("deploy"), start_of(ref, request_id), ref=ref, requester=requester, summary=f"deploy {ref.cluster}"
    )


def decision(
    verb: Verb, *, workflow_id: str, run_id: str, reason: str = "", lives: float = 60, approval_id: str = "a1"
) -> Decision:
    now = datetime.now(UTC)
    fields = {"cancel": {}, "approve": {"approval_id": approval_id, "fingerprint": "f" * 64}}[verb]
    claims = Claims(
        verb=verb,
        person=given.ADA,
        workflow_id=workflow_id,
        run_id=run_id,
        issued_at=now,
        until=now + timedelta(seconds=lives),
        **fields,
    )
    token: Token = SIGNER.sign(claims)
    return Decision(token=token, reason=reason)


async def certify(server: Server, ref: ClusterRef) -> WorkflowHandle[object, int]:
    uid = f"approval{next(_uids)}"
    handle: WorkflowHandle[object, int] = await server.client.start_workflow(
        "Certify",
        CertifyStart(ref=ref, csr="c", csr_uid=uid),
        id=certify_id(site=ref.site, name="c", uid=uid),
        task_queue=ops_queue(ref.site),
    )
    return handle


async def approve(server: Server, handle: WorkflowHandle[object, int], update_id: str = "u", **more: object) -> str:
    run_id = handle.first_execution_run_id or ""
    receipt = await server.gateway.decide(
        "approve",
        workflow_id=handle.id,
        run_id=run_id,
        decision=decision("approve", workflow_id=handle.id, run_id=run_id, **more),  # type: ignore[arg-type]
        update_id=update_id,
    )
    return receipt.sentence


async def test_a_start_says_who_asked_for_what_without_a_worker(server: Server, ref: ClusterRef) -> None:
    started = await start(server.gateway, ref)

    found = await server.client.get_workflow_handle(started.workflow_id).describe()
    assert (found.id, found.run_id, found.workflow_type) == (change_id(ref), started.run_id, "Deploy")
    assert found.task_queue == ops_queue(ref.site)
    assert found.typed_search_attributes.get(SearchAttributeKey.for_keyword(REQUESTER)) == "U0ERIN"
    assert found.typed_search_attributes.get(SearchAttributeKey.for_keyword(CLUSTER)) == str(ref)
    assert await found.static_summary() == f"deploy {ref.cluster}"
    running = await server.gateway.running(ref)
    assert running is not None
    assert (running.operation, running.requester, running.request_id) == (
        "deploy",
        Person(team="T0CRDB", id="U0ERIN", name="Erin Engineer"),
        "r1",
    )
    assert running.url == (
        f"http://ui.example/namespaces/{server.settings.namespace}/workflows/crdb%2F{ref.site}%2Fcrdb%2F{ref.cluster}%2Fchange"
        f"/{started.run_id}/history"
    )


async def test_the_same_request_twice_is_one_start(server: Server, ref: ClusterRef) -> None:
    first = await start(server.gateway, ref)

    again = await start(server.gateway, ref)

    assert again == Started(first.workflow_id, first.run_id, is_repeat=True)


async def test_the_same_request_is_not_started_again_after_it_ended(server: Server, ref: ClusterRef) -> None:
    first = await start(server.gateway, ref)
    await server.client.get_workflow_handle(first.workflow_id).terminate()

    again = await start(server.gateway, ref)

    assert again.run_id == first.run_id


async def test_a_second_change_is_busy_and_says_who_and_since_when(server: Server, ref: ClusterRef) -> None:
    first = await start(server.gateway, ref)

    with pytest.raises(BusyError) as caught:
        await start(server.gateway, ref, "r2", given.ADA)

    assert "Found deploy running, asked for by <@U0ERIN> at" in caught.value.message
    assert str(caught.value.details["url"]).endswith(f"/{first.run_id}/history")


async def test_of_many_starts_at_once_one_wins(server: Server, ref: ClusterRef) -> None:
    results = await asyncio.gather(*(start(server.gateway, ref, f"r{n}") for n in range(30)), return_exceptions=True)

    assert len([r for r in results if isinstance(r, Started)]) == 1
    assert len([r for r in results if isinstance(r, BusyError)]) == 29


async def test_a_closed_change_gives_the_lock_back(server: Server, ref: ClusterRef) -> None:
    first = await start(server.gateway, ref)
    await server.client.get_workflow_handle(first.workflow_id).terminate()

    second = await start(server.gateway, ref, "r2")

    assert second.run_id != first.run_id
    assert not second.is_repeat


class _DeafAtFirstStart(Interceptor):
    """Lets the first start reach the server, and loses every answer from then on."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._starts = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        outer = self

        class _Outbound(OutboundInterceptor):
            async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
                outer._starts += 1
                outer._relay.is_deaf = outer._starts == 1
                return await super().start_workflow(input)

        return _Outbound(next)


async def test_a_start_whose_answer_is_lost_is_found_again(server: Server, ref: ClusterRef) -> None:
    async with Relay(server.settings.address) as relay:
        plain = await connect(server.settings.model_copy(update={"address": relay.address}), identity="t")
        client = Client(
            plain.service_client,
            namespace=server.settings.namespace,
            data_converter=DATA_CONVERTER,
            interceptors=[_DeafAtFirstStart(relay)],
        )
        gateway = OperationsClient(client, ui_url="http://ui.example")
        starting = asyncio.create_task(start(gateway, ref))
        await eventually(lambda: server.gateway.running(ref), seconds=30)
        relay.is_deaf = False
        relay.cut()

        started = await starting

    running = await server.gateway.running(ref)
    assert running is not None
    assert started.run_id == running.run_id


async def test_a_temporal_that_is_away_before_anything_was_sent_started_nothing(
    server: Server, ref: ClusterRef
) -> None:
    async with Relay(server.settings.address) as relay:
        client = await connect(server.settings.model_copy(update={"address": relay.address}), identity="t")
        gateway = OperationsClient(client, ui_url="http://ui.example", start_for=timedelta(seconds=1))
        await relay.close()

        with pytest.raises(TransientError) as caught:
            await start(gateway, ref)

    assert caught.value.code == "temporal.unreachable"
    assert not await gateway.is_healthy()


async def test_the_home_of_a_change_is_in_its_memo(server: Server, ref: ClusterRef) -> None:
    async with server.worker(ref.site):
        started = await start(server.gateway, ref)
        assert (await server.gateway.home(started.workflow_id)).root_ts == ""
        handle = server.client.get_workflow_handle(started.workflow_id)
        await handle.signal("place")
        await handle.query("status")

        home = await server.gateway.home(started.workflow_id, run_id=started.run_id)

    assert (home.channel, home.root_ts) == ("C0OPS", "1.2")


async def test_a_target_is_read_without_a_worker(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)
    async with server.worker(ref.site):
        await handle.query("status")

    target = await server.gateway.target(handle.id, run_id=handle.first_execution_run_id or "")

    assert (target.approval_id, target.fingerprint, target.state, target.is_open) == (
        handle.id.rsplit("/", 1)[1],
        "f" * 64,
        "pending",
        True,
    )


async def test_an_approval_is_found_by_its_id(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)
    async with server.worker(ref.site):
        await handle.query("status")
    uid = handle.id.rsplit("/", 1)[1]

    async def is_listed() -> bool:
        return handle.id in [target.workflow_id for target in await server.gateway.pending(limit=100)]

    await eventually(is_listed)
    found = await server.gateway.find_approval(uid)
    listed = [target for target in await server.gateway.open_approvals() if target.workflow_id == handle.id]

    assert found.run_id == handle.first_execution_run_id
    assert [(target.approval_id, target.state, target.is_open) for target in listed] == [(uid, "pending", True)]
    assert listed[0].since is not None


async def test_a_change_that_asks_several_questions_is_found_by_each(server: Server, ref: ClusterRef) -> None:
    pairs = [(f"gate{next(_uids)}", mark * 64) for mark in "bab"]
    async with server.worker(ref.site):
        started = await start(server.gateway, ref)
        handle = server.client.get_workflow_handle(started.workflow_id)
        await handle.signal("ask", pairs)
        await handle.query("status")

    async def is_listed() -> bool:
        found = await server.gateway.pending(limit=100)
        return [(t.approval_id, t.fingerprint) for t in found if t.workflow_id == handle.id] == pairs

    await eventually(is_listed)
    name, fingerprint = pairs[1]
    found = await server.gateway.find_approval(name)
    target = await server.gateway.target(handle.id, run_id=started.run_id, approval_id=name)
    other = await server.gateway.target(handle.id, run_id=started.run_id, approval_id="another")

    assert (found.workflow_id, found.run_id, found.approval_id, found.fingerprint) == (
        handle.id,
        started.run_id,
        name,
        fingerprint,
    )
    assert target == found
    assert found.question == f"Really {name}?"
    assert other.approval_id == pairs[0][0]


async def test_a_change_that_asks_nothing_any_more_is_not_listed(server: Server, ref: ClusterRef) -> None:
    name = f"gate{next(_uids)}"
    async with server.worker(ref.site):
        started = await start(server.gateway, ref)
        handle = server.client.get_workflow_handle(started.workflow_id)
        await handle.signal("ask", [(name, "f" * 64)])
        await handle.signal("ask", [])
        await handle.query("status")

    async def is_gone() -> bool:
        return handle.id not in [target.workflow_id for target in await server.gateway.open_approvals()]

    assert (await server.gateway.target(handle.id, approval_id=name)).approval_id == ""
    await eventually(is_gone)
    with pytest.raises(RefusedError):
        await server.gateway.find_approval(name)


async def test_a_question_answers_for_its_card(server: Server, ref: ClusterRef) -> None:
    async with server.worker(ref.site):
        started = await start(server.gateway, ref)
        gate = await server.gateway.gate_status(started.workflow_id, run_id=started.run_id, approval_id=given.GATE_ID)
        with pytest.raises(RefusedError) as caught:
            await server.gateway.gate_status(started.workflow_id, run_id=started.run_id, approval_id="another")

    assert (gate.workflow_id, gate.question) == (started.workflow_id, given.question())
    assert caught.value.code == "approval.unknown"


@pytest.mark.parametrize("name", ["nothing1", "' OR WorkflowType = 'Certify", "", "%"])
async def test_an_unknown_approval_id_finds_nothing(server: Server, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await server.gateway.find_approval(name)

    assert caught.value.code == "approval.unknown"


async def test_a_decision_is_recorded_once_however_often_it_is_sent(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)
    async with server.worker(ref.site):
        said = await asyncio.gather(*(approve(server, handle) for _ in range(5)))
        later = await approve(server, handle)

    assert {*said, later} == {"Recorded 1."}


@pytest.mark.parametrize(
    ("reason", "code", "message", "hint"),
    [
        ("refuse", "approval.four-eyes", "Refused: somebody else must decide.", "Try another."),
        ("intercepted", "token.expired", "The click is too old.", "Click again."),
    ],
)
async def test_a_refusal_comes_back_in_its_own_words(
    server: Server, ref: ClusterRef, reason: str, code: str, message: str, hint: str
) -> None:
    handle = await certify(server, ref)
    async with server.worker(ref.site):
        with pytest.raises(RefusedError) as caught:
            await approve(server, handle, reason=reason)

    assert (caught.value.code, caught.value.message, caught.value.hint) == (code, message, hint)


async def test_a_decision_that_a_task_left_unanswered_is_sent_again(
    server: Server, ref: ClusterRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await certify(server, ref)
    real, sent = WorkflowHandle.execute_update, []

    async def left_once(self: Any, *args: Any, **options: Any) -> Any:
        sent.append(options["id"])
        if len(sent) == 1:
            said = "Workflow Update is rejected because it wasn't processed by worker."
            raise WorkflowUpdateFailedError(ApplicationError(said, type="UnprocessedUpdate", non_retryable=True))
        return await real(self, *args, **options)

    monkeypatch.setattr(WorkflowHandle, "execute_update", left_once)
    async with server.worker(ref.site):
        said = await approve(server, handle)

    assert said == "Recorded 1."
    assert len(sent) == 2
    assert len(set(sent)) == 1


async def test_a_decision_for_a_closed_run_is_refused(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)
    await handle.terminate()

    with pytest.raises(RefusedError) as caught:
        await approve(server, handle)

    assert caught.value.code == "decision.closed"
    assert not (await server.gateway.target(handle.id)).is_open


async def test_yesterdays_button_never_reaches_todays_run(server: Server, ref: ClusterRef) -> None:
    first = await start(server.gateway, ref)
    await server.client.get_workflow_handle(first.workflow_id).terminate()
    async with server.worker(ref.site):
        second = await start(server.gateway, ref, "r2")
        old = decision("cancel", workflow_id=first.workflow_id, run_id=first.run_id)

        with pytest.raises(RefusedError) as caught:
            await server.gateway.decide(
                "cancel", workflow_id=first.workflow_id, run_id=first.run_id, decision=old, update_id="u"
            )

        running = await server.gateway.running(ref)
    assert caught.value.code == "decision.closed"
    assert running is not None
    assert running.run_id == second.run_id


async def test_a_decision_waits_for_a_worker(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)
    sending = asyncio.create_task(approve(server, handle))
    await asyncio.wait((sending,), timeout=6)
    assert not sending.done()

    async with server.worker(ref.site):
        said = await sending

    assert said == "Recorded 1."


async def test_a_decision_that_no_worker_takes_says_so_when_its_time_is_over(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)

    with pytest.raises(TransientError) as caught:
        await approve(server, handle, lives=1.0)

    assert caught.value.code == "decision.not-recorded"
    assert "Nothing was decided" in caught.value.message


async def test_stopping_the_bot_stops_a_decision_that_still_waits(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)
    sending = asyncio.create_task(approve(server, handle))
    await asyncio.wait((sending,), timeout=0.3)

    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_statuses_are_typed(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)
    async with server.worker(ref.site):
        started = await start(server.gateway, ref)
        card = await server.gateway.certify_status(handle.id, run_id=handle.first_execution_run_id or "")
        change = await server.gateway.operation_status(started.workflow_id, run_id=started.run_id)

    assert (card.workflow_id, card.approval_id) == (handle.id, given.APPROVAL_ID)
    assert (change.run_id, change.steps[0].name) == (started.run_id, "preflight")


async def test_a_status_without_a_worker_is_silence_and_of_no_run_is_closed(server: Server, ref: ClusterRef) -> None:
    handle = await certify(server, ref)

    with pytest.raises(TransientError) as silent:
        await server.gateway.certify_status(handle.id, run_id="")
    with pytest.raises(RefusedError) as closed:
        await server.gateway.certify_status("crdb/none", run_id="")

    assert silent.value.code == "workflow.silent"
    assert closed.value.code == "decision.closed"


async def test_a_look_answers_typed(server: Server, ref: ClusterRef) -> None:
    async with server.worker(ref.site):
        result = await server.gateway.look(named("status"), ref, request_id="look-1")

    assert isinstance(result, StatusResult)
    assert result.ref == ref


async def test_a_look_without_a_worker_names_the_site_within_its_time(server: Server, ref: ClusterRef) -> None:
    with pytest.raises(TransientError) as caught:
        await server.gateway.look(named("status"), ref, request_id="look-2", timeout=timedelta(seconds=0.5))

    assert caught.value.code == "site.silent"
    assert f"No worker of site {ref.site} answers (none seen lately)." in caught.value.message


async def test_a_look_after_its_worker_left_says_when_it_was_seen(server: Server, ref: ClusterRef) -> None:
    async with server.worker(ref.site):
        await server.gateway.look(named("status"), ref, request_id="look-3")

    with pytest.raises(TransientError) as caught:
        await server.gateway.look(named("status"), ref, request_id="look-4", timeout=timedelta(seconds=0.5))

    assert "last seen" in caught.value.message


async def test_a_look_that_fails_brings_its_own_error(server: Server, ref: ClusterRef) -> None:
    broken = ref.model_copy(update={"cluster": "broken"})
    async with server.worker(ref.site):
        with pytest.raises(BrokenError) as caught:
            await server.gateway.look(named("status"), broken, request_id="look-5")

    assert (caught.value.code, caught.value.message) == ("kube.gone", "Found no API.")
