"""Reading a pod's JSON: is it running, ready, stuck, and by what; is its certificate in place.

Pure; the loops that wait are `activities.cluster`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NamedTuple

from activities.manifests.pod import INIT_CONTAINER
from activities.ports import Object

#: Reasons of a waiting container that do not pass by themselves, as the kubelet spells them.
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


class Trouble(NamedTuple):
    """Why a pod does not get on, in words."""

    kind: Literal["image", "unschedulable", "crash", "config"]
    sentence: str
    container: str = ""
    restarts: int = 0


def is_running(pod: Object) -> bool:
    """Whether its containers run: phase Running comes after the init containers."""
    return pod.get("status", {}).get("phase") == "Running" and not is_leaving(pod)


def is_ready(pod: Object) -> bool:
    """Whether its condition Ready is true."""
    return condition(pod, "Ready").get("status") == "True" and not is_leaving(pod)


def is_leaving(pod: Object) -> bool:
    """Whether it is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def has_certificate(pod: Object) -> bool:
    """Whether certagent has ended well, which it does when the files are in place."""
    for status in pod.get("status", {}).get("initContainerStatuses") or ():
        if status.get("name") == INIT_CONTAINER:
            ended = status.get("state", {}).get("terminated")
            return ended is not None and ended.get("exitCode") == 0
    return False


def condition(pod: Object, kind: str) -> dict[str, Any]:
    """Return a condition of the pod, empty when it has none of that type."""
    for entry in pod.get("status", {}).get("conditions") or ():
        if entry.get("type") == kind:
            return dict(entry)
    return {}


def restarts(pod: Object) -> int:
    """Return how often its containers were started again."""
    return sum(int(status.get("restartCount", 0)) for status in _statuses(pod, "containerStatuses"))


def created_at(pod: Object) -> datetime:
    """Return when it was made."""
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"])


def image(pod: Object, container: str) -> str:
    """Return the image of a container, empty when it has none of that name."""
    found = pod.get("spec", {}).get("containers") or ()
    return next((str(entry.get("image", "")) for entry in found if entry.get("name") == container), "")


def trouble(pod: Object) -> Trouble | None:
    """Name what keeps a pod from running, if something does."""
    name = pod["metadata"]["name"]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        why = scheduled.get("message") or scheduled.get("reason", "no reason given")
        return Trouble("unschedulable", f"{name} finds no place: {why}")
    for status in (*_statuses(pod, "initContainerStatuses"), *_statuses(pod, "containerStatuses")):
        waiting = status.get("state", {}).get("waiting") or {}
        reason, said = waiting.get("reason", ""), waiting.get("message") or waiting.get("reason", "")
        container, count = str(status.get("name")), int(status.get("restartCount", 0))
        if reason in _IMAGE:
            return Trouble("image", f"{name} gets no image: {said}", container)
        if reason in _CONFIG:
            return Trouble("config", f"{name} cannot start: {said}", container)
        if reason == "CrashLoopBackOff":
            return Trouble("crash", f"{name}: {container} ended {count} times: {_last(status)}", container, count)
    return None


def ordinal(pod_name: str) -> int | None:
    """Return the number behind the last dash, None when there is none."""
    tail = pod_name.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else None


def _last(status: dict[str, Any]) -> str:
    ended = status.get("lastState", {}).get("terminated") or {}
    said = str(ended.get("message", "")).strip()
    return said[-500:] or f"exit code {ended.get('exitCode', 'unknown')}, {ended.get('reason', 'no reason given')}"


def _statuses(pod: Object, which: str) -> list[dict[str, Any]]:
    return list(pod.get("status", {}).get(which) or ())
