"""`Observe`: an upgrade that is not final is kept in mind, without the lock."""

from __future__ import annotations

from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from operations.queues import observe_id
from tests.workflows.people import BOB, CAROL
from tests.workflows.stage import Stage
from tests.workflows.waiting import until

MAJOR = "v25.4.1"
#: Events that only the tests' moving of the clock leaves: its options and its jumps.
OF_THE_CLOCK = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
)


async def observing(stage: Stage) -> WorkflowHandle[Any, str]:
    """A major upgrade that has ended and is not final."""
    stage.world.serve(1, 2, 3)
    stage.world.terms = {"asks_after_canary": "never", "observe": 86_400}
    await (await stage.upgrade(MAJOR, backup="taken")).result()
    await until(lambda: said(stage, "observe-since"))
    return stage.client.get_workflow_handle(observe_id(stage.world.ref), result_type=str)


def said(stage: Stage, kind: str) -> str:
    return next((say.text for key, say in stage.chat.said.items() if key.startswith(kind)), "")


async def test_says_the_release_the_time_and_both_ways_on(stage: Stage) -> None:
    await observing(stage)

    text = said(stage, "observe-since")

    assert text.startswith("v25.4.1 of shop is observed from <t:")
    assert "/crdb finalize makes it final, /crdb rollback returns to v25.2.3" in text


async def test_a_finalization_closes_it(stage: Stage) -> None:
    observed = await observing(stage)
    stage.answer_all("approve", BOB, CAROL)

    await (await stage.finalize()).result()

    assert await observed.result() == "v25.4.1 is final, active version 25.4"
    assert "v25.4.1 is final" in said(stage, "observe-end")


async def test_a_roll_back_closes_it(stage: Stage) -> None:
    observed = await observing(stage)

    await (await stage.roll_back()).result()

    assert await observed.result() == "rolled back to v25.2.3"


async def test_people_are_reminded_when_the_time_is_over_and_a_week_later_in_few_events(stage: Stage) -> None:
    observed = await observing(stage)

    await stage.pass_time(observed, hours=25)
    await until(lambda: said(stage, "observe-remind-0"))
    await stage.pass_time(observed, days=7, hours=1)

    assert await observed.result() == "not final"
    assert "Nobody is reminded any more" in said(stage, "observe-remind-1")
    events = [e for e in await stage.history(observed) if e.event_type not in OF_THE_CLOCK]
    assert len(events) < 50


async def test_what_somebody_made_final_by_hand_is_seen_before_anybody_is_reminded(stage: Stage) -> None:
    observed = await observing(stage)
    stage.world.state.active, stage.world.state.preserved = "25.4", ""

    await stage.pass_time(observed, hours=25)

    assert await observed.result() == "active version 25.4"
    assert said(stage, "observe-remind") == ""
