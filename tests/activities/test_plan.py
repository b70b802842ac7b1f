"""Facts before a deploy: what is gathered, and that each trouble reaches the plan in words."""

from __future__ import annotations

from typing import Any

import pytest

from activities import room
from activities.clients.authority import make_ca
from activities.cluster import ClusterActivities
from activities.manifests.accounts import ca_config_map
from activities.manifests.labels import OPERATION, labels
from activities.payloads import DeployPlanned, PlanDeployRequest
from domain.errors import BrokenError, InvalidRequestError
from domain.model import STATEFULSET
from domain.preflight import SignerFacts
from tests.activities.world import World, run


async def planned(world: World, *, ca: str = "", **asked: Any) -> DeployPlanned:
    signer = SignerFacts(ca_fingerprint=ca, policy_hash=world.policy.fingerprint())
    request = PlanDeployRequest(
        ref=world.ref, signer=signer, **{"nodes": None, "version": None, "storage": None, **asked}
    )
    found = await run(ClusterActivities(world.kubernetes, world.configuration).plan, request)
    assert isinstance(found, DeployPlanned)
    return found


def codes(found: DeployPlanned) -> list[str]:
    return [reason.code for reason in found.plan.verdict.reasons]


async def test_an_empty_namespace_is_planned_as_a_first_deploy(world: World) -> None:
    found = await planned(world, nodes=4)

    assert found.plan.verdict.is_yes
    assert found.plan.mode == "first"
    assert found.plan.spec.nodes == 4
    assert found.facts.room == 8
    assert found.facts.server_version == "v1.35.4"
    assert world.kubernetes.writes() == []


async def test_a_deployed_cluster_is_planned_from_its_record(world: World) -> None:
    world.deployed()
    certificate, _ = make_ca(world.ref, days=9, now=world.now)
    placed = world.kubernetes.put(ca_config_map(world.ref, operation_id="op-0", certificate_pem=certificate.decode()))

    found = await planned(world)
    held = await planned(world, ca=found.facts.ca_fingerprint)

    assert placed["data"]["ca.crt"]
    assert codes(found) == ["ca.missing"]
    assert held.plan.verdict.is_yes
    assert held.plan.mode == "nothing"
    assert held.facts.recorded == world.spec
    assert held.facts.live is not None
    assert (held.facts.live.replicas, held.facts.live.storage) == (3, "1Gi")


async def test_a_missing_right_is_named_verbatim_and_nothing_else_is_asked(world: World) -> None:
    world.kubernetes.missing = {"create statefulsets.apps in namespace crdb"}

    found = await planned(world)

    assert found.facts.missing_rules == ("create statefulsets.apps in namespace crdb",)
    assert codes(found) == ["deploy.missing-right"]
    assert not any(call[0] == "list" for call in world.kubernetes.calls)


async def test_no_namespace_is_one_reason(world: World) -> None:
    world.kubernetes.remove("Namespace", "crdb")

    assert codes(await planned(world)) == ["deploy.no-namespace"]


async def test_a_namespace_that_is_not_restricted_is_refused(world: World) -> None:
    world.kubernetes.put({"kind": "Namespace", "metadata": {"name": "crdb", "labels": {}}})

    assert codes(await planned(world)) == ["deploy.pod-security"]


async def test_too_little_room_and_no_storage_class_are_both_said(world: World) -> None:
    world.kubernetes.remove("StorageClass", "fast")
    machine = world.kubernetes.find("Node", "machine-1")
    machine["status"]["allocatable"]["memory"] = "2Gi"
    world.kubernetes.put(machine)

    found = await planned(world)

    assert codes(found) == ["deploy.no-storage-class", "deploy.no-room"]
    assert found.facts.room == 2


async def test_leftover_volumes_without_a_stateful_set_are_refused(world: World) -> None:
    ours = {"labels": labels(world.ref), "annotations": {OPERATION: "op-0"}}
    world.kubernetes.put(
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "datadir-cockroachdb-0", "namespace": "crdb", **ours}}
    )

    found = await planned(world)

    assert "deploy.leftover-volumes" in codes(found)
    assert found.facts.volumes == ("datadir-cockroachdb-0",)
    assert found.plan.expected_ca == "unknown"


async def test_something_under_our_names_and_a_second_cluster_are_refused(world: World) -> None:
    world.kubernetes.put({"kind": "Service", "metadata": {"name": "cockroachdb", "namespace": "crdb"}})
    other = {"app.kubernetes.io/name": "cockroachdb", "app.kubernetes.io/instance": "second"}
    world.kubernetes.put({"kind": "StatefulSet", "metadata": {"name": "db2", "namespace": "crdb", "labels": other}})

    found = await planned(world)

    assert codes(found) == ["deploy.second-cluster", "deploy.not-ours"]
    assert found.facts.other_instances == ("second",)


async def test_a_ca_config_map_without_a_certificate_is_not_ours(world: World) -> None:
    world.kubernetes.put(ca_config_map(world.ref, operation_id="op-0", certificate_pem="nonsense"))

    found = await planned(world)

    assert codes(found) == ["deploy.not-ours"]
    assert found.facts.leftovers[0].detail == "it holds no CA certificate"


async def test_a_record_that_cannot_be_read_is_broken_and_not_overwritten(world: World) -> None:
    placed = world.deployed()
    placed["metadata"]["annotations"]["crdbops.internal/spec"] = "{}"
    world.kubernetes.put(placed)

    with pytest.raises(BrokenError) as broken:
        await planned(world)

    assert broken.value.code == "deploy.bad-record"


async def test_more_nodes_than_the_cluster_may_have_are_refused(world: World) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await planned(world, nodes=10)

    assert refused.value.code == "deploy.too-many-nodes"
    assert "at most 9" in refused.value.message


async def test_a_scale_by_hand_is_drift_and_no_change(world: World) -> None:
    placed = world.deployed()
    placed["spec"]["replicas"] = 5
    world.kubernetes.put(placed)

    found = await planned(world)

    assert found.plan.drift == ("nodes: recorded 3, found 5",)
    assert world.kubernetes.find("StatefulSet", STATEFULSET, namespace="crdb")["spec"]["replicas"] == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", 0.5), ("2", 2.0), ("1.5", 1.5), ("8Gi", 8 * 2.0**30), ("1024Ki", 2.0**20), ("1G", 1e9), ("0", 0.0)],
)
def test_quantities_are_read_as_kubernetes_means_them(text: str, value: float) -> None:
    assert room.quantity(text) == value


def test_room_counts_what_is_taken_and_leaves_out_machines_that_take_no_pods() -> None:
    def machine(name: str, **spec: Any) -> dict[str, Any]:
        status = {"allocatable": {"cpu": "2", "memory": "4Gi"}, "conditions": [{"type": "Ready", "status": "True"}]}
        return {"metadata": {"name": name}, "spec": spec, "status": status}

    requests = {"requests": {"cpu": "1", "memory": "1Gi"}}
    pod = {"spec": {"nodeName": "a", "containers": [{"resources": requests}]}}
    machines = (
        machine("a"),
        machine("b", unschedulable=True),
        machine("c", taints=[{"effect": "NoSchedule"}]),
        machine("d"),
    )

    assert room.fits(machines, (pod,), cpu="500m", memory="1Gi") == 2 + 4
