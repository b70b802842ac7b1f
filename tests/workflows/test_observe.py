"""`Observe`: an upgrade that is not final is kept in mind on one card, without the lock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from domain.errors import RefusedError
from operations.observe import ObserveState, ObserveStatus
from operations.queues import observe_id
from tests.workflows.people import BOB, CAROL
from tests.workflows.stage import Stage
from tests.workflows.waiting import until

MAJOR, OLD = "v25.4.1", "v25.2.3"
#: Events that only the tests' moving of the clock leaves: its options and its jumps.
OF_THE_CLOCK = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
)
SHOW = "chat.show_observation"
#: Hours within which two looks fall that begin after this moment: the tests' own pause between two is eight.
TWO_LOOKS = 23


async def observing(stage: Stage, *, days: int = 1) -> WorkflowHandle[Any, str]:
    """A major upgrade that has ended and is not final, with its card; it is observed for so long."""
    stage.world.serve(1, 2, 3)
    stage.world.terms = {"asks_after_canary": "never", "observe": days * 86_400}
    await (await stage.upgrade(MAJOR, backup="taken")).result()
    await until(lambda: bool(stage.chat.observations()))
    return stage.client.get_workflow_handle(observe_id(stage.world.ref), result_type=str)


def card(stage: Stage) -> ObserveStatus:
    """The one card as it is shown now."""
    (found,) = stage.chat.observations()
    return found


async def until_card(stage: Stage, state: ObserveState) -> ObserveStatus:
    """Wait until the one card shows that state."""
    await until(lambda: card(stage).state == state)
    return card(stage)


def said(stage: Stage, kind: str) -> list[str]:
    """What was said in its thread, by the kind of it."""
    return [say.text for key, say in stage.chat.said.items() if key.startswith(f"observe-{kind}")]


async def events(stage: Stage, observed: WorkflowHandle[Any, str]) -> int:
    """Count the events that production would have."""
    return sum(e.event_type not in OF_THE_CLOCK for e in await stage.history(observed))


async def test_one_card_in_the_upgrades_thread_says_what_runs_since_when_and_what_was_active(stage: Stage) -> None:
    await observing(stage)

    shown = card(stage)
    (root,) = [m for m in stage.chat.messages.values() if m.origin[2] == "operation"]
    (message,) = [m for m in stage.chat.messages.values() if m.origin[2] == "observation"]
    assert (shown.state, shown.version, shown.before) == ("observed", MAJOR, OLD)
    assert (shown.seen.active, shown.seen.builds, shown.seen.notices) == ("25.2", (MAJOR,), ())
    assert shown.until - shown.since == timedelta(days=1)
    assert (message.channel, message.behind) == (root.channel, root.ts)


async def test_a_finalization_closes_the_card_and_says_so(stage: Stage) -> None:
    observed = await observing(stage)
    stage.answer_all("approve", BOB, CAROL)

    await (await stage.finalize()).result()

    assert await observed.result() == "v25.4.1 is final, active version 25.4"
    assert card(stage).state == "final"
    assert said(stage, "end") == ["v25.4.1 of shop is not observed any more: v25.4.1 is final, active version 25.4."]


async def test_what_is_asked_of_it_is_answered_while_it_runs_and_afterwards(stage: Stage) -> None:
    observed = await observing(stage)
    run_id = (await observed.describe()).run_id
    before = await stage.gateway.target(observed.id, run_id=run_id)

    await (await stage.roll_back()).result()
    await observed.result()
    after = await stage.gateway.target(observed.id, run_id=run_id)

    assert (before.is_open, after.is_open) == (True, False)
    assert (await stage.gateway.observe_status(observed.id, run_id=run_id)).state == "rolled-back"


async def test_a_roll_back_closes_the_card(stage: Stage) -> None:
    observed = await observing(stage)

    await (await stage.roll_back()).result()

    assert await observed.result() == "rolled back to v25.2.3"
    assert card(stage).state == "rolled-back"


async def test_people_are_reminded_for_days_on_the_same_card_and_a_week_is_few_events(stage: Stage) -> None:
    observed = await observing(stage)
    audience = stage.world.configuration.roles["approver"]

    await stage.pass_time(observed, hours=25)
    first = await until_card(stage, "due")
    await stage.pass_time(observed, days=6)
    await until(lambda: len(said(stage, "remind")) == 2)
    count = await events(stage, observed)
    await stage.pass_time(observed, days=1)
    await until(lambda: len(said(stage, "remind")) == 3)

    assert first.reminded == (*audience.groups, *audience.people)
    assert first.reminded_at is not None
    assert timedelta(0) <= first.reminded_at - first.until < timedelta(minutes=1)
    assert "/crdb finalize makes it final, /crdb rollback returns to v25.2.3" in said(stage, "remind")[0]
    assert len(stage.chat.observations()) == 1
    assert count < 50


async def test_a_day_without_news_draws_nothing(stage: Stage) -> None:
    observed = await observing(stage)

    await stage.pass_time(observed, hours=23)

    assert stage.chat.calls.count(SHOW) == 1
    assert card(stage).sequence == 0


async def test_who_becomes_unwell_is_told_on_the_card_and_taken_off_again(stage: Stage) -> None:
    observed = await observing(stage, days=7)
    stage.world.state.members[1].is_live = False
    await stage.pass_time(observed, hours=TWO_LOOKS)
    await until(lambda: bool(card(stage).seen.notices))
    told = card(stage)
    stage.world.state.members[1].is_live = True
    await stage.pass_time(observed, hours=TWO_LOOKS)
    await until(lambda: not card(stage).seen.notices)

    assert told.seen.notices == ("n2 (cockroachdb-1) does not live",)
    assert told.noticed_at is not None
    assert card(stage).noticed_at != told.noticed_at


async def test_what_changes_all_the_time_is_told_ever_more_seldom(stage: Stage) -> None:
    observed = await observing(stage)

    for number in range(6):
        stage.world.state.members[1].is_live = bool(number % 2)
        await stage.pass_time(observed, hours=13)

    assert stage.chat.calls.count(SHOW) < 10
    assert await events(stage, observed) < 100


async def test_what_somebody_made_final_by_hand_closes_the_card_and_nobody_is_reminded(stage: Stage) -> None:
    observed = await observing(stage)
    stage.world.state.active, stage.world.state.preserved = "25.4", ""

    await stage.pass_time(observed, hours=25)

    assert await observed.result() == "it is final: active version 25.4"
    assert card(stage).state == "final"
    assert said(stage, "remind") == []


async def test_what_somebody_rolled_back_by_hand_closes_the_card(stage: Stage) -> None:
    observed = await observing(stage)
    stage.world.state.template = OLD
    for member in stage.world.state.members:
        member.build = OLD

    await stage.pass_time(observed, hours=TWO_LOOKS)

    assert "all nodes run v25.2.3 again by somebody's hand" in await observed.result()
    assert card(stage).state == "rolled-back"


async def test_a_cancel_from_outside_closes_the_card(stage: Stage) -> None:
    observed = await observing(stage)

    await observed.cancel()

    assert await observed.result() == "stopped outside, by a person who is not known"
    assert card(stage).state == "stopped"


async def test_while_nobody_can_look_people_are_reminded_all_the_same(stage: Stage) -> None:
    observed = await observing(stage)
    stage.world.errors = {"observing.watch": [RefusedError("deploy.not-ours", "Found a strange StatefulSet.")]}

    await stage.pass_time(observed, hours=25)
    shown = await until_card(stage, "due")

    assert shown.seen.notices == ("nobody can look: Found a strange StatefulSet.",)
    assert len(said(stage, "remind")) == 1


async def test_a_bot_that_is_away_holds_up_no_end(stage: Stage) -> None:
    observed = await observing(stage)
    stage.chat.fails = {SHOW: 2}

    await (await stage.roll_back()).result()

    assert await observed.result() == "rolled back to v25.2.3"
    assert card(stage).state == "rolled-back"
