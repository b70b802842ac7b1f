"""The activities of a scale under their real names, acting on the fake world.

It keeps what must never happen: a pod with replicas is not removed, a volume of a member is not deleted, a
decommissioned node is not taken back. Everything else that acts on the world is `acting`.
"""

from __future__ import annotations

import asyncio

from temporalio import activity

from activities.scale_payloads import (
    DeleteVolumeRequest,
    FollowRequest,
    GoneRequest,
    Members,
    MembersRequest,
    Observed,
    ObserveRequest,
    Resized,
    ResizeRequest,
    WatchReplicasRequest,
)
from activities.waiting import beating
from domain.health import NodeStatus, waits
from domain.model import CLIENT_POD, NodeRef
from domain.preflight import LiveSet
from domain.scale import ScaleFacts, Volume, may_shrink
from tests.workflows.database import Claim, Member
from tests.workflows.world import World


class Scaling:
    """Activities of ops about nodes that come and leave."""

    def __init__(self, world: World) -> None:
        self.world = world

    @activity.defn(name="scaling.observe")
    async def observe(self, request: ObserveRequest) -> Observed:
        def effect() -> Observed:
            facts = self._facts()
            self.world.short = few = self.world.few.pop(0) if request.ordinals and self.world.few else 0
            if few and facts.nodes:
                facts = facts.model_copy(update={"nodes": (_short_of(facts.nodes[0], few), *facts.nodes[1:])})
            still = waits(facts.nodes, ordinals=request.ordinals, leaving=request.leaving)
            return Observed(facts=facts, waits=still if request.ordinals else ())

        if request.ordinals:
            await self._while_held("scaling.healthy")
        return await self.world.act("scaling.observe", effect)

    def _facts(self) -> ScaleFacts:
        state, spec = self.world.state, self.world.state.spec
        facts = ScaleFacts(
            recorded=spec,
            live=spec
            and LiveSet(
                replicas=len(self._ordinals()),
                ready=len(state.cluster_ids),
                database_image=spec.database_image,
                agent_image=spec.agent_image,
                storage=spec.storage,
            ),
            pods=tuple(self._ordinals()),
            volumes=tuple(self._volume(claim) for _, claim in sorted(state.claims.items())),
            nodes=tuple(member.status() for member in sorted(state.members, key=lambda m: m.id)),
            replication_factor=3,
            version=state.active,
            preserved=state.preserved,
            max_nodes=9,
        )
        return facts.model_copy(update=self.world.facts)

    def _ordinals(self) -> list[int]:
        names = (name for name in self.world.state.pods if name != CLIENT_POD)
        return sorted(int(name.rpartition("-")[2]) for name in names)

    def _volume(self, claim: Claim) -> Volume:
        return Volume(ordinal=claim.ordinal, name=claim.name, uid=f"uid-{claim.name}", node_id=claim.node_id)

    @activity.defn(name="scaling.resize")
    async def resize(self, request: ResizeRequest) -> Resized:
        def effect() -> Resized:
            spec = self.world.state.spec
            assert spec is not None
            replicas = len(self._ordinals())
            wanted = spec.model_copy(update={"nodes": request.to})
            if (replicas, spec.nodes) == (request.to, request.to):
                return Resized(outcome="already", replicas=replicas, spec=wanted)
            if replicas not in (request.found, request.to):
                return Resized(outcome="changed", replicas=replicas, spec=spec)
            if request.to < replicas and may_shrink(self._facts().nodes, to=request.to, replicas=replicas):
                return Resized(outcome="held", replicas=replicas, spec=spec, sentence="a node is a member")
            self.world.state.spec = wanted
            self.world.did(f"resized {replicas} to {request.to}")
            if request.to < replicas:
                if request.to < 3:
                    raise self.world.refuse(f"{request.to} nodes")
                self.remove_pods(request.to)
            else:
                self.world.make_pods(wanted)
            return Resized(outcome="done", replicas=request.to, spec=wanted)

        return await self.world.act("scaling.resize", effect)

    def remove_pods(self, to: int) -> None:
        """The pods from an ordinal on go, with whatever is on them; their volumes stay."""
        state = self.world.state
        for ordinal in [o for o in self._ordinals() if o >= to]:
            del state.pods[NodeRef(ordinal=ordinal).pod]
            state.cluster_ids.pop(ordinal, None)
            here = [member for member in state.members if member.ordinal == ordinal]
            state.claims[ordinal] = Claim(ordinal=ordinal, node_id=here[-1].id if here else None)
            for member in here:
                member.is_live = False

    @activity.defn(name="scaling.watch_replicas")
    async def watch_replicas(self, request: WatchReplicasRequest) -> int:
        await self.world.act("scaling.watch_replicas", lambda: None)
        while len(self._ordinals()) == request.expected:
            activity.heartbeat()
            await asyncio.sleep(0.02)
        return len(self._ordinals())

    @activity.defn(name="scaling.wait_gone")
    async def wait_gone(self, request: GoneRequest) -> None:
        def effect() -> None:
            if any(ordinal >= request.to for ordinal in self._ordinals()):
                raise self.world.refuse("pods are still there")

        await self.world.act("scaling.wait_gone", effect)

    @activity.defn(name="scaling.delete_volume")
    async def delete_volume(self, request: DeleteVolumeRequest) -> None:
        def effect() -> None:
            claim = self.world.state.claims.get(request.volume.ordinal)
            if claim is None:
                return
            node = next((m for m in self.world.state.members if m.id == claim.node_id), None)
            if node is not None and node.membership != "decommissioned":
                raise self.world.refuse(f"{claim.name} of a member is deleted")
            del self.world.state.claims[request.volume.ordinal]
            self.world.did(f"deleted {claim.name}")

        await self.world.act("scaling.delete_volume", effect)

    # --- members ---

    @activity.defn(name="nodes.try_decommission")
    async def try_decommission(self, request: MembersRequest) -> Members:
        return await self.world.act("nodes.try_decommission", lambda: self._answer(request.ids, blocked=True))

    @activity.defn(name="nodes.decommission")
    async def decommission(self, request: MembersRequest) -> Members:
        def effect() -> Members:
            for member in self._of(request.ids):
                if member.membership == "active":
                    member.membership, member.is_noted = "decommissioning", True
                    self.world.did(f"decommissioning n{member.id}")
            active = [m for m in self.world.state.members if m.membership == "active" and m.is_live]
            if len(active) < 3:
                raise self.world.refuse("fewer than three nodes are left for the replicas")
            return self._answer(request.ids)

        return await self.world.act("nodes.decommission", effect)

    @activity.defn(name="nodes.follow")
    async def follow(self, request: FollowRequest) -> Members:
        def effect() -> Members:
            for member in self._of(request.ids):
                moved = self.world.moves if member.membership == "decommissioning" else 0
                member.replicas = max(0, member.replicas - moved)
            return self._answer(request.ids)

        await self._while_held("nodes.follow")
        return await self.world.act("nodes.follow", effect)

    @activity.defn(name="nodes.drain")
    async def drain(self, request: MembersRequest) -> None:
        def effect() -> None:
            for member in self._of(request.ids):
                member.is_draining = member.is_live

        await self._while_held("nodes.drain")
        await self.world.act("nodes.drain", effect)

    @activity.defn(name="nodes.finish")
    async def finish(self, request: MembersRequest) -> Members:
        def effect() -> Members:
            for member in self._of(request.ids):
                if member.replicas:
                    return self._answer(request.ids)
            for member in self._of(request.ids):
                if member.membership != "decommissioned":
                    member.membership, member.is_live = "decommissioned", False
                    self.world.did(f"decommissioned n{member.id}")
            return self._answer(request.ids)

        return await beating(self.world.act("nodes.finish", effect))

    @activity.defn(name="nodes.recommission")
    async def recommission(self, request: MembersRequest) -> Members:
        def effect() -> Members:
            restarted = []
            for member in self._of(request.ids):
                if member.membership == "decommissioning":
                    member.membership, member.replicas = "active", 12
                    self.world.did(f"took back n{member.id}")
                if member.is_draining and member.membership == "active":
                    member.is_draining = False
                    restarted.append(member.id)
            return self._answer(request.ids).model_copy(update={"restarted": tuple(restarted)})

        return await self.world.act("nodes.recommission", effect)

    def _of(self, ids: tuple[int, ...]) -> list[Member]:
        return [member for member in self.world.state.members if member.id in ids]

    def _answer(self, ids: tuple[int, ...], *, blocked: bool = False) -> Members:
        found = self._of(ids)
        left = sum(m.replicas for m in found if m.membership != "decommissioned")
        nodes = tuple(member.status() for member in found)
        if not blocked:
            return Members(nodes=nodes, left=left)
        ranges = {member.id: (7, 21) for member in found if member.membership == "decommissioning"}
        return Members(nodes=nodes, left=left, blocked=tuple(self.world.blocked), ranges=ranges)

    async def _while_held(self, name: str) -> None:
        """Wait as a poll does: heartbeats belong to the loop that looks."""
        while name in self.world.held:
            self.world.waiting.add(name)
            activity.heartbeat()
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                self.world.state.stopped.append(name)
                raise


def _short_of(node: NodeStatus, few: int) -> NodeStatus:
    return node.model_copy(update={"under_replicated": few})
