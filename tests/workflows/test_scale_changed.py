"""`Scale` altered on its way: cancelled, sent to another number, stalled, or scaled by somebody else beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.exceptions import CancelledError

from domain.errors import RefusedError
from operations.scale import ScaleResult
from tests.workflows.people import ALICE, BOB, CAROL, DAVE, VIEWER
from tests.workflows.scaling import Scaling
from tests.workflows.stage import Stage, code_of, ending_of, failure_of, said_at_end
from tests.workflows.waiting import until, until_asked

Handle = WorkflowHandle[Any, ScaleResult]


def held(stage: Stage, *names: str) -> Callable[[], None]:
    """Hold activities until the returned function is called."""
    stage.world.held = set(names)
    return stage.world.held.clear


async def moving(stage: Stage, wanted: int = 3) -> Handle:
    """A scale-down whose replicas do not move yet; volumes that it leaves are kept."""
    stage.answer_all("deny", BOB)
    held(stage, "nodes.follow")
    handle = await stage.scale(wanted)
    await until(lambda: "nodes.follow" in stage.world.waiting)
    return handle


async def facts_of(stage: Stage, handle: Handle) -> str:
    return "; ".join((await stage.status(handle)).facts)


# --- cancel ---


async def test_a_cancel_while_replicas_move_takes_the_nodes_back_and_says_so(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4, 5)
    handle = await moving(stage)

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    await until(lambda: said_at_end(stage.chat) == ["scale of shop was cancelled by Alice."])
    assert "cancelled by Alice" in await facts_of(stage, handle)
    assert stage.world.state.stopped == ["nodes.follow"]
    assert stage.world.state.effects[-2:] == ["took back n4", "took back n5"]
    assert "taken back: n4 (cockroachdb-3), n5 (cockroachdb-4)" in await facts_of(stage, handle)
    assert {m.membership for m in stage.world.state.members} == {"active"}


async def test_a_cancel_during_the_drain_restarts_what_was_drained(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    gate = stage.world.gates["nodes.finish"] = asyncio.Event()
    handle = await stage.scale(3)
    await until(lambda: "nodes.finish" in stage.world.state.calls)

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)
    gate.set()

    assert error.type == "Cancelled"
    assert "restarted, since drained: n4" in await facts_of(stage, handle)
    assert not any("resized" in effect for effect in stage.world.state.effects)


async def test_a_cancel_after_decommissioned_undoes_nothing_and_names_what_exists(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    gate = stage.world.gates["scaling.resize"] = asyncio.Event()
    handle = await stage.scale(3)
    await until(lambda: "scaling.resize" in stage.world.state.calls)

    await stage.click_operation("cancel", handle)
    gate.set()
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert "nodes.recommission" not in stage.world.state.calls
    assert "3 pods exist" in await facts_of(stage, handle)


async def test_a_native_cancel_takes_the_same_way(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    handle = await moving(stage)

    await handle.cancel()
    cause = await ending_of(handle)

    assert isinstance(cause, CancelledError)
    assert stage.world.state.effects[-1] == "took back n4"


async def test_a_cancel_while_a_certificate_waits_leaves_pod_and_card(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.scale(4)
    await stage.chat.card("pending", csr="crdb.node.cockroachdb-3")

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert "4 pods exist" in await facts_of(stage, handle)
    assert len(stage.chat.cards("pending")) == 1


async def test_a_repeated_scale_goes_on_where_a_cancelled_one_stopped(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    first = await stage.scale(5)
    await stage.chat.card("pending", csr="crdb.node.cockroachdb-3")
    await stage.click_operation("cancel", first)
    await failure_of(first)
    stage.approve_all(BOB)

    result = await (await stage.scale(5)).result()

    assert (result.before, result.nodes, result.added) == (4, 5, ("cockroachdb-3", "cockroachdb-4"))


async def test_a_failure_on_the_way_takes_the_nodes_back_as_well(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    stage.world.errors = {"nodes.drain": [RefusedError("nodes.unknown", "no such node")]}

    error = await failure_of(await stage.scale(3))

    assert code_of(error) == "nodes.unknown"
    assert stage.world.state.effects[-1] == "took back n4"


# --- another number ---


async def test_back_up_half_way_down_takes_nodes_back_and_ends_with_all_active(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4, 5)
    handle = await moving(stage)

    receipt = await stage.retarget(handle, 5)
    result = await handle.result()

    assert receipt.sentence == "Going to 5 nodes instead of 3."
    assert (result.outcome, result.nodes, result.decommissioned) == ("scaled", 5, ())
    assert {m.membership for m in stage.world.state.members} == {"active"}
    assert not any("resized" in effect for effect in stage.world.state.effects)
    assert "asked for by Alice" in await facts_of(stage, handle)
    status = await stage.status(handle)
    assert status.plan == ("take n4 (cockroachdb-3), n5 (cockroachdb-4) back: they stay",)
    assert result.plan == status.plan
    assert [(s.name, s.state) for s in status.steps] == [("preflight", "done"), ("move", "skipped"), ("back", "done")]


async def test_half_of_the_way_back_keeps_one_and_lets_the_other_go(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 5, 4)
    handle = await moving(stage)

    await stage.retarget(handle, 4)
    stage.world.held.clear()
    result = await handle.result()

    assert (result.nodes, result.decommissioned) == (4, (4,))
    assert [m.id for m in stage.world.state.members if m.membership == "active"] == [1, 2, 3, 5]


async def test_further_down_lets_one_more_go(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4, 5)
    handle = await moving(stage, wanted=4)

    await stage.retarget(handle, 3)
    stage.world.held.clear()
    result = await handle.result()

    assert (result.nodes, result.decommissioned) == (3, (4, 5))


async def test_down_while_a_new_pod_waits_for_its_certificate_removes_the_pod_that_never_joined(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.scale(5)
    await stage.chat.card("pending", csr="crdb.node.cockroachdb-3")

    await stage.retarget(handle, 3)
    result = await handle.result()

    assert (result.nodes, result.decommissioned) == (3, ())
    assert stage.world.state.effects == ["resized 3 to 4", "resized 4 to 3"]
    assert any(step.detail == "left off: the number was changed" for step in (await stage.status(handle)).steps)


async def test_a_node_that_joins_at_the_last_moment_leaves_as_the_others_do(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.answer_all("deny", BOB)
    handle = await stage.scale(4)
    await stage.chat.card("pending", csr="crdb.node.cockroachdb-3")
    gate = stage.world.gates["scaling.resize"] = asyncio.Event()

    await stage.retarget(handle, 3)
    await until(lambda: stage.world.state.calls.count("scaling.resize") == 2)
    stage.world.state.pods["cockroachdb-3"].has_certificate = True
    stage.world.join()
    gate.set()
    result = await handle.result()

    assert (result.nodes, result.decommissioned) == (3, (4,))
    assert stage.world.state.effects[-1] == "resized 4 to 3"


async def test_whoever_changes_the_number_may_not_approve_the_certificates_it_needs(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.scale(4)
    card = await stage.chat.card("pending", csr="crdb.node.cockroachdb-3")

    await stage.retarget(handle, 5, DAVE)
    await until(lambda: any(DAVE.is_same_as(p) for c in stage.chat.cards("pending") for p in c.asked_by))
    with pytest.raises(RefusedError) as caught:
        await stage.click("approve", card, DAVE)
    stage.approve_all(CAROL)
    result = await handle.result()

    assert caught.value.code == "approval.four-eyes"
    assert (result.nodes, result.decided_by) == (5, ("Carol",))
    last = stage.chat.cards("issued")[-1]
    assert {person.id for person in last.asked_by} == {ALICE.id, DAVE.id}


@pytest.mark.parametrize(
    ("person", "nodes", "code"),
    [
        pytest.param(VIEWER, 5, "role.missing", id="a viewer"),
        pytest.param(BOB, 5, "role.missing", id="an approver, who may not ask"),
        pytest.param(ALICE, 2, "scale.below-three", id="two"),
        pytest.param(ALICE, 10, "scale.above-max", id="too many"),
        pytest.param(ALICE, 3, "scale.same-target", id="the number it goes to"),
    ],
)
async def test_another_number_is_refused(stage: Stage, person: object, nodes: int, code: str) -> None:
    stage.world.serve(1, 2, 3, 4)
    handle = await moving(stage)

    with pytest.raises(RefusedError) as caught:
        await stage.retarget(handle, nodes, person)  # type: ignore[arg-type]

    assert caught.value.code == code
    await handle.terminate()


async def test_another_number_is_refused_after_the_end(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.scale(3)
    await handle.result()

    with pytest.raises(RefusedError) as caught:
        await stage.retarget(handle, 4)

    assert caught.value.code == "decision.closed"


# --- stalls, and somebody else ---


async def test_a_stall_is_named_and_after_an_hour_the_nodes_are_taken_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.world.facts = {"stalled_minutes": 0}
    monkeypatch.setattr("workflows.departure.STALLED_FOR", timedelta(seconds=1))
    stage.world.serve(1, 2, 3, 4)
    stage.world.moves = 0

    handle = await stage.scale(3)
    await until(lambda: "nodes.follow" in stage.world.state.calls)
    stage.world.blocked = ["n4 has 3 replicas blocked with error: no target"]
    error = await failure_of(handle)

    assert code_of(error) == "scale.stalled"
    assert "0 of 12 replicas moved; no replica moves any more; n4 (cockroachdb-3) holds 12: ranges 7" in error.message
    assert stage.world.state.effects[-1] == "took back n4"


async def test_pods_removed_by_kubectl_in_our_direction_are_said_at_once_and_gone_on_from(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4, 5)
    handle = await moving(stage)

    Scaling(stage.world).remove_pods(3)
    await until(lambda: stage.world.state.stopped == ["nodes.follow"])
    stage.world.held.clear()
    result = await handle.result()

    assert (result.nodes, result.decommissioned) == (3, (4, 5))
    assert "somebody else scaled from 5 to 3 replicas while this ran" in await facts_of(stage, handle)
    assert stage.world.state.effects[-2:] == ["decommissioned n5", "resized 3 to 3"]
    steps = (await stage.status(handle)).steps
    assert [step.detail for step in steps if step.state == "skipped"] == ["left off: somebody else scaled"]


async def test_pods_added_by_kubectl_in_our_direction_while_a_card_waits_are_gone_on_from(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.scale(5)
    await stage.chat.card("pending", csr="crdb.node.cockroachdb-3")
    spec = stage.world.state.spec
    assert spec is not None

    stage.world.make_pods(spec.model_copy(update={"nodes": 5}))

    async def is_said() -> bool:
        return "somebody else scaled from 4 to 5 replicas while this ran" in await facts_of(stage, handle)

    await until_asked(is_said)
    stage.approve_all(BOB)
    result = await handle.result()

    assert (result.nodes, result.added) == (5, ("cockroachdb-3",))
    assert stage.world.state.spec == spec.model_copy(update={"nodes": 5})
    assert len(stage.world.state.members) == 5


async def test_a_pod_removed_by_kubectl_while_its_card_waits_ends_the_run_at_once(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.scale(4)
    await stage.chat.card("pending", csr="crdb.node.cockroachdb-3")

    Scaling(stage.world).remove_pods(3)
    error = await failure_of(handle)

    assert code_of(error) == "scale.changed-outside"
    assert "found 3 replicas, expected 4" in error.message
    assert stage.world.state.effects == ["resized 3 to 4"]


async def test_pods_added_by_kubectl_are_left_and_the_run_ends_with_nodes_taken_back(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    gate = stage.world.gates["scaling.resize"] = asyncio.Event()
    handle = await stage.scale(3)
    await until(lambda: "scaling.resize" in stage.world.state.calls)
    spec = stage.world.state.spec
    assert spec is not None

    stage.world.make_pods(spec.model_copy(update={"nodes": 6}))
    gate.set()
    error = await failure_of(handle)

    assert code_of(error) == "scale.changed-outside"
    assert "found 6 replicas, expected 4" in error.message
    assert not any("resized" in effect for effect in stage.world.state.effects)


async def test_a_cluster_that_is_not_well_after_a_step_ends_the_run_and_says_why(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.health.HEALTHY_WITHIN", timedelta(0))
    stage.world.serve(1, 2, 3)
    gate = stage.world.gates["cluster.wait_ready"] = asyncio.Event()
    stage.approve_all(BOB)
    handle = await stage.scale(4)
    await until(lambda: "cluster.wait_ready" in stage.world.state.calls)
    stage.world.state.members[1].is_live = False
    gate.set()

    error = await failure_of(handle)

    assert code_of(error) == "scale.not-healthy"
    assert "n2 (cockroachdb-1) does not live" in error.message


async def test_the_second_to_come_hears_which_scale_runs(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    handle = await moving(stage)

    async def is_busy() -> bool:
        try:
            await stage.scale(5, DAVE)
        except Exception as error:  # noqa: BLE001 - the answer is looked at
            details = getattr(error, "details", {})
            return (details.get("operation"), details.get("run_id")) == ("scale", handle.run_id)
        return False

    await until_asked(is_busy)
    await handle.terminate()
