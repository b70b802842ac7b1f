"""A pod that was rolled comes back or is stuck: what is verified, what is named, the one pod that may be deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.csr_object import Object
from activities.upgrade_payloads import Back, BackRequest, RollRequest
from domain.errors import RefusedError
from tests.activities.upgrades import NEW, OLD, RollingWorld
from tests.activities.world import run
from tests.workflows.waiting import until

POLICIES = pytest.mark.parametrize("policy", ["Parallel", "OrderedReady"])


def waiting(world: RollingWorld, **changes: Any) -> BackRequest:
    return BackRequest(**{"ref": world.ref, "spec": world.spec, "ordinal": 2, "version": NEW, **changes})


async def roll(
    world: RollingWorld, *, version: str = NEW, found_version: str = OLD, found: int = 0, partition: int = 2
) -> None:
    """Write the canary's image, or put the one before back."""
    request = RollRequest(ref=world.ref, version=version, partition=partition, found_version=found_version, found=found)
    assert (await run(world.upgrading().roll, request)).outcome == "done"


async def back(world: RollingWorld, **changes: Any) -> Back:
    async with asyncio.timeout(10):
        found: Back = await run(world.upgrading().wait_back, waiting(world, **changes))
    return found


def deletions(world: RollingWorld) -> list[str]:
    return [name for verb, _, name in world.kubernetes.writes() if verb == "delete"]


def set_status(world: RollingWorld, ordinal: int, **status: Any) -> Object:
    pod = world.kubernetes.node_pod(ordinal)
    return world.kubernetes.put({**pod, "status": {**pod["status"], **status}})


NOT_READY = [{"type": "Ready", "status": "False"}]


async def test_a_pod_is_back_when_it_is_ready_and_its_node_lives_with_the_build(world: RollingWorld) -> None:
    await roll(world)

    found = await back(world)

    assert (found.outcome, found.sentence) == ("back", "")
    assert (found.pod.ordinal, found.pod.image) == (2, world.image(NEW))
    assert found.pod.is_ready
    assert found.pod.is_current
    assert deletions(world) == []


async def test_a_pod_that_gets_ready_later_is_waited_for_with_heartbeats(world: RollingWorld) -> None:
    world.kubernetes.held = {"ready"}
    await roll(world)
    beaten: list[str] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *said: beaten.extend(said)

    task = asyncio.create_task(environment.run(world.upgrading().wait_back, waiting(world)))
    await until(lambda: "cockroachdb-2 is started again and runs, but is not ready" in beaten)
    assert not task.done()
    world.kubernetes.release("ready")

    assert (await task).outcome == "back"


async def test_a_node_that_does_not_live_yet_or_has_not_joined_is_waited_for(world: RollingWorld) -> None:
    await roll(world)
    row = world.nodes.members.pop(3)
    beaten: list[str] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *said: beaten.extend(said)

    task = asyncio.create_task(environment.run(world.upgrading().wait_back, waiting(world)))
    await until(lambda: "cockroachdb-2 has not joined" in beaten)
    world.nodes.members[3] = {**row, "is_live": "false"}
    await until(lambda: "n3 (cockroachdb-2) does not live yet" in beaten)
    world.nodes.states[:] = ["cannot dial"] * 3
    await until(lambda: any("node waiting" in said for said in beaten))
    world.nodes.states[:] = ["serving"] * 3
    world.nodes.members[3] = row

    assert (await task).outcome == "back"


async def test_an_image_whose_build_is_another_release_is_stuck_when_the_time_is_over(world: RollingWorld) -> None:
    world.kubernetes.builds = {world.image(NEW): "v25.3.0"}
    await roll(world)

    found = await back(world, seconds=0.1)

    assert (found.outcome, found.sentence) == (
        "stuck",
        f"n3 (cockroachdb-2) runs build v25.3.0, expected {NEW}",
    )


@pytest.mark.parametrize(("kind", "told"), [("unpullable", "gets no image"), ("crashing", "ended 3 times")])
async def test_a_pod_that_cannot_start_is_stuck_with_the_reason_and_is_left(
    world: RollingWorld, kind: str, told: str
) -> None:
    setattr(world.kubernetes, kind, {world.image(NEW)})
    await roll(world)

    found = await back(world)

    assert found.outcome == "stuck"
    assert told in found.sentence
    assert found.pod.trouble == found.sentence
    assert deletions(world) == []


