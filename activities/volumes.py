"""Volume claims of the nodes: whose they are, who mounts them, and which node's store is on each.

The database forgets where a node was as soon as it is decommissioned, so its id is written on its volume before that.
Deleting one is `activities.scaling`; what follows from whose it is, `domain.scale`.
"""

from __future__ import annotations

from collections.abc import Iterable

from activities import pods
from activities.manifests.labels import NODE_ID, why_not_ours
from activities.manifests.statefulset import CLAIM
from activities.ports import ClusterPort, Object
from domain.health import NodeStatus
from domain.model import STATEFULSET, ClusterRef
from domain.scale import Volume

PREFIX = f"{CLAIM}-{STATEFULSET}-"


def volumes(ref: ClusterRef, claims: tuple[Object, ...], listing: tuple[Object, ...]) -> tuple[Volume, ...]:
    """Read the claims of node pods, in the order of ordinals; `listing` are the pods that may mount them."""
    mounts: dict[str, list[str]] = {}
    for pod in listing:
        for volume in pod.get("spec", {}).get("volumes") or ():
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if name:
                mounts.setdefault(name, []).append(pod["metadata"]["name"])
    found = []
    for claim in claims:
        meta = claim["metadata"]
        ordinal = pods.ordinal(meta["name"]) if meta["name"].startswith(PREFIX) else None
        if ordinal is None:
            continue
        node_id = (meta.get("annotations") or {}).get(NODE_ID, "")
        found.append(
            Volume(
                ordinal=ordinal,
                name=meta["name"],
                uid=meta["uid"],
                node_id=int(node_id) if node_id.isdecimal() else None,
                is_ours=not why_not_ours(claim, ref),
                mounted_by=tuple(sorted(mounts.get(meta["name"], ()))),
                size=str(claim.get("spec", {}).get("resources", {}).get("requests", {}).get("storage", "")),
            )
        )
    return tuple(sorted(found, key=lambda volume: volume.ordinal))


async def note(cluster: ClusterPort, ref: ClusterRef, nodes: Iterable[NodeStatus]) -> None:
    """Write each node's id on the volume of its pod. Repeating it finds it there."""
    for node in nodes:
        if node.ordinal is None:
            continue
        name = f"{PREFIX}{node.ordinal}"
        claim = await cluster.get("PersistentVolumeClaim", name, namespace=ref.namespace)
        if claim is None or why_not_ours(claim, ref):
            continue
        meta = claim["metadata"]
        if meta["annotations"].get(NODE_ID) != str(node.id):
            values = {NODE_ID: str(node.id)}
            await cluster.annotate(
                "PersistentVolumeClaim",
                name,
                namespace=ref.namespace,
                values=values,
                version=meta["resourceVersion"],
            )
