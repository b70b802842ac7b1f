"""`Strangers`: requests of no cluster of ours, counted for a minute and told in one digest."""

from __future__ import annotations

from temporalio.client import WorkflowHandle

from operations.messages import STRANGERS_SEEN
from operations.queues import ops_queue, strangers_id
from operations.strangers import StrangersResult, StrangersSeen, StrangersStart
from tests.workflows.stage import Stage


async def _gather(stage: Stage, *, channel: str, seen: list[StrangersSeen]) -> StrangersResult:
    site = stage.world.ref.site
    handle: WorkflowHandle[object, StrangersResult] = await stage.client.start_workflow(
        "Strangers",
        StrangersStart(site=site, channel=channel),
        id=strangers_id(site),
        task_queue=ops_queue(site),
        result_type=StrangersResult,
    )
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
    assert say.kind == "warning"
    assert say.text.startswith("500 certificate signing requests")


async def test_without_a_channel_it_is_recorded_alone(stage: Stage) -> None:
    result = await _gather(stage, channel="", seen=[StrangersSeen(count=1, examples=("csr-1 by somebody",))])

    assert result == StrangersResult(count=1, examples=("csr-1 by somebody",))
    assert stage.chat.said == {}
