"""`/crdb drill kill-node N`: delete one node's pod on purpose, and measure how the cluster bears it and comes back."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from domain.model import STATEFULSET
from operations.base import ClusterRequest, Operation, Start

_POD = re.compile(rf"(?:{re.escape(STATEFULSET)}-)?(0|[1-9][0-9]{{0,3}})", re.ASCII)


def _kind(value: object) -> object:
    if value != "kill-node":
        raise ValueError(f"found {str(value)[:60]!r}, expected kill-node, the one drill that there is")
    return value


def _ordinal(value: object) -> object:
    """Read which node: what is typed is an ordinal or a pod's name, what is stored the ordinal."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _POD.fullmatch(str(value))
    if match is None:
        raise ValueError(
            f"found {str(value)[:60]!r}, expected the ordinal of a pod such as 1, or its name such as {STATEFULSET}-1 "
            "(the database's node ids are other numbers)"
        )
    return int(match[1])


class DrillRequest(ClusterRequest):
    """What can be asked of drill."""

    drill: Annotated[Literal["kill-node"], BeforeValidator(_kind)] = Field(description="which drill: kill-node")
    node: Annotated[int, BeforeValidator(_ordinal)] = Field(
        ge=0,
        description=f"whose pod is deleted: the ordinal of the pod, such as 1, or its name, such as {STATEFULSET}-1",
    )
    plan: bool = Field(default=False, description="show what would be done and stop there")


class DrillStart(Start):
    """The argument of the workflow `Drill`."""

    request: DrillRequest


class DrillResult(BaseModel):
    """What a finished drill says; the permanent record. Seconds count from the deletion."""

    model_config = ConfigDict(frozen=True)

    outcome: str = Field(description="survived or plan")
    pod: str
    node_id: int | None = Field(default=None, description="the database's id of the node, the same before and after")
    volume: str = Field(default="", description="the volume that the pod had and has again")
    gone_seconds: float | None = Field(default=None, description="until the old pod had ended")
    ready_seconds: float | None = Field(default=None, description="until its successor was ready")
    healthy_seconds: float | None = Field(default=None, description="until all were live and all ranges replicated")
    sql_asked: int = Field(default=0, description="statements sent through the other nodes until it was ready")
    sql_answered: int = 0
    longest_gap_seconds: float = Field(default=0, description="longest time without an answer")
    plan: tuple[str, ...] = ()


OPERATION = Operation(
    name="drill",
    summary="delete one node's pod on purpose and measure how the cluster bears it",
    example="/crdb drill kill-node 1",
    kind="change",
    role="operator",
    request=DrillRequest,
    workflow="Drill",
)
