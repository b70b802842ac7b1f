"""`/crdb init`: initialize a deployed cluster whose nodes all wait for it. Deploy sends `init` by itself."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from operations.base import ClusterRequest, Operation, Start


class InitRequest(ClusterRequest):
    """What can be asked of init. Which node gets it is recorded with the cluster and no argument."""

    plan: bool = Field(default=False, description="show what would be done and stop there")


class InitStart(Start):
    """The argument of the workflow `Init`."""

    request: InitRequest


class InitResult(BaseModel):
    """What a finished init says; the permanent record."""

    model_config = ConfigDict(frozen=True)

    outcome: str = Field(description="initialized, nothing-to-do or plan")
    nodes: int
    target: int = Field(description="ordinal of the node that init is sent to")
    cluster_id: str = ""
    version: str = ""
    plan: tuple[str, ...] = ()


OPERATION = Operation(
    name="init",
    summary="initialize a deployed cluster whose nodes wait for it; deploy does so by itself",
    example="/crdb init",
    kind="change",
    role="operator",
    request=InitRequest,
    workflow="Init",
)
