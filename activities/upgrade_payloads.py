"""What goes into the activities of upgrade, finalize and rollback and comes out: `activities.upgrading`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.configuration import ApprovalRule
from domain.model import ClusterRef, ClusterSpec
from domain.observation import Observation
from domain.upgrade import PodRun, UpgradeFacts


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True)


class UpgradeObserveRequest(_Payload):
    """Gather the facts of an upgrade; with a `version`, also which Kubernetes nodes have its image."""

    ref: ClusterRef
    version: str = ""


class UpgradeTerms(_Payload):
    """What `crdbops.toml` says of upgrades of this cluster when the change begins; durations in seconds."""

    rule: ApprovalRule
    finalize_rule: ApprovalRule
    asks_after_canary: Literal["always", "major", "never"] = "major"
    soak: float = 0
    gate_pause: float = 60
    observe: float = 86_400
    pause: float = 86_400


class UpgradeObserved(_Payload):
    """The facts, and the terms of this cluster."""

    facts: UpgradeFacts
    terms: UpgradeTerms


class GuardRequest(_Payload):
    """Set cluster.preserve_downgrade_option to the active version, or clear it (`value` "")."""

    ref: ClusterRef
    spec: ClusterSpec
    value: str


class RollRequest(_Payload):
    """Write image and partition: pods from `partition` on get `version`, those below keep what they run.

    `found` is the partition and `found_version` the template's version that the plan saw; anything else was changed by
    somebody meanwhile. `upgraded_from` is recorded with it, for the way back ("" when rolled back or finalized).
    """

    ref: ClusterRef
    version: str
    partition: int
    found_version: str
    found: int
    upgraded_from: str = ""


class Rolled(_Payload):
    """`done` now, `already` before, `changed`: somebody else changed image or partition, nothing was written."""

    outcome: Literal["done", "already", "changed"]
    sentence: str = ""
    spec: ClusterSpec | None = None


class BackRequest(_Payload):
    """Wait until one pod runs this release and its node is a live member; a pod that is stuck on an image that
    cannot run is deleted once (only that pod), so that the controller makes it anew from the template.

    After `seconds` it is said to be stuck, whatever is missing: five minutes to drain (the pod's grace), ten to pull
    the image, start and join.
    """

    ref: ClusterRef
    spec: ClusterSpec
    ordinal: int
    version: str
    seconds: float = 900


class Back(_Payload):
    """`back`: ready, its node live, its build verified. `stuck`: it cannot start or was not back in time, and why."""

    outcome: Literal["back", "stuck"]
    pod: PodRun
    sentence: str = ""


class FollowVersionRequest(_Payload):
    """Follow the active version until it is `wanted`, or another than `known`, or `at_most` seconds have passed."""

    ref: ClusterRef
    spec: ClusterSpec
    wanted: str
    known: str = ""
    at_most: float = 60


class ActiveVersion(_Payload):
    """The active version now, and what holds it up, in words ("" when nothing is known to)."""

    active: str
    preserved: str = ""
    holds: str = ""


class WatchRequest(_Payload):
    """Look at an upgrade that is not final until it is over, or is seen twice as other than `known`, or `until`.

    What is not well now is told from `quiet_until` on. `version` and `before`: what was upgraded to, and from.
    """

    ref: ClusterRef
    version: str
    before: str
    known: Observation
    until: datetime
    quiet_until: datetime
