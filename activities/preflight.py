"""Gathering what ops sees before a deploy or an init: server, rights, namespace, room, leftovers, the recorded spec.

What follows from it is decided by `domain.preflight` and `domain.initialization`. Nothing here changes anything.
"""

from __future__ import annotations

import asyncio

from pydantic import ValidationError

from activities import pods, room
from activities.clients import pki
from activities.manifests import labels, rights
from activities.manifests.pod import INIT_CONTAINER
from activities.manifests.statefulset import CLAIM, DATABASE_CONTAINER
from activities.ports import ClusterPort, Object
from domain.certificate import SigningPolicy
from domain.configuration import Configuration
from domain.errors import BrokenError
from domain.initialization import InitFacts
from domain.model import CLIENT_ACCOUNT, CLIENT_POD, NODE_ACCOUNT, PUBLIC_SERVICE, STATEFULSET, ClusterRef, ClusterSpec
from domain.preflight import DeployFacts, Leftover, LiveSet

_POD_SECURITY = "pod-security.kubernetes.io/enforce"


def recorded_spec(stateful_set: Object | None) -> ClusterSpec | None:
    """Return the spec that a StatefulSet carries; None without one.

    Raises:
        BrokenError: `deploy.bad-record`: there is an annotation and it cannot be read.
    """
    text = ((stateful_set or {}).get("metadata", {}).get("annotations") or {}).get(labels.SPEC)
    if text is None:
        return None
    try:
        return ClusterSpec.model_validate_json(text)
    except ValidationError as error:
        raise BrokenError(
            "deploy.bad-record",
            f"StatefulSet/{STATEFULSET}: found annotation {labels.SPEC} with {error.error_count()} faults, "
            "expected the recorded spec.",
            hint="Restore the annotation from the last deploy's history.",
        ) from None


async def gather(
    cluster: ClusterPort, configuration: Configuration, ref: ClusterRef, defaults: ClusterSpec
) -> DeployFacts:
    """Ask for everything at once; what has no namespace or right to be asked in is left empty."""
    version, missing, namespace = await asyncio.gather(
        cluster.server_version(),
        cluster.missing_rules(rights.ops_rules(configuration, ref)),
        cluster.get("Namespace", ref.namespace),
    )
    facts = DeployFacts(
        server_version=version,
        missing_rules=tuple(rule.sentence() for rule in missing),
        has_namespace=namespace is not None,
        pod_security=((namespace or {}).get("metadata", {}).get("labels") or {}).get(_POD_SECURITY, ""),
        policy_hash=SigningPolicy.of(configuration, ref).fingerprint(),
    )
    if missing or namespace is None:
        # Asking on would only repeat that refusal in other words.
        return facts.model_copy(update={"room": defaults.nodes})
    return await _in_namespace(cluster, configuration, ref, defaults, facts)


async def gather_deployed(cluster: ClusterPort, ref: ClusterRef) -> InitFacts:
    """Ask for what a deployed cluster is made of: its StatefulSet and its client pod."""
    stateful_set, pod = await asyncio.gather(
        cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace),
        cluster.get("Pod", CLIENT_POD, namespace=ref.namespace),
    )
    found = [("StatefulSet", STATEFULSET, stateful_set), ("Pod", CLIENT_POD, pod)]
    against = [
        Leftover(kind=kind, name=name, is_ours=False, detail=labels.why_not_ours(item, ref))
        for kind, name, item in found
        if item is not None
    ]
    return InitFacts(
        recorded=recorded_spec(stateful_set),
        live=live_set(stateful_set) if stateful_set else None,
        not_ours=tuple(left for left in against if left.detail),
        has_client_pod=pod is not None and not pods.is_leaving(pod),
        is_client_ready=pod is not None and pods.is_ready(pod),
    )


