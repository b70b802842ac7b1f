"""Making a cluster's objects: once, again, over what is not ours, and what of it is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from activities.clients import pki
from activities.clients.authority import make_ca
from activities.cluster import ClusterActivities
from activities.payloads import ApplyRequest, AskAgainRequest, RecordCaRequest
from domain.errors import BrokenError, RefusedError, TransientError
from domain.model import CLIENT_POD, STATEFULSET
from tests.activities.world import World, run
from tests.fakes.kubernetes import conflict


@pytest.fixture
def cluster(world: World) -> ClusterActivities:
    return ClusterActivities(world.kubernetes, world.configuration)


def asked(world: World, *, mode: str = "first", operation_id: str = "op-1", **changes: Any) -> ApplyRequest:
    spec = world.spec.model_copy(update=changes)
    return ApplyRequest(ref=world.ref, spec=spec, mode=mode, operation_id=operation_id)


async def test_a_first_deploy_makes_every_object_with_our_marks(world: World, cluster: ClusterActivities) -> None:
    applied = await run(cluster.apply, asked(world))

    assert len(applied.objects) == 11
    assert {"StatefulSet/cockroachdb", "Pod/cockroachdb-client-secure", "Secret/crdb.client.root"} <= set(
        applied.objects
    )
    assert "data" not in world.kubernetes.find("Secret", "crdb.client.root", namespace="crdb")


async def test_applying_again_under_another_operation_changes_nothing(world: World, cluster: ClusterActivities) -> None:
    await run(cluster.apply, asked(world))
    before = {key: item["metadata"]["resourceVersion"] for key, item in world.kubernetes.objects.items()}

    await run(cluster.apply, asked(world, mode="resume", operation_id="op-2"))

    assert {key: item["metadata"]["resourceVersion"] for key, item in world.kubernetes.objects.items()} == before


async def test_an_existing_stateful_set_is_left_exactly_as_it_is(world: World, cluster: ClusterActivities) -> None:
    await run(cluster.apply, asked(world))
    placed = world.kubernetes.find("StatefulSet", STATEFULSET, namespace="crdb")
    placed["spec"]["replicas"] = 5
    world.kubernetes.put(placed)

    await run(cluster.apply, asked(world, mode="resume", nodes=3, version="v25.2.4"))

    assert world.kubernetes.find("StatefulSet", STATEFULSET, namespace="crdb")["spec"]["replicas"] == 5
    assert [call for call in world.kubernetes.writes() if call[1] == "StatefulSet"] == [
        ("create", "StatefulSet", STATEFULSET)
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param("Service", "cockroachdb-public", id="service"),
        pytest.param("Secret", "crdb.client.root", id="secret"),
        pytest.param("StatefulSet", "cockroachdb", id="stateful set"),
        pytest.param("Pod", CLIENT_POD, id="client pod"),
    ],
)
async def test_an_object_that_is_not_ours_is_refused_and_not_touched(
    world: World, cluster: ClusterActivities, kind: str, name: str
) -> None:
    theirs = world.kubernetes.put(
        {"kind": kind, "metadata": {"name": name, "namespace": "crdb", "labels": {"app": "theirs"}}, "spec": {}}
    )

    with pytest.raises(RefusedError) as refused:
        await run(cluster.apply, asked(world))

    assert refused.value.code == "deploy.not-ours"
    assert f"{kind}/{name}" in refused.value.message
    assert world.kubernetes.find(kind, name, namespace="crdb") == theirs


async def test_a_client_pod_of_another_image_is_deleted_and_made_again(
    world: World, cluster: ClusterActivities
) -> None:
    await run(cluster.apply, asked(world))
    old = world.kubernetes.find("Pod", CLIENT_POD, namespace="crdb")["metadata"]["uid"]

    await run(cluster.apply, asked(world, mode="resume", database_image="example.invalid/cockroach:v25.2.4"))

    new = world.kubernetes.find("Pod", CLIENT_POD, namespace="crdb")
    assert new["metadata"]["uid"] != old
    assert new["spec"]["containers"][0]["image"].endswith("v25.2.4")


async def test_an_ended_client_pod_is_made_again(world: World, cluster: ClusterActivities) -> None:
    await run(cluster.apply, asked(world))
    ended = world.kubernetes.find("Pod", CLIENT_POD, namespace="crdb")
    world.kubernetes.put({**ended, "status": {"phase": "Failed"}})

    await run(cluster.apply, asked(world, mode="resume"))

    assert world.kubernetes.find("Pod", CLIENT_POD, namespace="crdb")["metadata"]["uid"] != ended["metadata"]["uid"]


async def test_resuming_without_a_stateful_set_makes_none(world: World, cluster: ClusterActivities) -> None:
    with pytest.raises(BrokenError) as broken:
        await run(cluster.apply, asked(world, mode="resume"))

    assert broken.value.code == "deploy.no-stateful-set"


async def test_an_apply_that_broke_off_in_the_middle_is_finished_by_the_next_try(
    world: World, cluster: ClusterActivities
) -> None:
    world.kubernetes.fail("apply", conflict("first"))
    with pytest.raises(TransientError):
        await run(cluster.apply, asked(world))

    applied = await run(cluster.apply, asked(world))

    assert len(applied.objects) == 11


def record(world: World, certificate: bytes) -> RecordCaRequest:
    return RecordCaRequest(
        ref=world.ref, certificate_pem=certificate.decode(), fingerprint=pki.fingerprint(certificate)
    )


async def test_the_ca_is_published_once_and_the_same_one_is_accepted_again(
    world: World, cluster: ClusterActivities
) -> None:
    certificate, _ = make_ca(world.ref, days=1, now=world.now)

    await run(cluster.record_ca, record(world, certificate))
    await run(cluster.record_ca, record(world, certificate))

    assert [call[0] for call in world.kubernetes.writes()] == ["create"]


async def test_another_ca_never_replaces_the_published_one(world: World, cluster: ClusterActivities) -> None:
    first, _ = make_ca(world.ref, days=1, now=world.now)
    second, _ = make_ca(world.ref, days=1, now=world.now)
    await run(cluster.record_ca, record(world, first))

    with pytest.raises(BrokenError) as broken:
        await run(cluster.record_ca, record(world, second))

    assert broken.value.code == "ca.differs"
    published = world.kubernetes.find("ConfigMap", "shop-ca", namespace="crdb")["data"]["ca.crt"]
    assert published == first.decode()


async def test_a_config_map_that_is_not_ours_is_refused(world: World, cluster: ClusterActivities) -> None:
    world.kubernetes.put({"kind": "ConfigMap", "metadata": {"name": "shop-ca", "namespace": "crdb"}, "data": {}})
    certificate, _ = make_ca(world.ref, days=1, now=world.now)

    with pytest.raises(RefusedError) as refused:
        await run(cluster.record_ca, record(world, certificate))

    assert refused.value.code == "deploy.not-ours"


async def test_asking_again_sets_the_value_and_skips_pods_that_are_gone(
    world: World, cluster: ClusterActivities
) -> None:
    world.pod("cockroachdb-0")
    request = AskAgainRequest(ref=world.ref, pods=("cockroachdb-0", "cockroachdb-9"), value="2")

    await run(cluster.ask_again, request)
    await run(cluster.ask_again, request)

    annotations = world.kubernetes.find("Pod", "cockroachdb-0", namespace="crdb")["metadata"]["annotations"]
    assert annotations["crdbops.internal/ask-again"] == "2"
