"""Activities of a drill: its facts, the one deletion, and the wait until what was deleted is back.

What may be deleted is decided by `domain.drill`; that the whole cluster is well again is `scaling.observe`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime

from temporalio import activity

from activities import pods, preflight
from activities.applying import check_ours
from activities.asking import Asking, ready_nodes
from activities.csr_object import CsrObject
from activities.drill_payloads import BackRequest, DrillAbout, Killed, KillRequest, PodBack, Seen
from activities.manifests.labels import selector_text
from activities.manifests.statefulset import CLAIM, DATABASE_CONTAINER
from activities.patience import Patience
from activities.ports import ClusterPort, NodePort, Object
from activities.probing import Probing
from activities.waiting import beating, follow
from domain.drill import DrillFacts, plan_drill
from domain.errors import NotReadyError, OpsError, RefusedError, TransientError
from domain.health import fewest_copies, replication_factor
from domain.model import STATEFULSET, ClusterRef, ClusterSpec, NodeRef

#: SQL is asked so often; a gap shorter than this is not seen.
PROBE_SECONDS = 1.0
Rows = tuple[dict[str, str], ...]
_ZONES = ("SHOW ALL ZONE CONFIGURATIONS", "SHOW ZONE CONFIGURATION FROM RANGE default")


def _now() -> datetime:
    return datetime.now(UTC)


class DrillingActivities:
    """Activities of a drill."""

    def __init__(
        self,
        cluster: ClusterPort,
        nodes: NodePort,
        *,
        pause: float = PROBE_SECONDS,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._pause = pause
        self._clock = clock

    @activity.defn(name="drilling.observe")
    async def observe(self, request: DrillAbout) -> DrillFacts:
        """Gather the facts. Repeating it only reads again."""
        return await self._facts(request.ref, request.node)

    @activity.defn(name="drilling.kill")
    async def kill(self, request: KillRequest) -> Killed:
        """Delete the pod of the recorded uid. Repeating it never deletes a second one: the successor has another uid.

        The cluster is looked at once more just before, since hours may lie between the plan and this.
        """
        ref, name = request.ref, request.node.pod
        pod = await self._cluster.get("Pod", name, namespace=ref.namespace)
        if pod is None or pod["metadata"]["uid"] != request.uid or pods.is_leaving(pod):
            if activity.info().attempt == 1:
                raise RefusedError(
                    "drill.pod-changed",
                    f"{name}: found that somebody else has deleted it meanwhile, expected pod {request.uid[:8]}.",
                    hint="Nothing was deleted. Ask again once all is well.",
                )
            return Killed(outcome="already", at=self._clock())
        check_ours(ref, "Pod", pod)
        plan_drill(await self._facts(ref, request.node)).verdict.require(
            "drill.refused", f"{name} is not deleted", hint="Nothing was changed."
        )
        await self._cluster.delete("Pod", name, namespace=ref.namespace, uid=request.uid)
        return Killed(outcome="deleted", at=self._clock())

    @activity.defn(name="drilling.wait_back")
    async def wait_back(self, request: BackRequest) -> PodBack:
        """Follow the pod until a successor is ready, and ask SQL meanwhile. Repeating it looks again and counts on."""
        seen = self._begin(request)
        probing = Probing(
            self._nodes,
            request.ref,
            domain=request.spec.cluster_domain,
            through=request.others,
            probes=seen.probes,
            pause=self._pause,
            clock=self._clock,
        )
        ends_at, patience, name = time.monotonic() + request.seconds, Patience(), request.node.pod
        labels = selector_text(request.ref)
        async with (
            probing.asking() as check,
            aclosing(follow(self._cluster, "Pod", namespace=request.ref.namespace, labels=labels)) as changes,
        ):
            async for known in changes:
                check()
                pod = known.get(name)
                seen = self._measure(seen.model_copy(update={"probes": probing.probes}), pod, request)
                activity.heartbeat(seen)
                if seen.ready_seconds is not None or time.monotonic() >= ends_at:
                    break
                if pod is not None and pod["metadata"]["uid"] != request.uid:
                    patience.bear([pod])
        return await self._answer(request, known.get(name), seen)

    # --- what it looks at ---

    def _begin(self, request: BackRequest) -> Seen:
        """Go on from what an attempt before this one has counted; the time between them is nobody's gap."""
        info, now = activity.info(), self._clock()
        if info.heartbeat_details:
            seen = Seen.model_validate(info.heartbeat_details[0])
            return seen.model_copy(update={"probes": seen.probes.resumed(now)})
        if info.attempt > 1:
            return request.seen.model_copy(update={"probes": request.seen.probes.resumed(now)})
        return request.seen

    def _measure(self, seen: Seen, pod: Object | None, request: BackRequest) -> Seen:
        is_new = pod is not None and pod["metadata"]["uid"] != request.uid
        since, changes = (self._clock() - request.killed_at).total_seconds(), dict[str, float]()
        if seen.gone_seconds is None and (pod is None or is_new):
            changes["gone_seconds"] = round(since, 1)
        if is_new and pod is not None and pods.is_ready(pod):
            changes["ready_seconds"] = round(since, 1)
        return seen.model_copy(update=changes)

    async def _answer(self, request: BackRequest, pod: Object | None, seen: Seen) -> PodBack:
        """Say how it stands, with what the successor has asked for."""
        uid = pod["metadata"]["uid"] if pod else ""
        listing = await self._cluster.list("CertificateSigningRequest", labels=selector_text(request.ref))
        parsed = [CsrObject.parse(item) for item in listing.items]
        asked = tuple(sorted(csr.name for csr in parsed if csr.pod_uid == uid and uid not in ("", request.uid)))
        is_ready = seen.ready_seconds is not None
        return PodBack(
            is_ready=is_ready,
            seen=seen,
            sentence="" if is_ready else _missing(request, pod, asked),
            volume=await self._volume(request.ref, request.node),
            asked=asked,
        )

    async def _facts(self, ref: ClusterRef, target: NodeRef) -> DrillFacts:
        found, pod, ready, volume = await asyncio.gather(
            self._cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace),
            self._cluster.get("Pod", target.pod, namespace=ref.namespace),
            self._ready(ref),
            self._volume(ref, target),
        )
        if found is None:
            return DrillFacts(target=target)
        check_ours(ref, "StatefulSet", found)
        spec = preflight.recorded_spec(found)
        is_there = pod is not None and not pods.is_leaving(pod)
        facts = DrillFacts(
            target=target,
            recorded=spec,
            live=preflight.live_set(found),
            ready=ready,
            pod_uid=pod["metadata"]["uid"] if pod and is_there else "",
            pod_image=pods.image(pod, DATABASE_CONTAINER) if pod else "",
            volume=volume,
        )
        if spec is None:
            return facts
        try:
            facts = facts.model_copy(
                update={"nodes": await beating(Asking(self._cluster, self._nodes, ref, spec).members())}
            )
        except (TransientError, NotReadyError) as error:
            is_waiting = await self._waits_for_init(ref, spec)
            state = {"database": "waiting-for-init" if is_waiting else "silent", "detail": error.message}
            return facts.model_copy(update=state)
        return facts.model_copy(update=await self._by_sql(ref, spec, facts.others))

    async def _ready(self, ref: ClusterRef) -> tuple[int, ...]:
        listing = await self._cluster.list("Pod", namespace=ref.namespace, labels=selector_text(ref))
        is_ready = {pod["metadata"]["name"]: pods.is_ready(pod) for pod in listing.items}
        ordinals = (pods.ordinal(name) for name, ready in is_ready.items() if ready)
        return tuple(sorted(o for o in ordinals if o is not None and is_ready.get(NodeRef(ordinal=o).pod)))

    async def _volume(self, ref: ClusterRef, target: NodeRef) -> str:
        """Name the claim and the volume that it is bound to; nothing while it is not."""
        name = f"{CLAIM}-{target.pod}"
        claim = await self._cluster.get("PersistentVolumeClaim", name, namespace=ref.namespace)
        bound = (claim or {}).get("spec", {}).get("volumeName", "")
        return f"{name} ({bound})" if bound else ""

    async def _waits_for_init(self, ref: ClusterRef, spec: ClusterSpec) -> bool:
        for node in (await ready_nodes(self._cluster, ref))[:1]:
            try:
                return (await self._nodes.ask(ref, node, domain=spec.cluster_domain)).state == "waiting-for-init"
            except NotReadyError:
                return False
        return False

    async def _by_sql(self, ref: ClusterRef, spec: ClusterSpec, others: tuple[int, ...]) -> dict[str, object]:
        """Ask each of the other nodes once, as the probes will, and one of them for the copies of data."""
        if not others:
            return {"sql": "no other node is ready"}
        try:
            await beating(self._all_answer(ref, spec, others))
        except OpsError as error:
            return {"sql": error.message}
        for statement in _ZONES:
            try:
                zones = await beating(self._query(ref, spec, others[0], statement))
            except OpsError:
                continue  # a release that does not know the first statement knows the second
            return {"fewest_copies": fewest_copies(zones), "most_copies": replication_factor(zones)}
        return {}

    async def _all_answer(self, ref: ClusterRef, spec: ClusterSpec, others: tuple[int, ...]) -> None:
        await asyncio.gather(*(self._query(ref, spec, ordinal, "SELECT 1") for ordinal in others))

    async def _query(self, ref: ClusterRef, spec: ClusterSpec, ordinal: int, statement: str) -> Rows:
        node = NodeRef(ordinal=ordinal)
        return await self._nodes.query(ref, node, domain=spec.cluster_domain, statement=statement)


def _missing(request: BackRequest, pod: Object | None, asked: tuple[str, ...]) -> str:
    """Say what is waited for."""
    name = request.node.pod
    if pod is None:
        return f"{name} is gone and Kubernetes has not made another yet"
    if pod["metadata"]["uid"] == request.uid:
        return f"{name} is still ending"
    trouble = pods.trouble(pod)
    if trouble is not None:
        return trouble.sentence
    if asked and not pods.has_certificate(pod):
        return f"{name} has asked for a certificate again, {', '.join(asked)}: people decide on its card"
    return f"{name} is started again and {'runs, but is not ready' if pods.is_running(pod) else 'does not run yet'}"
