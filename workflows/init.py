"""`Init`: a deployed cluster whose nodes all wait for `init` gets it, once, through the recorded node."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cluster import ClusterActivities
    from activities.payloads import ClientPodRequest, PlanInitRequest
    from domain.initialization import InitPlan
    from domain.model import ClusterSpec
    from domain.nodes import decide_init, init_target
    from operations.init import InitResult, InitStart
    from workflows.initialization import InitializingWorkflow
    from workflows.retries import APPLY, OBSERVE


@workflow.defn(name="Init")
class InitWorkflow(InitializingWorkflow[InitResult]):
    """Initialize a deployed cluster.

    1. Preflight: the cluster is deployed, recorded and ours, every node has its certificate; nothing is changed.
    2. Running: the client pod is there, made again where it is missing; pods run, volumes are bound.
    3. Init: sent once, to one recorded node, when every node waits for it.
    4. Ready: all nodes ready.
    5. SQL answers; all nodes name one cluster id.

    Where all nodes serve already there is nothing to do but to ask by SQL. `init` cannot be undone; on cancel or
    failure what exists stays, and a repeated init goes on from there.
    """

    operation = "init"
    steps = (
        ("preflight", "Preflight"),
        ("running", "Nodes running, volumes bound"),
        ("init", "Initialized once"),
        ("ready", "All nodes ready"),
        ("sql", "SQL answers, one cluster id"),
    )

    @workflow.init
    def __init__(self, start: InitStart) -> None:
        """Make all state that handlers touch."""
        self._request = start.request
        self._ref = start.request.ref
        self._begin(self._ref, f"Initialize {self._ref.cluster}")

    @workflow.run
    async def run(self, start: InitStart) -> InitResult:
        """Run the change."""
        return await self._run(start, start.request, self._story)

    async def _story(self) -> InitResult:
        plan, spec, is_served = await self._preflight()
        result = InitResult(
            outcome="initialized", nodes=spec.nodes, target=init_target(spec.init_target), plan=plan.lines
        )
        if self._request.plan:
            self._skip(*(name for name, _ in self.steps[1:]), detail="not done: this is the plan")
            self._edit(state="plan")
            return result.model_copy(update={"outcome": "plan"})
        if is_served:
            self._skip(*(name for name, _ in self.steps[1:-1]), detail="already so")
        else:
            await self._client_and_nodes(plan, spec)
            await self._initialize(spec)
            await self._ready(spec)
        answer = await self._sql(spec, drift=plan.drift)
        if is_served:
            self._edit(state="nothing")
            result = result.model_copy(update={"outcome": "nothing-to-do"})
        return result.model_copy(update={"cluster_id": answer.cluster_id, "version": answer.version})

    async def _preflight(self) -> tuple[InitPlan, ClusterSpec, bool]:
        """Plan, and ask the nodes where there is a client pod to ask from: all of them may serve already."""
        with self._step("preflight"):
            planned = await workflow.execute_activity_method(
                ClusterActivities.plan_init,
                PlanInitRequest(ref=self._ref),
                summary="look at Kubernetes and plan",
                **OBSERVE,
            )
            plan, spec = planned.plan, planned.plan.spec
            if spec is None:
                cause = plan.verdict.reasons[0].code
                plan.verdict.require(cause, f"{self._ref.cluster} is not initialized", hint="Nothing was changed.")
                raise AssertionError("a plan without a spec has its reasons")
            is_served, lines = False, plan.lines
            if plan.is_client_ready:
                decision = decide_init((await self._ask_nodes(spec)).answers, nodes=spec.nodes)
                is_served = decision.action == "done"
                lines = (f"nothing: {decision.sentence}",) if is_served else (*plan.lines, f"now {decision.sentence}")
            plan = plan.model_copy(update={"lines": lines})
            self._edit(
                headline=f"Initialize {self._ref.cluster}: {spec.nodes} nodes, {spec.version}",
                plan=plan.lines,
                facts=plan.drift,
            )
        return plan, spec, is_served

    async def _client_and_nodes(self, plan: InitPlan, spec: ClusterSpec) -> None:
        with self._step("running"):
            if not plan.is_client_ready:
                await workflow.execute_activity_method(
                    ClusterActivities.client_pod,
                    ClientPodRequest(ref=self._ref, spec=spec, operation_id=self._status.run_id),
                    summary="have the client pod, from which nodes are asked",
                    **APPLY,
                )
            await self._until_running(spec)
