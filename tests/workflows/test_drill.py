"""`Drill` told as it should go, and where it must not begin, not repeat and not end well."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.exceptions import CancelledError

from domain.errors import RefusedError, TransientError
from tests.workflows.people import ALICE, VIEWER
from tests.workflows.stage import Stage, code_of, ending_of, failure_of
from tests.workflows.waiting import until


def killed(stage: Stage) -> list[str]:
    return [effect for effect in stage.world.state.effects if effect.startswith("killed")]


async def test_a_node_is_killed_once_comes_back_as_it_was_and_the_times_are_told(stage: Stage) -> None:
    stage.world.serve(1, 3, 2)

    handle = await stage.drill(1)
    result = await handle.result()
    await until(lambda: stage.chat.operation().state == "done")

    assert (result.outcome, result.pod, result.node_id) == ("survived", "cockroachdb-1", 3)
    assert result.volume == "datadir-cockroachdb-1 (pv-1)"
    assert (result.gone_seconds, result.ready_seconds) == (2.0, 8.0)
    assert result.healthy_seconds is not None
    assert (result.sql_asked, result.sql_answered, result.longest_gap_seconds) == (8, 8, 1.2)
    assert stage.world.state.effects == ["killed cockroachdb-1"]
    shown = stage.chat.operation()
    assert [(step.name, step.state) for step in shown.steps] == [
        ("preflight", "done"),
        ("kill", "done"),
        ("back", "done"),
        ("healthy", "done"),
    ]
    assert shown.facts[0].startswith("n3 (cockroachdb-1): gone after 2 s, ready again after 8 s, all well after ")
    assert shown.facts[1] == "SQL through cockroachdb-0, cockroachdb-2: 8 of 8 answered, longest gap 1.2 s"


async def test_a_plan_names_the_node_and_kills_nothing(stage: Stage) -> None:
    stage.world.serve(1, 3, 2)

    result = await (await stage.drill(1, plan=True)).result()

    assert result.outcome == "plan"
    assert "n3 (cockroachdb-1)" in result.plan[0]
    assert stage.world.state.effects == []


@pytest.mark.parametrize(
    ("node", "facts", "told"),
    [
        pytest.param(9, {}, "node: found 9, expected 0 to 2", id="no such node"),
        pytest.param(1, {"live": None, "recorded": None}, "found no StatefulSet", id="not deployed"),
        pytest.param(1, {"database": "waiting-for-init"}, "it waits for init", id="not initialized"),
        pytest.param(1, {"fewest_copies": 1}, "data with 1 copies", id="data of one copy"),
        pytest.param(1, {"sql": "no answer within 10 s"}, "no answer within 10 s", id="SQL is silent"),
        pytest.param(1, {"ready": (0, 1)}, "cockroachdb-2: found not ready", id="another pod is not ready"),
    ],
)
async def test_refuses_and_kills_nothing(stage: Stage, node: int, facts: dict[str, object], told: str) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.facts = facts

    error = await failure_of(await stage.drill(node))

    assert (code_of(error), error.type) == ("drill.refused", "RefusedError")
    assert told in error.message
    assert stage.world.state.effects == []


async def test_refuses_with_every_reason_at_once(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.state.members[2].is_live = False
    stage.world.facts = {"fewest_copies": 2}

    error = await failure_of(await stage.drill(1))

    assert "n3 (cockroachdb-2) is not live" in error.message
    assert "data with 2 copies" in error.message
    assert "1 of 3 nodes would be left" in error.message


async def test_refuses_a_person_without_the_role(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    error = await failure_of(await stage.drill(1, VIEWER))

    assert code_of(error) == "operation.not-allowed"
    assert stage.world.state.effects == []


async def test_a_lost_answer_is_asked_again_and_kills_no_second_time(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.errors = {"drilling.kill": [TransientError("kubernetes.unreachable", "lost")]}

    result = await (await stage.drill(2)).result()

    assert result.outcome == "survived"
    assert stage.world.state.calls.count("drilling.kill") == 2
    assert killed(stage) == ["killed cockroachdb-2"]


async def test_a_cancel_before_the_pod_is_deleted_stops_it(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    gate = stage.world.gates["drilling.observe"] = asyncio.Event()
    handle = await stage.drill(1)
    await until(lambda: "drilling.observe" in stage.world.state.calls)

    await stage.click_operation("cancel", handle)
    gate.set()
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert stage.world.state.effects == []


async def test_a_cancel_after_that_is_refused_with_the_reason_and_the_button_is_gone(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"drilling.wait_back"}
    handle = await stage.drill(1)
    await until(lambda: "drilling.wait_back" in stage.world.waiting)

    with pytest.raises(RefusedError) as caught:
        await stage.click_operation("cancel", handle)
    shown = await stage.status(handle)
    stage.world.held.clear()
    result = await handle.result()

    assert caught.value.code == "cancel.too-late"
    assert not shown.may_cancel
    assert result.outcome == "survived"


async def test_a_native_cancel_while_the_pod_is_away_ends_it_and_frees_the_lock(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"drilling.wait_back"}
    handle = await stage.drill(1)
    await until(lambda: "drilling.wait_back" in stage.world.waiting)

    await handle.cancel()
    cause = await ending_of(handle)
    stage.world.held.clear()

    assert isinstance(cause, CancelledError)
    assert (await stage.status(handle)).state == "cancelled"


async def test_a_pod_that_does_not_come_back_is_named_with_its_cause_and_a_deadline_ends_it(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.never_back, stage.world.killed_ago = True, timedelta(minutes=21)

    error = await failure_of(await stage.drill(1))

    assert code_of(error) == "drill.not-back"
    assert "Within 20 min not ready again: cockroachdb-1 finds no place: no worker has room" in error.message
    assert killed(stage) == ["killed cockroachdb-1"]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        pytest.param({"volume": "datadir-cockroachdb-1 (pv-9)"}, "volume: found datadir-cockroachdb-1 (pv-9)", id="v"),
        pytest.param({"asked": ("crdb.node.cockroachdb-1.0a",)}, "a new request, crdb.node.cockroachdb-1.0a", id="csr"),
    ],
)
async def test_what_comes_back_otherwise_fails_the_drill_with_what_differs(
    stage: Stage, after: dict[str, object], told: str
) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.back = after

    error = await failure_of(await stage.drill(1))

    assert code_of(error) == "drill.not-as-before"
    assert told in error.message


async def test_sql_that_was_away_the_whole_time_fails_the_drill(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.answered = 0

    error = await failure_of(await stage.drill(1))

    assert "no answer to 8 statements" in error.message


async def test_the_second_of_two_changes_is_refused_while_a_node_is_away(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.held = {"drilling.wait_back"}
    handle = await stage.drill(1)
    await until(lambda: "drilling.wait_back" in stage.world.waiting)

    with pytest.raises(Exception, match="Found drill running"):
        await stage.scale(4, ALICE)
    stage.world.held.clear()

    assert (await handle.result()).outcome == "survived"


async def test_the_history_is_short(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    handle = await stage.drill(1)
    await handle.result()

    events = await stage.history(handle)
    print(f"{len(events)} events")
    assert len(events) <= 60
