"""The activities of a drill under their real names, acting on the fake world.

It keeps what must never happen: a second pod is not deleted, and none while the cluster could not bear it. Everything
else that acts on the world is `acting`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from temporalio import activity

from activities.drill_payloads import BackRequest, DrillAbout, Killed, KillRequest, PodBack
from domain.drill import DrillFacts, Probes, plan_drill
from domain.model import CLIENT_POD, NodeRef
from domain.preflight import LiveSet
from tests.workflows.database import Claim
from tests.workflows.world import Pod, World


class Drilling:
    """Activities of ops about a node that is killed on purpose."""

    def __init__(self, world: World) -> None:
        self.world = world

    @activity.defn(name="drilling.observe")
    async def observe(self, request: DrillAbout) -> DrillFacts:
        return await self.world.act("drilling.observe", lambda: self._facts(request.node))

    def _facts(self, target: NodeRef) -> DrillFacts:
        state, spec = self.world.state, self.world.state.spec
        ordinals = sorted(int(name.rpartition("-")[2]) for name in state.pods if name != CLIENT_POD)
        pod = state.pods.get(target.pod)
        facts = DrillFacts(
            target=target,
            recorded=spec,
            live=spec
            and LiveSet(
                replicas=len(ordinals),
                ready=len(state.cluster_ids),
                database_image=spec.database_image,
                agent_image=spec.agent_image,
                storage=spec.storage,
            ),
            nodes=tuple(member.status() for member in sorted(state.members, key=lambda m: m.id)),
            ready=tuple(ordinal for ordinal in ordinals if ordinal in state.cluster_ids),
            pod_uid=pod.uid if pod else "",
            pod_image=spec.database_image if spec else "",
            volume=f"datadir-{target.pod} (pv-{target.ordinal})" if pod else "",
            fewest_copies=3,
            most_copies=5,
        )
        return facts.model_copy(update=self.world.facts)

    @activity.defn(name="drilling.kill")
    async def kill(self, request: KillRequest) -> Killed:
        def effect() -> Killed:
            state, name = self.world.state, request.node.pod
            if state.pods[name].uid != request.uid:
                return Killed(outcome="already", at=datetime.now(UTC))
            if not plan_drill(self._facts(request.node)).verdict.is_yes:
                raise self.world.refuse(f"{name} is deleted while the cluster cannot bear it")
            self.world.did(f"killed {name}")
            now = datetime.now(UTC)
            state.pods[name] = Pod(name=name, uid=f"{request.uid}-again", made_at=now, has_certificate=True)
            state.cluster_ids.pop(request.node.ordinal)
            for member in state.members:
                if member.ordinal == request.node.ordinal:
                    member.is_live = False
                    state.claims[request.node.ordinal] = Claim(ordinal=request.node.ordinal, node_id=member.id)
            return Killed(outcome="deleted", at=now - self.world.killed_ago)

        return await self.world.act("drilling.kill", effect)

    @activity.defn(name="drilling.wait_back")
    async def wait_back(self, request: BackRequest) -> PodBack:
        def effect() -> PodBack:
            self.world.join()
            probes = Probes(asked=request.seen.probes.asked + 8, answered=self.world.answered, longest_gap=1.25)
            seen = request.seen.model_copy(update={"gone_seconds": 2.0, "ready_seconds": 8.0, "probes": probes})
            back = PodBack(is_ready=True, seen=seen, volume=f"datadir-{request.node.pod} (pv-{request.node.ordinal})")
            return back.model_copy(update=self.world.back)

        if self.world.never_back:
            seen = request.seen.model_copy(update={"probes": Probes(asked=60, answered=60, longest_gap=1.1)})
            sentence = f"{request.node.pod} finds no place: no worker has room"
            return await self.world.act(
                "drilling.wait_back", lambda: PodBack(is_ready=False, seen=seen, sentence=sentence)
            )
        while "drilling.wait_back" in self.world.held:
            self.world.waiting.add("drilling.wait_back")
            activity.heartbeat()
            await asyncio.sleep(0.02)
        return await self.world.act("drilling.wait_back", effect)
