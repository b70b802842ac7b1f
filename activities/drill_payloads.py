"""What goes into the activities of a drill and comes out (`activities.drilling`)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.drill import Probes
from domain.model import ClusterRef, ClusterSpec, NodeRef


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True)


class DrillAbout(_Payload):
    """Gather the facts about one node."""

    ref: ClusterRef
    node: NodeRef


class KillRequest(DrillAbout):
    """Delete the pod of this uid, which was recorded before, and no other."""

    uid: str


class Killed(_Payload):
    """`deleted` now, or `already`: by an earlier attempt whose answer was lost."""

    outcome: Literal["deleted", "already"]
    at: datetime


class Seen(_Payload):
    """What was measured so far; seconds count from the deletion."""

    gone_seconds: float | None = None
    ready_seconds: float | None = None
    probes: Probes = Probes()


class BackRequest(KillRequest):
    """Wait until a successor of the pod is ready, for so many `seconds` at most; `seen` is what came out before."""

    spec: ClusterSpec
    killed_at: datetime
    others: tuple[int, ...]
    seen: Seen = Seen()
    seconds: float = 60


class PodBack(_Payload):
    """How the successor stands. `sentence` says what is still missing while it is not ready."""

    is_ready: bool
    seen: Seen
    sentence: str = ""
    volume: str = ""
    asked: tuple[str, ...] = ()
