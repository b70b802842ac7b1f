"""Which Kubernetes nodes have an image, by what they list; the client pod's image; when the template pulls."""

from __future__ import annotations

from typing import Any

import pytest

from activities.cluster import ClusterActivities
from activities.images import on_worker
from activities.payloads import ClientPodRequest
from activities.upgrade_payloads import UpgradeObserveRequest
from domain.model import CLIENT_POD
from domain.upgrade import UpgradeFacts
from tests.activities.upgrades import NEW, OLD, RollingWorld
from tests.activities.world import run


def node(*names: str, count: int = 0) -> dict[str, Any]:
    images = [{"names": [name, f"{name.partition(':')[0]}@sha256:{'a' * 64}"]} for name in names]
    images += [{"names": [f"registry.example/other:{number}"]} for number in range(count)]
    return {"metadata": {"name": "w1"}, "status": {"images": images}}


@pytest.mark.parametrize(
    ("listed", "wanted", "has"),
    [
        ("docker.io/cockroachdb/cockroach:v25.4.1", "cockroachdb/cockroach:v25.4.1", True),
        ("docker.io/library/busybox:1", "busybox:1", True),
        ("registry.example:5000/cockroach:v25.4.1", "registry.example:5000/cockroach:v25.4.1", True),
        ("localhost/cockroach:v25.4.1", "localhost/cockroach:v25.4.1", True),
        ("docker.io/cockroachdb/cockroach:v25.4.1", "cockroachdb/cockroach:v25.4.2", False),
        ("quay.io/cockroachdb/cockroach:v25.4.1", "cockroachdb/cockroach:v25.4.1", False),
    ],
)
def test_an_image_is_found_under_the_name_that_the_container_runtime_gives_it(
    listed: str, wanted: str, has: bool
) -> None:
    assert on_worker(node(listed), image=wanted).has_image is has


@pytest.mark.parametrize(("count", "lists_all"), [(0, False), (1, True), (49, True), (50, False)])
def test_a_list_of_fifty_may_be_cut_short_and_an_empty_one_says_nothing(count: int, lists_all: bool) -> None:
    assert on_worker(node(count=count), image="x:1").lists_all is lists_all


async def facts(world: RollingWorld, version: str = "") -> UpgradeFacts:
    request = UpgradeObserveRequest(ref=world.ref, version=version)
    found: UpgradeFacts = (await run(world.upgrading().observe, request)).facts
    return found


async def test_each_kubernetes_node_of_a_database_pod_is_asked_once_and_only_where_a_release_is_wanted() -> None:
    world = RollingWorld()
    for name, has in (("machine-1", True), ("machine-2", False)):
        found = world.kubernetes.find("Node", "machine-1") if name == "machine-1" else {"kind": "Node", "status": {}}
        images = [{"names": [world.image(NEW if has else OLD)]}]
        world.kubernetes.put({**found, "metadata": {"name": name}, "status": {**found["status"], "images": images}})
    for ordinal, name in enumerate(("machine-1", "machine-2", "machine-2")):
        world.kubernetes.node_pod(ordinal)["spec"] = {**world.kubernetes.node_pod(ordinal)["spec"], "nodeName": name}

    asked, not_asked = await facts(world, NEW), await facts(world)

    assert [(one.worker, one.has_image, one.lists_all) for one in asked.workers] == [
        ("machine-1", True, True),
        ("machine-2", False, True),
    ]
    assert asked.pull_policy == "IfNotPresent"
    assert not_asked.workers == ()


async def test_the_client_pod_is_made_again_with_another_release_and_its_secret_left_alone() -> None:
    world = RollingWorld()
    cluster = ClusterActivities(world.kubernetes, world.configuration)
    for version in (OLD, NEW, NEW):
        spec = world.spec.model_copy(update={"version": version, "database_image": world.image(version)})
        await run(cluster.client_pod, ClientPodRequest(ref=world.ref, spec=spec, operation_id="op-1"))
    found = await facts(world)

    touched = [(verb, kind) for verb, kind, name in world.kubernetes.writes() if name == CLIENT_POD]
    assert touched[-2:] == [("delete", "Pod"), ("create", "Pod")]
    assert touched.count(("delete", "Pod")) <= 2
    assert found.client_image == world.image(NEW)
    assert not [write for write in world.kubernetes.writes() if write[1] == "Secret"]
