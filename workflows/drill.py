"""`Drill`: one node's pod is deleted on purpose; how long it is away and how SQL answers meanwhile is measured."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.drill_payloads import BackRequest, DrillAbout, Killed, KillRequest, PodBack, Seen
    from activities.drilling import DrillingActivities
    from domain.drill import Back, DrillFacts, DrillPlan, differences, plan_drill
    from domain.errors import BrokenError
    from domain.health import places
    from domain.model import NodeRef
    from operations.drill import DrillResult, DrillStart
    from workflows.certificates import CertifiedWorkflow
    from workflows.health import HealthyWorkflow
    from workflows.retries import BACK_LOOK, BACK_WITHIN, HEALTH, MEMBERSHIP


@workflow.defn(name="Drill")
class DrillWorkflow(CertifiedWorkflow[DrillResult], HealthyWorkflow[DrillResult]):
    """Kill a node and see it come back.

    1. Preflight: initialized, all nodes live and active, nothing under-replicated or unavailable, a majority of every
       range left without this node, SQL answers through each of the others; then the plan. The pod's uid is recorded.
    2. The pod of that uid is deleted as `kubectl delete pod` does. Until then it can be cancelled.
    3. Its successor is ready: same name, same volume, the certificate on it used again. Meanwhile SQL is asked once a
       second through the other nodes.
    4. All nodes are live with the node ids that they had, and all ranges have their copies.

    Nothing is undone, since nothing of ours changes: Kubernetes starts the pod again whatever becomes of this run.
    """

    operation = "drill"
    steps = (
        ("preflight", "Preflight and plan"),
        ("kill", "Pod deleted"),
        ("back", "Ready again, SQL asked meanwhile"),
        ("healthy", "All nodes live, all ranges replicated"),
    )

    @workflow.init
    def __init__(self, start: DrillStart) -> None:
        """Make all state that handlers touch."""
        self._request = start.request
        self._ref = start.request.ref
        self._node = NodeRef(ordinal=start.request.node)
        self._begin(self._ref, f"Drill of {self._ref.cluster}: kill {self._node.pod}")

    @workflow.run
    async def run(self, start: DrillStart) -> DrillResult:
        """Run the change."""
        return await self._run(start, start.request, self._story)

    async def _story(self) -> DrillResult:
        facts, plan = await self._preflight()
        if self._request.plan:
            self._edit(state="plan")
            return DrillResult(outcome="plan", pod=self._node.pod, plan=plan.lines)
        killed = await self._kill(facts)
        back = await self._until_back(facts, killed)
        node_id, healthy = await self._until_well(facts, killed)
        after = Back(node_id=node_id, volume=back.volume, asked=back.asked, probes=back.seen.probes)
        self._tell(facts, back.seen, healthy=healthy)
        verdict = differences(facts, after)
        if not verdict.is_yes:
            said = "; ".join(reason.sentence() for reason in verdict.reasons)
            raise BrokenError(
                "drill.not-as-before",
                f"{self._node.pod} is back, but not as it was: {said}.",
                hint="Look at its volume and at the card of its certificate; /crdb status shows what is there now.",
            )
        return DrillResult(
            outcome="survived",
            pod=self._node.pod,
            node_id=node_id,
            volume=back.volume,
            gone_seconds=back.seen.gone_seconds,
            ready_seconds=back.seen.ready_seconds,
            healthy_seconds=healthy,
            sql_asked=after.probes.asked,
            sql_answered=after.probes.answered,
            longest_gap_seconds=round(after.probes.longest_gap, 1),
            plan=plan.lines,
        )

    async def _preflight(self) -> tuple[DrillFacts, DrillPlan]:
        with self._step("preflight"):
            facts = await workflow.execute_activity_method(
                DrillingActivities.observe,
                DrillAbout(ref=self._ref, node=self._node),
                summary="pods, volume, nodes, ranges, and SQL through the others",
                **MEMBERSHIP,
            )
            plan = plan_drill(facts)
            self._edit(plan=plan.lines)
            plan.verdict.require(
                "drill.refused",
                f"{self._node.pod} is not killed",
                hint="Nothing was changed. Mend what is named, then ask again.",
            )
        return facts, plan

    async def _kill(self, facts: DrillFacts) -> Killed:
        with self._step("kill"):
            # Between the step's look at a cancel and this no other code runs: from here on it is too late for one.
            self._edit(may_cancel=False)
            killed = await workflow.execute_activity_method(
                DrillingActivities.kill,
                KillRequest(ref=self._ref, node=self._node, uid=facts.pod_uid),
                summary=f"delete {self._node.pod}, uid {facts.pod_uid[:8]}",
                **MEMBERSHIP,
            )
            node = facts.node
            self._detail("kill", f"{node.name() if node else self._node.pod}, at {killed.at:%H:%M:%S} UTC")
        return killed

    async def _until_back(self, facts: DrillFacts, killed: Killed) -> PodBack:
        assert facts.recorded is not None
        seen = Seen()
        with self._step("back"):
            while True:
                back = await workflow.execute_activity_method(
                    DrillingActivities.wait_back,
                    BackRequest(
                        ref=self._ref,
                        node=self._node,
                        uid=facts.pod_uid,
                        spec=facts.recorded,
                        killed_at=killed.at,
                        others=facts.others,
                        seen=seen,
                        seconds=BACK_LOOK.total_seconds(),
                    ),
                    summary=f"wait until {self._node.pod} is ready again, ask SQL meanwhile",
                    **HEALTH,
                )
                seen = back.seen
                if back.is_ready:
                    self._detail("back", f"after {seen.ready_seconds:.0f} s; SQL: {seen.probes.sentence()}")
                    return back
                self._detail("back", f"waits: {back.sentence}; SQL: {seen.probes.sentence()}")
                if workflow.now() - killed.at >= BACK_WITHIN:
                    raise BrokenError(
                        "drill.not-back",
                        f"Within {BACK_WITHIN.total_seconds() / 60:.0f} min not ready again: {back.sentence}.",
                        hint="Its volume is untouched, and Kubernetes goes on starting it. /crdb status shows the pod.",
                    )

    async def _until_well(self, facts: DrillFacts, killed: Killed) -> tuple[int | None, float]:
        """Wait until all is well; return the id of the node that is on the pod now, and the seconds."""
        with self._step("healthy"):
            found = await self._until_healthy(
                "healthy",
                ordinals=tuple(range(facts.replicas)),
                code="drill.not-healthy",
                hint="The pod is back; mend what is named. /crdb status shows it.",
            )
            node = places(found.nodes).get(self._node.ordinal)
            return (node.id if node else None), _seconds(workflow.now(), killed.at)

    def _tell(self, facts: DrillFacts, seen: Seen, *, healthy: float) -> None:
        node = facts.node
        probes = seen.probes
        said = [
            f"{node.name() if node else self._node.pod}: gone after {seen.gone_seconds or 0:.0f} s, ready again after "
            f"{seen.ready_seconds or 0:.0f} s, all well after {healthy:.0f} s",
            f"SQL through {', '.join(NodeRef(ordinal=o).pod for o in facts.others)}: {probes.sentence()}",
        ]
        if probes.last_error and probes.answered < probes.asked:
            said.append(f"last silence: {probes.last_error}")
        self._edit(facts=(*self._status.facts, *said))


def _seconds(until: datetime, since: datetime) -> float:
    return round((until - since).total_seconds(), 1)
