"""`Upgrade`: from the release that runs to another, one node first, then people decide, then the rest."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain import roles
    from domain.errors import RefusedError
    from domain.model import NodeRef
    from domain.observation import Observation, observed
    from domain.upgrade import UpgradeFacts, UpgradePlan, UpgradeStep, decision_wanted, plan_upgrade
    from operations.messages import OperationState
    from operations.upgrade import UpgradeResult, UpgradeStart
    from workflows.observe import ObserveStart, begin_observing
    from workflows.rolling import RollingWorkflow, TurnedBackError
    from workflows.upgrade_questions import canary_question, newer_question

Outcome = Literal["upgraded", "awaiting-finalization", "rolled-back", "nothing-to-do", "plan"]


@workflow.defn(name="Upgrade")
class UpgradeWorkflow(RollingWorkflow[UpgradeResult]):
    """Upgrade a cluster.

    1. Preflight: the release may follow the active version, nodes, ranges, one release everywhere, time to drain, a
       backup; then the plan. A release that is newer than our table is asked about before anything is changed.
    2. Major only: the downgrade is preserved, so that nothing becomes final by itself.
    3. The node of the highest ordinal first: restarted, back, its build verified, all ranges replicated, seen twice.
    4. It is left to run for a while, then people decide: go on, or roll back.
    5. The other nodes, one at a time in the same way; then the client pod.
    6. The release is recorded. A major upgrade waits for `/crdb finalize` or `/crdb rollback`, without the lock.

    After every step it looks again and plans anew. A pause holds it before the next node. A cancel stops between two
    nodes, never while one restarts, and says what runs where; the same command goes on from there. Undone by rolling
    back, here or later, until it is final.
    """

    operation = "upgrade"
    steps = (("preflight", "Preflight and plan"),)

    @workflow.init
    def __init__(self, start: UpgradeStart) -> None:
        """Make all state that handlers touch."""
        self._request = start.request
        self._begin_rolling(start.request.ref, f"Upgrade {start.request.ref.cluster} to {start.request.version}")
        self._is_major = False
        self._end = ""

    @workflow.run
    async def run(self, start: UpgradeStart) -> UpgradeResult:
        """Run the change."""
        return await self._run(start, start.request, self._story)

    async def _story(self) -> UpgradeResult:
        version = self._request.version
        first = partial(self._plan, is_first=True)
        refused = f"cannot be upgraded to {version}"
        look = partial(self._look, first, code="upgrade.refused", refused=refused, version=version)
        self._facts, plan = await look()
        if self._request.plan:
            self._edit(state="plan")
            return self._result("plan", plan)
        if not plan.steps:
            self._edit(state="nothing")
            return self._result("nothing-to-do", plan)
        if plan.unknown:
            said = await self._decision(self._facts, plan)
            self._facts, plan = await look()  # people took their time
            self._edit(facts=(*self._status.facts, said))
        self._is_major = plan.is_major
        self._before = self._way_back = self._facts.before
        return self._result(await self._or_say_how_it_stands(partial(self._through, self._facts, plan)), plan)

    async def _decision(self, facts: UpgradeFacts, plan: UpgradePlan) -> str:
        """Let people decide on a release that our table does not know; return how they did, in words.

        Raises:
            RefusedError: `upgrade.not-approved`: they said no, or nothing in time.
        """
        version, name = self._request.version, "decision"
        self._show_left([(name, f"{version} is newer than our table: decided by people")])
        with self._step(name):
            question = newer_question(facts, version, unknown=plan.unknown, rule=self._terms.rule)
            decided = await self._let_decide(question, name)
            if not decided.is_yes:
                raise RefusedError(
                    "upgrade.not-approved",
                    f"The upgrade to {version} does not begin. {decided.sentence}",
                    hint="Nothing was changed: the same command asks again.",
                )
        return f"{version} is newer than our table. {decided.sentence}"

    async def _through(self, facts: UpgradeFacts, plan: UpgradePlan) -> Outcome:
        """Roll, forward or back as people decide; return how it ended."""
        try:
            self._facts = await self._roll_all(facts, plan, partial(self._plan, is_first=False))
        except TurnedBackError:
            self._way_back, self._goes_on = "", "/crdb rollback"
            self._facts = await self._roll_back()
            self._end = f"{self._ref.cluster} is back on {self._before}, as people decided"
            self._edit(facts=(*self._status.facts, self._end))
            return "rolled-back"
        if not self._is_major:
            return "upgraded"
        said = f"{self._request.version} runs on every node and is not final: active version {self._facts.active}"
        on = f"/crdb finalize makes it final, /crdb rollback returns to {self._before}"
        self._end = f"{said}; {on}"
        self._edit(facts=(*self._status.facts, said, on))
        assert self._authorization is not None
        now, message = workflow.now(), self._painter.message
        await begin_observing(
            ObserveStart(
                ref=self._ref,
                version=self._request.version,
                before=self._before,
                since=now,
                until=now + timedelta(seconds=self._terms.observe),
                channel=message.channel if message else self._channel,
                thread_ts=message.ts if message else "",
                seen=observed(self._facts, version=self._request.version, before=self._before, last=Observation()),
                audience=roles.audience(self._authorization.policy, self._terms.finalize_rule.role),
            )
        )
        return "awaiting-finalization"

    def _plan(self, facts: UpgradeFacts, *, is_first: bool) -> UpgradePlan:
        return plan_upgrade(facts, self._request.version, is_first=is_first, backup=self._request.backup)

    async def _after(self, name: str, step: UpgradeStep, facts: UpgradeFacts) -> None:
        """After the first node: time to show itself, then people decide, then a look whether all is still well."""
        if not (step.is_canary and self._way_back):
            return
        pod, soak = NodeRef(ordinal=step.ordinal).pod, timedelta(seconds=self._terms.soak)
        is_asked = decision_wanted(self._terms.asks_after_canary, is_major=self._is_major)
        if soak:
            self._detail(name, f"runs {step.version} alone until {workflow.now() + soak:%H:%M} UTC")
            await self._wait(lambda: False, timeout=soak, summary=f"{pod} shows how {step.version} does")
        if is_asked:
            now = (await self._observe()).facts
            seen = (f"it ran alone for {soak.total_seconds() / 60:g} min",) if soak else ()
            question = canary_question(now, step, rule=self._terms.rule, seen=seen)
            await self._go_on_or_turn_back(question, name)
        if soak or is_asked:
            await self._until_replicated(name, facts)

    def _ending(self, state: OperationState) -> str:
        return (
            f"upgrade of {self._ref.cluster}: {self._end}." if state == "done" and self._end else super()._ending(state)
        )

    def _result(self, outcome: Outcome, plan: UpgradePlan) -> UpgradeResult:
        facts = self._facts
        return UpgradeResult(
            outcome=outcome,
            version=self._request.version,
            before=self._before or (facts.recorded.version if facts and facts.recorded else ""),
            active=facts.active if facts else "",
            rolled=tuple(self._rolled),
            backup=self._request.backup or "",
            decided_by=tuple(sorted(self._decided_by)),
            plan=plan.lines,
        )
