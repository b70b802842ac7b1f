"""Making a cluster's objects: never over one that is not ours, never twice, the nodes' StatefulSet exactly once.

The objects themselves are `activities.manifests`; the activity around this is `activities.cluster`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from activities.manifests import accounts, services
from activities.manifests.client_pod import client_pod
from activities.manifests.labels import OPERATION, SPEC_HASH, why_not_ours
from activities.manifests.statefulset import stateful_set
from activities.payloads import ApplyRequest
from activities.ports import ClusterPort, Object
from domain.certificate import SigningPolicy
from domain.errors import BrokenError, NotReadyError, RefusedError
from domain.model import ClusterRef

#: A deleted client pod is gone within a second or two: it has no grace period.
_GONE_TRIES, _GONE_PAUSE = 60, 0.25


async def apply_all(cluster: ClusterPort, request: ApplyRequest, policy: SigningPolicy) -> tuple[str, ...]:
    """Apply everything in three waves; bindings after what they bind, pods last and together."""
    ref, operation_id = request.ref, request.operation_id
    first = [
        *accounts.accounts(ref, operation_id=operation_id),
        accounts.client_secret(ref, operation_id=operation_id),
        accounts.client_role(ref, operation_id=operation_id),
        services.headless_service(ref, operation_id=operation_id),
        services.public_service(ref, operation_id=operation_id),
        services.budget(ref, operation_id=operation_id),
    ]
    second = [
        accounts.client_role_binding(ref, operation_id=operation_id),
        accounts.certagent_binding(ref, operation_id=operation_id),
    ]
    pod = client_pod(ref, request.spec, policy, operation_id=operation_id)
    nodes = stateful_set(ref, request.spec, policy, operation_id=operation_id)
    for wave in (first, second):
        await asyncio.gather(*(apply_ours(cluster, ref, manifest) for manifest in wave))
    await asyncio.gather(ensure_pod(cluster, ref, pod), _make_nodes(cluster, request, nodes))
    return tuple(f"{item['kind']}/{item['metadata']['name']}" for item in (*first, *second, pod, nodes))


async def apply_ours(cluster: ClusterPort, ref: ClusterRef, manifest: Object) -> None:
    """Apply one object, unless something that is not ours has its name."""
    meta = manifest["metadata"]
    found = await cluster.get(manifest["kind"], meta["name"], namespace=meta.get("namespace", ""))
    if found is not None:
        check_ours(ref, manifest["kind"], found)
        # The annotation names who made it; that stays when another operation comes by.
        meta["annotations"][OPERATION] = found["metadata"]["annotations"][OPERATION]
    await cluster.apply(manifest)


def check_ours(ref: ClusterRef, kind: str, item: Object) -> None:
    """Refuse to go on with an object that is not ours.

    Raises:
        RefusedError: `deploy.not-ours`.
    """
    against = why_not_ours(item, ref)
    if against:
        raise RefusedError(
            "deploy.not-ours",
            f"{kind}/{item['metadata']['name']}: found {against}, expected the labels of {ref.cluster}.",
            hint="Remove or rename it; nothing that is not ours is touched.",
        )


async def ensure_pod(cluster: ClusterPort, ref: ClusterRef, manifest: Object) -> None:
    """Have the client pod as the manifest says: made when missing, made again when of another spec or ended."""
    meta = manifest["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    for _ in range(_GONE_TRIES):
        found = await cluster.get("Pod", name, namespace=namespace)
        if found is None:
            if await cluster.create(manifest) is not None:
                return
            continue
        check_ours(ref, "Pod", found)
        is_leaving = bool(found["metadata"].get("deletionTimestamp"))
        if not is_leaving and _is_as_wanted(found, manifest):
            return
        if not is_leaving:
            await cluster.delete("Pod", name, namespace=namespace, uid=found["metadata"]["uid"])
        await asyncio.sleep(_GONE_PAUSE)
    raise NotReadyError(
        "deploy.client-pod-leaving",
        f"{namespace}/{name}: found it still being deleted, expected it gone.",
        retry_after=timedelta(seconds=2),
        hint="Look at its node: a pod goes only when its kubelet says so.",
    )


def _is_as_wanted(found: Object, manifest: Object) -> bool:
    wanted = manifest["metadata"]["annotations"][SPEC_HASH]
    has_ended = found.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not has_ended and found["metadata"]["annotations"].get(SPEC_HASH) == wanted


async def _make_nodes(cluster: ClusterPort, request: ApplyRequest, manifest: Object) -> None:
    """Create the StatefulSet; one that exists is ours or refused, and is left exactly as it is."""
    meta = manifest["metadata"]
    found = await cluster.get("StatefulSet", meta["name"], namespace=meta["namespace"])
    if found is None and request.mode == "resume":
        raise BrokenError(
            "deploy.no-stateful-set",
            f"StatefulSet/{meta['name']}: found none, expected the one that this deploy resumes.",
            hint="Somebody deleted it since the plan was made: run /crdb deploy again.",
        )
    if found is None and await cluster.create(manifest) is None:
        found = await cluster.get("StatefulSet", meta["name"], namespace=meta["namespace"])
    if found is not None:
        check_ours(request.ref, "StatefulSet", found)
