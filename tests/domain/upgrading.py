"""Facts of upgrades for the tests of plans and refusals: a line a pod, from what it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.health import NodeStatus
from domain.model import ClusterSpec
from domain.preflight import LiveSet
from domain.upgrade import PodRun, UpgradeFacts

OLD, NEW, NEXT = "v25.2.3", "v25.4.1", "v25.4.2"
IMAGE = "cockroachdb/cockroach"
DEAD = {"is_live": False}
SPEC = ClusterSpec(
    nodes=3, version=OLD, storage="1Gi", storage_class="fast", database_image=f"{IMAGE}:{OLD}", agent_image="a",
    cpu="1", memory="1Gi",
)  # fmt: skip


def node(ordinal: int, build: str, **more: Any) -> NodeStatus:
    """Make the node of a pod; ids do not follow ordinals."""
    address = f"cockroachdb-{ordinal}.cockroachdb:26257"
    return NodeStatus.model_validate({"id": 90 - ordinal, "address": address, "build": build, "is_live": True, **more})


def pod(ordinal: int, release: str, **more: Any) -> PodRun:
    """Make a pod that is ready and was made from the template as it is."""
    image = f"{IMAGE}:{release}"
    return PodRun.model_validate({"ordinal": ordinal, "image": image, "is_ready": True, "is_current": True, **more})


def facts(
    runs: Sequence[str],
    *,
    template: str = "",
    partition: int = 0,
    recorded: str = OLD,
    came_from: str = "",
    down: Sequence[int] = (),
    **more: Any,
) -> UpgradeFacts:
    """Make the facts of pods that run these releases, from ordinal 0 on.

    Args:
        runs: Release of each pod.
        template: Release of the template; else that of the highest pod.
        partition: Of the StatefulSet.
        recorded: Release of the recorded spec.
        came_from: What is recorded as the release before.
        down: Ordinals that are not ready and whose node does not live.
        more: Other facts as they are.
    """
    template = template or runs[-1]
    count = len(runs)
    live = LiveSet(
        replicas=count, ready=count - len(down), database_image=f"{IMAGE}:{template}", agent_image="a", storage="1Gi",
        partition=partition,
    )  # fmt: skip
    fields = {
        "recorded": SPEC.model_copy(update={"nodes": count, "version": recorded, "upgraded_from": came_from}),
        "live": live,
        "pods": tuple(
            pod(o, run, is_ready=o not in down, is_current=run == template, trouble="ImagePull" if o in down else "")
            for o, run in enumerate(runs)
        ),
        "nodes": tuple(node(o, run, is_live=o not in down) for o, run in enumerate(runs)),
        "active": "25.2",
        "newest": "26.4",
    }
    return UpgradeFacts.model_validate({**fields, **more})
