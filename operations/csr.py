"""`/crdb csr`: the certificate signing requests of a cluster, each with its verdict."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from domain.model import ClusterRef
from operations.base import ClusterRequest, Operation


class CsrRequest(ClusterRequest):
    """What can be asked of csr."""


class CsrRow(BaseModel):
    """One request."""

    model_config = ConfigDict(frozen=True)

    name: str
    uid: str
    pod: str
    state: str
    summary: str
    created_at: datetime
    waits_for_place: bool = Field(default=False, description="as many as may be are open: it has no card yet")


class CsrResult(BaseModel):
    """All requests of our signers that the cluster's accounts made, newest first."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    taken_at: datetime
    rows: tuple[CsrRow, ...] = ()


OPERATION = Operation(
    name="csr",
    summary="list certificate signing requests with their verdicts",
    example="/crdb csr",
    kind="look",
    role="viewer",
    request=CsrRequest,
    workflow="Look",
)
