"""`Strangers`: requests of no cluster of ours, counted for a minute and told in one digest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowHandle

from operations.messages import STRANGERS_SEEN
from operations.queues import ops_queue, strangers_id
from operations.strangers import StrangersResult, StrangersSeen, StrangersStart
from tests.workflows.stage import Stage
from tests.workflows.waiting import until
from tests.workflows.world import Request


async def _start(stage: Stage, *, channel: str) -> WorkflowHandle[object, StrangersResult]:
    site = stage.world.ref.site
    return await stage.client.start_workflow(
        "Strangers",
        StrangersStart(site=site, channel=channel),
        id=strangers_id(site),
        task_queue=ops_queue(site),
        result_type=StrangersResult,
    )


async def _gather(stage: Stage, *, channel: str, seen: list[StrangersSeen]) -> StrangersResult:
    handle = await _start(stage, channel=channel)
    for one in seen:
        await handle.signal(STRANGERS_SEEN, one)
    await stage.pass_time(handle, seconds=61)
    return await handle.result()


async def test_one_digest_counts_all_and_names_five(stage: Stage) -> None:
    channel = stage.world.configuration.clusters["shop"].channel
    many = StrangersSeen(count=498, examples=tuple(f"csr-{n} by somebody" for n in range(4)))
    few = StrangersSeen(count=2, examples=("csr-3 by somebody", "csr-8 by somebody", "csr-9 by somebody"))

    result = await _gather(stage, channel=channel, seen=[many, few])

    assert (result.count, len(result.examples)) == (500, 5)
    (say,) = stage.chat.said.values()
    assert (say.kind, say.thread_ts) == ("warning", "")
    assert say.text == (
        f"500 certificate signing requests on site {stage.world.ref.site} come from no database cluster of ours and "
        "will not be signed: for example csr-0 by somebody; csr-1 by somebody; csr-2 by somebody; csr-3 by somebody; "
        "csr-8 by somebody. Nothing needs to be decided; find out who asks."
    )


async def test_a_single_one_is_told_as_one(stage: Stage) -> None:
    channel = stage.world.configuration.clusters["shop"].channel

    await _gather(stage, channel=channel, seen=[StrangersSeen(count=1, examples=("csr-1 by somebody",))])

    (say,) = stage.chat.said.values()
    assert say.text.startswith(f"1 certificate signing request on site {stage.world.ref.site} comes from no database")
    assert "will not be signed: csr-1 by somebody. Nothing" in say.text


async def test_two_workers_that_see_the_same_count_them_once(stage: Stage) -> None:
    channel = stage.world.configuration.clusters["shop"].channel
    seen = [StrangersSeen(count=30, examples=("csr-1 by somebody",), worker=worker) for worker in ("a", "b", "a")]

    result = await _gather(stage, channel=channel, seen=seen)

    assert (result.count, len(stage.chat.said)) == (60, 1)


async def test_those_who_come_while_chat_is_down_are_told_together_a_minute_later(stage: Stage) -> None:
    site, channel = stage.world.ref.site, stage.world.configuration.clusters["shop"].channel
    stage.chat.fails, stage.chat.retry_after = {"chat.say": 1}, timedelta(seconds=2)
    handle = await _start(stage, channel=channel)
    await handle.signal(STRANGERS_SEEN, StrangersSeen(count=3, examples=("csr-1 by somebody",)))
    await stage.pass_time(handle, seconds=61)
    await until(lambda: "chat.say" in stage.chat.calls)
    for count in (4, 5):
        await handle.signal(STRANGERS_SEEN, StrangersSeen(count=count, examples=("csr-2 by somebody",)))
    await until(lambda: len(stage.chat.said) == 1)

    await stage.pass_time(handle, seconds=61)
    result = await handle.result()

    assert result.count == 12
    assert [say.text.split(f" on site {site}")[0] for say in stage.chat.said.values()] == [
        "3 certificate signing requests",
        "9 certificate signing requests",
    ]


async def test_five_hundred_requests_from_another_namespace_are_one_message_and_no_card(stage: Stage) -> None:
    for number in range(500):
        request = Request(
            name=f"elsewhere.node.{number}",
            uid=f"uid-{stage.world.ref.site}-{number}",
            pod=f"pod-{number}",
            pod_uid=f"pod-uid-{number}",
            username="system:serviceaccount:elsewhere:cockroachdb",
            made_at=datetime.now(UTC),
        )
        stage.world.state.requests[request.name] = request
    await stage.until_started(strangers_id(stage.world.ref.site))
    handle = stage.handle(strangers_id(stage.world.ref.site), "")

    await stage.pass_time(handle, seconds=61)
    await until(lambda: len(stage.chat.said) == 1)

    (say,) = stage.chat.said.values()
    assert say.channel == stage.world.configuration.clusters["shop"].channel
    assert say.text.startswith("500 certificate signing requests")
    certifies = await stage.client.count_workflows(f"WorkflowType = 'Certify' AND CrdbCluster = '{stage.world.ref}'")
    assert certifies.count == 0
    assert stage.chat.messages == {}


async def test_without_a_channel_it_is_recorded_alone(stage: Stage) -> None:
    result = await _gather(stage, channel="", seen=[StrangersSeen(count=1, examples=("csr-1 by somebody",))])

    assert result == StrangersResult(count=1, examples=("csr-1 by somebody",))
    assert stage.chat.said == {}
