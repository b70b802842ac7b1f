"""`/crdb status`: the cluster as it is now; each part a value with its age, or the reason why there is none."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from domain.model import ClusterRef
from operations.base import ClusterRequest, Operation


class StatusRequest(ClusterRequest):
    """What can be asked of status."""


class NodeRow(BaseModel):
    """One node: its pod in Kubernetes and, where the database answered, its row there."""

    model_config = ConfigDict(frozen=True)

    pod: str
    phase: str
    is_ready: bool
    restarts: int = 0
    volume: str = ""
    certificate: str = ""
    node_id: str = ""
    is_live: bool | None = None
    build: str = ""


class StatusResult(BaseModel):
    """Status in parts. `database` says why there are no rows when there are none."""

    model_config = ConfigDict(frozen=True)

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


OPERATION = Operation(
    name="status",
    summary="show the cluster as it is now",
    example="/crdb status",
    kind="look",
    role="viewer",
    request=StatusRequest,
    workflow="Look",
)
