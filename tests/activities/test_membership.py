"""Nodes leave and are taken back: which commands are sent, and that each is safe to repeat."""

from __future__ import annotations

import time

import pytest

from activities.manifests import labels
from activities.membership import MembershipActivities
from activities.scale_payloads import FollowRequest, MembersRequest
from domain.errors import NotReadyError, RefusedError
from tests.activities.world import World, run


@pytest.fixture
def world() -> World:
    """Four nodes, n4 on the second pod and n2 on the last."""
    world = World()
    world.spec = world.spec.model_copy(update={"nodes": 4})
    world.nodes.states = ["serving"] * 4
    world.deployed()
    for member, ordinal in ((1, 0), (4, 1), (3, 2), (2, 3)):
        world.nodes.join(member, ordinal)
    return world


@pytest.fixture
def activities(world: World) -> MembershipActivities:
    return MembershipActivities(world.nodes, world.kubernetes, poll=0.01)


def about(world: World, *ids: int) -> MembersRequest:
    return MembersRequest(ref=world.ref, spec=world.spec, ids=ids)


def following(world: World, *ids: int, known: int = 9, at_least: float = 0, at_most: float = 0.1) -> FollowRequest:
    return FollowRequest(ref=world.ref, spec=world.spec, ids=ids, known=known, at_least=at_least, at_most=at_most)


async def test_a_trial_names_what_blocks_and_changes_nothing(world: World, activities: MembershipActivities) -> None:
    world.nodes.blocked = ("n2 has 3 replicas blocked",)

    found = await run(activities.try_decommission, about(world, 2))

    assert found.blocked == ("n2 has 3 replicas blocked",)
    assert world.nodes.members[2]["membership"] == "active"


@pytest.mark.parametrize(("held", "ranges"), [({2: (7, 21)}, {2: (7, 21)}), ({}, {2: ()})])
async def test_of_nodes_that_leave_a_trial_names_the_ranges_where_the_database_tells(
    world: World, activities: MembershipActivities, held: dict[int, tuple[int, ...]], ranges: dict[int, tuple[int, ...]]
) -> None:
    world.nodes.held = held
    world.nodes.members[2]["membership"] = "decommissioning"

    found = await run(activities.try_decommission, about(world, 2, 3))

    assert found.ranges == ranges


async def test_a_release_without_checks_is_asked_for_none(world: World, activities: MembershipActivities) -> None:
    for row in world.nodes.members.values():
        row["build"] = "v22.2.9"

    await run(activities.try_decommission, about(world, 2))
    await run(activities.decommission, about(world, 2))

    assert world.nodes.commands == ["decommission (2,) "]


async def test_all_leave_in_one_command_with_checks_and_repeating_goes_on_without(
    world: World, activities: MembershipActivities
) -> None:
    first = await run(activities.decommission, about(world, 2, 3))
    again = await run(activities.decommission, about(world, 2, 3))

    assert world.nodes.commands == ["decommission (2, 3) enabled", "decommission (2, 3) skip"]
    assert (first.left, again.left) == (18, 18)
    assert {node.membership for node in again.nodes} == {"decommissioning"}


async def test_which_volume_is_a_node_s_is_written_down_before_it_leaves(
    world: World, activities: MembershipActivities
) -> None:
    world.nodes.join(9, 3, is_live="false")
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "datadir-cockroachdb-3",
            "namespace": "crdb",
            "labels": labels.labels(world.ref),
            "annotations": {labels.OPERATION: "op-0"},
        },
    }
    world.kubernetes.put(claim)

    await run(activities.decommission, about(world, 2, 9))
    await run(activities.decommission, about(world, 2, 9))

    found = world.kubernetes.find("PersistentVolumeClaim", "datadir-cockroachdb-3", namespace="crdb")
    assert found["metadata"]["annotations"][labels.NODE_ID] == "2"
    assert len(world.kubernetes.writes()) == 1


async def test_what_the_database_refuses_is_refused_with_its_words(
    world: World, activities: MembershipActivities
) -> None:
    world.nodes.blocked = ("n2 has 3 replicas blocked",)

    with pytest.raises(RefusedError) as caught:
        await run(activities.decommission, about(world, 2))

    assert (caught.value.code, "n2 has 3 replicas" in caught.value.message) == ("scale.blocked", True)
    assert world.nodes.members[2]["membership"] == "active"


async def test_following_tells_news_and_otherwise_ends_after_a_while(
    world: World, activities: MembershipActivities
) -> None:
    same = await run(activities.follow, following(world, 2))
    world.nodes.members[2]["gossiped_replicas"] = "4"
    news = await run(activities.follow, following(world, 2))
    world.nodes.members[2]["gossiped_replicas"] = "0"
    none = await run(activities.follow, following(world, 2, at_least=99, at_most=99))

    assert (same.left, news.left, none.left) == (9, 4, 0)
    assert world.nodes.commands == []


