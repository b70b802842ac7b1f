"""Activities of an upgrade, a roll back and a finalization: facts, the guard, image and partition, a pod that is back.

What the facts mean and what comes next is `domain.upgrade`. Pods are restarted by their StatefulSet; the one deletion
here is of a pod that is not ready and that its template has left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import aclosing
from datetime import timedelta

from temporalio import activity

from activities import active_version, images, pods, preflight, rolling
from activities.applying import check_ours
from activities.asking import Asking
from activities.manifests import rights
from activities.manifests.client_pod import CLIENT_CONTAINER
from activities.manifests.labels import SPEC, selector_text
from activities.manifests.statefulset import DATABASE_CONTAINER
from activities.patience import GRACE_SECONDS, Patience
from activities.ports import ClusterPort, NodePort, Object
from activities.upgrade_payloads import (
    ActiveVersion,
    Back,
    BackRequest,
    FollowVersionRequest,
    GuardRequest,
    Rolled,
    RollRequest,
    UpgradeObserved,
    UpgradeObserveRequest,
    UpgradeTerms,
)
from activities.waiting import TICK_SECONDS, beating, follow
from domain.configuration import Configuration
from domain.errors import BrokenError, NotReadyError, RefusedError, TransientError
from domain.finalization import held_by
from domain.health import places
from domain.model import CLIENT_POD, STATEFULSET, ClusterRef, ClusterSpec, NodeRef
from domain.releases import newest, series_of
from domain.upgrade import UpgradeFacts
from domain.upgrade_facts import WorkerImage

#: The database's own rows are renewed every ten seconds; it is asked at most this often.
POLL_SECONDS = 5.0
#: The kubelet tries to pull or start again after 10 and then 20 s, so that this holds two more tries.
STUCK_SECONDS = 30.0
#: A container that ended so often has been given the same two tries.
_CRASHES = 3
#: A controller that runs sees a change within a fraction of this.
_PAUSE = timedelta(seconds=1)
#: Kubernetes' own, where a template names none.
_DEFAULT_GRACE = 30


class UpgradingActivities:
    """Activities of an upgrade, a roll back and a finalization."""

    def __init__(
        self,
        cluster: ClusterPort,
        nodes: NodePort,
        configuration: Configuration,
        *,
        poll: float = POLL_SECONDS,
        stuck: float = STUCK_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._configuration = configuration
        self._poll = poll
        self._stuck = stuck

    @activity.defn(name="upgrading.observe")
    async def observe(self, request: UpgradeObserveRequest) -> UpgradeObserved:
        """Gather the facts, of the template as its controller sees it too. Repeating it only reads again."""
        ref, rules = request.ref, rights.ops_rules(self._configuration, request.ref)
        facts, missing = await asyncio.gather(
            self.facts(ref, version=request.version), self._cluster.missing_rules(rules)
        )
        said = {"missing_rules": tuple(rule.sentence() for rule in missing), "newest": newest()}
        facts = facts.model_copy(update=said)
        return UpgradeObserved(facts=facts, terms=terms_of(self._configuration, ref))

    async def facts(self, ref: ClusterRef, *, version: str = "") -> UpgradeFacts:
        """Look at everything but our own rights.

        Raises:
            NotReadyError: `upgrade.not-seen`: the controller has not seen the last change.
            RefusedError: `deploy.not-ours`.
        """
        found, listing = await asyncio.gather(
            self._cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace),
            self._cluster.list("Pod", namespace=ref.namespace, labels=selector_text(ref)),
        )
        if found is None:
            return UpgradeFacts()
        check_ours(ref, "StatefulSet", found)
        spec, revision = preflight.recorded_spec(found), rolling.newest_revision(found)
        if not revision:
            raise NotReadyError(
                "upgrade.not-seen",
                f"StatefulSet/{STATEFULSET}: found that its controller has not seen the last change, expected it to.",
                retry_after=_PAUSE,
            )
        node_pods = rolling.node_pods(listing.items)
        client = next((pod for pod in listing.items if pod["metadata"]["name"] == CLIENT_POD), None)
        said: dict[str, object] = {
            "recorded": spec,
            "live": preflight.live_set(found),
            "pods": tuple(rolling.pod_run(pod, ordinal, revision=revision) for ordinal, pod in node_pods.items()),
            "client_image": images.client_image(client, container=CLIENT_CONTAINER),
            "pull_policy": images.pull_policy(found),
            "grace_seconds": found["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE),
        }
        if spec is not None:
            asking = self._asking(ref, spec)
            said |= await asking.database()
            if "nodes" in said:
                said |= await active_version.settings(asking)
            if version:
                said["workers"] = await self._workers(node_pods.values(), image=spec.image_of(version))
        return UpgradeFacts.model_validate(said)

    @activity.defn(name="upgrading.guard")
    async def guard(self, request: GuardRequest) -> None:
        """Preserve the downgrade to the active version, or clear that. Repeating it finds it as wanted."""
        await active_version.preserve(self._asking(request.ref, request.spec), request.value)

    @activity.defn(name="upgrading.finalize")
    async def finalize(self, request: GuardRequest) -> None:
        """Clear what preserves the downgrade; the database then migrates, for good. Repeating it finds it cleared.

        It looks at the nodes once more just before, since people took their time to decide.
        """
        asking = self._asking(request.ref, request.spec)
        against = held_by(await beating(asking.members()), preserved="", wanted=series_of(request.spec.version))
        if against:
            raise RefusedError(
                "upgrade.not-healthy",
                f"Nothing is made final: found that {'; '.join(against)}, expected every node live on "
                f"{request.spec.version}.",
                hint="Nothing was changed. Mend it, then /crdb finalize.",
            )
        await active_version.preserve(asking, "")

    @activity.defn(name="upgrading.roll")
    async def roll(self, request: RollRequest) -> Rolled:
        """Write image, partition and record in one go. Repeating it finds them; what others wrote is left and told.

        Just before, the database is asked once more: of the others each has to live, and one pod alone is restarted.
        """
        ref = request.ref
        found, spec = await self._recorded(ref)
        live, images, image = preflight.live_set(found), rolling.database_images(found), spec.image_of(request.version)
        wanted = spec.model_copy(
            update={
                "version": request.version,
                "database_image": image,
                "upgraded_from": request.upgraded_from,
            }
        )
        running = {*images.containers.values(), *images.init_containers.values()}
        if (running, live.partition, spec) == ({image}, request.partition, wanted):
            return Rolled(outcome="already", spec=wanted)
        known = {image, spec.image_of(request.found_version)}
        if live.database_image not in known or live.partition not in (request.partition, request.found):
            said = (
                f"StatefulSet/{STATEFULSET}: found {live.database_image} from pod {live.partition} on, expected "
                f"{spec.image_of(request.found_version)} from pod {request.found} on; somebody else changed it"
            )
            return Rolled(outcome="changed", sentence=said, spec=spec)
        await self._before_restart(ref, spec, found, image=image, partition=request.partition)
        await self._cluster.roll(
            STATEFULSET,
            namespace=ref.namespace,
            images=dict.fromkeys(images.containers, image),
            init_images=dict.fromkeys(images.init_containers, image),
            partition=request.partition,
            values={SPEC: wanted.model_dump_json()},
            version=found["metadata"]["resourceVersion"],
        )
        return Rolled(outcome="done", spec=wanted)

    @activity.defn(name="upgrading.wait_back")
    async def wait_back(self, request: BackRequest) -> Back:
        """Follow one pod until it is back, or say why it is not. Repeating it looks again.

        A pod that is not ready and that the template has left behind is deleted, by uid, so never a second time: with
        OrderedReady the controller waits for it for ever (with Parallel it is quicker than this).
        """
        ref, node = request.ref, NodeRef(ordinal=request.ordinal)
        image, asking = request.spec.image_of(request.version), self._asking(ref, request.spec)
        ends_at, asked_at = time.monotonic() + request.seconds, float("-inf")
        grace = {**GRACE_SECONDS, "image": self._stuck, "config": self._stuck}
        patience, behind = Patience(grace=grace, crashes=_CRASHES), _Behind()
        labels, node_said = selector_text(ref), f"{node.pod}: the database was not asked yet"
        tick = min(TICK_SECONDS, self._poll)
        async with aclosing(follow(self._cluster, "Pod", namespace=ref.namespace, labels=labels, tick=tick)) as changes:
            async for known in changes:
                pod = known.get(node.pod)
                said = rolling.missing(pod, name=node.pod, image=image)
                if not said:
                    if time.monotonic() - asked_at >= self._poll:
                        asked_at = time.monotonic()
                        node_said = await _node_missing(asking, request)
                        if not node_said:
                            return await self._back(request, "back")
                    said = node_said
                activity.heartbeat(said)
                seconds = behind.seconds(pod, image=image)
                is_left = seconds is not None and seconds >= self._stuck
                if is_left and await self._replace(request, behind.uid):
                    continue
                if self._is_stuck(patience, pod) and (seconds is None or is_left):
                    return await self._back(request, "stuck", said)
                if time.monotonic() >= ends_at:
                    return await self._back(request, "stuck", said)
        raise AssertionError("a watch that is followed does not end by itself")

    @activity.defn(name="upgrading.follow_version")
    async def follow_version(self, request: FollowVersionRequest) -> ActiveVersion:
        """Follow how the database migrates, for a while. Repeating it only reads again."""
        began, asking = time.monotonic(), self._asking(request.ref, request.spec)
        while True:
            asked_at = time.monotonic()
            is_over = asked_at - began >= request.at_most
            try:
                active = await asking.value(active_version.VERSION)
                is_news = request.known not in ("", active)
                if active == request.wanted or is_news or is_over:
                    return await active_version.seen(asking, active, wanted=request.wanted)
                said = active
            except (TransientError, NotReadyError) as error:
                if is_over:
                    raise
                said = error.message
            while (now := time.monotonic()) - asked_at < self._poll:
                activity.heartbeat(said)
                await asyncio.sleep(min(TICK_SECONDS, asked_at + self._poll - now))

    # --- what it looks at ---

    async def _workers(self, node_pods: Iterable[Object], *, image: str) -> tuple[WorkerImage, ...]:
        names = images.workers_of(node_pods)
        found = await asyncio.gather(*(self._cluster.get("Node", name) for name in names))
        return tuple(images.on_worker(node, image=image) for node in found if node is not None)

    async def _recorded(self, ref: ClusterRef) -> tuple[Object, ClusterSpec]:
        found = await self._cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace)
        spec = preflight.recorded_spec(found)
        if found is None or spec is None:
            raise BrokenError("deploy.no-record", f"StatefulSet/{STATEFULSET}: found no recorded spec, expected one.")
        check_ours(ref, "StatefulSet", found)
        return found, spec

    def _asking(self, ref: ClusterRef, spec: ClusterSpec) -> Asking:
        return Asking(self._cluster, self._nodes, ref, spec)

    async def _before_restart(
        self, ref: ClusterRef, spec: ClusterSpec, found: Object, *, image: str, partition: int
    ) -> None:
        """Refuse when more than one pod would be restarted, or one while another node does not live."""
        listing = await self._cluster.list("Pod", namespace=ref.namespace, labels=selector_text(ref))
        going = rolling.restarts(rolling.node_pods(listing.items), found, image=image, partition=partition)
        if not going:
            return
        where = places(await beating(self._asking(ref, spec).members()))
        others = (ordinal for ordinal in range(int(found["spec"].get("replicas", 1))) if ordinal not in going)
        against = [
            f"{where[o].name()} does not live" if o in where else f"{NodeRef(ordinal=o).pod} has no node"
            for o in others
            if o not in where or not where[o].is_live
        ]
        if len(going) > 1:
            names = " and ".join(NodeRef(ordinal=ordinal).pod for ordinal in going)
            against.append(f"{names} would be restarted one right after the other")
        if against:
            raise RefusedError(
                "upgrade.not-healthy",
                f"{NodeRef(ordinal=going[-1]).pod} is not restarted: found that {'; '.join(against)}, expected one pod "
                "to restart and every other node live.",
                hint="Nothing was changed. Look at /crdb status, then ask again.",
            )

    def _is_stuck(self, patience: Patience, pod: Object | None) -> bool:
        try:
            patience.bear(() if pod is None or pods.is_leaving(pod) else (pod,))
        except BrokenError:
            return True
        return False

    async def _replace(self, request: BackRequest, uid: str) -> bool:
        """Delete a pod that is still not ready, if its template has left it behind; say whether it is on its way.

        Also below the partition, from where it is made anew as it was before: a roll back frees the pod that is stuck
        first, and leaves those above it as they run.
        """
        ref, name = request.ref, NodeRef(ordinal=request.ordinal).pod
        found, _ = await self._recorded(ref)
        pod = await self._cluster.get("Pod", name, namespace=ref.namespace)
        if pod is None or pod["metadata"]["uid"] != uid or pods.is_leaving(pod):
            return True
        if pods.is_ready(pod) or not rolling.is_left_behind(pod, found, ordinal=request.ordinal):
            return False
        check_ours(ref, "Pod", pod)
        activity.logger.info("pod deleted that its template left behind", extra={"pod": name})
        await self._cluster.delete("Pod", name, namespace=ref.namespace, uid=uid)
        return True

    async def _back(self, request: BackRequest, outcome: str, said: str = "") -> Back:
        """Answer with the pod as it is now."""
        namespace, name = request.ref.namespace, NodeRef(ordinal=request.ordinal).pod
        found, pod = await asyncio.gather(
            self._cluster.get("StatefulSet", STATEFULSET, namespace=namespace),
            self._cluster.get("Pod", name, namespace=namespace),
        )
        revision = rolling.newest_revision(found) if found else ""
        run = rolling.pod_run(pod, request.ordinal, revision=revision)
        return Back.model_validate({"outcome": outcome, "pod": run, "sentence": said})


class _Behind:
    """Since when one and the same pod, and not one before it, is not ready and runs another image than is wanted."""

    def __init__(self) -> None:
        self.uid, self._at = "", 0.0

    def seconds(self, pod: Object | None, *, image: str) -> float | None:
        """Return for how long so far; None when it is not so."""
        is_so = pod is not None and not (
            pods.is_ready(pod) or pods.is_leaving(pod) or pods.image(pod, DATABASE_CONTAINER) == image
        )
        uid = pod["metadata"]["uid"] if pod is not None and is_so else ""
        if uid != self.uid:
            self.uid, self._at = uid, time.monotonic()
        return time.monotonic() - self._at if uid else None


async def _node_missing(asking: Asking, request: BackRequest) -> str:
    """Say what the database has against a pod's node being back; "" when it lives and runs the release."""
    pod = NodeRef(ordinal=request.ordinal).pod
    try:
        node = places(await beating(asking.members())).get(request.ordinal)
    except (TransientError, NotReadyError) as error:
        return error.message
    if node is None:
        return f"{pod} has not joined"
    if not node.is_live:
        return f"{node.name()} does not live yet"
    if node.build != request.version:
        return f"{node.name()} runs build {node.build or 'unknown'}, expected {request.version}"
    return ""


def terms_of(configuration: Configuration, ref: ClusterRef) -> UpgradeTerms:
    """Read what `crdbops.toml` says of upgrades of this cluster; its minutes and hours as seconds."""
    rules, chosen = configuration.approvals, configuration.clusters[ref.cluster].upgrade
    return UpgradeTerms(
        rule=rules.upgrade,
        finalize_rule=rules.finalize,
        asks_after_canary=chosen.ask_after_canary,
        soak=chosen.soak_minutes * 60,
        gate_pause=chosen.gate_pause_seconds,
        observe=chosen.observe_hours * 3600,
        pause=chosen.pause_hours * 3600,
    )
