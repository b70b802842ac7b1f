"""An upgrade is guarded, made final and followed by our own client and activities, over real processes of two releases.

What the verbs do alone is in `test_contract_upgrade`; what the activities do about answers in tests/activities.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from activities import active_version
from activities.asking import Asking
from activities.clients.roach import RoachNodes
from activities.upgrade_payloads import ActiveVersion, FollowVersionRequest, GuardRequest
from activities.upgrading import UpgradingActivities
from domain.errors import RefusedError
from tests.activities.upgrades import NEW, OLD
from tests.activities.world import World, run
from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import WAITS, Node, is_standin
from tests.cockroach.shell import Shell

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not is_standin(), reason="plays two releases, which only the stand-in can"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def nodes(make_fast_nodes: MakeNodes, client: Path) -> Sequence[Node]:
    """Three nodes of the older release."""
    made = make_fast_nodes(3)
    for node in made:
        node.join = [other.address for other in made]
        node.start(version=OLD).until(WAITS)
    assert made[0].ask("init", client=client).code == 0
    for node in made:
        node.until("ready")
    return made


def roll(nodes: Sequence[Node]) -> None:
    """Restart every node on the newer release, one at a time."""
    for node in reversed(nodes):
        node.signal(signal.SIGTERM)
        assert node.wait() == 0
        node.start(version=NEW).until("ready")


async def test_the_guard_holds_until_the_upgrade_is_made_final_and_the_version_follows(
    nodes: Sequence[Node], client: Path
) -> None:
    world = World()
    world.deployed()
    ours = RoachNodes(Shell(nodes, client))
    activities = UpgradingActivities(world.kubernetes, ours, world.configuration, poll=0.5)
    spec = world.spec.model_copy(update={"version": NEW})
    final = GuardRequest(ref=world.ref, spec=spec, value="")

    async def followed(**changes: object) -> ActiveVersion:
        request = FollowVersionRequest(ref=world.ref, spec=spec, wanted="25.4")
        seen: ActiveVersion = await run(activities.follow_version, request.model_copy(update=changes))
        return seen

    with pytest.raises(RefusedError) as another:
        await run(activities.guard, final.model_copy(update={"value": "25.1"}))
    await run(activities.guard, final.model_copy(update={"value": "25.2"}))
    with pytest.raises(RefusedError) as early:
        await run(activities.finalize, final)
    before = await run(active_version.settings, Asking(world.kubernetes, ours, world.ref, spec))
    roll(nodes)
    held = await followed(at_most=0)
    await run(activities.finalize, final)
    seen = held
    while seen.active != "25.4":
        seen = await followed(known=seen.active)

    assert (another.value.code, early.value.code) == ("upgrade.guard-refused", "upgrade.not-healthy")
    assert early.value.message.count(f"runs {OLD}") == 3
    # Ten seconds for transactions, twice, and five for leases: the vendor's defaults.
    assert before == {"active": "25.2", "preserved": "25.2", "drain_seconds": 25}
    assert (held.active, held.holds) == ("25.2", "cluster.preserve_downgrade_option is 25.2")
    assert seen.holds == ""
