"""`Upgrade` altered on its way: a node that cannot start, a gate that stays shut, cancelled, or changed beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.exceptions import CancelledError

from domain.errors import BrokenError
from operations.upgrade import UpgradeResult
from tests.workflows.people import BOB
from tests.workflows.stage import Stage, code_of, ending_of, failure_of
from tests.workflows.waiting import until

PATCH, MAJOR, OLD = "v25.2.4", "v25.4.1", "v25.2.3"
Handle = WorkflowHandle[Any, UpgradeResult]


def restarts(stage: Stage) -> list[str]:
    return [effect for effect in stage.world.state.effects if effect.startswith(("restarted", "deleted"))]


async def facts_of(stage: Stage, handle: Handle) -> str:
    return "; ".join((await stage.status(handle)).facts)


# --- a node that cannot start ---


async def test_a_node_whose_image_cannot_be_pulled_is_named_and_rolled_back_alone(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.unpullable = {MAJOR}
    handle = await stage.upgrade(MAJOR, backup="taken")

    card = await stage.chat.gate("pending", kind="upgrade-stuck")
    await stage.answer("deny", card, BOB)
    result = await handle.result()

    assert "cockroachdb-2 does not start on v25.4.1" in card.question.headline
    assert "ImagePullBackOff" in card.question.evidence[0]
    assert result.outcome == "rolled-back"
    assert restarts(stage) == [
        "restarted cockroachdb-2 on v25.4.1",
        "deleted stuck cockroachdb-2",
        "restarted cockroachdb-2 on v25.2.3",
    ]
    assert {member.build for member in stage.world.state.members} == {OLD}
    assert stage.world.state.preserved == ""


async def test_a_later_node_that_cannot_start_is_rolled_back_first_and_then_all_that_were_restarted(
    stage: Stage,
) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.unpullable = {f"cockroachdb-1 {PATCH}"}
    stage.answer_all("deny", BOB)

    result = await (await stage.upgrade(PATCH)).result()

    assert result.outcome == "rolled-back"
    assert restarts(stage)[2:] == [
        "deleted stuck cockroachdb-1",
        "restarted cockroachdb-1 on v25.2.3",
        "restarted cockroachdb-2 on v25.2.3",
    ]
    assert {member.build for member in stage.world.state.members} == {OLD}
    assert stage.world.state.partition == 0


async def test_a_way_back_that_is_barred_too_ends_it_and_names_the_command_that_goes_on(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.unpullable = {PATCH}
    handle = await stage.upgrade(PATCH)
    card = await stage.chat.gate("pending", kind="upgrade-stuck")

    stage.world.unpullable = {PATCH, f"cockroachdb-2 {OLD}"}
    await stage.answer("deny", card, BOB)
    error = await failure_of(handle)

    assert code_of(error) == "upgrade.stuck"
    assert "/crdb rollback goes on from there" in await facts_of(stage, handle)


async def test_people_who_wait_for_an_image_see_the_upgrade_go_on_once_it_is_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.rolling.TRY_AGAIN_AFTER", timedelta(seconds=0.1))
    stage.world.serve(1, 2, 3)
    stage.world.unpullable = {PATCH}
    handle = await stage.upgrade(PATCH)
    card = await stage.chat.gate("pending", kind="upgrade-stuck")

    stage.world.unpullable = set()
    await stage.answer("approve", card, BOB)
    result = await handle.result()

    assert (result.outcome, result.decided_by) == ("upgraded", ("Bob",))
    assert restarts(stage) == [f"restarted cockroachdb-{ordinal} on v25.2.4" for ordinal in (2, 1, 0)]


async def test_a_cancel_while_people_are_asked_about_a_stuck_node_says_what_runs_where(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.unpullable = {PATCH}
    handle = await stage.upgrade(PATCH)
    await stage.chat.gate("pending", kind="upgrade-stuck")

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert "v25.2.4 on cockroachdb-2; v25.2.3 on cockroachdb-0, cockroachdb-1" in await facts_of(stage, handle)
    assert "/crdb rollback returns to v25.2.3" in await facts_of(stage, handle)


# --- a gate that stays shut ---


async def test_ranges_that_stay_short_are_a_person_s_business(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.health.HEALTHY_WITHIN", timedelta(0))
    stage.world.serve(1, 2, 3)
    stage.world.few = [7]
    stage.answer_all("approve", BOB)

    result = await (await stage.upgrade(PATCH)).result()

    (card,) = stage.chat.gates()
    assert card.question.kind == "upgrade-not-well"
    assert "7 ranges under-replicated" in card.question.evidence[0]
    assert result.outcome == "upgraded"


async def test_people_may_turn_back_where_the_ranges_stay_short(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.health.HEALTHY_WITHIN", timedelta(0))
    stage.world.serve(1, 2, 3)
    stage.world.few = [7]
    stage.answer_all("deny", BOB)

    result = await (await stage.upgrade(PATCH)).result()

    assert result.outcome == "rolled-back"
    assert restarts(stage) == ["restarted cockroachdb-2 on v25.2.4", "restarted cockroachdb-2 on v25.2.3"]


# --- cancel ---


async def test_a_cancel_while_a_node_restarts_waits_for_it_and_touches_no_other(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"upgrading.wait_back"}
    handle = await stage.upgrade(PATCH)
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)

    await stage.click_operation("cancel", handle)
    stage.world.held.clear()
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert stage.world.state.stopped == []
    assert restarts(stage) == ["restarted cockroachdb-2 on v25.2.4"]
    assert all(member.is_live for member in stage.world.state.members)
    assert "the same /crdb upgrade goes on from there, /crdb rollback returns to v25.2.3" in await facts_of(
        stage, handle
    )


async def test_a_native_cancel_takes_the_same_way(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"upgrading.wait_back"}
    handle = await stage.upgrade(PATCH)
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)

    await handle.cancel()
    await until(lambda: stage.world.state.calls.count("upgrading.roll") == 1)
    stage.world.held.clear()
    cause = await ending_of(handle)

    assert isinstance(cause, CancelledError)
    assert stage.world.state.stopped == []
    assert all(member.is_live for member in stage.world.state.members)
    assert "v25.2.4 on cockroachdb-2" in await facts_of(stage, handle)


async def test_the_same_command_goes_on_where_a_cancelled_one_stopped_and_asks_about_the_first_node_again(
    stage: Stage,
) -> None:
    stage.world.serve(1, 2, 3)
    first = await stage.upgrade(MAJOR, backup="taken")
    await stage.chat.gate("pending", kind="canary")
    await stage.click_operation("cancel", first)
    await failure_of(first)
    stage.answer_all("approve", BOB)

    result = await (await stage.upgrade(MAJOR, backup="taken")).result()

    assert (result.outcome, result.before, result.decided_by) == ("awaiting-finalization", OLD, ("Bob",))
    assert restarts(stage) == [f"restarted cockroachdb-{ordinal} on v25.4.1" for ordinal in (2, 1, 0)]


# --- somebody with kubectl ---


async def test_a_partition_lowered_by_hand_is_said_and_gone_on_from(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"upgrading.wait_back"}
    handle = await stage.upgrade(PATCH)
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)

    stage.world.state.partition = 1
    stage.world.held.clear()
    result = await handle.result()

    assert result.outcome == "upgraded"
    assert "somebody else set v25.2.4 from cockroachdb-1 on" in await facts_of(stage, handle)
    assert {member.build for member in stage.world.state.members} == {PATCH}


@pytest.mark.parametrize(("template", "partition"), [("v25.2.5", 2), (PATCH, 3)])
async def test_another_image_or_a_raised_partition_ends_it_and_is_left_as_it_is(
    stage: Stage, template: str, partition: int
) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"upgrading.wait_back"}
    handle = await stage.upgrade(PATCH)
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)

    stage.world.state.template, stage.world.state.partition = template, partition
    stage.world.held.clear()
    error = await failure_of(handle)

    assert code_of(error) == "upgrade.changed-outside"
    assert error.type == "RefusedError"
    assert (stage.world.state.template, stage.world.state.partition) == (template, partition)
    assert restarts(stage) == ["restarted cockroachdb-2 on v25.2.4"]


async def test_a_client_pod_that_does_not_start_ends_the_run_and_the_same_command_goes_on(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    trouble = BrokenError("pods.image", "cockroachdb-client-secure gets no image")
    stage.world.errors = {"cluster.wait_running": [trouble]}

    error = await failure_of(await stage.upgrade(PATCH))
    result = await (await stage.upgrade(PATCH)).result()

    assert "cockroachdb-client-secure gets no image" in error.message
    assert result.outcome == "upgraded"
    assert len(restarts(stage)) == 3
