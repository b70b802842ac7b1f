"""`Crowd`: requests that wait for a place, told once for each time that some begin to wait."""

from __future__ import annotations

from temporalio.client import WorkflowHandle

from operations.crowd import CrowdResult, CrowdSeen, CrowdStart
from operations.messages import CROWD_SEEN
from operations.queues import crowd_id, ops_queue
from tests.workflows.people import BOB
from tests.workflows.stage import Stage
from tests.workflows.waiting import until, until_asked
from workflows.retries import CROWD_OVER_AFTER

Handle = WorkflowHandle[object, CrowdResult]


async def begin(stage: Stage, waiting: int) -> Handle:
    ref = stage.world.ref
    return await stage.client.start_workflow(
        "Crowd",
        CrowdStart(ref=ref, channel=stage.world.configuration.clusters[ref.cluster].channel),
        id=crowd_id(ref),
        task_queue=ops_queue(ref.site),
        result_type=CrowdResult,
        start_signal=CROWD_SEEN,
        start_signal_args=[CrowdSeen(waiting=waiting)],
    )


async def test_it_is_told_once_in_the_clusters_channel_and_ends_when_none_waits(stage: Stage) -> None:
    handle = await begin(stage, 3)
    await until(lambda: len(stage.chat.said) == 1)

    for waiting in (5, 0, 2, 0):
        await handle.signal(CROWD_SEEN, CrowdSeen(waiting=waiting))
    await stage.pass_time(handle, seconds=CROWD_OVER_AFTER.total_seconds() + 1)
    result = await handle.result()

    assert result == CrowdResult(most=5)
    (say,) = stage.chat.said.values()
    assert (say.channel, say.thread_ts, say.kind) == (stage.world.configuration.clusters["shop"].channel, "", "warning")
    assert say.text == (
        "shop has 20 open certificate signing requests, the most that are shown at once; 3 more wait for a place and "
        "will have a card as others close. Decide on the open ones, and find out who asks for so many: "
        "/crdb csr shop lists them."
    )


async def test_the_next_time_is_told_anew(stage: Stage) -> None:
    first = await begin(stage, 1)
    await first.signal(CROWD_SEEN, CrowdSeen(waiting=0))
    await stage.pass_time(first, seconds=CROWD_OVER_AFTER.total_seconds() + 1)
    await first.result()

    await begin(stage, 1)

    await until(lambda: len(stage.chat.said) == 2)
    assert all("1 more waits for a place" in say.text for say in stage.chat.said.values())


async def test_three_too_many_are_one_message_and_each_has_its_card_as_others_close(stage: Stage) -> None:
    requests = [stage.world.add_pod(number) for number in range(23)]
    await until(lambda: len(stage.chat.cards("pending")) == 20)
    await until(lambda: len(stage.chat.said) == 1)

    for number, name in enumerate([request.name for request in requests[:3]], start=1):
        await stage.click("deny", await stage.chat.card("pending", csr=name), BOB, reason="too many at once")
        await stage.chat.card("pending", csr=requests[19 + number].name)

    async def is_over() -> bool:
        history = await stage.client.get_workflow_handle(crowd_id(stage.world.ref)).fetch_history()
        signals = [e.workflow_execution_signaled_event_attributes for e in history.events]
        return any(b'"waiting":0' in s.input.payloads[0].data for s in signals if s.input.payloads)

    await until_asked(is_over)
    (say,) = [said for said in stage.chat.said.values() if said.kind == "warning"]
    assert "3 more wait for a place" in say.text
