"""What ops sees of a cluster that shall be initialized, and the client pod that it is asked from."""

from __future__ import annotations

import pytest

from activities.cluster import ClusterActivities
from activities.payloads import ClientPodRequest, InitPlanned, PlanInitRequest
from domain.errors import BrokenError, RefusedError
from domain.model import CLIENT_POD, STATEFULSET
from tests.activities.world import World, run

HAS_CERTIFICATE = {
    "initContainerStatuses": [{"name": "certagent", "state": {"terminated": {"exitCode": 0}}}],
}


@pytest.fixture
def cluster(world: World) -> ClusterActivities:
    return ClusterActivities(world.kubernetes, world.configuration)


def given_nodes(world: World, *with_certificate: int) -> None:
    world.deployed()
    for number in with_certificate:
        world.pod(f"{STATEFULSET}-{number}", **HAS_CERTIFICATE)


async def planned(world: World, cluster: ClusterActivities) -> InitPlanned:
    found: InitPlanned = await run(cluster.plan_init, PlanInitRequest(ref=world.ref))
    return found


async def test_a_cluster_whose_nodes_have_their_certificates_may_be_initialized(
    world: World, cluster: ClusterActivities
) -> None:
    given_nodes(world, 0, 1, 2)

    found = await planned(world, cluster)

    assert found.plan.verdict.is_yes
    assert (found.plan.spec, found.plan.is_client_ready) == (world.spec, True)
    assert world.kubernetes.writes() == []


async def test_nodes_without_a_certificate_are_named_with_how_far_they_are(
    world: World, cluster: ClusterActivities
) -> None:
    given_nodes(world, 0)
    world.kubernetes.remove("Pod", f"{STATEFULSET}-2", namespace="crdb")
    world.csr(f"{STATEFULSET}-1")

    found = await planned(world, cluster)

    assert found.facts.without_certificate == ("cockroachdb-1 (pending)", "cockroachdb-2 (no-pod)")
    assert [reason.code for reason in found.plan.verdict.reasons] == ["init.certificates-missing"]


async def test_nothing_deployed_is_seen_as_that(world: World, cluster: ClusterActivities) -> None:
    found = await planned(world, cluster)

    assert [reason.code for reason in found.plan.verdict.reasons] == ["init.not-deployed"]


async def test_a_client_pod_that_is_not_ours_is_refused(world: World, cluster: ClusterActivities) -> None:
    given_nodes(world, 0, 1, 2)
    foreign = world.kubernetes.find("Pod", CLIENT_POD, namespace="crdb")
    world.kubernetes.put({**foreign, "metadata": {**foreign["metadata"], "labels": {}}})

    found = await planned(world, cluster)

    assert [(r.code, r.field) for r in found.plan.verdict.reasons] == [("deploy.not-ours", f"Pod/{CLIENT_POD}")]


async def test_a_record_that_cannot_be_read_stops_it(world: World, cluster: ClusterActivities) -> None:
    placed = world.deployed()
    placed["metadata"]["annotations"]["crdbops.internal/spec"] = "{}"
    world.kubernetes.put(placed)

    with pytest.raises(BrokenError) as broken:
        await planned(world, cluster)

    assert broken.value.code == "deploy.bad-record"


async def test_the_client_pod_is_made_where_it_is_missing_and_then_left_alone(
    world: World, cluster: ClusterActivities
) -> None:
    world.deployed()
    world.kubernetes.remove("Pod", CLIENT_POD, namespace="crdb")
    request = ClientPodRequest(ref=world.ref, spec=world.spec, operation_id="op-1")

    await run(cluster.client_pod, request)
    await run(cluster.client_pod, request)

    assert world.kubernetes.writes() == [("create", "Pod", CLIENT_POD)]


async def test_a_client_pod_of_somebody_else_is_not_touched(world: World, cluster: ClusterActivities) -> None:
    world.kubernetes.put({"kind": "Pod", "metadata": {"name": CLIENT_POD, "namespace": "crdb", "annotations": {}}})

    with pytest.raises(RefusedError):
        await run(cluster.client_pod, ClientPodRequest(ref=world.ref, spec=world.spec, operation_id="op-1"))

    assert world.kubernetes.writes() == []
