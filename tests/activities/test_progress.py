"""Certificates on their way and pods that are waited for: each state, each named cause, the watch's ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.cluster import ClusterActivities
from activities.manifests.labels import labels
from activities.payloads import ClusterRequest, PodsState
from activities.ports import Condition
from domain.errors import BrokenError, TransientError
from domain.model import CLIENT_POD
from tests.activities.world import World, run

DONE: dict[str, Any] = {"initContainerStatuses": [{"name": "certagent", "state": {"terminated": {"exitCode": 0}}}]}


@pytest.fixture
def cluster(world: World) -> ClusterActivities:
    return ClusterActivities(world.kubernetes, world.configuration)


def request(world: World) -> ClusterRequest:
    return ClusterRequest(ref=world.ref, spec=world.spec)


def claims(world: World, count: int) -> None:
    for number in range(count):
        name = f"datadir-cockroachdb-{number}"
        meta = {"name": name, "namespace": "crdb", "labels": labels(world.ref)}
        world.kubernetes.put({"kind": "PersistentVolumeClaim", "metadata": meta, "status": {"phase": "Bound"}})


async def states(world: World, cluster: ClusterActivities) -> dict[str, str]:
    found = await run(cluster.certificates, request(world))
    return {pod.pod: pod.state for pod in found.pods}


async def test_each_pod_says_how_far_its_certificate_is(world: World, cluster: ClusterActivities) -> None:
    world.pod("cockroachdb-0", phase="Pending")
    world.pod("cockroachdb-1", phase="Pending")
    world.csr("cockroachdb-1")
    world.pod(CLIENT_POD, **DONE)

    assert await states(world, cluster) == {
        "cockroachdb-0": "starting",
        "cockroachdb-1": "pending",
        "cockroachdb-2": "no-pod",
        CLIENT_POD: "present",
    }


async def test_a_denied_request_is_said_with_its_reason_until_a_newer_one_is_made(
    world: World, cluster: ClusterActivities
) -> None:
    world.pod("cockroachdb-0", phase="Pending")
    denial = Condition(type="Denied", status="True", reason="CrdbopsDenied", message="wrong pod")
    world.csr("cockroachdb-0", conditions=(denial,))

    denied = (await run(cluster.certificates, request(world))).pods[0]
    world.csr("cockroachdb-0", name="crdb.node.cockroachdb-0.0123456789", created_at=world.now)

    assert (denied.state, denied.detail) == ("denied", "wrong pod")
    assert (await states(world, cluster))["cockroachdb-0"] == "pending"


async def test_an_approval_from_outside_still_waits_for_a_person_and_ours_for_the_signer(
    world: World, cluster: ClusterActivities
) -> None:
    world.pod("cockroachdb-0", phase="Pending")
    world.pod("cockroachdb-1", phase="Pending")
    outside = Condition(type="Approved", status="True", reason="KubectlApprove")
    world.csr("cockroachdb-0", conditions=(outside,))
    world.csr("cockroachdb-1", conditions=(outside.model_copy(update={"reason": "CrdbopsApproved"}),))

    found = await states(world, cluster)

    assert (found["cockroachdb-0"], found["cockroachdb-1"]) == ("pending", "approved")


async def test_requests_of_an_earlier_pod_and_of_strangers_do_not_count(
    world: World, cluster: ClusterActivities
) -> None:
    world.pod("cockroachdb-0", phase="Pending")
    world.csr("cockroachdb-0", name="a", pod_uid="uid-before")
    world.csr("cockroachdb-0", name="b", username="system:serviceaccount:evil:cockroachdb")

    assert (await states(world, cluster))["cockroachdb-0"] == "starting"


async def test_a_pod_that_does_not_start_says_why(world: World, cluster: ClusterActivities) -> None:
    waiting = {"reason": "CrashLoopBackOff"}
    ended = {"terminated": {"message": "the CA file is missing"}}
    status = {"name": "certagent", "restartCount": 3, "state": {"waiting": waiting}, "lastState": ended}
    world.pod("cockroachdb-0", phase="Pending", initContainerStatuses=[status])

    found = (await run(cluster.certificates, request(world))).pods[0]

    assert found.state == "starting"
    assert found.detail == "cockroachdb-0: certagent ended 3 times: the CA file is missing"


async def test_waiting_ends_at_once_when_everything_runs(world: World, cluster: ClusterActivities) -> None:
    world.deployed()
    claims(world, 3)

    found = await run(cluster.wait_running, request(world))

    assert (found.running, found.ready, found.bound) == (3, 3, 3)


async def test_waiting_follows_the_watch_and_beats_with_a_sentence(world: World, cluster: ClusterActivities) -> None:
    world.deployed()
    claims(world, 3)
    world.pod("cockroachdb-2", phase="Pending")
    environment, beats = ActivityEnvironment(), asyncio.Queue[PodsState]()
    environment.on_heartbeat = beats.put_nowait
    waiting = asyncio.ensure_future(environment.run(cluster.wait_running, request(world)))
    first = await beats.get()
    await beats.get()  # the tick without an event: by now the watch is open

    world.pod("cockroachdb-2")
    found = await waiting

    assert first.sentence == "2 of 3 nodes run, 2 ready, 3 volumes bound"
    assert found.running == 3


async def test_a_watch_that_ends_or_is_too_old_is_followed_by_another_list(
    world: World, cluster: ClusterActivities
) -> None:
    world.deployed()
    claims(world, 3)
    world.pod("cockroachdb-2", phase="Pending")
    environment, beats = ActivityEnvironment(), asyncio.Queue[PodsState]()
    environment.on_heartbeat = beats.put_nowait
    waiting = asyncio.ensure_future(environment.run(cluster.wait_running, request(world)))
    await beats.get()
    await beats.get()

    world.kubernetes.end_watches(TransientError("kubernetes.expired", "too old"))
    await beats.get()
    await beats.get()
    world.kubernetes.end_watches()
    world.pod("cockroachdb-2")

    assert (await waiting).running == 3


async def test_a_cancelled_wait_closes_its_watch(world: World, cluster: ClusterActivities) -> None:
    world.deployed()
    environment, beats = ActivityEnvironment(), asyncio.Queue[PodsState]()
    environment.on_heartbeat = beats.put_nowait
    waiting = asyncio.ensure_future(environment.run(cluster.wait_running, request(world)))
    await beats.get()
    await beats.get()

    environment.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert world.kubernetes._watches == []


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        pytest.param(
            {"name": "cockroachdb", "restartCount": 5, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            "pods.crash",
            "cockroachdb-1: cockroachdb ended 5 times",
            id="crash loop",
        ),
    ],
)
async def test_a_container_that_keeps_ending_ends_the_wait(
    world: World, cluster: ClusterActivities, status: dict[str, Any], code: str, said: str
) -> None:
    world.deployed()
    world.pod("cockroachdb-1", conditions=[], containerStatuses=[status])

    with pytest.raises(BrokenError) as broken:
        await run(cluster.wait_ready, request(world))

    assert broken.value.code == code
    assert said in broken.value.message


async def test_an_unschedulable_pod_is_borne_for_a_while_and_said_meanwhile(
    world: World, cluster: ClusterActivities
) -> None:
    world.deployed()
    lacking = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory."}
    world.pod("cockroachdb-1", phase="Pending", conditions=[lacking])
    environment, beats = ActivityEnvironment(), asyncio.Queue[PodsState]()
    environment.on_heartbeat = beats.put_nowait
    waiting = asyncio.ensure_future(environment.run(cluster.wait_ready, request(world)))

    first = await beats.get()
    environment.cancel()

    assert "cockroachdb-1 finds no place: 0/1 nodes are available" in first.sentence
    with pytest.raises(asyncio.CancelledError):
        await waiting
