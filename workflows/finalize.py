"""`Finalize`: people decide, then the database migrates to the release that runs, and nothing takes that back."""

from __future__ import annotations

from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.upgrade_payloads import ActiveVersion, FollowVersionRequest, GuardRequest
    from activities.upgrading import UpgradingActivities
    from domain.errors import BrokenError, RefusedError
    from domain.releases import series_of
    from domain.upgrade import UpgradeFacts, UpgradePlan, UpgradeStep, plan_finalize
    from operations.finalize import FinalizeResult, FinalizeStart
    from workflows.observe import end_observing
    from workflows.retries import (
        FOLLOW_VERSION,
        MEMBERSHIP,
        VERSION_LOOK,
        VERSION_STALLED_AFTER,
        VERSION_STALLED_FOR,
    )
    from workflows.rolling import RollingWorkflow
    from workflows.upgrade_questions import finalize_question


@workflow.defn(name="Finalize")
class FinalizeWorkflow(RollingWorkflow[FinalizeResult]):
    """Make an upgrade final.

    1. Preflight: every node runs the release and lives, none is leaving; then the plan. A client pod of an older
       release, which the database would turn away afterwards, is made again.
    2. People decide, since it takes the way back. Until then it can be cancelled.
    3. cluster.preserve_downgrade_option is reset, and the database migrates by itself.
    4. The active version is followed until it is the release's. One that stands still is told with its cause.
    5. That nothing is left to return to is recorded.

    Undone by nothing. Where this run ends early the migration goes on, and the same command follows it again.
    """

    operation = "finalize"
    steps = (
        ("preflight", "Preflight and plan"),
        ("decision", "Decided by people"),
        ("reset", "cluster.preserve_downgrade_option reset"),
        ("migration", "Migrated"),
        ("record", "Recorded as final"),
    )

    @workflow.init
    def __init__(self, start: FinalizeStart) -> None:
        """Make all state that handlers touch."""
        self._request = start.request
        self._begin_rolling(start.request.ref, f"Make the upgrade of {start.request.ref.cluster} final")
        self._active = ""

    @workflow.run
    async def run(self, start: FinalizeStart) -> FinalizeResult:
        """Run the change."""
        return await self._run(start, start.request, self._story)

    async def _story(self) -> FinalizeResult:
        facts, plan = await self._look(plan_finalize, code="finalize.refused", refused="cannot be made final")
        self._facts, self._active = facts, facts.active
        if self._request.plan:
            self._edit(state="plan")
            return self._result("plan", plan)
        if not plan.steps:
            self._edit(state="nothing")
            return self._result("nothing-to-do", plan)
        version, self._before = plan.steps[0].version, facts.upgraded_from
        for step in plan.steps:
            if step.kind == "client":
                await self._client(step, facts)
        if facts.preserved:
            await self._decision(facts, plan.steps[0])
            await self._reset(facts)
        else:
            self._skip("decision", "reset", detail="nothing preserves the downgrade any more")
        with self._step("migration"):
            await self._until_final(facts, wanted=series_of(version))
        with self._step("record"):
            facts = (await self._observe()).facts
            self._notice(facts)
            await self._write("record", UpgradeStep(kind="record", version=version), facts)
        await end_observing(self._ref, f"{version} is final, active version {self._active}", outcome="final")
        return self._result("finalized", plan)

    async def _reset(self, facts: UpgradeFacts) -> None:
        assert facts.recorded is not None
        with self._step("reset"):
            # Between the step's look at a cancel and this no other code runs: from here on it is too late for one.
            self._edit(may_cancel=False)
            await workflow.execute_activity_method(
                UpgradingActivities.finalize,
                GuardRequest(ref=self._ref, spec=facts.recorded, value=""),
                summary="reset cluster.preserve_downgrade_option",
                **MEMBERSHIP,
            )

    async def _decision(self, facts: UpgradeFacts, step: UpgradeStep) -> None:
        """Let people decide.

        Raises:
            RefusedError: `finalize.not-approved`: they said no, or nothing in time.
        """
        question = finalize_question(facts, step, rule=self._terms.finalize_rule)
        with self._step("decision"):
            decided = await self._let_decide(question, "decision")
            if not decided.is_yes:
                raise RefusedError(
                    "finalize.not-approved",
                    f"{step.version} is not made final. {decided.sentence}",
                    hint=f"Nothing was changed: /crdb finalize asks again, /crdb rollback returns to {self._before}.",
                )

    async def _until_final(self, facts: UpgradeFacts, *, wanted: str) -> None:
        """Follow the active version; say what holds it up when it stands still, and end when it does for long.

        Raises:
            BrokenError: `finalize.stuck`, with the cause.
        """
        assert facts.recorded is not None
        changed_at = workflow.now()
        while True:
            now = await self._follow(facts, wanted=wanted)
            if now.active != self._active:
                self._active, changed_at = now.active, workflow.now()
            if now.active == wanted:
                self._detail("migration", f"active version {wanted}")
                return
            stalled = workflow.now() - changed_at
            said = f"active version {now.active}, on its way to {wanted}"
            if stalled >= VERSION_STALLED_AFTER:
                minutes = f"{stalled.total_seconds() / 60:.0f} min"
                said += f"; unchanged for {minutes}: {now.holds or 'the database names no cause'}"
            self._detail("migration", said)
            if stalled >= VERSION_STALLED_FOR:
                raise BrokenError(
                    "finalize.stuck",
                    f"{said}.",
                    hint="It was reset, and the database goes on by itself once the cause is gone: mend it, "
                    "then /crdb finalize follows it again.",
                )

    async def _follow(self, facts: UpgradeFacts, *, wanted: str) -> ActiveVersion:
        assert facts.recorded is not None
        return await workflow.execute_activity_method(
            UpgradingActivities.follow_version,
            FollowVersionRequest(
                ref=self._ref,
                spec=facts.recorded,
                wanted=wanted,
                known=self._active,
                at_most=VERSION_LOOK.total_seconds(),
            ),
            summary=f"the active version, on its way to {wanted}",
            **FOLLOW_VERSION,
        )

    def _result(self, outcome: Literal["finalized", "nothing-to-do", "plan"], plan: UpgradePlan) -> FinalizeResult:
        recorded = self._facts.recorded if self._facts else None
        return FinalizeResult(
            outcome=outcome,
            version=recorded.version if recorded else "",
            active=self._active,
            before=self._before,
            decided_by=tuple(sorted(self._decided_by)),
            plan=plan.lines,
        )
