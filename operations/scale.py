"""`/crdb scale N`: add nodes one at a time, or decommission and then remove those with the highest ordinals."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from operations.base import ClusterRequest, Operation, Start


class ScaleRequest(ClusterRequest):
    """What can be asked of scale."""

    nodes: int = Field(ge=3, le=99, description="number of nodes that there shall be")
    plan: bool = Field(default=False, description="show what would be done and stop there")
    decommission_dead: bool = Field(
        default=False, description="give up dead nodes whose pod is gone; their data lives on in the other copies"
    )


class ScaleStart(Start):
    """The argument of the workflow `Scale`."""

    request: ScaleRequest


class ScaleResult(BaseModel):
    """What a finished scale says; the permanent record."""

    model_config = ConfigDict(frozen=True)

    outcome: str = Field(description="scaled, nothing-to-do or plan")
    nodes: int
    before: int = 0
    added: tuple[str, ...] = ()
    decommissioned: tuple[int, ...] = Field(default=(), description="ids of nodes that left")
    volumes_kept: tuple[str, ...] = ()
    volumes_deleted: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    decided_by: tuple[str, ...] = ()
    plan: tuple[str, ...] = Field(default=(), description="the last that was made; with outcome plan it was only shown")


OPERATION = Operation(
    name="scale",
    summary="change the number of nodes; no replica is ever at risk",
    example="/crdb scale 4",
    kind="change",
    role="operator",
    request=ScaleRequest,
    workflow="Scale",
)
