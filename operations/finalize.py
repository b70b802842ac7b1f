"""`/crdb finalize`: make an upgrade final, which nothing takes back; people approve it first."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from operations.base import ClusterRequest, Operation, Start


class FinalizeRequest(ClusterRequest):
    """What can be asked of finalize."""

    plan: bool = Field(default=False, description="show what would be done and stop there")


class FinalizeStart(Start):
    """The argument of the workflow `Finalize`."""

    request: FinalizeRequest


class FinalizeResult(BaseModel):
    """What a finished finalization says; the permanent record."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["finalized", "nothing-to-do", "plan"]
    version: str = ""
    active: str = ""
    before: str = ""
    decided_by: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()


OPERATION = Operation(
    name="finalize",
    summary="make an upgrade final; there is no way back after it",
    example="/crdb finalize",
    kind="change",
    role="operator",
    request=FinalizeRequest,
    workflow="Finalize",
    beside="upgrade",
)
