"""`Finalize`: two people decide, then the database migrates; nothing else takes the way back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import RefusedError, TransientError
from domain.model import CLIENT_POD
from tests.workflows.people import BOB, CAROL, VIEWER
from tests.workflows.stage import Stage, code_of, failure_of
from tests.workflows.waiting import until

MAJOR, OLD = "v25.4.1", "v25.2.3"


def upgraded(stage: Stage) -> None:
    """A cluster on a new release that is not final."""
    stage.world.serve(1, 2, 3)
    stage.world.stand_on(MAJOR)


async def test_two_people_decide_and_the_active_version_is_followed_to_its_end(stage: Stage) -> None:
    upgraded(stage)
    stage.world.migration = ["25.2-upgrading-to-25.4-step-004", "25.2-upgrading-to-25.4-step-010"]
    handle = await stage.finalize()

    card = await stage.chat.gate("pending", kind="finalize")
    await stage.answer("approve", card, BOB)
    before = list(stage.world.state.effects)
    await stage.answer("approve", card, CAROL)
    result = await handle.result()

    assert before == []
    assert card.question.destroys == "the way back to v25.2.3"
    assert (result.outcome, result.version, result.active, result.before) == ("finalized", MAJOR, "25.4", OLD)
    assert result.decided_by == ("Bob", "Carol")
    assert stage.world.state.effects == ["reset", "rolled v25.4.1 from 0"]
    assert stage.world.state.spec is not None
    assert stage.world.state.spec.upgraded_from == ""


async def test_an_older_client_pod_follows_first_since_the_database_would_turn_it_away(stage: Stage) -> None:
    upgraded(stage)
    stage.world.state.pods[CLIENT_POD].version = OLD
    stage.answer_all("approve", BOB, CAROL)

    result = await (await stage.finalize()).result()

    assert stage.world.state.effects == ["client pod on v25.4.1", "reset", "rolled v25.4.1 from 0"]
    assert result.plan[0].startswith("make the client pod again with v25.4.1")


async def test_a_no_changes_nothing_and_names_the_ways_on(stage: Stage) -> None:
    upgraded(stage)
    stage.answer_all("deny", BOB)

    error = await failure_of(await stage.finalize())

    assert code_of(error) == "finalize.not-approved"
    assert error.type == "RefusedError"
    assert stage.world.state.effects == []


async def test_nobody_s_decision_in_time_changes_nothing(stage: Stage) -> None:
    upgraded(stage)
    handle = await stage.finalize()
    await stage.chat.gate("pending", kind="finalize")

    await stage.pass_time(handle, minutes=61)
    error = await failure_of(handle)

    assert code_of(error) == "finalize.not-approved"
    assert stage.world.state.effects == []


async def test_a_cancel_before_the_decision_changes_nothing(stage: Stage) -> None:
    upgraded(stage)
    first = await stage.finalize()
    await stage.chat.gate("pending", kind="finalize")

    await stage.click_operation("cancel", first)
    error = await failure_of(first)

    assert error.type == "Cancelled"
    assert stage.world.state.effects == []


async def test_a_cancel_is_too_late_once_the_database_migrates(stage: Stage) -> None:
    upgraded(stage)
    gate = stage.world.gates["upgrading.follow_version"] = asyncio.Event()
    stage.answer_all("approve", BOB, CAROL)
    handle = await stage.finalize()
    await until(lambda: "upgrading.follow_version" in stage.world.state.calls)

    with pytest.raises(RefusedError) as caught:
        await stage.click_operation("cancel", handle)
    gate.set()
    result = await handle.result()

    assert caught.value.code == "cancel.too-late"
    assert result.outcome == "finalized"


async def test_what_is_final_already_is_nothing_to_do(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    result = await (await stage.finalize()).result()

    assert (result.outcome, result.active) == ("nothing-to-do", "25.2")
    assert stage.chat.gates() == []


async def test_a_plan_changes_nothing(stage: Stage) -> None:
    upgraded(stage)

    result = await (await stage.finalize(plan=True)).result()

    assert result.outcome == "plan"
    assert stage.world.state.effects == []


async def test_refuses_while_nodes_run_different_releases(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.upgrade(MAJOR, backup="taken")
    await stage.chat.gate("pending", kind="canary")
    await stage.click_operation("cancel", handle)
    await failure_of(handle)

    error = await failure_of(await stage.finalize())

    assert code_of(error) == "finalize.refused"
    assert stage.world.state.active == "25.2"


async def test_a_migration_that_stands_still_ends_with_its_cause_and_the_same_command_follows_it_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.finalize.VERSION_STALLED_AFTER", timedelta(0))
    monkeypatch.setattr("workflows.finalize.VERSION_STALLED_FOR", timedelta(0))
    upgraded(stage)
    stage.world.holds = "n3 (cockroachdb-2) is decommissioning"
    stage.answer_all("approve", BOB, CAROL)

    error = await failure_of(await stage.finalize())
    stage.world.holds = ""
    again = await (await stage.finalize()).result()

    assert code_of(error) == "finalize.stuck"
    assert "n3 (cockroachdb-2) is decommissioning" in error.message
    assert (again.outcome, again.active) == ("finalized", "25.4")
    assert len(stage.chat.gates()) == 1
    assert stage.world.state.effects == ["reset", "rolled v25.4.1 from 0"]


async def test_what_fails_for_a_moment_is_tried_again(stage: Stage) -> None:
    upgraded(stage)
    stage.world.errors = {"upgrading.finalize": [TransientError("sql.silent", "no answer")]}
    stage.world.lost = {"upgrading.finalize": [TransientError("sql.silent", "lost")]}
    stage.answer_all("approve", BOB, CAROL)

    handle = await stage.finalize()
    result = await handle.result()
    await until(lambda: not stage.chat.gates("pending"))

    assert result.outcome == "finalized"
    assert stage.world.state.effects.count("reset") == 1


async def test_refuses_a_person_without_the_role(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    error = await failure_of(await stage.finalize(VIEWER))

    assert code_of(error) == "operation.not-allowed"
