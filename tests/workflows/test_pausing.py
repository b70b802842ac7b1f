"""`pause` and `resume` of an upgrade and a roll back: before a node and never in one, by whom, for how long."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from domain.errors import RefusedError
from operations.messages import Verb
from tests.workflows.people import ALICE, BOB, STRANGER, VIEWER
from tests.workflows.stage import Stage, failure_of, said_at_end
from tests.workflows.waiting import until, until_asked

PATCH, MAJOR, OLD = "v25.2.4", "v25.4.1", "v25.2.3"
Handle = WorkflowHandle[Any, Any]


def restarts(stage: Stage) -> list[str]:
    return [effect for effect in stage.world.state.effects if effect.startswith("restarted")]


async def restarting(stage: Stage) -> Handle:
    """A patch whose first node is on its way back."""
    stage.world.serve(1, 2, 3)
    stage.world.held = {"upgrading.wait_back"}
    handle = await stage.upgrade(PATCH)
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)
    return handle


async def until_held(stage: Stage, handle: Handle) -> None:
    async def is_held() -> bool:
        pause = (await stage.status(handle)).pause
        return pause is not None and bool(pause.before)

    await until_asked(is_held)


async def paused(stage: Stage) -> Handle:
    """A patch that Bob paused after its first node."""
    handle = await restarting(stage)
    await stage.click_operation("pause", handle, BOB)
    stage.world.held.clear()
    await until_held(stage, handle)
    return handle


async def until_restarting(stage: Stage, handle: Handle) -> None:
    """Resume it, and wait for the next node to be on its way back."""
    stage.world.held, stage.world.waiting = {"upgrading.wait_back"}, set()
    await stage.click_operation("resume", handle, BOB)
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)


async def test_a_pause_lets_the_node_that_restarts_come_back_and_holds_before_the_next_one(stage: Stage) -> None:
    handle = await restarting(stage)

    receipt = await stage.click_operation("pause", handle, BOB)
    asked = await stage.status(handle)
    stage.world.held.clear()
    await until_held(stage, handle)

    assert receipt.sentence == "Pausing before the next node."
    assert asked.pause is not None
    assert (asked.pause.by.id, asked.pause.before) == (BOB.id, "")
    await until(lambda: stage.chat.operation().state == "person")
    shown = stage.chat.operation()
    assert shown.pause is not None
    assert (shown.pause.by.id, shown.pause.before) == (BOB.id, "cockroachdb-1 on v25.2.4")
    assert [(step.name, step.state) for step in shown.steps][:3] == [
        ("preflight", "done"),
        ("node-2", "done"),
        ("node-1", "todo"),
    ]
    assert restarts(stage) == ["restarted cockroachdb-2 on v25.2.4"]
    assert await stage.gateway.running(stage.world.ref) is not None


async def test_after_a_resume_it_goes_on_with_the_next_node_and_the_message_says_who_held_it(stage: Stage) -> None:
    handle = await paused(stage)

    receipt = await stage.click_operation("resume", handle, ALICE)
    result = await handle.result()
    await until(lambda: stage.chat.operation().state == "done")

    assert receipt.sentence == "Going on."
    assert result.rolled == ("cockroachdb-2", "cockroachdb-1", "cockroachdb-0")
    (said,) = stage.chat.operation().facts
    assert said.startswith("paused by Bob since ")
    assert said.endswith(" UTC before cockroachdb-1 on v25.2.4; resumed by Alice")


async def test_a_resume_looks_first_and_plans_anew_from_what_is_there(stage: Stage) -> None:
    handle = await paused(stage)
    state = stage.world.state
    state.pods["cockroachdb-1"].version = PATCH
    next(member for member in state.members if member.ordinal == 1).build = PATCH
    state.partition = 1

    await stage.click_operation("resume", handle, BOB)
    result = await handle.result()

    assert result.rolled == ("cockroachdb-2", "cockroachdb-0")
    assert "somebody else set v25.2.4 from cockroachdb-1 on" in "; ".join((await stage.status(handle)).facts)
    assert restarts(stage) == ["restarted cockroachdb-2 on v25.2.4", "restarted cockroachdb-0 on v25.2.4"]


async def test_what_is_resumed_before_the_pause_took_effect_is_never_held(stage: Stage) -> None:
    handle = await restarting(stage)

    await stage.click_operation("pause", handle, BOB)
    await stage.click_operation("resume", handle, BOB)
    stage.world.held.clear()
    await handle.result()

    status = await stage.status(handle)
    assert (status.pause, status.facts) == (None, ())


async def test_a_cancel_ends_it_while_it_is_paused_and_says_what_runs_where(stage: Stage) -> None:
    handle = await paused(stage)

    await stage.click_operation("cancel", handle, ALICE)
    error = await failure_of(handle)
    await until(lambda: said_at_end(stage.chat) != [])

    assert (error.type, error.message) == ("Cancelled", "Cancelled by Alice.")
    facts = "; ".join((await stage.status(handle)).facts)
    assert "v25.2.4 on cockroachdb-2; v25.2.3 on cockroachdb-0, cockroachdb-1" in facts
    assert said_at_end(stage.chat) == ["upgrade of shop was cancelled by Alice."]


async def test_a_pause_that_nobody_ends_stops_it_where_it_is_with_what_state_that_is(stage: Stage) -> None:
    stage.world.terms = {"pause": 3600 * 2}
    handle = await paused(stage)

    await stage.pass_time(handle, hours=3)
    error = await failure_of(handle)

    status = await stage.status(handle)
    assert (error.type, status.state) == ("Cancelled", "cancelled")
    assert status.problem is not None
    assert status.problem.code == "pause.expired"
    assert status.problem.message.startswith("Paused by Bob since ")
    assert status.problem.message.endswith("; nobody resumed it within 2 h.")
    assert "the same /crdb upgrade goes on from there" in status.problem.hint
    assert "v25.2.4 on cockroachdb-2; v25.2.3 on cockroachdb-0, cockroachdb-1" in "; ".join(status.facts)
    assert restarts(stage) == ["restarted cockroachdb-2 on v25.2.4"]


async def test_people_are_reminded_of_a_pause_as_of_every_wait_and_never_after_it(stage: Stage) -> None:
    handle = await paused(stage)
    pause = (await stage.status(handle)).pause
    assert pause is not None
    assert pause.until is not None

    await stage.pass_time(handle, minutes=16)
    await until(lambda: len(stage.chat.said) == 1)
    await stage.click_operation("resume", handle, BOB)
    await handle.result()
    await until(lambda: said_at_end(stage.chat) != [])

    said, *others = stage.chat.said.values()
    since, end = (f"<t:{int(at.timestamp())}>" for at in (pause.at, pause.until))
    assert said.text == (
        f"The paused upgrade has been waiting for /crdb resume since {since}. It stops where it is at {end}."
    )
    assert (said.audience, said.thread_ts) == (("S-OPS",), "1.000")
    assert [say.kind for say in others] == ["end"]


async def test_a_run_can_be_paused_again_after_it_went_on(stage: Stage) -> None:
    handle = await paused(stage)
    await until_restarting(stage, handle)

    await stage.click_operation("pause", handle, ALICE)
    stage.world.held.clear()
    await until_held(stage, handle)
    await stage.click_operation("resume", handle, ALICE)
    await handle.result()

    assert [fact.partition(" since ")[0] for fact in (await stage.status(handle)).facts] == [
        "paused by Bob",
        "paused by Alice",
    ]


async def test_a_pause_while_people_are_asked_holds_before_the_rest_whatever_they_answer(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.upgrade(MAJOR, backup="taken")
    card = await stage.chat.gate("pending", kind="canary")

    await stage.click_operation("pause", handle, BOB)
    await stage.answer("deny", card, BOB)
    await until_held(stage, handle)
    before = restarts(stage)
    pause = (await stage.status(handle)).pause
    await stage.click_operation("resume", handle, BOB)
    result = await handle.result()

    assert pause is not None
    assert pause.before == "cockroachdb-2 on v25.2.3"
    assert before == ["restarted cockroachdb-2 on v25.4.1"]
    assert result.outcome == "rolled-back"


async def test_a_roll_back_is_paused_in_the_same_way(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.stand_on(MAJOR)
    stage.world.held = {"upgrading.wait_back"}
    handle = await stage.roll_back()
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)

    await stage.click_operation("pause", handle)
    stage.world.held.clear()
    await until_held(stage, handle)
    before = restarts(stage)
    await stage.click_operation("resume", handle)
    result = await handle.result()

    assert before == ["restarted cockroachdb-2 on v25.2.3"]
    assert result.outcome == "rolled-back"


# --- refused ---


@pytest.mark.parametrize("person", [VIEWER, STRANGER], ids=["viewer", "stranger"])
@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_whoever_may_not_cancel_may_not_pause_or_resume_either(stage: Stage, verb: Verb, person: Any) -> None:
    handle = await (paused if verb == "resume" else restarting)(stage)

    with pytest.raises(RefusedError) as refused:
        await stage.click_operation(verb, handle, person)
    before = (await stage.status(handle)).pause
    await handle.terminate()
    stage.world.held.clear()

    assert refused.value.code == "role.missing"
    assert (before is not None) == (verb == "resume")


async def test_a_second_pause_and_a_resume_without_one_are_refused(stage: Stage) -> None:
    handle = await restarting(stage)

    with pytest.raises(RefusedError) as nothing:
        await stage.click_operation("resume", handle)
    await stage.click_operation("pause", handle, BOB)
    with pytest.raises(RefusedError) as twice:
        await stage.click_operation("pause", handle, ALICE)
    await stage.click_operation("cancel", handle)
    stage.world.held.clear()
    await failure_of(handle)

    assert (nothing.value.code, twice.value.code) == ("resume.not-paused", "decision.already")
    assert "Already paused by Bob since " in twice.value.message


async def test_a_finalization_cannot_be_paused(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.stand_on(MAJOR)
    handle = await stage.finalize()
    await stage.chat.gate("pending", kind="finalize")

    with pytest.raises(RefusedError) as refused:
        await stage.click_operation("pause", handle)
    await stage.click_operation("cancel", handle)
    await failure_of(handle)

    assert refused.value.code == "pause.no-node-left"


async def test_the_last_node_is_not_paused_since_none_is_left(stage: Stage) -> None:
    handle = await paused(stage)
    await until_restarting(stage, handle)
    await stage.click_operation("pause", handle, ALICE)
    stage.world.held.clear()
    await until_held(stage, handle)
    await until_restarting(stage, handle)

    with pytest.raises(RefusedError) as refused:
        await stage.click_operation("pause", handle)
    stage.world.held.clear()
    await handle.result()

    assert refused.value.code == "pause.no-node-left"
    assert restarts(stage)[-1] == "restarted cockroachdb-0 on v25.2.4"
