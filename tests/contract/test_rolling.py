"""A bad image and the way back from it, by the real StatefulSet controller and kubelet, with both management policies.

Pods run a program that does nothing under the database's name; what the nodes say is the fake's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from activities.clients.api import Api
from activities.clients.kube import KubeCluster
from activities.manifests import accounts
from activities.manifests.labels import selector_text
from activities.manifests.statefulset import stateful_set
from activities.pods import is_ready
from activities.ports import Object
from activities.rolling import node_pods
from activities.upgrade_payloads import Back, BackRequest, RollRequest, UpgradeObserveRequest
from activities.upgrading import UpgradingActivities
from devtools.cluster.images import CTR
from devtools.cluster.layout import PAUSE_IMAGE
from domain.certificate import SigningPolicy
from domain.model import ClusterRef, ClusterSpec
from tests.activities.upgrades import NEW, OLD
from tests.activities.world import World, run
from tests.contract.conftest import Site
from tests.fakes.nodes import FakeNodes
from tests.workflows.waiting import until_asked

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


class Recording(KubeCluster):
    """The real port, which writes down what is deleted through it."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.deleted: list[str] = []

    async def delete(self, kind: str, name: str, *, namespace: str, uid: str) -> None:
        self.deleted.append(name)
        await super().delete(kind, name, namespace=namespace, uid=uid)


class Rolled:
    """A StatefulSet of three pods that run, in the other namespace of the site."""

    def __init__(self, site: Site, ops: Api) -> None:
        world = World()
        self.site, self.cluster = site, Recording(ops)
        self.ref: ClusterRef = world.configuration.ref("other")
        self.spec: ClusterSpec = world.configuration.spec(self.ref, nodes=None, version=None, storage=None)
        self.policy = SigningPolicy.of(world.configuration, self.ref)
        nodes = FakeNodes()
        nodes.serve()
        for ordinal in range(3):
            nodes.join(ordinal + 1, ordinal)
        self.activities = UpgradingActivities(self.cluster, nodes, world.configuration, poll=1, stuck=3)

    async def make(self, management: str) -> None:
        """Have the pods run."""
        self.site.cluster.exec_node([*CTR, "tag", "--force", PAUSE_IMAGE, self.spec.database_image])
        await self.cluster.apply(accounts.accounts(self.ref, operation_id="op-1")[0])
        await self.cluster.create(
            _without_a_database(stateful_set(self.ref, self.spec, self.policy, operation_id="op-1"), management)
        )
        await until_asked(self._all_ready, seconds=60)

    async def pods(self) -> dict[int, Object]:
        """The pods by ordinal."""
        listing = await self.cluster.list("Pod", namespace=self.ref.namespace, labels=selector_text(self.ref))
        return node_pods(listing.items)

    async def _all_ready(self) -> bool:
        found = await self.pods()
        return len(found) == 3 and all(map(is_ready, found.values()))

    async def roll(self, version: str, *, found_version: str, found: int) -> None:
        """Write the canary's image."""
        request = RollRequest(ref=self.ref, version=version, partition=2, found_version=found_version, found=found)
        assert (await run(self.activities.roll, request)).outcome == "done"

    async def back(self, version: str) -> Back:
        """Wait for the canary."""
        found: Back = await run(
            self.activities.wait_back, BackRequest(ref=self.ref, spec=self.spec, ordinal=2, version=version)
        )
        return found

    async def remove(self) -> None:
        """Leave nothing behind for other tests."""
        self.site.cluster.kubectl(
            "-n", self.ref.namespace, "delete", "statefulset", "cockroachdb", "--ignore-not-found"
        )
        await until_asked(self._none, seconds=60)

    async def _none(self) -> bool:
        return not await self.pods()


def _without_a_database(manifest: Object, management: str) -> Object:
    """The set as a deploy makes it, with a program that does nothing in place of the database and no volumes."""
    made: dict[str, Any] = json.loads(json.dumps(manifest))
    pod = made["spec"]["template"]["spec"]
    container = {name: pod["containers"][0][name] for name in ("name", "image", "imagePullPolicy", "securityContext")}
    pod.pop("initContainers")
    pod |= {"containers": [container], "volumes": [], "terminationGracePeriodSeconds": 1}
    made["spec"] |= {"volumeClaimTemplates": [], "podManagementPolicy": management}
    return made


@pytest.fixture
async def rolled(site: Site, ops: Api) -> AsyncIterator[Rolled]:
    made = Rolled(site, ops)
    try:
        yield made
    finally:
        await made.remove()


@pytest.mark.parametrize("management", ["Parallel", "OrderedReady"])
async def test_a_canary_without_an_image_is_told_and_returns_alone_when_the_image_is_put_back(
    rolled: Rolled, management: str
) -> None:
    await rolled.make(management)
    before = {ordinal: pod["metadata"]["uid"] for ordinal, pod in (await rolled.pods()).items()}

    await rolled.roll(NEW, found_version=OLD, found=0)
    stuck = await rolled.back(NEW)
    await rolled.roll(OLD, found_version=NEW, found=2)
    async with asyncio.timeout(90):
        back = await rolled.back(OLD)

    facts = (await run(rolled.activities.observe, UpgradeObserveRequest(ref=rolled.ref))).facts
    after = {pod.ordinal: pod.uid for pod in facts.pods}
    assert [pod.is_current for pod in facts.pods] == [True] * 3
    assert stuck.outcome == "stuck"
    assert stuck.sentence.startswith("cockroachdb-2 gets no image:")
    assert stuck.pod.is_current
    assert (back.outcome, back.pod.image) == ("back", rolled.spec.database_image)
    assert [ordinal for ordinal in before if before[ordinal] != after[ordinal]] == [2]
    # OrderedReady waits for the stuck pod for ever, Parallel replaces it by itself.
    assert rolled.cluster.deleted == (["cockroachdb-2"] if management == "OrderedReady" else [])
