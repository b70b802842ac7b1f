"""`Scale` told as it should go, up and down, and where it ends early: refused, planned, nothing to do."""

from __future__ import annotations

import pytest

from domain.errors import TransientError
from operations.messages import OperationStatus
from tests.workflows.database import Member
from tests.workflows.people import BOB, VIEWER
from tests.workflows.scaling import Scaling
from tests.workflows.stage import Stage, code_of, failure_of
from tests.workflows.waiting import until


def titles(status: OperationStatus) -> list[tuple[str, str]]:
    return [(step.name, step.state) for step in status.steps]


async def test_adds_nodes_one_at_a_time_each_certificate_approved(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.approve_all(BOB)

    result = await (await stage.scale(5)).result()
    await until(lambda: stage.chat.operation().state == "done")

    assert (result.outcome, result.before, result.nodes) == ("scaled", 3, 5)
    assert result.added == ("cockroachdb-3", "cockroachdb-4")
    assert result.certificates == ("crdb.node.cockroachdb-3", "crdb.node.cockroachdb-4")
    assert result.decided_by == ("Bob",)
    assert [e for e in stage.world.state.effects if "resized" in e or "issued" in e] == [
        "resized 3 to 4",
        "issued crdb.node.cockroachdb-3",
        "resized 4 to 5",
        "issued crdb.node.cockroachdb-4",
    ]
    assert stage.world.state.spec is not None
    assert stage.world.state.spec.nodes == 5
    details = {step.name: step.detail for step in stage.chat.operation().steps}
    # The step names one certificate: the four others are not counted.
    assert (details["certificate-3"], details["certificate-4"]) == ("", "")


async def test_decommissions_by_address_before_any_pod_goes_and_keeps_the_volumes(stage: Stage) -> None:
    stage.world.serve(1, 5, 3, 4, 2)
    stage.answer_all("deny", BOB)

    handle = await stage.scale(3)
    result = await handle.result()

    assert (result.outcome, result.decommissioned) == ("scaled", (2, 4))
    assert stage.world.state.effects == [
        "decommissioning n4",
        "decommissioning n2",
        "decommissioned n4",
        "decommissioned n2",
        "resized 5 to 3",
    ]
    assert result.volumes_kept == ("datadir-cockroachdb-3", "datadir-cockroachdb-4")
    assert "n2 (cockroachdb-4), n4 (cockroachdb-3)" in result.plan[0]
    calls = [call for call in stage.world.state.calls if call.startswith("nodes.")]
    assert calls == ["nodes.try_decommission", "nodes.decommission", "nodes.follow", "nodes.drain", "nodes.finish"]


async def test_shows_the_replicas_that_move_and_every_stage_done(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    stage.world.moves = 5
    stage.answer_all("deny", BOB)

    handle = await stage.scale(3)
    await handle.result()
    await until(lambda: stage.chat.operation().state == "done")

    shown = stage.chat.operation()
    assert titles(shown) == [
        ("preflight", "done"),
        ("move", "done"),
        ("drain", "done"),
        ("decommissioned", "done"),
        ("shrink", "done"),
        ("volumes", "done"),
    ]
    assert next(step.detail for step in shown.steps if step.name == "move") == "all 12 replicas moved away"


async def test_a_plan_changes_nothing(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)

    result = await (await stage.scale(3, plan=True)).result()

    assert result.outcome == "plan"
    assert len(result.plan) == 4
    assert stage.world.state.effects == []


async def test_the_number_that_is_there_is_nothing_to_do(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    result = await (await stage.scale(3)).result()

    assert (result.outcome, result.plan) == ("nothing-to-do", ("nothing: there are 3 nodes",))
    assert stage.world.state.effects == []


@pytest.mark.parametrize(
    ("wanted", "facts", "code"),
    [
        pytest.param(10, {}, "scale.above-max", id="above max_nodes"),
        pytest.param(4, {"replication_factor": 5}, "scale.below-replication-factor", id="below the copies"),
        pytest.param(3, {"database": "waiting-for-init"}, "scale.not-initialized", id="not initialized"),
        pytest.param(3, {"preserved": "25.1"}, "upgrade.unfinished", id="unfinished upgrade"),
        pytest.param(6, {"room": 0}, "scale.no-room", id="no room"),
        pytest.param(3, {"live": None, "recorded": None}, "scale.not-deployed", id="not deployed"),
    ],
)
async def test_refuses_and_changes_nothing(stage: Stage, wanted: int, facts: dict[str, object], code: str) -> None:
    stage.world.serve(1, 2, 3, 4, 5)
    stage.world.facts = facts

    error = await failure_of(await stage.scale(wanted))

    assert code_of(error) == "scale.refused"
    assert error.type == "RefusedError"
    assert stage.world.state.effects == []


async def test_refuses_with_every_reason_at_once(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    stage.world.facts = {"preserved": "25.1", "missing_rules": ("delete persistentvolumeclaims in namespace crdb",)}
    stage.world.state.members[1].is_live = False

    error = await failure_of(await stage.scale(3))

    assert "preserve_downgrade_option 25.1" in error.message
    assert "no delete persistentvolumeclaims" in error.message
    assert "n2 (cockroachdb-1) is dead" in error.message


async def test_ranges_that_block_a_decommission_on_trial_are_named_and_nothing_is_changed(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    stage.world.blocked = ["n4 has 3 replicas blocked with error: no target"]

    error = await failure_of(await stage.scale(3))

    assert "n4 has 3 replicas blocked" in error.message
    assert stage.world.state.effects == []


async def test_refuses_a_person_without_the_role(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    error = await failure_of(await stage.scale(4, VIEWER))

    assert code_of(error) == "operation.not-allowed"


async def test_a_conflict_in_kubernetes_is_tried_again(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    stage.world.errors = {"scaling.resize": [TransientError("kubernetes.conflict", "modified")]}
    stage.answer_all("deny", BOB)

    result = await (await stage.scale(3)).result()

    assert result.outcome == "scaled"
    assert stage.world.state.effects.count("resized 4 to 3") == 1


async def test_an_earlier_run_s_pod_that_never_joined_is_waited_for(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    assert stage.world.state.spec is not None
    stage.world.state.spec = stage.world.state.spec.model_copy(update={"nodes": 4})
    stage.world.make_pods(stage.world.state.spec)
    stage.approve_all(BOB)

    result = await (await stage.scale(4)).result()

    assert (result.outcome, result.added) == ("scaled", ("cockroachdb-3",))
    assert not any("resized" in effect for effect in stage.world.state.effects)


async def test_pods_cut_by_kubectl_leave_a_dead_node_that_growing_brings_back(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    Scaling(stage.world).remove_pods(3)
    stage.approve_all(BOB)

    result = await (await stage.scale(4)).result()

    assert result.outcome == "scaled"
    assert [m.id for m in stage.world.state.members if m.is_live] == [1, 2, 3, 4]


async def test_a_dead_node_without_a_pod_is_given_up_only_when_somebody_says_so(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.state.members.append(Member(id=4, ordinal=None, is_live=False))

    nothing = await stage.scale(3)
    assert (await nothing.result()).outcome == "nothing-to-do"
    assert stage.world.state.effects == []
    result = await (await stage.scale(3, decommission_dead=True)).result()

    said = (await stage.status(nothing)).facts
    assert said == ("n4 (pod unknown) is dead and has no pod: /crdb scale 3 --decommission-dead gives it up",)
    assert result.decommissioned == (4,)
    assert stage.world.state.effects == ["decommissioning n4", "decommissioned n4"]


@pytest.mark.parametrize(("before", "after", "most"), [((1, 2, 3), 4, 110), ((1, 2, 3, 4), 3, 130)])
async def test_the_history_stays_short(stage: Stage, before: tuple[int, ...], after: int, most: int) -> None:
    stage.world.serve(*before)
    stage.approve_all(BOB)
    stage.answer_all("deny", BOB)

    handle = await stage.scale(after)
    await handle.result()

    events = await stage.history(handle)
    print(f"{len(before)} -> {after}: {len(events)} events")
    assert len(events) <= most
