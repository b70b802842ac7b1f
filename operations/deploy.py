"""`/crdb deploy`: make a secure cluster, or go on where an earlier deploy stopped."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from domain.model import Size, Version
from operations.base import ClusterRequest, Operation, Start


class DeployRequest(ClusterRequest):
    """What can be asked of deploy. Where the cluster exists, everything comes from its recorded spec."""

    nodes: int | None = Field(default=None, ge=3, le=99, description="number of nodes of a first deploy")
    version: Version | None = Field(default=None, description="CockroachDB release of a first deploy, such as v25.2.3")
    storage: Size | None = Field(default=None, description="size of each node's volume, such as 100Gi")
    plan: bool = Field(default=False, description="show what would be done and stop there")


class DeployStart(Start):
    """The argument of the workflow `Deploy`."""

    request: DeployRequest


class DeployResult(BaseModel):
    """What a finished deploy says; the permanent record."""

    model_config = ConfigDict(frozen=True)

    outcome: str = Field(description="deployed, nothing-to-do or plan")
    nodes: int
    version: str
    cluster_id: str = ""
    certificates: tuple[str, ...] = ()
    decided_by: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()


OPERATION = Operation(
    name="deploy",
    summary="make a secure cluster; every certificate is signed off by a person",
    example="/crdb deploy nodes=3",
    kind="change",
    role="operator",
    request=DeployRequest,
    workflow="Deploy",
)
