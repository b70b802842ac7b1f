"""Facts of a scale, replicas, pods that go, volumes: nothing of a member is removed, and repeats change nothing."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from temporalio.testing import ActivityEnvironment

from activities.manifests import labels
from activities.manifests.labels import NODE_ID, SPEC
from activities.scale_payloads import (
    DeleteVolumeRequest,
    GoneRequest,
    ObserveRequest,
    ResizeRequest,
    WatchReplicasRequest,
)
from activities.scaling import ScalingActivities
from domain.errors import NotReadyError, RefusedError, TransientError
from domain.scale import Volume
from tests.activities.world import World, run
from tests.fakes.kubernetes import conflict


@pytest.fixture
def world() -> World:
    """Four nodes, each with its volume."""
    world = World()
    world.spec = world.spec.model_copy(update={"nodes": 4})
    world.nodes.states = ["serving"] * 4
    world.deployed()
    for ordinal in range(4):
        world.nodes.join(ordinal + 1, ordinal)
        claim(world, ordinal)
    return world


@pytest.fixture
def activities(world: World) -> ScalingActivities:
    return ScalingActivities(world.kubernetes, world.nodes, world.configuration, poll=0.01)


def claim(world: World, ordinal: int, *, is_ours: bool = True, node_id: str = "") -> None:
    world.kubernetes.put(
        {
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": f"datadir-cockroachdb-{ordinal}",
                "namespace": "crdb",
                "labels": labels.labels(world.ref) if is_ours else {},
                "annotations": {labels.OPERATION: "op-0"} | ({NODE_ID: node_id} if node_id else {}),
            },
            "spec": {"resources": {"requests": {"storage": "1Gi"}}},
        }
    )


def uid(world: World, ordinal: int) -> str:
    found = world.kubernetes.find("PersistentVolumeClaim", f"datadir-cockroachdb-{ordinal}", namespace="crdb")
    return str(found["metadata"]["uid"])


def volume(world: World, ordinal: int) -> DeleteVolumeRequest:
    name = f"datadir-cockroachdb-{ordinal}"
    return DeleteVolumeRequest(ref=world.ref, volume=Volume(ordinal=ordinal, name=name, uid=uid(world, ordinal)))


def gone(world: World, member: int) -> None:
    world.nodes.members[member] |= {"membership": "decommissioned", "is_live": "false"}


# --- facts ---


async def test_facts_tell_nodes_volumes_settings_and_room(world: World, activities: ScalingActivities) -> None:
    claim(world, 5, node_id="7")

    facts = (await run(activities.observe, ObserveRequest(ref=world.ref, has_settings=True))).facts

    assert (facts.replicas, facts.pods, facts.database) == (4, (0, 1, 2, 3), "serving")
    assert [(v.ordinal, v.node_id, v.is_ours, v.size) for v in facts.volumes[4:]] == [(5, 7, True, "1Gi")]
    assert [v.ordinal for v in facts.volumes] == [0, 1, 2, 3, 5]
    assert [node.ordinal for node in facts.nodes] == [0, 1, 2, 3]
    assert (facts.replication_factor, facts.version, facts.preserved) == (3, "25.2", "")
    assert (facts.max_nodes, facts.missing_rules) == (9, ())


async def test_a_decommissioned_node_without_an_address_is_found_by_its_volume(
    world: World, activities: ScalingActivities
) -> None:
    gone(world, 4)
    world.nodes.members[4] |= {"address": "", "build": ""}
    claim(world, 3, node_id="4")

    facts = (await run(activities.observe, ObserveRequest(ref=world.ref))).facts

    assert [node.ordinal for node in facts.nodes] == [0, 1, 2, 3]


async def test_a_database_that_does_not_know_the_statement_leaves_the_copies_unknown(
    world: World, activities: ScalingActivities
) -> None:
    world.nodes.zones = ()

    facts = (await run(activities.observe, ObserveRequest(ref=world.ref, has_settings=True))).facts

    assert (facts.replication_factor, facts.fewest) == (None, 3)


async def test_a_database_that_lists_no_zones_is_asked_for_the_default_one(
    world: World, activities: ScalingActivities
) -> None:
    world.nodes.knows_all_zones = False
    world.nodes.zones = ({"target": "RANGE default", "raw_config_sql": "USING\n\tnum_replicas = 5,\n"},)

    facts = (await run(activities.observe, ObserveRequest(ref=world.ref, has_settings=True))).facts

    assert (facts.replication_factor, facts.fewest) == (5, 5)


async def test_without_a_cluster_there_is_nothing_to_tell(activities: ScalingActivities) -> None:
    fresh = World()
    activities = ScalingActivities(fresh.kubernetes, fresh.nodes, fresh.configuration)

    facts = (await run(activities.observe, ObserveRequest(ref=fresh.ref))).facts

    assert (facts.live, facts.recorded, facts.nodes) == (None, None, ())


@pytest.mark.parametrize(("state", "found"), [("waiting", "waiting-for-init"), ("cannot dial", "silent")])
async def test_a_database_that_does_not_serve_is_told_as_such(
    world: World, activities: ScalingActivities, state: str, found: str
) -> None:
    world.nodes.states = [state] * 4

    facts = (await run(activities.observe, ObserveRequest(ref=world.ref, has_settings=True))).facts

    assert facts.database == found


async def test_it_waits_until_all_is_well_and_says_what_is_not(world: World, activities: ScalingActivities) -> None:
    world.nodes.members[2] |= {"ranges_underreplicated": "5", "is_live": "false"}

    ill = await run(activities.observe, ObserveRequest(ref=world.ref, ordinals=(0, 1, 4), seconds=0.05))
    world.nodes.members[2] |= {"ranges_underreplicated": "0", "is_live": "true"}
    well = await run(activities.observe, ObserveRequest(ref=world.ref, ordinals=(0, 1), seconds=5))

    assert ill.waits == (
        "n2 (cockroachdb-1) does not live",
        "cockroachdb-4 has not joined",
        "5 ranges under-replicated",
    )
    assert well.waits == ()


async def test_the_database_is_asked_at_most_once_a_poll_also_by_the_look_that_follows(world: World) -> None:
    activities = ScalingActivities(world.kubernetes, world.nodes, world.configuration, poll=0.3)
    began = time.monotonic()

    await run(activities.observe, ObserveRequest(ref=world.ref, ordinals=(9,), seconds=0.2))

    assert [what for what, _ in world.nodes.asked].count("rows") == 1
    assert time.monotonic() - began >= 0.3


# --- replicas ---


async def test_watching_ends_when_somebody_else_sets_replicas_or_takes_the_set_away(
    world: World, activities: ScalingActivities
) -> None:
    request = WatchReplicasRequest(ref=world.ref, expected=4)
    beaten, environment = asyncio.Event(), ActivityEnvironment()
    environment.on_heartbeat = lambda *_: beaten.set()
    watching = asyncio.create_task(environment.run(activities.watch_replicas, request))
    async with asyncio.timeout(10):
        await beaten.wait()
    placed = world.kubernetes.find("StatefulSet", "cockroachdb", namespace="crdb")

    placed["spec"]["replicas"] = 6
    world.kubernetes.put(placed)
    async with asyncio.timeout(10):
        changed = await watching
    world.kubernetes.remove("StatefulSet", "cockroachdb", namespace="crdb")

    assert (changed, await run(activities.watch_replicas, request)) == (6, 0)


async def test_growing_sets_replicas_and_the_record_in_one_write_and_repeating_none(
    world: World, activities: ScalingActivities
) -> None:
    request = ResizeRequest(ref=world.ref, found=4, to=5)

    first = await run(activities.resize, request)
    again = await run(activities.resize, request)

    found = world.kubernetes.find("StatefulSet", "cockroachdb", namespace="crdb")
    assert (first.outcome, again.outcome) == ("done", "already")
    assert found["spec"]["replicas"] == 5
    assert json.loads(found["metadata"]["annotations"][SPEC])["nodes"] == 5
    assert world.kubernetes.writes() == [("resize", "StatefulSet", "cockroachdb 5")]


async def test_shrinking_is_held_while_a_node_above_is_a_member(world: World, activities: ScalingActivities) -> None:
    world.nodes.members[4]["membership"] = "decommissioning"

    resized = await run(activities.resize, ResizeRequest(ref=world.ref, found=4, to=3))

    assert (resized.outcome, resized.sentence) == ("held", "n4 (cockroachdb-3) is decommissioning")
    assert world.kubernetes.writes() == []


async def test_shrinking_writes_the_node_s_id_on_its_volume_before_the_pod_goes(
    world: World, activities: ScalingActivities
) -> None:
    gone(world, 4)

    await run(activities.resize, ResizeRequest(ref=world.ref, found=4, to=3))

    assert [call[:2] for call in world.kubernetes.writes()] == [
        ("annotate", "PersistentVolumeClaim"),
        ("resize", "StatefulSet"),
    ]
    found = world.kubernetes.find("PersistentVolumeClaim", "datadir-cockroachdb-3", namespace="crdb")
    assert found["metadata"]["annotations"][NODE_ID] == "4"


async def test_replicas_of_somebody_else_are_left_and_told(world: World, activities: ScalingActivities) -> None:
    found = world.kubernetes.find("StatefulSet", "cockroachdb", namespace="crdb")
    world.kubernetes.put({**found, "spec": {**found["spec"], "replicas": 7}})

    resized = await run(activities.resize, ResizeRequest(ref=world.ref, found=4, to=5))

    assert (resized.outcome, resized.replicas) == ("changed", 7)
    assert world.kubernetes.writes() == []


async def test_a_write_in_between_is_a_conflict_that_is_tried_again(
    world: World, activities: ScalingActivities
) -> None:
    world.kubernetes.fail("resize", conflict("cockroachdb"))
    request = ResizeRequest(ref=world.ref, found=4, to=5)

    with pytest.raises(TransientError):
        await run(activities.resize, request)
    again = await run(activities.resize, request)

    assert again.outcome == "done"


async def test_it_waits_until_the_pods_above_are_gone(world: World, activities: ScalingActivities) -> None:
    beaten = asyncio.Event()
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_: beaten.set()

    waiting = asyncio.create_task(environment.run(activities.wait_gone, GoneRequest(ref=world.ref, to=3)))
    async with asyncio.timeout(10):
        await beaten.wait()
    assert not waiting.done()
    world.kubernetes.remove("Pod", "cockroachdb-3", namespace="crdb")

    async with asyncio.timeout(10):
        await waiting


# --- volumes ---


async def test_a_volume_of_a_decommissioned_node_is_deleted_once(world: World, activities: ScalingActivities) -> None:
    gone(world, 4)
    await run(activities.resize, ResizeRequest(ref=world.ref, found=4, to=3))
    world.kubernetes.remove("Pod", "cockroachdb-3", namespace="crdb")
    request = volume(world, 3)

    await run(activities.delete_volume, request)
    await run(activities.delete_volume, request)

    assert [call for call in world.kubernetes.writes() if call[0] == "delete"] == [
        ("delete", "PersistentVolumeClaim", "datadir-cockroachdb-3")
    ]


async def test_another_volume_of_the_same_name_is_left(world: World, activities: ScalingActivities) -> None:
    request = volume(world, 3)
    world.kubernetes.remove("PersistentVolumeClaim", "datadir-cockroachdb-3", namespace="crdb")
    claim(world, 3)

    await run(activities.delete_volume, request)

    assert world.kubernetes.writes() == []


async def test_a_volume_that_is_mounted_or_of_a_member_or_of_a_pod_that_stays_is_kept(
    world: World, activities: ScalingActivities
) -> None:
    pod = world.kubernetes.find("Pod", "cockroachdb-3", namespace="crdb")
    mount = {"volumes": [{"name": "datadir", "persistentVolumeClaim": {"claimName": "datadir-cockroachdb-3"}}]}
    world.kubernetes.put({**pod, "spec": {**pod["spec"], **mount}})

    with pytest.raises(RefusedError) as caught:
        await run(activities.delete_volume, volume(world, 3))

    assert caught.value.code == "scale.volume-in-use"
    assert "pod cockroachdb-3 mounts it" in caught.value.message
    assert "its pod is one that stays" in caught.value.message
    assert "n4 (cockroachdb-3) is active" in caught.value.message
    assert world.kubernetes.writes() == []


async def test_a_volume_of_nobody_is_deleted_only_when_that_was_decided(
    world: World, activities: ScalingActivities
) -> None:
    claim(world, 6)
    request = volume(world, 6)

    with pytest.raises(RefusedError) as caught:
        await run(activities.delete_volume, request)
    await run(activities.delete_volume, request.model_copy(update={"is_unknown": True}))

    assert "nobody knows its node" in caught.value.message
    assert len(world.kubernetes.writes()) == 1


async def test_a_volume_that_is_not_ours_is_never_deleted(world: World, activities: ScalingActivities) -> None:
    claim(world, 6, is_ours=False)

    with pytest.raises(RefusedError) as caught:
        await run(activities.delete_volume, volume(world, 6))

    assert caught.value.code == "deploy.not-ours"


async def test_a_volume_that_leaves_slowly_is_waited_for(world: World, activities: ScalingActivities) -> None:
    claim(world, 6)
    found = world.kubernetes.find("PersistentVolumeClaim", "datadir-cockroachdb-6", namespace="crdb")
    world.kubernetes.put({**found, "metadata": {**found["metadata"], "deletionTimestamp": "2026-11-25T12:00:00Z"}})

    with pytest.raises(NotReadyError) as caught:
        await run(activities.delete_volume, volume(world, 6))

    assert caught.value.code == "scale.volume-leaving"
