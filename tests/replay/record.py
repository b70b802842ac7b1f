"""Plays the stories of which histories are kept, on the tests' world, and records them.

`python -m tests.replay.record VERSION`, once a release; the files are committed and never written again for that
version. `next` holds the stories that have gone another way since the last one (`workflow.patched`), until the next.
Any run's history is recorded by `devtools.histories`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from temporalio.client import WorkflowFailureError, WorkflowHandle

from devtools.histories import record
from gateway.settings import TemporalSettings
from operations.queues import observe_id
from tests.workflows.people import ALICE, BOB, CAROL
from tests.workflows.server import running_server
from tests.workflows.stage import Grounds, Stage, staged
from tests.workflows.waiting import until

FOLDER = Path(__file__).parent / "histories"
Handle = WorkflowHandle[object, object]


async def deploy_happy(stage: Stage) -> Handle:
    stage.approve_all(BOB)
    handle = await stage.deploy()
    await handle.result()
    return handle


async def deploy_nothing_to_do(stage: Stage) -> Handle:
    await deploy_happy(stage)
    handle = await stage.deploy()
    await handle.result()
    return handle


async def deploy_cancelled(stage: Stage) -> Handle:
    handle = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")
    await stage.click_operation("cancel", handle)
    with suppress(WorkflowFailureError):
        await handle.result()
    return handle


async def init_happy(stage: Stage) -> Handle:
    stage.world.wait_for_init()
    handle = await stage.initialize()
    await handle.result()
    return handle


async def init_nothing_to_do(stage: Stage) -> Handle:
    await init_happy(stage)
    handle = await stage.initialize()
    await handle.result()
    return handle


async def scale_up(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.approve_all(BOB)
    handle = await stage.scale(4)
    await handle.result()
    return handle


async def scale_down_volume_deleted(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3, 4)
    stage.answer_all("approve", BOB, CAROL)
    handle = await stage.scale(3)
    await handle.result()
    return handle


async def scale_changed_half_way(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3, 4, 5)
    stage.world.held = {"nodes.follow"}
    handle = await stage.scale(3)
    await until(lambda: "nodes.follow" in stage.world.waiting)
    await stage.retarget(handle, 5)
    await handle.result()
    return handle


async def drill_survived(stage: Stage) -> Handle:
    stage.world.serve(1, 3, 2)
    handle = await stage.drill(1)
    await handle.result()
    return handle


async def upgrade_patch(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    handle = await stage.upgrade("v25.2.4")
    await handle.result()
    return handle


async def upgrade_major(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.answer_all("approve", BOB)
    handle = await stage.upgrade("v25.4.1", backup="taken")
    await handle.result()
    return handle


async def upgrade_stuck_and_rolled_back(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.world.unpullable = {"v25.4.1"}
    stage.answer_all("deny", BOB)
    handle = await stage.upgrade("v25.4.1", backup="taken")
    await handle.result()
    return handle


async def upgrade_paused_and_resumed(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"upgrading.wait_back"}
    handle = await stage.upgrade("v25.2.4")
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)
    await stage.click_operation("pause", handle, BOB)
    stage.world.held.clear()
    await stage.until_step(handle, "node-2", "done")
    await stage.click_operation("resume", handle)
    await handle.result()
    return handle


async def upgrade_newer_than_the_table(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.world.run_release("v26.4.2")
    stage.answer_all("approve", BOB)
    handle = await stage.upgrade("v26.9.1", backup="taken")
    await handle.result()
    return handle


async def rollback_whole(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.world.stand_on("v25.4.1")
    handle = await stage.roll_back()
    await handle.result()
    return handle


async def finalize_decided_by_two(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.world.stand_on("v25.4.1")
    stage.world.migration = ["25.2-upgrading-to-25.4-step-004"]
    stage.answer_all("approve", BOB, CAROL)
    handle = await stage.finalize()
    await handle.result()
    return handle


async def observe_made_final(stage: Stage) -> Handle:
    stage.world.serve(1, 2, 3)
    stage.world.terms = {"asks_after_canary": "never"}
    stage.answer_all("approve", BOB, CAROL)
    await (await stage.upgrade("v25.4.1", backup="taken")).result()
    handle = stage.client.get_workflow_handle(observe_id(stage.world.ref))
    await until(lambda: bool(stage.chat.observations()))
    await (await stage.finalize()).result()
    await handle.result()
    return handle


async def certify_issued(stage: Stage) -> Handle:
    handle = await stage.certify(stage.world.add_pod())
    stage.approve_all(BOB)
    await handle.result()
    return handle


async def certify_denied(stage: Stage) -> Handle:
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("deny", await stage.chat.card("pending"), BOB, reason="wrong pod")
    await handle.result()
    return handle


async def certify_expired_and_asked_again(stage: Stage) -> Handle:
    handle = await stage.certify(stage.world.add_pod())
    await until(lambda: any(card.expires_at is not None for card in stage.chat.cards()))
    await stage.pass_time(handle, minutes=61)
    await stage.click("ask_again", await stage.chat.card("expired"), ALICE)
    stage.approve_all(BOB)
    await handle.result()
    return handle


STORIES: tuple[Callable[[Stage], Awaitable[Handle]], ...] = (
    deploy_happy,
    deploy_nothing_to_do,
    deploy_cancelled,
    init_happy,
    init_nothing_to_do,
    scale_up,
    scale_down_volume_deleted,
    scale_changed_half_way,
    drill_survived,
    upgrade_patch,
    upgrade_major,
    upgrade_stuck_and_rolled_back,
    upgrade_paused_and_resumed,
    upgrade_newer_than_the_table,
    rollback_whole,
    finalize_decided_by_two,
    observe_made_final,
    certify_issued,
    certify_denied,
    certify_expired_and_asked_again,
)


async def record_all(temporal: TemporalSettings, folder: Path) -> None:
    grounds = Grounds(temporal)
    for story in STORIES:
        async with staged(grounds) as stage:
            handle = await story(stage)
            run_id = (await handle.describe()).run_id
            await record(stage.client, folder, story.__name__, workflow_id=handle.id, run_id=run_id)


if __name__ == "__main__":
    with running_server() as found:
        asyncio.run(record_all(found, FOLDER / sys.argv[1]))
