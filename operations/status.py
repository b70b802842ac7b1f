"""`/crdb status`: the cluster as it is now; each part a value with its age, or the reason why there is none."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from domain.model import ClusterRef
from operations.base import ClusterRequest, Operation


class StatusRequest(ClusterRequest):
    """What can be asked of status."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Part(_Value):
    """Of when one part's figures are, or the reason why there are none. `oldest`: when the oldest of them was said."""

    name: str
    at: datetime | None = None
    oldest: datetime | None = None
    reason: str = ""


class NodeRow(_Value):
    """One node: its pod in Kubernetes and, where the database answered, its row there, found by its address.

    Without a pod it is a member of the database that no pod is the node of.
    """

    pod: str
    phase: str
    is_ready: bool
    restarts: int = 0
    volume: str = ""
    certificate: str = Field(default="", description="how far it is, as Kubernetes shows it")
    node_id: str = ""
    is_live: bool | None = None
    build: str = ""
    address: str = ""
    image: str = ""
    is_draining: bool | None = None
    membership: str = ""
    replicas: int | None = None
    certificate_until: datetime | None = None
    certificate_by: str = Field(default="", description="node: what it serves with now; request: what was issued")
    trouble: str = ""


class Ranges(_Value):
    """What the members say of the copies of ranges."""

    under_replicated: int
    unavailable: int


class StatusResult(_Value):
    """Status in parts. `database` says why there are no rows when there are none."""

    ref: ClusterRef
    taken_at: datetime
    is_deployed: bool
    wanted: int = 0
    ready: int = 0
    version: str = ""
    nodes: tuple[NodeRow, ...] = ()
    database: str = ""
    pending_csrs: int = 0
    drift: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    ranges: Ranges | None = None
    leftover_volumes: tuple[str, ...] = Field(default=(), description="volume claims that no pod has")
    client: str = Field(default="", description="how the client pod stands")
    client_until: datetime | None = None
    authority_until: datetime | None = None


OPERATION = Operation(
    name="status",
    summary="show the cluster as it is now",
    example="/crdb status",
    kind="look",
    role="viewer",
    request=StatusRequest,
    workflow="Look",
)