async def _in_namespace(
    cluster: ClusterPort, configuration: Configuration, ref: ClusterRef, defaults: ClusterSpec, facts: DeployFacts
) -> DeployFacts:
    named, sets, claims, storage_class = await asyncio.gather(
        _named(cluster, ref),
        cluster.list("StatefulSet", namespace=ref.namespace),
        cluster.list("PersistentVolumeClaim", namespace=ref.namespace),
        cluster.get("StorageClass", defaults.storage_class),
    )
    stateful_set = named["StatefulSet", STATEFULSET]
    recorded = recorded_spec(stateful_set)
    ca = named["ConfigMap", ref.ca_config_map]
    volumes = [claim for claim in claims.items if claim["metadata"]["name"].startswith(f"{CLAIM}-{STATEFULSET}-")]
    pod = named["Pod", CLIENT_POD]
    return facts.model_copy(
        update={
            "has_storage_class": storage_class is not None,
            "room": await room_left(cluster, configuration, ref, recorded or defaults),
            "recorded": recorded,
            "live": live_set(stateful_set) if stateful_set else None,
            "has_client_pod": pod is not None and not pod["metadata"].get("deletionTimestamp"),
            "volumes": tuple(claim["metadata"]["name"] for claim in volumes),
            "leftovers": tuple(_leftovers(ref, named, volumes)),
            "other_instances": _other_instances(ref, sets.items),
            "ca_fingerprint": pki.fingerprint(ca.get("data", {}).get("ca.crt", "")) if ca else "",
        }
    )


async def _named(cluster: ClusterPort, ref: ClusterRef) -> dict[tuple[str, str], Object | None]:
    names = (
        ("StatefulSet", STATEFULSET),
        ("Pod", CLIENT_POD),
        ("ConfigMap", ref.ca_config_map),
        ("Secret", ref.client_secret),
        ("Service", STATEFULSET),
        ("Service", PUBLIC_SERVICE),
        ("PodDisruptionBudget", labels.BUDGET),
        ("ServiceAccount", NODE_ACCOUNT),
        ("ServiceAccount", CLIENT_ACCOUNT),
        ("Role", labels.CLIENT_ROLE),
        ("RoleBinding", labels.CLIENT_ROLE),
    )
    found = await asyncio.gather(
        *(cluster.get(kind, name, namespace=ref.namespace) for kind, name in names),
        cluster.get("ClusterRoleBinding", ref.certagent_binding),
    )
    return dict(zip((*names, ("ClusterRoleBinding", ref.certagent_binding)), found, strict=True))


def _leftovers(ref: ClusterRef, named: dict[tuple[str, str], Object | None], volumes: list[Object]) -> list[Leftover]:
    found = [(kind, name, item) for (kind, name), item in named.items() if item is not None]
    found += [("PersistentVolumeClaim", claim["metadata"]["name"], claim) for claim in volumes]
    leftovers = []
    for kind, name, item in found:
        against = labels.why_not_ours(item, ref)
        if kind == "ConfigMap" and not against and not pki.fingerprint(item.get("data", {}).get("ca.crt", "")):
            against = "it holds no CA certificate"
        leftovers.append(Leftover(kind=kind, name=name, is_ours=not against, detail=against))
    return leftovers


def _other_instances(ref: ClusterRef, sets: tuple[Object, ...]) -> tuple[str, ...]:
    found = {
        found.get(labels.INSTANCE, "")
        for item in sets
        if (found := item["metadata"].get("labels") or {}).get("app.kubernetes.io/name") == "cockroachdb"
    }
    return tuple(sorted(found - {ref.cluster, ""}))


def live_set(item: Object) -> LiveSet:
    """Read what a StatefulSet is now: its numbers, images and storage."""
    spec = item["spec"]
    pod = spec["template"]["spec"]
    images = {c["name"]: c["image"] for c in (*pod.get("initContainers", ()), *pod["containers"])}
    claims = {claim["metadata"]["name"]: claim for claim in spec.get("volumeClaimTemplates") or ()}
    storage = claims.get(CLAIM, {}).get("spec", {}).get("resources", {}).get("requests", {}).get("storage", "")
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    return LiveSet(
        replicas=spec.get("replicas", 1),
        ready=item.get("status", {}).get("readyReplicas", 0),
        database_image=images.get(DATABASE_CONTAINER, ""),
        agent_image=images.get(INIT_CONTAINER, ""),
        storage=storage,
        partition=rolling.get("partition", 0),
    )


async def room_left(cluster: ClusterPort, configuration: Configuration, ref: ClusterRef, spec: ClusterSpec) -> int:
    """Return how many more pods of a spec fit, as far as ops sees."""
    namespaces = sorted({other.namespace for other in rights.refs_of(configuration, ref.site)})
    nodes, *listings = await asyncio.gather(
        cluster.list("Node"), *(cluster.list("Pod", namespace=namespace) for namespace in namespaces)
    )
    pods = tuple(pod for listing in listings for pod in listing.items)
    return room.fits(nodes.items, pods, cpu=spec.cpu, memory=spec.memory)
