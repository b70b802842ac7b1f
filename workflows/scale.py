"""`Scale`: from the nodes that are there to the wanted number, up or down, planned anew after each step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.cluster import ClusterActivities
    from activities.payloads import ClusterRequest
    from activities.scale_payloads import GoneRequest, Observed, ObserveRequest, ResizeRequest, WatchReplicasRequest
    from activities.scaling import ScalingActivities
    from domain.errors import OpsError, RefusedError
    from domain.model import ClusterSpec, NodeRef
    from domain.scale import ScaleFacts, ScalePlan, ScaleStep, is_toward, leaving, steps
    from domain.scale_refusals import plan_scale
    from operations.messages import Step
    from operations.scale import ScaleResult, ScaleStart
    from workflows.base import StoppedByPersonError
    from workflows.health import HealthyWorkflow
    from workflows.retries import APPLY, BESIDE, GONE, OBSERVE, RUNNING
    from workflows.scale_card import card_steps
    from workflows.target import RetargetedError
    from workflows.volumes import VolumesWorkflow


class ReplicasChangedError(Exception):
    """Raised inside the story after somebody else has set replicas: look, and plan anew."""


@workflow.defn(name="Scale")
class ScaleWorkflow(VolumesWorkflow[ScaleResult], HealthyWorkflow[ScaleResult]):
    """Scale a cluster.

    1. Preflight: number, nodes, ranges, room, volumes, unfinished upgrade, a decommission on trial; then the plan.
    2. Up, one node at a time: a pod more, its certificate decided by a person, joined, all ranges replicated.
    3. Down: the nodes of the highest ordinals are decommissioned in one command, their replicas move away, they are
       drained, and `decommissioned` is seen in the membership. Only then their pods are removed.
    4. Volumes: each that is left over is kept, unless people decide to delete it; one that is in the way of a new node
       is wiped or used again, as they decide.

    After every step it looks again and plans anew, so that another number (`retarget`), or somebody with kubectl,
    changes what comes next. On cancel or failure nodes that are on their way out are taken back; one that is
    decommissioned stays so. Pods and volumes that exist stay, and the same command goes on from there.
    """

    operation = "scale"
    steps = (("preflight", "Preflight and plan"),)

    @workflow.init
    def __init__(self, start: ScaleStart) -> None:
        """Make all state that handlers touch."""
        self._request = start.request
        self._ref = start.request.ref
        wanted = start.request.nodes
        self._begin_toward(self._ref, f"Scale {self._ref.cluster} to {wanted} nodes", target=wanted)
        self._expected = self._before = 0
        self._is_first = True
        self._is_held = self._is_turned = self._is_overtaken = False
        self._added: list[str] = []
        self._removed: set[int] = set()
        self._planned: tuple[str, ...] = ()

    @workflow.run
    async def run(self, start: ScaleStart) -> ScaleResult:
        """Run the change."""
        return await self._run(start, start.request, self._story)

    # --- the story ---

    async def _story(self) -> ScaleResult:
        facts, plan = await self._preflight()
        if self._request.plan:
            self._edit(state="plan")
            return self._result("plan")
        if not plan.steps:
            self._edit(state="nothing")
            return self._result("nothing-to-do")
        self._facts, self._expected, self._before = facts, facts.replicas, facts.replicas
        try:
            await self._tell_open_certifies()
            await self._until_done(facts)
        except StoppedByPersonError:
            await self._stop()
            raise
        except (asyncio.CancelledError, FailureError, OpsError) as error:
            if is_cancelled_exception(error) and workflow.cancellation_reason() is None:
                raise  # the worker lets go of the run, which goes on elsewhere
            await self._stop()
            raise
        return self._result("scaled")

    async def _preflight(self) -> tuple[ScaleFacts, ScalePlan]:
        with self._step("preflight"):
            facts = (await self._observe(has_settings=True)).facts
            plan = self._plan(facts)
            going = tuple(node.id for node in leaving(facts, wanted=self._target, with_dead=self._with_dead))
            if plan.verdict.is_yes and facts.recorded is not None and going:
                facts = facts.model_copy(update={"blocked": (await self._try(facts.recorded, going)).blocked})
                plan = self._plan(facts)
            self._planned = plan.lines
            self._edit(plan=plan.lines, facts=plan.drift)
            plan.verdict.require(
                "scale.refused",
                f"{self._ref.cluster} cannot be scaled to {self._target} nodes",
                hint="Nothing was changed. Mend what is named, then ask again.",
            )
        return facts, plan

    @property
    def _with_dead(self) -> bool:
        return self._request.decommission_dead

    def _plan(self, facts: ScaleFacts) -> ScalePlan:
        return plan_scale(facts, wanted=self._target, with_dead=self._with_dead)

    async def _until_done(self, facts: ScaleFacts) -> None:
        """Do the first step of the plan, look again, plan again, until there is nothing left to do."""
        while True:
            self._facts, self._is_overtaken = facts, False
            self._notice(facts)
            if self._is_turned:
                self._planned = self._plan(facts).lines
                self._edit(plan=self._planned)
                self._is_turned = False
            left = steps(facts, wanted=self._target, with_dead=self._with_dead, reused=sorted(self._reused))
            self._show_plan(left, facts)
            try:
                self._check_cancelled()
                if not left:
                    await self._volumes(facts)
                    return
                await self._do(left[0], facts)
            except RetargetedError:
                self._leave_off("left off: the number was changed")
                await self._take_target()
                self._show(is_urgent=True)
            except ReplicasChangedError:
                self._leave_off("left off: somebody else scaled")
                self._show(is_urgent=True)
            self._is_first = False
            facts = (await self._observe()).facts.model_copy(
                update={name: getattr(facts, name) for name in ("replication_factor", "version", "preserved")}
            )

    async def _do(self, step: ScaleStep, facts: ScaleFacts) -> None:
        assert facts.recorded is not None
        match step.kind:
            case "recommission":
                with self._step(self._names["back"]):
                    _, said = await self._take_back(facts.recorded, step.ids)
                    self._detail(self._names["back"], said)  # who is back is the step's title
            case "decommission":
                await self._leave(step, facts, facts.recorded)
            case "shrink":
                await self._shrink(step, facts)
            case "wipe":
                await self._clear(step, facts)
            case "grow":
                await self._grow(step, facts)
            case "record":
                with self._step(self._names["record"]):
                    await self._resize(facts, to=step.to)

    async def _grow(self, step: ScaleStep, facts: ScaleFacts) -> None:
        """Add one pod, and wait until its node has joined and every range has its copies."""
        spec = facts.recorded
        if step.to > facts.replicas:
            with self._step(self._names[f"pod-{step.to - 1}"]):
                spec = await self._resize(facts, to=step.to)
        if spec is None:
            return
        spec = spec.model_copy(update={"nodes": max(step.to, facts.replicas)})
        with self._watching():
            await self._join(step, spec)

    async def _join(self, step: ScaleStep, spec: ClusterSpec) -> None:
        await self._certificates(
            spec,
            is_first=False,
            step=self._names[f"certificate-{step.to - 1}"],
            about=NodeRef(ordinal=step.to - 1).pod,
        )
        name = self._names[f"join-{step.to - 1}"]
        with self._step(name):
            await self._or_cancel(
                workflow.start_activity_method(
                    ClusterActivities.wait_ready,
                    ClusterRequest(ref=self._ref, spec=spec),
                    summary=f"wait until {spec.nodes} nodes are ready",
                    **RUNNING,
                )
            )
            found = await self._until_well(name, ordinals=tuple(range(spec.nodes)))
            node = next((n for n in found.nodes if n.ordinal == step.to - 1 and n.is_live), None)
            self._added.append(NodeRef(ordinal=step.to - 1).pod)
            self._detail(name, f"joined as n{node.id}" if node else "joined")

    async def _leave(self, step: ScaleStep, facts: ScaleFacts, spec: ClusterSpec) -> None:
        """Decommission; before it begins, all that stay are well."""
        names = (self._names["move"], self._names["drain"], self._names["decommissioned"])
        away = {node.ordinal for node in facts.nodes if node.id in step.ids}
        stay = tuple(o for o in range(min(facts.replicas, self._target)) if o not in away)
        is_begun = all(n.membership == "decommissioning" for n in facts.nodes if n.id in step.ids)
        with self._watching():
            if not is_begun and not self._is_first:  # else the preflight has seen it a moment ago
                await self._until_well(names[0], ordinals=stay, leaving=step.ids)
            await self._decommission(spec, step.ids, steps=names)

    async def _shrink(self, step: ScaleStep, facts: ScaleFacts) -> None:
        with self._step(self._names["shrink"]):
            if await self._resize(facts, to=step.to) is None:
                return
            self._removed |= set(range(step.to, facts.replicas))
            await workflow.execute_activity_method(
                ScalingActivities.wait_gone,
                GoneRequest(ref=self._ref, to=step.to),
                summary=f"wait until the pods from {NodeRef(ordinal=step.to).pod} on are gone",
                **GONE,
            )
            self._detail(self._names["shrink"], f"{step.to} pods left")

    async def _clear(self, step: ScaleStep, facts: ScaleFacts) -> None:
        assert step.volume is not None
        name = self._names[f"volume-{step.to}"]
        with self._step(name):
            await self._in_the_way(step.volume, facts, step=name)

    async def _volumes(self, facts: ScaleFacts) -> None:
        found = [volume for volume in facts.volumes if volume.ordinal in self._removed]
        if found:
            with self._step(self._names["volumes"]):
                await self._left_over(found, facts, step=self._names["volumes"])

    # --- what the steps use ---

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """While the body waits, hear at once when somebody else sets replicas."""
        if not workflow.patched("scale-watches-replicas"):
            yield
            return
        watch = workflow.start_activity_method(
            ScalingActivities.watch_replicas,
            WatchReplicasRequest(ref=self._ref, expected=self._expected),
            summary=f"whether somebody else sets other replicas than {self._expected}",
            **BESIDE,
        )
        watch.add_done_callback(self._hear_of_replicas)
        try:
            yield
        except (Exception, asyncio.CancelledError):  # not GeneratorExit, which comes outside the workflow's loop
            watch.cancel()
            raise
        watch.cancel()

    def _hear_of_replicas(self, watch: asyncio.Task[int]) -> None:
        if not watch.cancelled() and watch.exception() is None:
            self._is_overtaken = True

    def _is_interrupted(self) -> bool:
        return super()._is_interrupted() or self._is_overtaken

    def _check_cancelled(self) -> None:
        super()._check_cancelled()
        if self._is_overtaken:
            raise ReplicasChangedError

    async def _observe(self, *, has_settings: bool = False) -> Observed:
        return await workflow.execute_activity_method(
            ScalingActivities.observe,
            ObserveRequest(ref=self._ref, has_settings=has_settings),
            summary="pods, volumes, and what the database says of its nodes",
            **OBSERVE,
        )

    async def _until_well(self, name: str, *, ordinals: tuple[int, ...], leaving: tuple[int, ...] = ()) -> ScaleFacts:
        return await self._until_healthy(
            name,
            ordinals=ordinals,
            leaving=leaving,
            code="scale.not-healthy",
            hint="Mend what is named, then the same /crdb scale goes on.",
        )

    async def _resize(self, facts: ScaleFacts, *, to: int) -> ClusterSpec | None:
        """Set replicas; None when the world has changed meanwhile, which the next look tells."""
        resized = await workflow.execute_activity_method(
            ScalingActivities.resize,
            ResizeRequest(ref=self._ref, found=facts.replicas, to=to),
            summary=f"StatefulSet from {facts.replicas} to {to} replicas",
            **APPLY,
        )
        if resized.outcome == "held" and self._is_held:
            raise RefusedError(
                "scale.not-decommissioned",
                f"Pods from {NodeRef(ordinal=to).pod} on: found {resized.sentence}, expected each decommissioned.",
                hint="No pod was removed. The same /crdb scale plans anew from what is there.",
            )
        # Once it may be a node that has just joined: the next look sees it, and it leaves as the others do.
        self._is_held = resized.outcome == "held"
        if resized.outcome in ("changed", "held"):
            return None
        self._expected = to
        return resized.spec

    def _notice(self, facts: ScaleFacts) -> None:
        """Say that somebody else set replicas. What lies on our way is gone on from; else this run ends."""
        found, expected = facts.replicas, self._expected
        if found == expected:
            return
        said = f"somebody else scaled from {expected} to {found} replicas while this ran"
        self._edit(facts=(*self._status.facts, said))
        if not is_toward(found=found, expected=expected, wanted=self._target):
            raise RefusedError(
                "scale.changed-outside",
                f"StatefulSet/cockroachdb: found {found} replicas, expected {expected} as this operation set them.",
                hint=f"Somebody scaled beside it; their number was left. /crdb scale {self._target} plans anew.",
            )
        self._removed |= set(range(found, expected))
        self._expected = found

    def _show_plan(self, left: list[ScaleStep], facts: ScaleFacts) -> None:
        self._show_left(card_steps(left, facts, is_down=bool(self._removed)))

    def _leave_off(self, why: str) -> None:
        """Show what was under way as left off; the rest goes until it is planned anew."""
        for step in self._status.steps:
            if step.state == "failed":
                self._set_step(step.name, "skipped", detail=why)
        begun = tuple(step for step in self._status.steps if step.state != "todo")
        next_one = Step(name="again", title="Planned anew from what is there")
        self._edit(may_ask_again=False, steps=(*begun, next_one), plan=())
        self._is_turned = True

    async def _stop(self) -> None:
        """Take back what is on its way out, and name what exists now."""
        spec = self._facts.recorded if self._facts else None
        await self._undo(spec)
        self._edit(facts=(*self._status.facts, f"{self._expected} pods exist; the same /crdb scale goes on from there"))

    def _result(self, outcome: str) -> ScaleResult:
        return ScaleResult(
            outcome=outcome,
            nodes=self._target,
            before=self._before or (self._facts.replicas if self._facts else self._target),
            added=tuple(self._added),
            decommissioned=tuple(sorted(self._departed)),
            volumes_kept=tuple(sorted(self._kept)),
            volumes_deleted=tuple(sorted(self._deleted)),
            certificates=tuple(sorted(self._issued)),
            decided_by=tuple(sorted(self._decided_by)),
            plan=self._planned,
        )
