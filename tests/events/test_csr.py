"""The watch of requests against a real Temporal: what it starts, wakes, holds back and tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from events.csr import CsrEvents
from events.strangers import TELL_EVERY, StrangerDigest
from operations.crowd import MOST_OPEN
from operations.queues import certify_id, crowd_id, strangers_id
from tests.workflows.stage import Grounds, staged
from tests.workflows.waiting import until, until_asked
from tests.workflows.world import Request, World


@asynccontextmanager
async def watching(world: World, *, every: timedelta = TELL_EVERY) -> AsyncIterator[None]:
    """Run the watch as a worker does."""
    digest = StrangerDigest(world.client, site=world.ref.site, every=every)
    events = CsrEvents(world.client, world, world.configuration, site=world.ref.site, strangers=digest)
    task = asyncio.create_task(events.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def add(world: World, number: int, *, namespace: str = "crdb") -> Request:
    """A pending request of a pod of its own."""
    request = Request(
        name=f"{namespace}.node.cockroachdb-{number}",
        uid=f"uid-{world.ref.site}-{namespace}-{number}",
        pod=f"cockroachdb-{number}",
        pod_uid=f"pod-{number}",
        username=f"system:serviceaccount:{namespace}:cockroachdb",
        made_at=datetime(2026, 11, 25, 12, 0, number % 60, tzinfo=UTC),
    )
    world.state.requests[request.name] = request
    return request


def id_of(world: World, request: Request) -> str:
    return certify_id(site=world.ref.site, name=request.name, uid=request.uid)


async def is_started(world: World, request: Request) -> bool:
    try:
        await world.client.get_workflow_handle(id_of(world, request)).describe()
    except RPCError:
        return False
    return True


async def started(world: World) -> list[str]:
    """Every run that this site has, as the server counts them right now."""
    found = [request for request in world.state.requests.values() if await is_started(world, request)]
    return [request.name for request in found]


async def until_started(world: World, count: int) -> None:
    async def is_so() -> bool:
        return len(await started(world)) >= count

    await until_asked(is_so)


async def signals(world: World, workflow_id: str) -> list[str]:
    """Names of all signals that a run has got; none before it was started."""
    try:
        history = await world.client.get_workflow_handle(workflow_id).fetch_history()
    except RPCError:
        return []
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]


async def until_signaled(world: World, workflow_id: str, count: int = 1) -> None:
    async def is_so() -> bool:
        return len(await signals(world, workflow_id)) >= count

    await until_asked(is_so)


async def test_starts_one_certify_for_every_pending_request(world: World) -> None:
    requests = [add(world, number) for number in range(3)]

    async with watching(world):
        await until_started(world, 3)
        late = add(world, 3)
        await until_started(world, 4)

    described = await world.client.get_workflow_handle(id_of(world, late)).describe()
    assert described.workflow_type == "Certify"
    assert described.search_attributes["CrdbCluster"] == [str(world.ref)]
    assert len(requests) == 3


async def test_a_restart_and_a_second_worker_start_nothing_twice(world: World) -> None:
    request = add(world, 0)
    async with watching(world):
        await until_started(world, 1)
    first = await world.client.get_workflow_handle(id_of(world, request)).describe()

    async with watching(world), watching(world):
        add(world, 1)
        await until_started(world, 2)

    again = await world.client.get_workflow_handle(id_of(world, request)).describe()
    assert again.run_id == first.run_id


async def test_five_hundred_requests_of_strangers_start_no_certify_and_are_told_once(world: World) -> None:
    for number in range(500):
        add(world, number, namespace="elsewhere")

    async with watching(world):
        own = add(world, 0)
        await until_started(world, 1)
        await until_signaled(world, strangers_id(world.ref.site))
        add(world, 500, namespace="elsewhere")
        await until(lambda: own.name in world.state.requests)

    history = await world.client.get_workflow_handle(strangers_id(world.ref.site)).fetch_history()
    assert [await is_started(world, r) for r in list(world.state.requests.values())[:3]] == [False] * 3
    assert await signals(world, strangers_id(world.ref.site)) == ["strangers_seen"]
    (signal,) = [e for e in history.events if e.HasField("workflow_execution_signaled_event_attributes")]
    assert b'"count":500' in signal.workflow_execution_signaled_event_attributes.input.payloads[0].data


async def test_the_digest_is_told_in_the_sites_channel_or_else_its_first_clusters(world: World) -> None:
    site = world.configuration.sites[world.ref.site].model_copy(update={"channel": "C-SECURITY"})
    cluster = world.configuration.clusters["shop"].channel
    named = world.configuration.model_copy(update={"sites": {world.ref.site: site}})

    add(world, 0, namespace="elsewhere")
    events = CsrEvents(world.client, world, named, site=world.ref.site)
    task = asyncio.create_task(events.run())
    await until_signaled(world, strangers_id(world.ref.site))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    history = await world.client.get_workflow_handle(strangers_id(world.ref.site)).fetch_history()
    start = history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data
    assert b'"channel":"C-SECURITY"' in start
    assert world.configuration.channel_of(world.ref.site) == cluster


async def test_strangers_who_come_later_are_told_after_a_while(world: World) -> None:
    assert TELL_EVERY.total_seconds() == 60
    add(world, 0, namespace="elsewhere")

    async with watching(world, every=timedelta(seconds=0.5)):
        await until_signaled(world, strangers_id(world.ref.site), 1)
        add(world, 1, namespace="elsewhere")

        await until_signaled(world, strangers_id(world.ref.site), 2)


async def test_at_most_twenty_are_open_and_more_start_as_others_end(world: World) -> None:
    requests = [add(world, number) for number in range(MOST_OPEN + 3)]

    async with watching(world):
        await until_started(world, MOST_OPEN)
        assert not any([await is_started(world, request) for request in requests[MOST_OPEN:]])
        requests[0].denied = "wrong pod"
        await until_started(world, MOST_OPEN + 1)
        del world.state.requests[requests[1].name]
        await until_started(world, MOST_OPEN + 1)

    assert await is_started(world, requests[MOST_OPEN])
    assert await is_started(world, requests[MOST_OPEN + 1])
    assert not await is_started(world, requests[MOST_OPEN + 2])


async def test_a_crowd_is_one_notice_also_for_two_workers_and_after_a_restart(world: World) -> None:
    requests = [add(world, number) for number in range(MOST_OPEN + 2)]
    notice = world.client.get_workflow_handle(crowd_id(world.ref))

    async with watching(world), watching(world):
        await until_signaled(world, notice.id, 2)
    first = await notice.describe()
    await _until_listed(world, MOST_OPEN)
    async with watching(world):
        await until_signaled(world, notice.id, 3)
        for request in requests[:2]:
            request.denied = "too many"
        await until_signaled(world, notice.id, 4)

    history = await notice.fetch_history()
    payloads = [
        event.workflow_execution_signaled_event_attributes.input.payloads[0].data
        for event in history.events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    assert (await notice.describe()).run_id == first.run_id
    assert payloads == [b'{"waiting":2}'] * 3 + [b'{"waiting":0}']


async def test_the_open_ones_are_counted_again_after_a_restart(world: World) -> None:
    requests = [add(world, number) for number in range(MOST_OPEN + 1)]
    async with watching(world):
        await until_started(world, MOST_OPEN)
    first = world.state.requests.pop(requests[MOST_OPEN].name)
    world.state.requests = {first.name: first.model_copy(update={"made_at": datetime(2020, 1, 1, tzinfo=UTC)})} | (
        world.state.requests
    )
    await _until_listed(world, MOST_OPEN)

    async with watching(world):
        late = add(world, 0, namespace="elsewhere")
        await until_signaled(world, strangers_id(world.ref.site))

    assert not await is_started(world, first)
    assert late.name in world.state.requests


async def test_a_request_that_vanishes_wakes_its_certify(world: World) -> None:
    request = add(world, 0)

    async with watching(world):
        await until_started(world, 1)
        del world.state.requests[request.name]

        await until_signaled(world, id_of(world, request))


async def test_a_request_missing_from_a_list_wakes_its_certify(world: World) -> None:
    request = add(world, 0)
    async with watching(world):
        await until_started(world, 1)
    del world.state.requests[request.name]
    await _until_listed(world, 1)

    async with watching(world):
        await until_signaled(world, id_of(world, request))


async def test_an_approval_by_kubectl_wakes_and_one_of_ours_does_not(world: World) -> None:
    ours, outside = add(world, 0), add(world, 1)

    async with watching(world):
        await until_started(world, 2)
        ours.approved = "ab12cd34"
        outside.approved = "outside"
        await until_signaled(world, id_of(world, outside))

    assert await signals(world, id_of(world, ours)) == []


async def test_a_certify_closed_from_outside_is_opened_again_at_the_next_list(world: World) -> None:
    request = add(world, 0)

    async with watching(world):
        await until_started(world, 1)
        handle = world.client.get_workflow_handle(id_of(world, request))
        await handle.terminate("by mistake")
        await _until_listed(world, 0)
        world.relist()

        async def is_open() -> bool:
            return (await handle.describe()).status == WorkflowExecutionStatus.RUNNING

        await until_asked(is_open)


async def test_a_certify_that_has_ended_is_not_opened_again(grounds: Grounds) -> None:
    async with staged(grounds) as stage:
        request = stage.world.add_pod()
        handle = await stage.certify(request)
        stage.approve_all()
        await handle.result()
        first = await handle.describe()
        request.serial, request.approved = "", ""

        stage.world.relist()
        other = stage.world.add_pod(1)
        await stage.chat.card("pending", csr=other.name)

        assert (await handle.describe()).run_id == first.run_id


async def _until_listed(world: World, count: int) -> None:
    """Wait until Temporal's store lists so many open runs; it lags by a moment."""
    query = f"WorkflowType = 'Certify' AND ExecutionStatus = 'Running' AND CrdbCluster = '{world.ref}'"

    async def is_so() -> bool:
        return (await world.client.count_workflows(query)).count == count

    await until_asked(is_so)
