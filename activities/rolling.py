"""How far a StatefulSet has rolled: what its pods run, which would be restarted, what keeps one from being back.

Pure; the activities around it are `activities.upgrading`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from activities import pods
from activities.manifests.statefulset import DATABASE_CONTAINER
from activities.ports import Object
from activities.preflight import live_set
from domain.model import STATEFULSET, NodeRef
from domain.upgrade import PodRun

_REVISION = "controller-revision-hash"


class Images(NamedTuple):
    """Images of a pod template by the names of its containers and init containers."""

    containers: dict[str, str]
    init_containers: dict[str, str]


def database_images(stateful_set: Object) -> Images:
    """Return every container of the template that runs the database's image, in whatever release."""
    spec = stateful_set["spec"]["template"]["spec"]
    found = [{c["name"]: str(c["image"]) for c in spec.get(part) or ()} for part in ("containers", "initContainers")]
    repository = _repository(found[0].get(DATABASE_CONTAINER, ""))
    containers, init = ({name: i for name, i in part.items() if _repository(i) == repository} for part in found)
    return Images(containers, init)


def newest_revision(stateful_set: Object) -> str:
    """Return the revision of the template as it is now; "" until the controller has seen it."""
    status = stateful_set.get("status") or {}
    is_seen = status.get("observedGeneration", 0) >= stateful_set["metadata"].get("generation", 0)
    return str(status.get("updateRevision", "")) if is_seen else ""


def node_pods(items: Iterable[Object]) -> dict[int, Object]:
    """Return the pods of nodes by ordinal; whatever else carries our labels is left out."""
    named = {item["metadata"]["name"]: item for item in items}
    ordinals = (pods.ordinal(name) for name in named)
    places = (NodeRef(ordinal=ordinal) for ordinal in sorted(o for o in ordinals if o is not None))
    return {place.ordinal: named[place.pod] for place in places if place.pod in named}


def is_left_behind(pod: Object, stateful_set: Object, *, ordinal: int) -> bool:
    """Whether a pod made anew would run another image: from the partition on the template's, below it the earlier one.

    False until the controller has seen the template as it is now.
    """
    newest, strategy = newest_revision(stateful_set), stateful_set["spec"].get("updateStrategy", {})
    is_rolled = ordinal >= (strategy.get("rollingUpdate") or {}).get("partition", 0)
    if is_rolled:
        return pods.image(pod, DATABASE_CONTAINER) != live_set(stateful_set).database_image
    return bool(newest) and _revision(pod) != stateful_set["status"].get("currentRevision", "")


def pod_run(pod: Object | None, ordinal: int, *, revision: str) -> PodRun:
    """Say how a pod runs; a pod that is not there runs nothing."""
    if pod is None:
        return PodRun(ordinal=ordinal, trouble=f"{STATEFULSET}-{ordinal} is not there")
    trouble = pods.trouble(pod)
    return PodRun(
        ordinal=ordinal,
        uid=pod["metadata"]["uid"],
        image=pods.image(pod, DATABASE_CONTAINER),
        is_ready=pods.is_ready(pod),
        is_current=revision != "" and _revision(pod) == revision,
        trouble=trouble.sentence if trouble else "",
    )


def restarts(found: dict[int, Object], stateful_set: Object, *, image: str, partition: int) -> tuple[int, ...]:
    """Return the ordinals of the pods that the controller restarts when template and partition are written so.

    Where the template stays as it is, a pod is also restarted when its revision is not the newest.
    """
    is_same = set(database_images(stateful_set).containers.values()) == {image}
    revision = newest_revision(stateful_set) if is_same else ""
    return tuple(
        ordinal
        for ordinal, pod in found.items()
        if ordinal >= partition
        and (pods.image(pod, DATABASE_CONTAINER) != image or (revision and _revision(pod) != revision))
    )


def missing(pod: Object | None, *, name: str, image: str) -> str:
    """Say what keeps a pod from being back on an image; "" when it is ready and runs that."""
    if pod is None:
        return f"{name} is gone and Kubernetes has not made another yet"
    if pods.is_leaving(pod):
        return f"{name} is still ending"
    trouble = pods.trouble(pod)
    if trouble is not None:
        return trouble.sentence
    found = pods.image(pod, DATABASE_CONTAINER)
    if found != image:
        return f"{name} still runs {found or 'no image'}, expected {image}"
    if pods.is_ready(pod):
        return ""
    if not pods.has_certificate(pod):
        return f"{name} has no certificate in place yet: people may have to decide on a card"
    return f"{name} is started again and {'runs, but is not ready' if pods.is_running(pod) else 'does not run yet'}"


def _revision(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(_REVISION, ""))


def _repository(image: str) -> str:
    return image.rpartition(":")[0]
