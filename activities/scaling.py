"""Activities of a scale on Kubernetes: its facts, replicas, pods that go, volumes that are left over.

Decommissioning itself is `membership`; what the facts mean is `domain.scale`. Nothing here removes a pod or a volume
whose node is not decommissioned: each looks at the database again just before it writes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import timedelta

from temporalio import activity

from activities import pods, preflight
from activities.applying import check_ours
from activities.asking import Asking
from activities.manifests import rights
from activities.manifests.labels import SPEC, selector_text
from activities.ports import ClusterPort, NodePort, Object
from activities.scale_payloads import (
    DeleteVolumeRequest,
    GoneRequest,
    Observed,
    ObserveRequest,
    Resized,
    ResizeRequest,
    WatchReplicasRequest,
)
from activities.volumes import note, volumes
from activities.waiting import TICK_SECONDS, beating, follow
from domain.configuration import Configuration
from domain.errors import BrokenError, NotReadyError, OpsError, RefusedError, TransientError
from domain.health import NodeStatus, places, replication_factor, waits
from domain.model import CLIENT_POD, STATEFULSET, ClusterRef, ClusterSpec, NodeRef
from domain.scale import ScaleFacts, is_spent, located, may_shrink, node_of

#: The database's own rows are renewed every ten seconds; it is asked at most this often.
POLL_SECONDS = 5.0
_VERSION = "SHOW CLUSTER SETTING version"
_PRESERVE = "SHOW CLUSTER SETTING cluster.preserve_downgrade_option"
#: All zones where the database can list them, else the default one.
_ZONES = "SHOW ALL ZONE CONFIGURATIONS"
_DEFAULT_ZONE = "SHOW ZONE CONFIGURATION FROM RANGE default"
#: SQLSTATE of a statement that a database does not know.
_NO_STATEMENT = "42601"
_GONE_PAUSE = timedelta(seconds=2)


class ScalingActivities:
    """Activities of a scale."""

    def __init__(
        self, cluster: ClusterPort, nodes: NodePort, configuration: Configuration, *, poll: float = POLL_SECONDS
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._configuration = configuration
        self._poll = poll

    @activity.defn(name="scaling.observe")
    async def observe(self, request: ObserveRequest) -> Observed:
        """Gather the facts, once healthy or after a while. Repeating it only reads again."""
        ref, still, nodes = request.ref, tuple[str, ...](), tuple[NodeStatus, ...]()
        if request.ordinals:
            still, nodes = await self._until_healthy(request)
        found, claims, listing = await asyncio.gather(
            self._cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace),
            self._cluster.list("PersistentVolumeClaim", namespace=ref.namespace),
            self._cluster.list("Pod", namespace=ref.namespace),
        )
        cluster = self._configuration.clusters[ref.cluster]
        facts = ScaleFacts(max_nodes=cluster.max_nodes, stalled_minutes=cluster.scale.stalled_minutes)
        if found is None:
            return Observed(facts=facts, waits=still)
        check_ours(ref, "StatefulSet", found)
        spec = preflight.recorded_spec(found)
        facts = facts.model_copy(
            update={
                "recorded": spec,
                "live": preflight.live_set(found),
                "pods": _ordinals(listing.items),
                "volumes": volumes(ref, claims.items, listing.items),
            }
        )
        if spec is None:
            return Observed(facts=facts, waits=still)
        # What was seen a moment ago is not asked for again.
        facts = facts.model_copy(update={"nodes": nodes} if nodes else await self._asking(ref, spec).database())
        facts = facts.model_copy(update={"nodes": located(facts.nodes, facts.volumes)})
        if request.has_settings:
            facts = facts.model_copy(update=await self._settings(ref, spec, facts))
        return Observed(facts=facts, waits=still)

    @activity.defn(name="scaling.resize")
    async def resize(self, request: ResizeRequest) -> Resized:
        """Set replicas and the recorded nodes. Repeating it finds them set; what others set is left and told.

        Before pods are removed the database is asked once more: each of their nodes has to be decommissioned, and its
        id is written on its volume, because later nobody can tell whose it was.
        """
        ref = request.ref
        found = await self._cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace)
        spec = preflight.recorded_spec(found)
        if found is None or spec is None:
            raise BrokenError("deploy.no-record", f"StatefulSet/{STATEFULSET}: found no recorded spec, expected one.")
        check_ours(ref, "StatefulSet", found)
        replicas = int(found["spec"].get("replicas", 1))
        wanted = spec.model_copy(update={"nodes": request.to})
        if replicas == request.to and spec.nodes == request.to:
            return Resized(outcome="already", replicas=replicas, spec=wanted)
        if replicas not in (request.found, request.to):
            return Resized(outcome="changed", replicas=replicas, spec=spec)
        if request.to < replicas:
            against = await self._before_shrink(ref, spec, to=request.to, replicas=replicas)
            if against:
                return Resized(outcome="held", replicas=replicas, spec=spec, sentence="; ".join(against))
        await self._cluster.resize(
            STATEFULSET,
            namespace=ref.namespace,
            replicas=request.to,
            values={SPEC: wanted.model_dump_json()},
            version=found["metadata"]["resourceVersion"],
        )
        return Resized(outcome="done", replicas=request.to, spec=wanted)

    async def _before_shrink(self, ref: ClusterRef, spec: ClusterSpec, *, to: int, replicas: int) -> tuple[str, ...]:
        """Say which nodes forbid it; when none does, write the nodes' ids on their volumes."""
        found = await self._asking(ref, spec).members()
        against = may_shrink(found, to=to, replicas=replicas)
        if against:
            return against
        await note(self._cluster, ref, [node for o, node in places(found).items() if to <= o < replicas])
        return ()

    @activity.defn(name="scaling.watch_replicas")
    async def watch_replicas(self, request: WatchReplicasRequest) -> int:
        """Wait until the StatefulSet has other replicas, and return them; 0 without one. Repeating it looks again."""
        ref = request.ref
        async with aclosing(
            follow(self._cluster, "StatefulSet", namespace=ref.namespace, labels=selector_text(ref))
        ) as changes:
            async for known in changes:
                activity.heartbeat()
                replicas = int(known[STATEFULSET]["spec"].get("replicas", 1)) if STATEFULSET in known else 0
                if replicas != request.expected:
                    return replicas
        raise AssertionError("following never ends by itself")

    @activity.defn(name="scaling.wait_gone")
    async def wait_gone(self, request: GoneRequest) -> None:
        """Wait until the pods from an ordinal on are gone. Repeating it looks again."""
        ref = request.ref
        async with aclosing(
            follow(self._cluster, "Pod", namespace=ref.namespace, labels=selector_text(ref))
        ) as changes:
            async for known in changes:
                activity.heartbeat()
                if not any(ordinal >= request.to for ordinal in _ordinals(tuple(known.values()))):
                    return

    @activity.defn(name="scaling.delete_volume")
    async def delete_volume(self, request: DeleteVolumeRequest) -> None:
        """Delete a volume claim that nothing uses. Repeating it finds it gone: its uid is named, another's is kept."""
        ref, volume = request.ref, request.volume
        claim = await self._cluster.get("PersistentVolumeClaim", volume.name, namespace=ref.namespace)
        if claim is None or claim["metadata"]["uid"] != volume.uid:
            return
        check_ours(ref, "PersistentVolumeClaim", claim)
        if not claim["metadata"].get("deletionTimestamp"):
            await self._check_unused(request, claim)
            await self._cluster.delete("PersistentVolumeClaim", volume.name, namespace=ref.namespace, uid=volume.uid)
        left = await self._cluster.get("PersistentVolumeClaim", volume.name, namespace=ref.namespace)
        if left is not None and left["metadata"]["uid"] == volume.uid:
            raise NotReadyError("scale.volume-leaving", f"{volume.name} is being deleted.", retry_after=_GONE_PAUSE)

    async def _check_unused(self, request: DeleteVolumeRequest, claim: Object) -> None:
        """Refuse unless no pod mounts it and its node is decommissioned, or surely nobody's."""
        ref, name = request.ref, request.volume.name
        found, listing = await asyncio.gather(
            self._cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace),
            self._cluster.list("Pod", namespace=ref.namespace),
        )
        spec = preflight.recorded_spec(found)
        (volume,) = volumes(ref, (claim,), listing.items)
        against = [f"pod {pod} mounts it" for pod in volume.mounted_by]
        if found is None or spec is None:
            against.append("there is no StatefulSet to tell whose it is")
        else:
            if volume.ordinal < int(found["spec"].get("replicas", 1)):
                against.append("its pod is one that stays")
            nodes = await self._asking(ref, spec).members()
            node = node_of(volume, nodes)
            if node is None and not request.is_unknown:
                against.append("nobody knows its node")
            elif node is not None and not is_spent(volume, nodes):
                against.append(f"{node.name()} is {node.membership}")
        if against:
            raise RefusedError(
                "scale.volume-in-use",
                f"Volume {name}: found that {' and '.join(against)}, expected a decommissioned node and no pod.",
                hint="It was kept.",
            )

    # --- what it looks at ---

    async def _until_healthy(self, request: ObserveRequest) -> tuple[tuple[str, ...], tuple[NodeStatus, ...]]:
        """Ask at most once in five seconds until all is well or the time is up; say what is still missing."""
        ends_at = time.monotonic() + request.seconds
        found = await self._cluster.get("StatefulSet", STATEFULSET, namespace=request.ref.namespace)
        spec = preflight.recorded_spec(found)
        if spec is None:
            return ("there is no StatefulSet",), ()
        asking = self._asking(request.ref, spec)
        while True:
            began = time.monotonic()
            still, nodes = await _waits(asking, request)
            activity.heartbeat(still)
            if not still:
                return still, nodes
            # Also before the last word: the look that follows on it asks at once.
            while (now := time.monotonic()) < began + self._poll:
                await asyncio.sleep(min(TICK_SECONDS, began + self._poll - now))
                activity.heartbeat(still)
            if now >= ends_at:
                return still, nodes

    def _asking(self, ref: ClusterRef, spec: ClusterSpec) -> Asking:
        return Asking(self._cluster, self._nodes, ref, spec)

    async def _settings(self, ref: ClusterRef, spec: ClusterSpec, facts: ScaleFacts) -> dict[str, object]:
        missing, room = await asyncio.gather(
            self._cluster.missing_rules(rights.ops_rules(self._configuration, ref)),
            preflight.room_left(self._cluster, self._configuration, ref, spec),
        )
        said: dict[str, object] = {"missing_rules": tuple(rule.sentence() for rule in missing), "room": room}
        live = [node for node in facts.nodes if node.is_live and node.ordinal is not None]
        if facts.database != "serving" or not live:
            return said
        node = NodeRef(ordinal=min(one.ordinal or 0 for one in live))
        version, preserved, zones = [await self._query(ref, spec, node, s) for s in (_VERSION, _PRESERVE, _ZONES)]
        zones = zones or await self._query(ref, spec, node, _DEFAULT_ZONE)
        return said | {
            "version": _only(version),
            "preserved": _only(preserved),
            "replication_factor": replication_factor(zones),
        }

    async def _query(
        self, ref: ClusterRef, spec: ClusterSpec, node: NodeRef, statement: str
    ) -> tuple[dict[str, str], ...]:
        """Ask one statement; nothing where the database does not know it."""
        try:
            return await self._nodes.query(ref, node, domain=spec.cluster_domain, statement=statement)
        except OpsError as error:
            if _NO_STATEMENT in error.message:
                return ()
            raise


async def _waits(asking: Asking, request: ObserveRequest) -> tuple[tuple[str, ...], tuple[NodeStatus, ...]]:
    try:
        nodes = await beating(asking.members())
    except (TransientError, NotReadyError) as error:
        return (error.message,), ()
    return waits(nodes, ordinals=request.ordinals, leaving=request.leaving), nodes


def _only(rows: tuple[dict[str, str], ...]) -> str:
    return next((value for row in rows for value in row.values()), "")


def _ordinals(items: tuple[Object, ...]) -> tuple[int, ...]:
    """Return the ordinals of the node pods that are there."""
    names = (item["metadata"]["name"] for item in items)
    found = (pods.ordinal(name) for name in names if name != CLIENT_POD and name.startswith(f"{STATEFULSET}-"))
    return tuple(sorted(ordinal for ordinal in found if ordinal is not None))
