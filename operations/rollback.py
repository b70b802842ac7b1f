"""`/crdb rollback`: back to the release before an upgrade that is not final yet."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from operations.base import ClusterRequest, Operation, Start


class RollbackRequest(ClusterRequest):
    """What can be asked of rollback."""

    plan: bool = Field(default=False, description="show what would be done and stop there")


class RollbackStart(Start):
    """The argument of the workflow `Rollback`."""

    request: RollbackRequest


class RollbackResult(BaseModel):
    """What a finished roll back says; the permanent record."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["rolled-back", "nothing-to-do", "plan"]
    version: str = ""
    before: str = ""
    rolled: tuple[str, ...] = Field(default=(), description="pods that were restarted, in order")
    decided_by: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()


OPERATION = Operation(
    name="rollback",
    summary="return to the release before an upgrade that is not final",
    example="/crdb rollback",
    kind="change",
    role="operator",
    request=RollbackRequest,
    workflow="Rollback",
    may_pause=True,
    beside="upgrade",
)
