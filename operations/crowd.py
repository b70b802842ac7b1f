"""`Crowd`: more certificate signing requests of a cluster are pending than may be open at once; told in one message."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from domain.model import ClusterRef

#: So many requests of one cluster are shown at once; more wait until some have closed.
MOST_OPEN = 20


class CrowdStart(BaseModel):
    """Which cluster's requests, and where it is told."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    channel: str


class CrowdSeen(BaseModel):
    """Signal: how many wait for a place now, by one worker's count. All workers of a site see the same requests."""

    model_config = ConfigDict(frozen=True)

    waiting: int = Field(ge=0)


class CrowdResult(BaseModel):
    """How it was: the most that waited at once."""

    model_config = ConfigDict(frozen=True)

    most: int