async def test_of_a_dead_node_the_command_counts_from_the_beginning(
    world: World, activities: MembershipActivities
) -> None:
    world.nodes.members[2] |= {"is_live": "false", "address": ""}
    world.nodes.moves = 4  # what it is then said to have told last is another number

    begun = await run(activities.decommission, about(world, 2))

    assert (begun.left, begun.nodes[0].is_live) == (9, False)


async def test_of_a_dead_node_the_command_s_count_is_believed_and_not_what_it_last_said(
    world: World, activities: MembershipActivities
) -> None:
    world.nodes.members[2] |= {"is_live": "false", "membership": "decommissioning", "address": ""}

    found = await run(activities.follow, following(world, 2))

    assert found.left == 9
    assert world.nodes.commands[0] == "decommission (2,) skip"


async def test_following_asks_kubernetes_once_and_not_at_every_poll(
    world: World, activities: MembershipActivities
) -> None:
    await run(activities.follow, following(world, 2, at_most=0.2))

    assert [what for what, _ in world.nodes.asked].count("rows") > 3
    assert len(world.kubernetes.calls) == 1


async def test_following_on_asks_those_that_were_ready_after_a_pause_and_a_second_try_looks_them_up(
    world: World,
) -> None:
    activities = MembershipActivities(world.nodes, world.kubernetes, poll=0.3)
    first = await run(activities.follow, following(world, 2, at_most=0))
    world.kubernetes.calls.clear()
    world.nodes.asked.clear()

    going_on = following(world, 2, at_most=0).model_copy(update={"ready": first.ready})
    began = time.monotonic()
    await run(activities.follow, going_on)

    assert (time.monotonic() - began >= 0.3, len(world.nodes.asked), world.kubernetes.calls) == (True, 1, [])
    await run(activities.follow, going_on, attempt=2)
    assert len(world.kubernetes.calls) == 1


async def test_live_nodes_are_drained_and_dead_ones_are_not(world: World, activities: MembershipActivities) -> None:
    world.nodes.members[3] |= {"is_live": "false"}

    await run(activities.drain, about(world, 2, 3))

    assert world.nodes.commands == ["drain 2"]


async def test_a_drain_that_needs_longer_goes_on_with_the_next_try(
    world: World, activities: MembershipActivities
) -> None:
    world.nodes.drains_left = 1

    with pytest.raises(NotReadyError) as early:
        await run(activities.drain, about(world, 2))
    await run(activities.drain, about(world, 2))

    assert early.value.code == "nodes.draining"
    assert world.nodes.members[2]["is_draining"] == "true"


async def test_the_end_is_what_the_membership_says_and_repeating_finds_it(
    world: World, activities: MembershipActivities
) -> None:
    await run(activities.decommission, about(world, 2))
    early = await run(activities.finish, about(world, 2))
    world.nodes.members[2]["gossiped_replicas"] = "0"
    done = await run(activities.finish, about(world, 2))
    count = len(world.nodes.commands)
    again = await run(activities.finish, about(world, 2))

    assert (early.left, early.is_over) == (9, False)
    assert (done.is_over, again.is_over) == (True, True)
    assert len(world.nodes.commands) == count


async def test_taking_back_leaves_what_is_decommissioned_and_restarts_what_was_drained(
    world: World, activities: MembershipActivities
) -> None:
    world.nodes.members[2] |= {"membership": "decommissioning", "is_draining": "true"}
    world.nodes.members[3] |= {"membership": "decommissioned", "is_live": "false"}

    found = await run(activities.recommission, about(world, 2, 3))
    again = await run(activities.recommission, about(world, 2, 3))

    assert world.nodes.commands == ["recommission 2"]
    assert (found.restarted, again.restarted) == ((2,), (2,))
    assert world.kubernetes.writes() == [("delete", "Pod", "cockroachdb-3")]
    assert [node.membership for node in again.nodes] == ["active", "decommissioned"]


async def test_commands_go_through_a_node_that_stays(world: World, activities: MembershipActivities) -> None:
    await run(activities.decommission, about(world, 2))

    assert {ordinal for _, ordinal in world.nodes.asked} == {0}


async def test_without_a_ready_node_there_is_nobody_to_ask(world: World, activities: MembershipActivities) -> None:
    for ordinal in range(4):
        world.pod(f"cockroachdb-{ordinal}", phase="Pending")

    with pytest.raises(NotReadyError) as caught:
        await run(activities.decommission, about(world, 2))

    assert caught.value.code == "nodes.none-ready"
