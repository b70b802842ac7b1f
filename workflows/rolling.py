"""Nodes are restarted on another release, one at a time, highest ordinal first, and each only while all are well.

Here are one node's restart, the gate of replication behind it, and what people are asked when one of them does not come
to an end. Which node is next is planned anew after each (`domain.upgrade`); what is asked after the first one, and how
it all ends, is the story's (`upgrade`, `rollback`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.cluster import ClusterActivities
    from activities.payloads import ClientPodRequest, ClusterRequest
    from activities.upgrade_payloads import (
        Back,
        BackRequest,
        GuardRequest,
        RollRequest,
        UpgradeObserved,
        UpgradeObserveRequest,
        UpgradeTerms,
    )
    from activities.upgrading import UpgradingActivities
    from domain.errors import BrokenError, OpsError, RefusedError
    from domain.model import ClusterRef, NodeRef
    from domain.upgrade import PodRun, UpgradeFacts, UpgradePlan, UpgradeStep, plan_rollback, sentence
    from operations.gate import Decided, Question
    from workflows.base import StoppedByPersonError
    from workflows.gate import GatedWorkflow
    from workflows.health import HealthyWorkflow
    from workflows.pausing import PausableWorkflow
    from workflows.problems import problem_of
    from workflows.retries import APPLY, HEALTHY_WITHIN, MEMBERSHIP, RESTARTED, RUNNING, TRY_AGAIN_AFTER
    from workflows.upgrade_card import card_step, standing
    from workflows.upgrade_questions import not_well_question, stuck_question

Done = TypeVar("Done")
Answer = TypeVar("Answer")
Planner = Callable[[UpgradeFacts], UpgradePlan]


class TurnedBackError(Exception):
    """Raised inside a story after people decided to return to the release before."""


class RollingWorkflow(GatedWorkflow[Done], PausableWorkflow[Done], HealthyWorkflow[Done]):
    """A change that restarts every node on another release; people may pause it before each."""

    def _begin_rolling(self, ref: ClusterRef, headline: str) -> None:
        self._begin(ref, headline)
        self._ref = ref
        self._terms: UpgradeTerms
        self._facts: UpgradeFacts | None = None
        #: Release that people may choose to return to while this runs; "" when it is the way back itself.
        self._way_back = ""
        self._goes_on = f"the same /crdb {self.operation}"
        self._before = ""
        self._rolled: list[str] = []
        self._decided_by: set[str] = set()
        #: Release and partition as this run has found or written them last.
        self._template = ("", 0)

    async def _look(
        self, plan: Planner, *, code: str, refused: str, version: str = ""
    ) -> tuple[UpgradeFacts, UpgradePlan]:
        """Preflight: the facts (with a version, also where its image is), the terms, the plan; or the run ends here.

        Raises:
            RefusedError: With that code and every reason.
        """
        with self._step("preflight"):
            observed = await self._observe(version=version)
            facts, self._terms = observed.facts, observed.terms
            made = plan(facts)
            self._edit(plan=made.lines, facts=made.drift)
            made.verdict.require(
                code,
                f"{self._ref.cluster} {refused}",
                hint="Nothing was changed. Mend what is named, then ask again.",
            )
        self._template = _template_of(facts)
        return facts, made

    # --- the way through all nodes ---

    async def _roll_all(self, facts: UpgradeFacts, first: UpgradePlan, again: Planner) -> UpgradeFacts:
        """Do the first step of the plan, look again, plan again, until there is nothing left to do.

        Raises:
            RefusedError: `upgrade.cannot-go-on`: what is there now has no way on.
        """
        plan = first
        while True:
            self._facts = facts
            self._notice(facts)
            plan.verdict.require(
                "upgrade.cannot-go-on",
                f"{self._ref.cluster} is not as this operation left it",
                hint="No other node was touched. Mend what is named, then ask again.",
            )
            self._show_left([card_step(step) for step in plan.steps])
            self._check_cancelled()
            if not plan.steps:
                return facts
            if not await self._held_before(plan.steps[0]):
                self._edit(may_pause=any(step.kind == "roll" for step in plan.steps[1:]))
                await self._do(plan.steps[0], facts)
            facts = (await self._observe()).facts
            plan = again(facts)

    async def _roll_back(self, first: UpgradePlan | None = None) -> UpgradeFacts:
        """Return to the release that is recorded, until it is recorded as what runs."""

        def plan(facts: UpgradeFacts) -> UpgradePlan:
            return plan_rollback(facts, is_first=False) if facts.upgraded_from else UpgradePlan()

        facts = self._facts if first and self._facts else (await self._observe()).facts
        return await self._roll_all(facts, first or plan(facts), plan)

    async def _held_before(self, step: UpgradeStep) -> bool:
        """Wait where people paused it; whether they did. What is down comes back first: that is never held."""
        if step.kind != "roll":
            return False
        before = f"{NodeRef(ordinal=step.ordinal).pod} on {step.version}"
        return await self._hold(before, limit=timedelta(seconds=self._terms.pause), rule=self._terms.rule)

    async def _do(self, step: UpgradeStep, facts: UpgradeFacts) -> None:
        name = self._names[card_step(step)[0]]
        with self._step(name):
            match step.kind:
                case "guard":
                    await self._guard(facts, step.version)
                case "client":
                    await self._client(step, facts)
                case "record":
                    await self._write(name, step, facts)
                case "roll" | "back":
                    if await self._node(name, step, facts):
                        await self._after(name, step, facts)

    async def _node(self, name: str, step: UpgradeStep, facts: UpgradeFacts) -> bool:
        """Restart one node on the release and see it well again; False when somebody else was there first."""
        back = await self._whole(self._restart(name, step, facts))
        if back is None:
            return False
        while back.outcome == "stuck":
            await self._when_stuck(name, step, back)
            back = await self._whole(self._wait_back(step, facts))
        self._rolled.append(NodeRef(ordinal=step.ordinal).pod)
        await self._until_replicated(name, facts)
        return True

    async def _after(self, name: str, step: UpgradeStep, facts: UpgradeFacts) -> None:
        """What comes between a node and the next one, beside the gate; nothing in most changes."""

    async def _restart(self, name: str, step: UpgradeStep, facts: UpgradeFacts) -> Back | None:
        self._detail(name, "restarts")
        if step.kind == "roll" and not await self._write(name, step, facts):
            return None
        return await self._wait_back(step, facts)

    async def _wait_back(self, step: UpgradeStep, facts: UpgradeFacts) -> Back:
        """Wait for the node. One that takes too long counts as one that cannot start: people decide."""
        assert facts.recorded is not None
        pod = NodeRef(ordinal=step.ordinal).pod
        try:
            return await workflow.execute_activity_method(
                UpgradingActivities.wait_back,
                BackRequest(ref=self._ref, spec=facts.recorded, ordinal=step.ordinal, version=step.version),
                summary=f"wait until {pod} runs {step.version} and its node is live",
                **RESTARTED,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            said = f"{pod} is not back: {problem_of(error).message}"
            return Back(outcome="stuck", pod=PodRun(ordinal=step.ordinal), sentence=said)

    async def _whole(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """See a restart through whatever is cancelled meanwhile, so that no node is left half restarted."""
        task = asyncio.create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is not None:
                await asyncio.gather(task, return_exceptions=True)
            raise

    # --- the gate ---

    async def _until_replicated(self, name: str, facts: UpgradeFacts) -> None:
        """See all nodes live and all ranges with their copies, twice. Where that takes too long, people decide."""
        while True:
            try:
                await self._until_well_twice(name, tuple(range(facts.replicas)))
            except BrokenError as error:
                if not self._way_back:
                    raise
                await self._go_on_or_turn_back(not_well_question(error.message, self._way_back, self._terms.rule), name)
            else:
                return

    async def _until_well_twice(self, name: str, ordinals: tuple[int, ...]) -> None:
        code, hint = "upgrade.not-well", "Mend what is named; the same command goes on from there."
        begun, pause = workflow.now(), timedelta(seconds=self._terms.gate_pause)
        while True:
            await self._until_healthy(name, ordinals=ordinals, code=code, hint=hint)
            self._detail(name, f"all well, and once more after {pause.total_seconds():.0f} s")
            await self._wait(lambda: False, timeout=pause, summary="then the ranges are looked at once more")
            waits = (await self._look_healthy(ordinals)).waits
            if not waits:
                return
            if workflow.now() - begun >= HEALTHY_WITHIN:
                raise BrokenError(code, f"The cluster does not stay well: found {', '.join(waits)}.", hint=hint)

    # --- where people decide ---

    async def _when_stuck(self, name: str, step: UpgradeStep, back: Back) -> None:
        """Return when people chose to wait, and a while later: then the node may have started."""
        self._detail(name, back.sentence)
        self._check_cancelled()
        if not self._way_back:
            raise BrokenError(
                "upgrade.stuck",
                f"{back.sentence or NodeRef(ordinal=step.ordinal).pod + ' does not start'}.",
                hint="No other node is touched. Mend what is named; the same command goes on from there.",
            )
        await self._go_on_or_turn_back(stuck_question(back, step.version, self._way_back, self._terms.rule), name)
        self._detail(name, f"{back.sentence}; people chose to wait for it")
        await self._wait(lambda: False, timeout=TRY_AGAIN_AFTER, summary="then the node is looked at again")

    async def _go_on_or_turn_back(self, question: Question, step: str) -> None:
        """Ask people; nobody's answer leaves every node as it is.

        Raises:
            TurnedBackError: They want the release before.
            RefusedError: `upgrade.undecided`.
        """
        decided = await self._let_decide(question, step)
        if decided.outcome == "denied":
            raise TurnedBackError
        if not decided.is_yes:
            raise RefusedError(
                "upgrade.undecided",
                f"{question.headline} Nobody decided in time.",
                hint=f"Every node stays as it is: the same command goes on, /crdb rollback returns to {self._before}.",
            )

    async def _let_decide(self, question: Question, step: str) -> Decided:
        """Ask people, and keep who answered for the record."""
        decided = await self._decide(question, step=step)
        self._decided_by.update(record.person.name or record.person.id for record in decided.records)
        return decided

    # --- what the steps use ---

    async def _observe(self, *, version: str = "") -> UpgradeObserved:
        return await workflow.execute_activity_method(
            UpgradingActivities.observe,
            UpgradeObserveRequest(ref=self._ref, version=version),
            summary="which release runs where, the active version, the nodes",
            **MEMBERSHIP,
        )

    async def _guard(self, facts: UpgradeFacts, value: str) -> None:
        assert facts.recorded is not None
        await workflow.execute_activity_method(
            UpgradingActivities.guard,
            GuardRequest(ref=self._ref, spec=facts.recorded, value=value),
            summary=f"preserve the downgrade to {value}" if value else "reset cluster.preserve_downgrade_option",
            **MEMBERSHIP,
        )

    async def _client(self, step: UpgradeStep, facts: UpgradeFacts) -> None:
        """Have the client pod of the release, and running; its key and certificate stay in their Secret."""
        assert facts.recorded is not None
        update = {"version": step.version, "database_image": facts.recorded.image_of(step.version)}
        spec = facts.recorded.model_copy(update=update)
        await workflow.execute_activity_method(
            ClusterActivities.client_pod,
            ClientPodRequest(ref=self._ref, spec=spec, operation_id=self._status.run_id),
            summary=sentence(step),
            **APPLY,
        )
        await workflow.execute_activity_method(
            ClusterActivities.wait_running,
            ClusterRequest(ref=self._ref, spec=spec),
            summary="wait until the client pod is ready",
            **RUNNING,
        )

    async def _write(self, name: str, step: UpgradeStep, facts: UpgradeFacts) -> bool:
        """Write release and partition; False when somebody has changed them meanwhile, which the next look tells."""
        found_version, found = _template_of(facts)
        rolled = await workflow.execute_activity_method(
            UpgradingActivities.roll,
            RollRequest(
                ref=self._ref,
                version=step.version,
                partition=step.partition,
                found_version=found_version,
                found=found,
                upgraded_from=step.upgraded_from,
            ),
            summary=sentence(step),
            **APPLY,
        )
        if rolled.outcome == "changed":
            self._detail(name, f"{rolled.sentence}; nothing was written")
            return False
        self._template = (step.version, step.partition)
        return True

    def _notice(self, facts: UpgradeFacts) -> None:
        """Say that somebody else changed the StatefulSet. What lies on our way is gone on from; else this run ends.

        Raises:
            RefusedError: `upgrade.changed-outside`.
        """
        found, before = _template_of(facts), self._template
        if found == before:
            return
        version, partition = found
        said = f"somebody else set {version} from {NodeRef(ordinal=partition).pod} on while this ran"
        self._edit(facts=(*self._status.facts, said))
        if version != before[0] or partition > before[1]:
            raise RefusedError(
                "upgrade.changed-outside",
                f"StatefulSet/cockroachdb: found {version} with partition {partition}, expected {before[0]} with "
                f"{before[1]} as this operation found or set it.",
                hint="Somebody changed it beside this; that was left. The same command plans anew from what is there.",
            )
        self._template = found

    async def _or_say_how_it_stands(self, way: Callable[[], Awaitable[Answer]]) -> Answer:
        """Go the way; where it ends early, name what runs where and how to go on or return."""
        try:
            return await way()
        except StoppedByPersonError:
            await self._say_standing()
            raise
        except (asyncio.CancelledError, FailureError, OpsError) as error:
            if is_cancelled_exception(error) and workflow.cancellation_reason() is None:
                raise  # the worker lets go of the run, which goes on elsewhere
            await self._say_standing()
            raise

    async def _say_standing(self) -> None:
        facts = self._facts
        try:
            facts = (await self._observe()).facts
        except ActivityError as error:
            workflow.logger.info("standing not observed", extra={"error": str(error.cause)})
        if facts is not None:
            way_back = f", /crdb rollback returns to {self._way_back}" if self._way_back else ""
            on = f"{self._goes_on} goes on from there{way_back}"
            self._edit(facts=(*self._status.facts, standing(facts), on))


def _template_of(facts: UpgradeFacts) -> tuple[str, int]:
    return facts.template, facts.live.partition if facts.live else 0
