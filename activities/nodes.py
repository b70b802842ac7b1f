"""Activities on the database's nodes: how they stand, and `init`, which must reach one of them once.

What their states mean for `init` is `domain.nodes`; the words of the CLI are `activities.clients.roach`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity

from activities.applying import check_ours
from activities.manifests.labels import SPEC
from activities.payloads import ClusterRequest, InitOutcome, InitRequest, NodesAnswers
from activities.ports import ClusterPort, NodePort, Object
from activities.preflight import recorded_spec
from domain.errors import BrokenError, NotReadyError
from domain.model import STATEFULSET, ClusterRef, ClusterSpec, NodeRef
from domain.nodes import NodeAnswer, decide_init


class NodeActivities:
    """Activities on nodes."""

    def __init__(self, nodes: NodePort, cluster: ClusterPort) -> None:
        self._nodes = nodes
        self._cluster = cluster

    @activity.defn(name="nodes.observe")
    async def observe(self, request: ClusterRequest) -> NodesAnswers:
        """Ask every node how it stands, all at once. Repeating it only asks again."""
        return NodesAnswers(answers=await self._ask_all(request.ref, request.spec))

    @activity.defn(name="nodes.record_target")
    async def record_target(self, request: InitRequest) -> None:
        """Record where `init` goes, before it goes. Repeating it finds the same target recorded."""
        found, spec = await self._recorded(request.ref)
        if spec.init_target == request.target:
            return
        _check_target(spec, request)
        written = spec.model_copy(update={"init_target": request.target}).model_dump_json()
        await self._cluster.annotate(
            "StatefulSet",
            STATEFULSET,
            namespace=request.ref.namespace,
            values={SPEC: written},
            version=found["metadata"]["resourceVersion"],
        )

    @activity.defn(name="nodes.init")
    async def init(self, request: InitRequest) -> InitOutcome:
        """Send `init` to the recorded target. Repeating it looks first, and "already initialized" is an answer."""
        _, spec = await self._recorded(request.ref)
        if spec.init_target != request.target:
            _check_target(spec, request)
            raise BrokenError("init.no-target", "Found no recorded target, expected one before init is sent.")
        decision = decide_init(await self._ask_all(request.ref, request.spec), nodes=request.spec.nodes)
        if decision.action in ("done", "mixed"):
            return InitOutcome(outcome="already")
        if decision.action == "wait":
            raise NotReadyError(
                "init.nodes-silent", f"init is not sent: {decision.sentence}.", retry_after=timedelta(seconds=2)
            )
        target = NodeRef(ordinal=request.target)
        return InitOutcome(
            outcome=await self._nodes.initialize(request.ref, target, domain=request.spec.cluster_domain)
        )

    async def _ask_all(self, ref: ClusterRef, spec: ClusterSpec) -> tuple[NodeAnswer, ...]:
        return tuple(
            await asyncio.gather(
                *(
                    self._nodes.ask(ref, NodeRef(ordinal=number), domain=spec.cluster_domain)
                    for number in range(spec.nodes)
                )
            )
        )

    async def _recorded(self, ref: ClusterRef) -> tuple[Object, ClusterSpec]:
        found = await self._cluster.get("StatefulSet", STATEFULSET, namespace=ref.namespace)
        spec = recorded_spec(found)
        if found is None or spec is None:
            raise BrokenError("deploy.no-record", f"StatefulSet/{STATEFULSET}: found no recorded spec, expected one.")
        check_ours(ref, "StatefulSet", found)
        return found, spec


def _check_target(spec: ClusterSpec, request: InitRequest) -> None:
    if spec.init_target not in (None, request.target):
        raise BrokenError(
            "init.other-target",
            f"init: found target {spec.init_target} recorded, expected {request.target}.",
            hint="init is repeated against the recorded node only: a second one makes a second cluster.",
        )
