"""`init` once and to one node, whatever is lost or repeated; and what SQL answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.nodes import NodeActivities
from activities.payloads import ClusterRequest, InitRequest
from activities.preflight import recorded_spec
from activities.sql import SqlActivities
from domain.errors import BrokenError, NotReadyError, TransientError
from domain.model import STATEFULSET
from tests.activities.world import World, run
from tests.fakes.kubernetes import conflict


@pytest.fixture
def activities(world: World) -> NodeActivities:
    world.deployed()
    return NodeActivities(world.nodes, world.kubernetes)


def request(world: World, *, target: int = 0) -> InitRequest:
    return InitRequest(ref=world.ref, spec=world.spec, target=target)


async def test_all_nodes_are_asked_and_answer_in_order(world: World, activities: NodeActivities) -> None:
    world.nodes.states = ["waiting", "no answer within 10 s", "waiting"]

    found = await run(activities.observe, ClusterRequest(ref=world.ref, spec=world.spec))

    assert [answer.state for answer in found.answers] == ["waiting-for-init", "unreachable", "waiting-for-init"]
    assert found.answers[1].detail == "no answer within 10 s"


async def test_without_a_client_pod_nobody_can_be_asked(world: World, activities: NodeActivities) -> None:
    world.nodes.refusal = NotReadyError("nodes.no-client-pod", "none", retry_after=timedelta(seconds=2))

    with pytest.raises(NotReadyError):
        await run(activities.observe, ClusterRequest(ref=world.ref, spec=world.spec))


async def test_the_target_is_recorded_once_and_never_changed(world: World, activities: NodeActivities) -> None:
    await run(activities.record_target, request(world))
    await run(activities.record_target, request(world))

    with pytest.raises(BrokenError) as broken:
        await run(activities.record_target, request(world, target=1))

    placed = world.kubernetes.find("StatefulSet", STATEFULSET, namespace="crdb")
    recorded = recorded_spec(placed)
    assert recorded is not None
    assert recorded == world.spec.model_copy(update={"init_target": 0})
    assert broken.value.code == "init.other-target"
    assert [call[0] for call in world.kubernetes.writes()] == ["annotate"]


async def test_a_record_that_was_overtaken_is_retried(world: World, activities: NodeActivities) -> None:
    world.kubernetes.fail("annotate", conflict())

    with pytest.raises(TransientError):
        await run(activities.record_target, request(world))

    await run(activities.record_target, request(world))


async def test_init_goes_to_the_recorded_target_once(world: World, activities: NodeActivities) -> None:
    await run(activities.record_target, request(world))

    first = await run(activities.init, request(world))
    second = await run(activities.init, request(world))

    assert (first.outcome, second.outcome) == ("initialized", "already")
    assert world.nodes.inits == [0]


async def test_a_lost_answer_of_init_is_found_by_looking_first(world: World, activities: NodeActivities) -> None:
    await run(activities.record_target, request(world))
    world.nodes.is_answer_lost = True
    with pytest.raises(TransientError):
        await run(activities.init, request(world))

    found = await run(activities.init, request(world))

    assert found.outcome == "already"
    assert world.nodes.inits == [0]


async def test_no_init_without_a_recorded_target_or_with_another(world: World, activities: NodeActivities) -> None:
    with pytest.raises(BrokenError) as none:
        await run(activities.init, request(world))
    await run(activities.record_target, request(world, target=1))
    with pytest.raises(BrokenError) as other:
        await run(activities.init, request(world))

    assert (none.value.code, other.value.code) == ("init.no-target", "init.other-target")
    assert world.nodes.inits == []


@pytest.mark.parametrize(
    "states",
    [
        pytest.param(["waiting", "waiting", "cannot dial"], id="one is silent"),
        pytest.param(["serving", "waiting", "cannot dial"], id="one serves, one is silent"),
    ],
)
async def test_no_init_while_a_node_is_silent(world: World, activities: NodeActivities, states: list[str]) -> None:
    await run(activities.record_target, request(world))
    world.nodes.states = states

    with pytest.raises(NotReadyError) as early:
        await run(activities.init, request(world))

    assert early.value.code == "init.nodes-silent"
    assert world.nodes.inits == []


async def test_no_init_when_any_node_serves_already(world: World, activities: NodeActivities) -> None:
    await run(activities.record_target, request(world))
    world.nodes.states = ["waiting", "serving", "waiting"]

    assert (await run(activities.init, request(world))).outcome == "already"
    assert world.nodes.inits == []


async def test_sql_answers_with_one_cluster_id_and_the_version(world: World) -> None:
    world.nodes.serve("0f6d")

    found = await run(SqlActivities(world.nodes).check, ClusterRequest(ref=world.ref, spec=world.spec))

    assert (found.cluster_id, found.version) == ("0f6d", "25.2")


@pytest.mark.parametrize("ids", [["a", "b", "a"], ["", "", ""]], ids=["two ids", "no id"])
async def test_two_cluster_ids_are_broken_and_named(world: World, ids: list[str]) -> None:
    world.nodes.serve()
    world.nodes.cluster_ids = ids

    with pytest.raises(BrokenError) as broken:
        await run(SqlActivities(world.nodes).check, ClusterRequest(ref=world.ref, spec=world.spec))

    assert broken.value.code == "init.two-clusters"
    assert f"cockroachdb-0 {ids[0] or 'none'}" in broken.value.message


async def test_sql_against_a_waiting_node_is_retried(world: World) -> None:
    with pytest.raises(TransientError):
        await run(SqlActivities(world.nodes).check, ClusterRequest(ref=world.ref, spec=world.spec))
