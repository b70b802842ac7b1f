"""`/crdb upgrade VERSION`: roll to another release, one node at a time, and wait for people where it matters."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.model import Version
from operations.base import ClusterRequest, Operation, Start


class UpgradeRequest(ClusterRequest):
    """What can be asked of upgrade."""

    version: Version = Field(description="release to run, whole, such as v25.4.1")
    backup: Literal["taken", "none"] | None = Field(
        default=None, description="whether a backup was taken: taken or none; a major upgrade wants the answer"
    )
    plan: bool = Field(default=False, description="show what would be done and stop there")


class UpgradeStart(Start):
    """The argument of the workflow `Upgrade`."""

    request: UpgradeRequest


class UpgradeResult(BaseModel):
    """What a finished upgrade says; the permanent record."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["upgraded", "awaiting-finalization", "rolled-back", "nothing-to-do", "plan"]
    version: str
    before: str = ""
    active: str = Field(default="", description="the active cluster version at the end")
    rolled: tuple[str, ...] = Field(default=(), description="pods that were restarted, in order")
    backup: str = ""
    decided_by: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()


OPERATION = Operation(
    name="upgrade",
    summary="run another release: one node first, then people decide, then the rest",
    example="/crdb upgrade v25.4.1 backup=taken",
    kind="change",
    role="operator",
    request=UpgradeRequest,
    workflow="Upgrade",
    may_pause=True,
)
