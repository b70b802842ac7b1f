"""`Rollback`: back to the release before an upgrade that is not final, one node at a time."""

from __future__ import annotations

from functools import partial
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.upgrade import UpgradePlan, plan_rollback
    from operations.rollback import RollbackResult, RollbackStart
    from workflows.observe import end_observing
    from workflows.rolling import RollingWorkflow


@workflow.defn(name="Rollback")
class RollbackWorkflow(RollingWorkflow[RollbackResult]):
    """Roll an upgrade back.

    1. Preflight: the upgrade is not final, and the release before it is recorded; then the plan.
    2. The client pod, where it is of the new release; then the nodes that run that, highest ordinal first: restarted on
       the release before, back, its build verified, all ranges replicated, seen twice.
    3. What kept the way back is reset, and the release is recorded.

    After every step it looks again and plans anew. A pause holds it before the next node. A cancel stops between two
    nodes, never while one restarts; the same command goes on from there, and so does `/crdb upgrade` in the other
    direction.
    """

    operation = "rollback"
    steps = (("preflight", "Preflight and plan"),)

    @workflow.init
    def __init__(self, start: RollbackStart) -> None:
        """Make all state that handlers touch."""
        self._request = start.request
        self._begin_rolling(start.request.ref, f"Roll the upgrade of {start.request.ref.cluster} back")
        self._back = ""

    @workflow.run
    async def run(self, start: RollbackStart) -> RollbackResult:
        """Run the change."""
        return await self._run(start, start.request, self._story)

    async def _story(self) -> RollbackResult:
        self._facts, plan = await self._look(plan_rollback, code="rollback.refused", refused="cannot be rolled back")
        self._before, self._back = self._template[0], self._facts.upgraded_from
        if self._request.plan:
            self._edit(state="plan")
            return self._result("plan", plan)
        if not plan.steps:
            self._edit(state="nothing")
            return self._result("nothing-to-do", plan)
        await self._or_say_how_it_stands(partial(self._roll_back, plan))
        await end_observing(self._ref, f"rolled back to {self._back}", outcome="rolled-back")
        return self._result("rolled-back", plan)

    def _result(self, outcome: Literal["rolled-back", "nothing-to-do", "plan"], plan: UpgradePlan) -> RollbackResult:
        return RollbackResult(
            outcome=outcome,
            version=self._back,
            before=self._before,
            rolled=tuple(self._rolled),
            decided_by=tuple(sorted(self._decided_by)),
            plan=plan.lines,
        )
