"""What an upgrade looks at: the template, each pod as it runs, what the database says of its nodes and its version.

And how that is read: which pod is rolled, which node is verified on a release, where a roll back leads to. What follows
from it is `domain.upgrade` and `domain.upgrade_refusals`; gathering it is `activities.upgrading`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.health import NodeStatus, places
from domain.model import ClusterSpec
from domain.preflight import LiveSet
from domain.releases import release_of, series_of


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class PodRun(_Value):
    """A node's pod as it runs. `image`: of its database container; `trouble`: why that does not start, in words.

    `is_current`: its revision is the StatefulSet's newest, so it was restarted since the template changed.
    """

    ordinal: int
    uid: str = ""
    image: str = ""
    is_ready: bool = False
    is_current: bool = False
    trouble: str = ""


class WorkerImage(_Value):
    """Whether a Kubernetes node lists the wanted image. `lists_all`: what it does not list it does not have."""

    worker: str
    has_image: bool
    lists_all: bool


class UpgradeFacts(_Value):
    """What is there. `active` is the active cluster version (`25.2`, or a value in between while it is migrated).

    `preserved`: cluster.preserve_downgrade_option, "" when it is not set. `grace_seconds`: of the pod template;
    `drain_seconds`: the sum of the database's own drain settings, None where it could not be asked. `newest`: the
    newest series of the table (`domain.releases`) of whoever looked, so that a run never decides by a later one.
    `client_image`: of the client pod, "" where there is none. `workers`: the Kubernetes nodes of the database's pods,
    `pull_policy` when these pull.
    """

    recorded: ClusterSpec | None = None
    live: LiveSet | None = None
    pods: tuple[PodRun, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()
    database: Literal["serving", "waiting-for-init", "silent"] = "serving"
    detail: str = ""
    active: str = ""
    preserved: str = ""
    grace_seconds: int = 300
    drain_seconds: int | None = None
    missing_rules: tuple[str, ...] = ()
    client_image: str = ""
    workers: tuple[WorkerImage, ...] = ()
    pull_policy: str = ""
    newest: str = ""

    @property
    def replicas(self) -> int:
        """How many pods the StatefulSet has now."""
        return self.live.replicas if self.live else 0

    @property
    def template(self) -> str:
        """The release that the pod template names; "" where its image names none."""
        return release_of(self.live.database_image) if self.live else ""

    @property
    def series(self) -> str:
        """The series of the active version; while it is migrated, the one that it comes from."""
        return series_of(self.active)

    @property
    def upgraded_from(self) -> str:
        """The release before an upgrade that is not final yet, as recorded; else ""."""
        return self.recorded.upgraded_from if self.recorded else ""

    @property
    def before(self) -> str:
        """The release that a roll back would lead to from now on: of the active series, and recorded; else ""."""
        known = (self.upgraded_from, self.recorded.version) if self.recorded else ()
        return next((release for release in known if release and series_of(release) == self.series), "")

    @property
    def builds(self) -> tuple[str, ...]:
        """What live members run, as they say themselves."""
        return tuple(sorted({node.build for node in self.nodes if node.is_member and node.is_live and node.build}))

    def is_client_on(self, version: str) -> bool:
        """Whether the client pod is of a release; where there is none, nothing says otherwise."""
        return not self.client_image or self.recorded is None or self.client_image == self.recorded.image_of(version)

    def pod(self, ordinal: int) -> PodRun:
        """Return the pod of an ordinal; where there is none, one that runs nothing."""
        return next((pod for pod in self.pods if pod.ordinal == ordinal), PodRun(ordinal=ordinal))

    def runs(self, ordinal: int) -> str:
        """Return the release of a pod's image; "" where there is none."""
        return release_of(self.pod(ordinal).image)

    def is_well(self, ordinal: int) -> bool:
        """Whether a pod is ready and its node a live member."""
        node = places(self.nodes).get(ordinal)
        return self.pod(ordinal).is_ready and node is not None and node.is_live and node.is_member

    def is_rolled(self, ordinal: int, *, to: str) -> bool:
        """Whether a pod was made with a release, and from the template as it is now where that names the release."""
        return self.runs(ordinal) == to and (self.template != to or self.pod(ordinal).is_current)

    def is_on(self, ordinal: int, *, version: str) -> bool:
        """Whether a release is verified: the pod is rolled to it and well, and its node says that it is that build."""
        node = places(self.nodes).get(ordinal)
        is_built = node is not None and node.build.removeprefix("v") == version.removeprefix("v")
        return is_built and self.is_well(ordinal) and self.is_rolled(ordinal, to=version)