@POLICIES
async def test_a_stuck_pod_that_the_template_has_left_behind_comes_back_without_touching_another(policy: str) -> None:
    world = RollingWorld(policy=policy)
    world.kubernetes.unpullable = {world.image(NEW)}
    await roll(world)
    assert (await back(world)).outcome == "stuck"

    await roll(world, version=OLD, found_version=NEW, found=2)
    found = await back(world, version=OLD)

    assert found.outcome == "back"
    assert world.kubernetes.images() == [OLD] * 3
    assert world.kubernetes.restarted == ["cockroachdb-2"] * 2
    # With Parallel the controller was quicker.
    assert deletions(world) == (["cockroachdb-2"] if policy == "OrderedReady" else [])


async def test_a_pod_that_never_gets_ready_is_let_go_when_the_template_has_left_it() -> None:
    world = RollingWorld(policy="OrderedReady")
    world.kubernetes.held = {"ready"}
    await roll(world)
    await roll(world, version=OLD, found_version=NEW, found=2)
    world.kubernetes.held.clear()

    found = await back(world, version=OLD)

    assert found.outcome == "back"
    assert deletions(world) == ["cockroachdb-2"]


async def test_a_pod_that_the_template_has_not_left_is_kept_whatever_it_runs(world: RollingWorld) -> None:
    world.kubernetes.unpullable = {world.image(NEW)}
    await roll(world)

    found = await back(world, version="v25.4.2")

    assert found.outcome == "stuck"
    assert deletions(world) == []


async def test_a_healthy_pod_is_never_deleted_even_when_it_runs_another_image(world: RollingWorld) -> None:
    await roll(world)

    found = await back(world, ordinal=1, seconds=0.3)

    assert found.outcome == "stuck"
    assert found.sentence == f"cockroachdb-1 still runs {world.image(OLD)}, expected {world.image(NEW)}"
    assert deletions(world) == []


async def test_a_pod_below_the_partition_is_kept_even_when_it_is_not_ready(world: RollingWorld) -> None:
    await roll(world)
    set_status(world, 1, conditions=NOT_READY)

    found = await back(world, ordinal=1, seconds=0.3)

    assert found.outcome == "stuck"
    assert deletions(world) == []


async def test_a_stuck_pod_below_others_is_made_anew_from_the_release_before(world: RollingWorld) -> None:
    await roll(world)
    await roll(world, found_version=NEW, partition=1, found=2)
    set_status(world, 1, conditions=NOT_READY)
    await roll(world, version=OLD, found_version=NEW, partition=3, found=1)

    found = await back(world, version=OLD, ordinal=1)

    assert found.outcome == "back"
    assert deletions(world) == ["cockroachdb-1"]


async def test_a_pod_that_is_not_ours_is_never_deleted() -> None:
    world = RollingWorld(policy="OrderedReady")
    world.kubernetes.unpullable = {world.image(NEW)}
    await roll(world)
    await roll(world, version=OLD, found_version=NEW, found=2)
    pod = world.kubernetes.node_pod(2)
    world.kubernetes.put({**pod, "metadata": {**pod["metadata"], "annotations": {}}})

    with pytest.raises(RefusedError) as caught:
        await back(world, version=OLD)

    assert caught.value.code == "deploy.not-ours"
    assert deletions(world) == []


@pytest.mark.parametrize(
    ("state", "told"),
    [
        pytest.param({"deletionTimestamp": "2026-11-29T12:00:00Z"}, "cockroachdb-2 is still ending", id="ending"),
        pytest.param({"status": {"phase": "Pending"}}, "has no certificate in place yet", id="no certificate"),
        pytest.param({"status": {"phase": "Pending", "initContainerStatuses": [
            {"name": "certagent", "state": {"terminated": {"exitCode": 0}}}
        ]}}, "does not run yet", id="pending"),
    ],
)  # fmt: skip
async def test_what_a_pod_lacks_is_named_when_the_time_is_over(
    world: RollingWorld, state: dict[str, Any], told: str
) -> None:
    await roll(world)
    pod = world.kubernetes.node_pod(2)
    deletion = {name: value for name, value in state.items() if name != "status"}
    changed = {**pod, "metadata": {**pod["metadata"], **deletion}, "status": state.get("status", pod["status"])}
    world.kubernetes.put(changed)

    found = await back(world, seconds=0.05)

    assert found.outcome == "stuck"
    assert told in found.sentence


async def test_a_pod_that_is_gone_is_named_when_the_time_is_over(world: RollingWorld) -> None:
    found = await back(world, ordinal=5, seconds=0.05)

    assert found.sentence == "cockroachdb-5 is gone and Kubernetes has not made another yet"
    assert found.pod.trouble == "cockroachdb-5 is not there"


@pytest.fixture
def world() -> RollingWorld:
    return RollingWorld()
