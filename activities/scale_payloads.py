"""What goes into the activities of a scale and comes out: `activities.scaling` and `activities.membership`.

Everything else that activities exchange is in `activities.payloads`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.health import NodeStatus
from domain.model import ClusterRef, ClusterSpec, NodeRef
from domain.scale import ScaleFacts, Volume


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True)


class ObserveRequest(_Payload):
    """Gather a scale's facts.

    With `ordinals` it first waits, for so many `seconds` at most, until the nodes of these pods are live members and
    all ranges have their copies; `leaving` names nodes that may be missing. Settings are asked for only when wanted.
    """

    ref: ClusterRef
    has_settings: bool = False
    ordinals: tuple[int, ...] = ()
    leaving: tuple[int, ...] = ()
    seconds: float = 0


class Observed(_Payload):
    """The facts, and what still keeps the cluster from being healthy."""

    facts: ScaleFacts
    waits: tuple[str, ...] = ()


class ResizeRequest(_Payload):
    """Set the replicas of the StatefulSet, and with them the recorded nodes, if they still are what was found."""

    ref: ClusterRef
    found: int
    to: int


class Resized(_Payload):
    """`done` now, `already` before; `changed`: somebody else has set `replicas`; `held`: a node above is a member.

    Of the last two nothing was written.
    """

    outcome: Literal["done", "already", "changed", "held"]
    replicas: int
    sentence: str = ""
    spec: ClusterSpec | None = None


class WatchReplicasRequest(_Payload):
    """Wait until the StatefulSet has other replicas than these."""

    ref: ClusterRef
    expected: int


class GoneRequest(_Payload):
    """Wait until the pods from an ordinal on are gone."""

    ref: ClusterRef
    to: int


class DeleteVolumeRequest(_Payload):
    """Delete one volume claim. `is_unknown`: a person decided so, knowing that nobody knows its node."""

    ref: ClusterRef
    volume: Volume
    is_unknown: bool = False


class MembersRequest(_Payload):
    """About these nodes, by id."""

    ref: ClusterRef
    spec: ClusterSpec
    ids: tuple[int, ...]


class FollowRequest(_Payload):
    """Follow how the replicas of leaving nodes move away.

    Returns when none is left, when fewer than `known` are left after `at_least` seconds, or after `at_most` seconds.
    `ready`: where the one before this has asked a moment ago, the nodes that it found ready.
    """

    ref: ClusterRef
    spec: ClusterSpec
    ids: tuple[int, ...]
    known: int | None = None
    ready: tuple[NodeRef, ...] = ()
    at_least: float = 10
    at_most: float = 60


class Members(_Payload):
    """These nodes as the database says, and how many replicas are left on them. `ready`: whom one can ask about it.

    `ranges`: by id of a node that leaves, the first few ranges that it still holds.
    """

    nodes: tuple[NodeStatus, ...]
    left: int = 0
    blocked: tuple[str, ...] = ()
    restarted: tuple[int, ...] = ()
    ranges: dict[int, tuple[int, ...]] = {}
    ready: tuple[NodeRef, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether each is decommissioned."""
        return all(not node.is_member for node in self.nodes)
