"""The world that the tests of upgrades start from: three nodes of a release that serve, a StatefulSet that rolls."""

from __future__ import annotations

from activities.csr_object import Object
from activities.preflight import recorded_spec
from activities.upgrading import UpgradingActivities
from domain.model import STATEFULSET, ClusterSpec
from tests.activities.world import World
from tests.fakes.rolling import RollingKubernetes

OLD, NEW = "v25.2.3", "v25.4.1"


class RollingWorld(World):
    """The cluster `shop`, which serves."""

    kubernetes: RollingKubernetes

    def __init__(self, *, policy: str = "Parallel") -> None:
        super().__init__()
        self.kubernetes = RollingKubernetes(self.configuration, self.ref)
        self.nodes = self.kubernetes.nodes
        self.kubernetes.serve(policy=policy)

    def upgrading(self) -> UpgradingActivities:
        """The activities, which ask and lose patience quickly."""
        return UpgradingActivities(self.kubernetes, self.nodes, self.configuration, poll=0.01, stuck=0.05)

    def image(self, version: str) -> str:
        """The database's image of a release."""
        return self.spec.image_of(version)

    def stateful_set(self) -> Object:
        """The StatefulSet as it is stored."""
        return self.kubernetes.find("StatefulSet", STATEFULSET, namespace="crdb")

    def recorded(self) -> ClusterSpec:
        """The spec that it carries."""
        spec = recorded_spec(self.stateful_set())
        assert spec is not None
        return spec

    def rolled(self) -> None:
        """All nodes run the new release, as after an upgrade that is not final yet."""
        self.nodes.preserved = "25.2"
        for ordinal in range(3):
            self.nodes.members[ordinal + 1]["build"] = NEW
        spec = self.spec.model_copy(update={"version": NEW, "database_image": self.image(NEW), "upgraded_from": OLD})
        annotations = self.stateful_set()["metadata"]["annotations"]
        annotations["crdbops.internal/spec"] = spec.model_dump_json()
