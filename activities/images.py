"""Which Kubernetes nodes have an image already, as far as they say. Pure; the nodes are read by `activities.upgrading`.

A node's status lists the fifty largest of its images (kubelet, `nodeStatusMaxImages`), so that one which is listed is
there, and one which is not may be there all the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from activities import pods
from activities.manifests.statefulset import DATABASE_CONTAINER
from activities.ports import Object
from domain.upgrade_facts import WorkerImage

#: The kubelet's own, where nobody has configured another.
_MOST = 50


def workers_of(found: Iterable[Object]) -> tuple[str, ...]:
    """Return the names of the Kubernetes nodes that pods stand on."""
    return tuple(sorted({pod["spec"].get("nodeName", "") for pod in found} - {""}))


def on_worker(node: Object, *, image: str) -> WorkerImage:
    """Say whether a node lists an image."""
    listed = (node.get("status") or {}).get("images") or ()
    names = {_whole(name) for entry in listed for name in entry.get("names") or ()}
    return WorkerImage(
        worker=node["metadata"]["name"], has_image=_whole(image) in names, lists_all=0 < len(listed) < _MOST
    )


def pull_policy(stateful_set: Object) -> str:
    """Return when the template's database image is pulled: Always, IfNotPresent or Never."""
    containers = stateful_set["spec"]["template"]["spec"]["containers"]
    return next((str(c.get("imagePullPolicy", "")) for c in containers if c["name"] == DATABASE_CONTAINER), "")


def client_image(pod: Object | None, *, container: str) -> str:
    """Return the image of the client pod; "" where there is none, or it is being deleted."""
    return "" if pod is None or pods.is_leaving(pod) else pods.image(pod, container)


def _whole(name: str) -> str:
    """Return a name with the registry that Docker's convention leaves out, as containerd lists it."""
    host, slash, _ = name.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"
