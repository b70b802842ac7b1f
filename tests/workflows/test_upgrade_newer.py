"""`Upgrade` to a release that is newer than our table: people are asked before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from devtools.histories import not_replaying, replayer
from domain import releases
from operations.upgrade import UpgradeResult
from tests.workflows.people import ALICE, BOB
from tests.workflows.stage import Stage, code_of, failure_of
from tests.workflows.waiting import until

NEWEST, NEWER, PATCH = "v26.4.2", "v26.9.1", "v26.4.99"
Handle = WorkflowHandle[Any, UpgradeResult]


async def asking(stage: Stage) -> Handle:
    """An upgrade of a cluster of the newest known release to one that is newer."""
    stage.world.serve(1, 2, 3)
    stage.world.run_release(NEWEST)
    return await stage.upgrade(NEWER, backup="taken")


async def test_people_are_asked_first_with_what_is_known_and_their_yes_is_on_record(stage: Stage) -> None:
    handle = await asking(stage)
    card = await stage.chat.gate("pending", kind="upgrade-newer")
    before = list(stage.world.state.effects)

    await stage.answer("approve", card, BOB)
    canary = await stage.chat.gate("pending", kind="canary")
    await stage.answer("approve", canary, BOB)
    result = await handle.result()
    await until(lambda: stage.chat.operation().state == "done")

    assert before == []
    assert card.question.headline == (
        "v26.9.1 is newer than the table of this crdb-chatops: go on as a major upgrade from v26.4.2?"
    )
    assert "so 26.9 would not be legal" in card.question.evidence[1]
    assert (card.question.yes, card.question.no) == ("Go on", "Stop")
    assert (result.outcome, result.active, result.decided_by) == ("awaiting-finalization", "26.4", ("Bob",))
    assert result.plan[0].startswith("people are asked first: 26.9 is newer than 26.4")
    assert stage.world.state.effects[:2] == ["preserved 26.4", "rolled v26.9.1 from 2"]
    assert [step.name for step in stage.chat.operation().steps[:3]] == ["preflight", "decision", "guard"]
    assert "v26.9.1 is newer than our table. “Go on” by Bob." in stage.chat.operation().facts


async def test_a_stop_ends_it_with_nothing_changed(stage: Stage) -> None:
    handle = await asking(stage)

    await stage.answer("deny", await stage.chat.gate("pending", kind="upgrade-newer"), BOB)
    error = await failure_of(handle)

    assert code_of(error) == "upgrade.not-approved"
    assert "“Stop” by Bob" in error.message
    assert stage.world.state.effects == []


async def test_nobody_s_answer_in_time_is_a_stop(stage: Stage) -> None:
    handle = await asking(stage)
    await stage.chat.gate("pending", kind="upgrade-newer")

    error = await stage.failure_in_time(handle)

    assert code_of(error) == "upgrade.not-approved"
    assert "nobody decided in time" in error.message
    assert stage.world.state.effects == []


async def test_what_became_wrong_while_people_took_their_time_is_refused(stage: Stage) -> None:
    handle = await asking(stage)
    card = await stage.chat.gate("pending", kind="upgrade-newer")

    stage.world.state.members[0].is_live = False
    await stage.answer("approve", card, BOB)
    error = await failure_of(handle)

    assert code_of(error) == "upgrade.refused"
    assert "n1 (cockroachdb-0) is dead" in error.message
    assert stage.world.state.effects == []


async def test_a_cancel_takes_the_question_back(stage: Stage) -> None:
    handle = await asking(stage)
    await stage.chat.gate("pending", kind="upgrade-newer")

    await stage.click_operation("cancel", handle, ALICE)
    error = await failure_of(handle)
    await until(lambda: bool(stage.chat.gates("withdrawn")))

    assert error.message == "Cancelled by Alice."
    assert stage.world.state.effects == []


async def test_a_plan_says_so_and_asks_nobody(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.run_release(NEWEST)

    result = await (await stage.upgrade(NEWER, backup="taken", plan=True)).result()

    assert result.plan[0].startswith("people are asked first: 26.9 is newer than 26.4")
    assert stage.chat.gates() == []


async def test_a_newer_patch_of_a_known_series_asks_nobody_first(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.run_release(NEWEST)

    result = await (await stage.upgrade(PATCH)).result()

    assert result.outcome == "upgraded"
    assert stage.chat.gates() == []


@pytest.mark.parametrize("version", [NEWER, "v27.1.0"])
async def test_from_below_the_newest_known_release_it_is_refused(stage: Stage, version: str) -> None:
    stage.world.serve(1, 2, 3)

    error = await failure_of(await stage.upgrade(version, backup="taken"))

    assert code_of(error) == "upgrade.refused"
    assert "the shortest way there is 25.2 → 25.4 → 26.2 → 26.4" in error.message
    assert stage.chat.gates() == []


async def test_a_run_that_people_let_go_on_replays_once_the_table_knows_the_release(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await asking(stage)
    stage.answer_all("approve", BOB)
    await handle.result()

    later = (*releases.TABLE, ("26.5", "regular"), ("26.9", "regular"))
    monkeypatch.setattr(releases, "TABLE", later)
    monkeypatch.setattr(releases, "_ORDER", {series: place for place, (series, _) in enumerate(later)})

    query = f"WorkflowId = '{handle.id}'"
    assert await not_replaying(stage.client, replayer(stage.pen.ring), query=query) == []
