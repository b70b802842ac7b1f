"""`Upgrade` told as it should go, patch and major, and where it ends early: refused, planned, nothing to do."""

from __future__ import annotations

import pytest

from domain.errors import TransientError
from operations.messages import OperationStatus
from tests.workflows.people import BOB, VIEWER
from tests.workflows.stage import Stage, code_of, failure_of, said_at_end
from tests.workflows.waiting import until

PATCH, MAJOR, OLD = "v25.2.4", "v25.4.1", "v25.2.3"
PODS = ("cockroachdb-2", "cockroachdb-1", "cockroachdb-0")


def titles(status: OperationStatus) -> list[tuple[str, str]]:
    return [(step.name, step.state) for step in status.steps]


async def test_a_patch_restarts_one_node_at_a_time_the_highest_ordinal_first(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    result = await (await stage.upgrade(PATCH)).result()
    await until(lambda: stage.chat.operation().state == "done")

    assert (result.outcome, result.before, result.active) == ("upgraded", OLD, "25.2")
    assert result.rolled == PODS
    assert stage.world.state.effects == [
        "rolled v25.2.4 from 2",
        "restarted cockroachdb-2 on v25.2.4",
        "rolled v25.2.4 from 1",
        "restarted cockroachdb-1 on v25.2.4",
        "rolled v25.2.4 from 0",
        "restarted cockroachdb-0 on v25.2.4",
        "client pod on v25.2.4",
        "rolled v25.2.4 from 0",
    ]
    assert stage.world.state.spec is not None
    assert (stage.world.state.spec.version, stage.world.state.spec.upgraded_from) == (PATCH, "")
    assert titles(stage.chat.operation()) == [
        ("preflight", "done"),
        ("node-2", "done"),
        ("node-1", "done"),
        ("node-0", "done"),
        ("client", "done"),
        ("record", "done"),
    ]


async def test_a_major_keeps_the_way_back_asks_after_the_first_node_and_waits_to_be_made_final(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.upgrade(MAJOR, backup="taken")

    card = await stage.chat.gate("pending", kind="canary")
    before = list(stage.world.state.effects)
    await stage.answer("approve", card, BOB)
    result = await handle.result()
    await until(lambda: stage.chat.operation().state == "done")

    assert before == ["preserved 25.2", "rolled v25.4.1 from 2", "restarted cockroachdb-2 on v25.4.1"]
    assert (result.outcome, result.active, result.decided_by) == ("awaiting-finalization", "25.2", ("Bob",))
    assert (result.rolled, result.backup) == (PODS, "taken")
    assert (stage.world.state.active, stage.world.state.preserved) == ("25.2", "25.2")
    assert stage.world.state.spec is not None
    assert stage.world.state.spec.upgraded_from == OLD
    await until(lambda: bool(said_at_end(stage.chat)))
    (said,) = said_at_end(stage.chat)
    assert "not final: active version 25.2; /crdb finalize makes it final, /crdb rollback returns to v25.2.3" in said


async def test_restarted_pods_use_their_certificates_again_and_ask_for_none(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    asked = set(stage.world.state.requests)

    await (await stage.upgrade(PATCH)).result()

    assert set(stage.world.state.requests) == asked
    assert stage.chat.cards() == []
    assert not any("issued" in effect for effect in stage.world.state.effects)


async def test_people_who_say_no_after_the_first_node_roll_it_back_in_the_same_run(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.answer_all("deny", BOB)

    result = await (await stage.upgrade(MAJOR, backup="none")).result()
    await until(lambda: stage.chat.operation().state == "done")

    assert (result.outcome, result.decided_by) == ("rolled-back", ("Bob",))
    assert stage.world.state.effects[-4:] == [
        "rolled v25.2.3 from 2",
        "restarted cockroachdb-2 on v25.2.3",
        "reset",
        "rolled v25.2.3 from 0",
    ]
    assert {member.build for member in stage.world.state.members} == {OLD}
    assert stage.world.state.spec is not None
    assert (stage.world.state.spec.version, stage.world.state.spec.upgraded_from) == (OLD, "")
    assert (stage.world.state.preserved, stage.world.state.partition) == ("", 0)
    await until(lambda: said_at_end(stage.chat) == ["upgrade of shop: shop is back on v25.2.3, as people decided."])


async def test_nobody_s_decision_in_time_leaves_every_node_as_it_is_and_says_how_to_go_on(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.upgrade(MAJOR, backup="taken")
    await stage.chat.gate("pending")

    await stage.pass_time(handle, minutes=61)
    error = await failure_of(handle)

    assert code_of(error) == "upgrade.undecided"
    assert [e for e in stage.world.state.effects if "restarted" in e] == ["restarted cockroachdb-2 on v25.4.1"]
    said = "; ".join((await stage.status(handle)).facts)
    assert "v25.4.1 on cockroachdb-2; v25.2.3 on cockroachdb-0, cockroachdb-1" in said
    assert "/crdb rollback returns to v25.2.3" in said


@pytest.mark.parametrize(
    ("version", "asks", "asked"),
    [(PATCH, "always", 1), (PATCH, "major", 0), (MAJOR, "major", 1), (MAJOR, "never", 0)],
)
async def test_the_file_says_whether_people_are_asked_after_the_first_node(
    stage: Stage, version: str, asks: str, asked: int
) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.terms = {**stage.world.terms, "asks_after_canary": asks}
    stage.answer_all("approve", BOB)

    await (await stage.upgrade(version, backup="taken")).result()

    assert len(stage.chat.gates()) == asked


async def test_the_first_node_runs_alone_for_the_time_that_the_file_says(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.terms = {"soak": 3600, "gate_pause": 0}
    handle = await stage.upgrade(PATCH)
    await stage.until_said(handle, "node-2", "alone until")
    before = list(stage.world.state.effects)

    await stage.pass_time(handle, minutes=61)
    result = await handle.result()

    assert before == ["rolled v25.2.4 from 2", "restarted cockroachdb-2 on v25.2.4"]
    assert result.outcome == "upgraded"


async def test_the_gate_sees_all_ranges_replicated_twice_with_one_timer_between(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.terms = {"gate_pause": 60}
    stage.world.few = [4, 2, 0, 0]
    handle = await stage.upgrade(PATCH)
    await until(lambda: stage.world.few == [0])
    before = list(stage.world.state.effects)

    await stage.skipper.fast_forward(handle)
    result = await handle.result()

    assert before == ["rolled v25.2.4 from 2", "restarted cockroachdb-2 on v25.2.4"]
    assert result.outcome == "upgraded"


async def test_ranges_that_fall_short_between_the_two_looks_begin_the_gate_again(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.few = [0, 3, 0, 0]

    result = await (await stage.upgrade(PATCH)).result()

    looks = stage.world.state.calls.count("scaling.observe")
    assert (result.outcome, looks) == ("upgraded", 8)


async def test_a_plan_changes_nothing(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    result = await (await stage.upgrade(MAJOR, backup="taken", plan=True)).result()

    assert result.outcome == "plan"
    assert f"image {MAJOR}: on 1 of 1 workers already" in result.plan
    assert stage.world.state.effects == []


async def test_the_release_that_runs_already_is_nothing_to_do(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    result = await (await stage.upgrade(OLD)).result()

    assert result.outcome == "nothing-to-do"
    assert stage.world.state.effects == []


async def test_refuses_with_every_reason_and_changes_nothing(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.state.members[1].is_live = False

    error = await failure_of(await stage.upgrade("v26.2.0"))

    assert code_of(error) == "upgrade.refused"
    assert error.type == "RefusedError"
    assert "n2 (cockroachdb-1)" in error.message
    assert "expected 25.3 or 25.4" in error.message
    assert "backup=taken" in error.message
    assert stage.world.state.effects == []


async def test_refuses_a_person_without_the_role(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    error = await failure_of(await stage.upgrade(PATCH, VIEWER))

    assert code_of(error) == "operation.not-allowed"


async def test_what_fails_for_a_moment_or_loses_its_answer_is_tried_again_and_done_once(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.errors = {"upgrading.roll": [TransientError("kubernetes.conflict", "modified")]}
    stage.world.lost = {name: [TransientError("kubernetes.timeout", "lost")] for name in ("upgrading.roll",)}

    result = await (await stage.upgrade(PATCH)).result()

    assert result.outcome == "upgraded"
    assert stage.world.state.effects.count("restarted cockroachdb-2 on v25.2.4") == 1


async def test_the_history_of_an_upgrade_stays_short(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.terms = {"gate_pause": 0.05}
    stage.answer_all("approve", BOB)

    handle = await stage.upgrade(MAJOR, backup="taken")
    await handle.result()

    events = await stage.history(handle)
    print(f"a major upgrade of three nodes: {len(events)} events")
    assert len(events) <= 235
