"""The activities of upgrade, finalize and rollback under their real names, acting on the fake world.

It keeps what must never happen: a node is restarted only while all others live and every range has its copies, two
are never restarted at once, no upgrade becomes final by itself, and no older release starts once one is. Everything
else that acts on the world is `acting`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from temporalio import activity

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
from domain.configuration import ApprovalRule
from domain.model import CLIENT_POD, ClusterRef, NodeRef
from domain.preflight import LiveSet
from domain.releases import newest
from domain.upgrade import PodRun, UpgradeFacts
from domain.upgrade_facts import WorkerImage
from tests.workflows.database import Member
from tests.workflows.world import Pod, World

_FEW = ApprovalRule(four_eyes=False)
_BOTH = ApprovalRule(approvals=2)


class Upgrading:
    """Activities of ops about the release that runs."""

    def __init__(self, world: World) -> None:
        self.world = world

    @activity.defn(name="upgrading.observe")
    async def observe(self, request: UpgradeObserveRequest) -> UpgradeObserved:
        def effect() -> UpgradeObserved:
            terms = UpgradeTerms(rule=_FEW, finalize_rule=_BOTH, soak=0, gate_pause=0.05, observe=3600)
            facts = self._facts()
            if request.version:
                image = WorkerImage(worker="machine-1", has_image=True, lists_all=True)
                facts = facts.model_copy(update={"workers": (image,)})
            return UpgradeObserved(facts=facts, terms=terms.model_copy(update=self.world.terms))

        return await self.world.act("upgrading.observe", effect)

    async def facts(self, ref: ClusterRef) -> UpgradeFacts:
        """What who watches it sees."""
        return await self.world.act("observing.watch", self._facts)

    def _facts(self) -> UpgradeFacts:
        state, spec = self.world.state, self.world.state.spec
        facts = UpgradeFacts(
            recorded=spec,
            live=spec
            and LiveSet(
                replicas=len(self._ordinals()),
                ready=len(state.cluster_ids),
                database_image=self._image(state.template),
                agent_image=spec.agent_image,
                storage=spec.storage,
                partition=state.partition,
            ),
            pods=tuple(self._run(ordinal) for ordinal in self._ordinals()),
            nodes=tuple(member.status() for member in sorted(state.members, key=lambda m: m.id)),
            active=state.active,
            preserved=state.preserved,
            drain_seconds=60,
            client_image=self._image(state.pods[CLIENT_POD].version) if CLIENT_POD in state.pods else "",
            newest=newest(),
        )
        return facts.model_copy(update=self.world.facts)

    def _ordinals(self) -> list[int]:
        return sorted(int(name.rpartition("-")[2]) for name in self.world.state.pods if name != CLIENT_POD)

    def _image(self, version: str) -> str:
        return f"local.invalid/cockroach:{version}"

    def _run(self, ordinal: int) -> PodRun:
        pod = self._pod(ordinal)
        stuck = self._is_stuck(pod)
        return PodRun(
            ordinal=ordinal,
            uid=pod.uid,
            image=self._image(pod.version),
            is_ready=not stuck and ordinal in self.world.state.cluster_ids,
            is_current=pod.version == self.world.state.template,
            trouble=f"ImagePullBackOff of {self._image(pod.version)}" if stuck else "",
        )

    def _pod(self, ordinal: int) -> Pod:
        return self.world.state.pods[NodeRef(ordinal=ordinal).pod]

    def _member(self, ordinal: int) -> Member:
        return next(m for m in self.world.state.members if m.ordinal == ordinal and m.membership == "active")

    def _is_stuck(self, pod: Pod) -> bool:
        return bool({pod.version, f"{pod.name} {pod.version}"} & self.world.unpullable)

    @activity.defn(name="upgrading.guard")
    async def guard(self, request: GuardRequest) -> None:
        def effect() -> None:
            state = self.world.state
            if request.value not in ("", state.active):
                raise self.world.refuse(f"preserves {request.value} while {state.active} is active")
            if state.preserved == request.value:
                return
            state.preserved = request.value
            self.world.did(f"preserved {request.value}" if request.value else "reset")

        await self.world.act("upgrading.guard", effect)

    @activity.defn(name="upgrading.finalize")
    async def finalize(self, request: GuardRequest) -> None:
        def effect() -> None:
            state = self.world.state
            builds = {member.build for member in state.members if member.membership == "active"}
            if builds != {request.spec.version}:
                raise self.world.refuse(f"is made final while nodes run {builds}")
            if state.preserved:
                state.preserved = ""
                self.world.did("reset")

        await self.world.act("upgrading.finalize", effect)

    @activity.defn(name="upgrading.roll")
    async def roll(self, request: RollRequest) -> Rolled:
        def effect() -> Rolled:
            state, spec = self.world.state, self.world.state.spec
            assert spec is not None
            spec = spec.model_copy(
                update={
                    "version": request.version,
                    "database_image": self._image(request.version),
                    "upgraded_from": request.upgraded_from,
                }
            )
            now = (state.template, state.partition)
            if now == (request.version, request.partition) and state.spec == spec:
                self._control()
                return Rolled(outcome="already", spec=spec)
            if now not in ((request.found_version, request.found), (request.version, request.partition)):
                return Rolled(outcome="changed", sentence=f"found {now[0]}, partition {now[1]}", spec=state.spec)
            state.template, state.partition, state.spec = request.version, request.partition, spec
            self.world.did(f"rolled {request.version} from {request.partition}")
            self._control()
            return Rolled(outcome="done", spec=spec)

        return await self.world.act("upgrading.roll", effect)

    def _control(self) -> None:
        """The controller of StatefulSets: pods from the partition on are made anew from the template."""
        state = self.world.state
        old = [o for o in self._ordinals() if o >= state.partition and self._pod(o).version != state.template]
        for ordinal in [o for o in old if not self._is_stuck(self._pod(o))]:
            self._restart(ordinal)
        if len(old) > 1:
            raise self.world.refuse(f"pods {old} are restarted at once")

    def _restart(self, ordinal: int) -> None:
        state, pod = self.world.state, self._pod(ordinal)
        down = [m.id for m in state.members if m.ordinal != ordinal and not m.is_live]
        # People may send back the node that was restarted last, whatever became of the ranges since.
        is_last = [e for e in state.effects if e.startswith("restarted")][-1:] == [
            f"restarted {pod.name} on {pod.version}"
        ]
        if down or (self.world.short and not is_last):
            raise self.world.refuse(f"{pod.name} is restarted while {down or 'ranges'} are not well")
        state.pods[pod.name] = Pod(
            name=pod.name, uid=f"{pod.uid}+", made_at=datetime.now(UTC), has_certificate=True, version=state.template
        )
        self._member(ordinal).is_live = False
        self.world.did(f"restarted {pod.name} on {state.template}")

    @activity.defn(name="upgrading.wait_back")
    async def wait_back(self, request: BackRequest) -> Back:
        def effect() -> Back:
            state, pod = self.world.state, self._pod(request.ordinal)
            if self._is_stuck(pod) and pod.version != state.template:
                self.world.did(f"deleted stuck {pod.name}")
                self._restart(request.ordinal)
            pod = self._pod(request.ordinal)
            if self._is_stuck(pod):
                run = self._run(request.ordinal)
                return Back(outcome="stuck", pod=run, sentence=f"{pod.name} cannot start: {run.trouble}")
            if pod.version != request.version:
                raise self.world.refuse(f"{pod.name} runs {pod.version} when {request.version} is waited for")
            member = self._member(request.ordinal)
            member.is_live, member.build = True, pod.version
            self._become_final()
            if _series(pod.version) < _series(state.active):
                raise self.world.refuse(f"{pod.version} starts on a cluster of {state.active}")
            return Back(outcome="back", pod=self._run(request.ordinal))

        while "upgrading.wait_back" in self.world.held:
            self.world.waiting.add("upgrading.wait_back")
            activity.heartbeat()
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                self.world.state.stopped.append("upgrading.wait_back")
                raise
        return await self.world.act("upgrading.wait_back", effect)

    def _become_final(self) -> None:
        """What the database does by itself once all its nodes run a newer series and nothing keeps it from it."""
        state = self.world.state
        lowest = min((_series(m.build) for m in state.members if m.membership == "active"), default=(0, 0))
        if lowest > _series(state.active) and not state.preserved:
            raise self.world.refuse(f"became final by itself on {lowest}")

    @activity.defn(name="upgrading.follow_version")
    async def follow(self, request: FollowVersionRequest) -> ActiveVersion:
        def effect() -> ActiveVersion:
            state = self.world.state
            if not state.preserved and not self.world.holds:
                state.active = self.world.migration.pop(0) if self.world.migration else request.wanted
            return ActiveVersion(active=state.active, preserved=state.preserved, holds=self.world.holds)

        return await self.world.act("upgrading.follow_version", effect)


def _series(version: str) -> tuple[int, int]:
    """The series of a release or of an active version: v25.4.1 and 25.4 are (25, 4)."""
    major, minor = version.removeprefix("v").split("-")[0].split(".")[:2]
    return int(major), int(minor)
