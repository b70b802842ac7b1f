"""A node leaves by our own client and activities, over real processes: the words of both sides fit.

The contract of each verb alone is in the files beside; what the activities do about answers in tests/activities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from activities.clients.roach import RoachNodes
from activities.membership import MembershipActivities
from activities.scale_payloads import FollowRequest, MembersRequest
from activities.scaling import ScalingActivities
from domain.health import NodeStatus, node_statuses
from domain.model import NodeRef
from tests.activities.world import World, run
from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import Node, initialized
from tests.cockroach.shell import Shell
from tests.cockroach.standings import replicated

pytestmark = pytest.mark.processes


@pytest.fixture
def nodes(make_fast_nodes: MakeNodes, client: Path) -> Sequence[Node]:
    """Four nodes that share all replicas."""
    return replicated(initialized(make_fast_nodes(4), client=client))


@pytest.fixture
def world() -> World:
    world = World()
    world.spec = world.spec.model_copy(update={"nodes": 4})
    world.deployed()
    return world


async def listed(client: RoachNodes, world: World, nodes: Sequence[Node], which: int) -> NodeStatus:
    rows = await client.rows(world.ref, NodeRef(ordinal=0), domain="cluster.local")
    return next(row for row in node_statuses(rows) if row.address == nodes[which].address)


@pytest.mark.timeout(180)
async def test_a_node_is_tried_taken_back_and_then_leaves_for_good(
    nodes: Sequence[Node], client: Path, world: World
) -> None:
    ours = RoachNodes(Shell(nodes, client))
    activities = MembershipActivities(ours, world.kubernetes, poll=0.5)
    member = (await listed(ours, world, nodes, 3)).id
    about = MembersRequest(ref=world.ref, spec=world.spec, ids=(member,))
    following = FollowRequest(ref=world.ref, spec=world.spec, ids=(member,), at_least=0, at_most=60)

    trial = await run(activities.try_decommission, about)
    begun = await run(activities.decommission, about)
    back = await run(activities.recommission, about)
    again = await run(activities.decommission, about)
    twice = await run(activities.decommission, about)
    moved = again
    while moved.left:
        moved = await run(activities.follow, following.model_copy(update={"known": moved.left}))
    await run(activities.drain, about)
    over = await run(activities.finish, about)
    gone = await ours.recommission(world.ref, NodeRef(ordinal=0), domain="cluster.local", member=member)

    assert (trial.blocked, begun.nodes[0].membership) == ((), "decommissioning")
    assert (back.nodes[0].membership, back.restarted) == ("active", ())
    # Where the replicas have gone meanwhile, the command ends it as well.
    assert (twice.nodes[0].membership != "active", moved.left) == (True, 0)
    assert (over.is_over, gone) == (True, False)


@pytest.mark.timeout(120)
async def test_a_trial_of_too_many_names_what_blocks(nodes: Sequence[Node], client: Path, world: World) -> None:
    ours = RoachNodes(Shell(nodes, client))
    ids = (await listed(ours, world, nodes, 2)).id, (await listed(ours, world, nodes, 3)).id

    found = await run(
        MembershipActivities(ours, world.kubernetes).try_decommission,
        MembersRequest(ref=world.ref, spec=world.spec, ids=ids),
    )

    assert found.blocked
    assert all(line.startswith("n") for line in found.blocked)


@pytest.mark.timeout(120)
async def test_the_settings_that_a_scale_asks_for_are_answered(
    nodes: Sequence[Node], client: Path, world: World
) -> None:
    scaling = ScalingActivities(world.kubernetes, RoachNodes(Shell(nodes, client)), world.configuration)
    node = NodeRef(ordinal=0)

    answers = [
        await scaling._query(world.ref, world.spec, node, statement)
        for statement in (
            "SHOW CLUSTER SETTING version",
            "SHOW CLUSTER SETTING cluster.preserve_downgrade_option",
            "SHOW ALL ZONE CONFIGURATIONS",
            "SHOW ZONE CONFIGURATION FROM RANGE default",
        )
    ]

    assert [len(answer) for answer in answers] == [1, 1, 0, 1]
    assert "num_replicas = 3" in str(answers[3])
