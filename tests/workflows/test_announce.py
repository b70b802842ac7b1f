"""`Announce`: the last message of a closed run, delivered for as long as chat needs, once."""

from __future__ import annotations

from temporalio.client import WorkflowExecutionStatus

from operations.queues import announce_id
from tests.workflows.people import BOB
from tests.workflows.stage import Stage
from tests.workflows.waiting import until


async def test_it_outlives_the_run_whose_end_it_tells(stage: Stage) -> None:
    stage.chat.is_down = True
    handle = await stage.deploy(plan=True)
    await handle.result()
    run_id = (await handle.describe()).run_id
    child = stage.client.get_workflow_handle(announce_id(workflow_id=handle.id, run_id=run_id))
    while_down = (await child.describe()).status

    stage.chat.is_down = False
    await child.result()

    assert while_down == WorkflowExecutionStatus.RUNNING
    assert stage.chat.operation().state == "plan"
    assert len(stage.chat.said) == 1


async def test_the_end_is_said_in_the_thread_of_the_message(stage: Stage) -> None:
    handle = await stage.deploy(plan=True)
    await handle.result()
    await until(lambda: bool(stage.chat.said))

    (say,) = stage.chat.said.values()
    (root,) = stage.chat.messages
    assert (say.thread_ts, say.channel, say.mention) == (root, stage.chat.messages[root].channel, "U1")


async def test_a_root_whose_answer_was_lost_is_not_posted_twice(stage: Stage) -> None:
    stage.chat.loses = ("chat.show_operation",)
    stage.chat.lost = ["before chat.show_operation"]
    handle = await stage.deploy(plan=True)

    await handle.result()
    await until(lambda: bool(stage.chat.said))

    assert len(stage.chat.messages) == 1


async def test_a_card_is_closed_after_its_run(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending"), BOB)

    await handle.result()
    await until(lambda: [card.state for card in stage.chat.cards()] == ["issued"])

    assert stage.chat.cards()[0].serial != ""
