"""`Deploy`: from nothing, or from where an earlier run stopped, to a secure cluster that answers SQL."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cluster import ClusterActivities
    from activities.nodes import NodeActivities
    from activities.payloads import (
        ApplyRequest,
        ClusterRequest,
        EnsureCaRequest,
        InitRequest,
        NodesAnswers,
        PlanDeployRequest,
        RecordCaRequest,
        SignerPreflightRequest,
        SqlAnswer,
    )
    from activities.signing import SigningActivities
    from activities.sql import SqlActivities
    from domain.errors import BrokenError
    from domain.model import CLIENT_POD
    from domain.nodes import INIT_TARGET, decide_init
    from domain.preflight import DeployPlan
    from operations.deploy import DeployResult, DeployStart
    from operations.queues import signer_queue
    from workflows.certificates import CertifiedWorkflow
    from workflows.retries import (
        APPLY,
        INIT,
        JOIN_WITHIN,
        LOOK_AT_NODES,
        OBSERVE,
        READY,
        RUNNING,
        SIGNER,
        SQL,
    )


@workflow.defn(name="Deploy")
class DeployWorkflow(CertifiedWorkflow[DeployResult]):
    """Deploy a cluster.

    1. Preflight: rights, server, storage, room, Pod Security, leftovers; nothing is made when it fails.
    2. Certificate authority: made or found by the signer, published in a ConfigMap.
    3. Objects: accounts, services, budget, client pod, nodes.
    4. Certificates: one request per pod, each decided by a person in a `Certify` of its own.
    5. Running: pods run, volumes are bound.
    6. Init: sent once, to one recorded node, when every node waits for it.
    7. Ready: all nodes ready.
    8. SQL answers; all nodes name one cluster id.

    Nothing is undone on cancel or failure: what exists stays, and a repeated deploy goes on from there.
    """

    operation = "deploy"
    steps = (
        ("preflight", "Preflight"),
        ("authority", "Certificate authority"),
        ("objects", "Kubernetes objects"),
        ("certificates", "Certificates, approved by people"),
        ("running", "Nodes running, volumes bound"),
        ("init", "Initialized once"),
        ("ready", "All nodes ready"),
        ("sql", "SQL answers, one cluster id"),
    )

    @workflow.init
    def __init__(self, start: DeployStart) -> None:
        """Make all state that handlers touch."""
        self._request = start.request
        self._ref = start.request.ref
        self._begin(self._ref, f"Deploy {self._ref.cluster}")

    @workflow.run
    async def run(self, start: DeployStart) -> DeployResult:
        """Run the change."""
        return await self._run(start, start.request, self._story)

    # --- the story ---

    async def _story(self) -> DeployResult:
        plan = await self._preflight()
        if self._request.plan:
            self._skip(*(name for name, _ in self.steps[1:]), detail="not done: this is the plan")
            self._edit(state="plan")
            return DeployResult(outcome="plan", nodes=plan.spec.nodes, version=plan.spec.version, plan=plan.lines)
        if plan.mode == "nothing":
            self._skip(*(name for name, _ in self.steps[1:-1]), detail="already so")
            answer = await self._sql(plan)
            self._edit(state="nothing")
            return self._result(plan, answer, outcome="nothing-to-do")
        # Both end before the first wait; side by side they cost no extra turn of the workflow.
        await asyncio.gather(self._tell_open_certifies(), self._authority(plan))
        await self._objects(plan)
        await self._certificates(plan.spec, is_first=plan.mode == "first")
        await self._running(plan)
        await self._init(plan)
        await self._ready(plan)
        answer = await self._sql(plan)
        return self._result(plan, answer, outcome="deployed")

    async def _preflight(self) -> DeployPlan:
        with self._step("preflight"):
            signer = await workflow.execute_activity_method(
                SigningActivities.preflight,
                SignerPreflightRequest(ref=self._ref),
                task_queue=signer_queue(self._ref.site),
                summary="what the signer holds and may do",
                **SIGNER,
            )
            planned = await workflow.execute_activity_method(
                ClusterActivities.plan,
                PlanDeployRequest(
                    ref=self._ref,
                    nodes=self._request.nodes,
                    version=self._request.version,
                    storage=self._request.storage,
                    signer=signer,
                ),
                summary="look at Kubernetes and plan",
                **OBSERVE,
            )
            plan = planned.plan
            spec = plan.spec
            self._edit(
                headline=f"Deploy {self._ref.cluster}: {spec.nodes} nodes, {spec.version}",
                plan=plan.lines,
                facts=plan.drift,
            )
            plan.verdict.require(
                "deploy.refused",
                f"{self._ref.cluster} cannot be deployed",
                hint="Nothing was created. Mend what is named, then ask again.",
            )
        return plan

    async def _authority(self, plan: DeployPlan) -> None:
        with self._step("authority"):
            authority = await workflow.execute_activity_method(
                SigningActivities.ensure_ca,
                EnsureCaRequest(ref=self._ref, expected=plan.expected_ca),
                task_queue=signer_queue(self._ref.site),
                summary="make or find the certificate authority",
                **SIGNER,
            )
            await workflow.execute_activity_method(
                ClusterActivities.record_ca,
                RecordCaRequest(
                    ref=self._ref, certificate_pem=authority.certificate_pem, fingerprint=authority.fingerprint
                ),
                summary=f"publish CA {authority.fingerprint[:12]}",
                **APPLY,
            )
            self._detail("authority", f"{'made' if authority.is_new else 'found'}, {authority.fingerprint[:12]}")

    async def _objects(self, plan: DeployPlan) -> None:
        with self._step("objects"):
            applied = await workflow.execute_activity_method(
                ClusterActivities.apply,
                ApplyRequest(
                    ref=self._ref,
                    spec=plan.spec,
                    mode="first" if plan.mode == "first" else "resume",
                    operation_id=self._status.run_id,
                ),
                summary=f"apply the objects of {plan.spec.nodes} nodes and the client pod",
                **APPLY,
            )
            self._detail("objects", f"{len(applied.objects)} objects")

    async def _running(self, plan: DeployPlan) -> None:
        with self._step("running"):
            state = await self._or_cancel(
                workflow.start_activity_method(
                    ClusterActivities.wait_running,
                    ClusterRequest(ref=self._ref, spec=plan.spec),
                    summary="wait until all pods run and volumes are bound",
                    **RUNNING,
                )
            )
            self._detail("running", f"{state.running} pods, {state.bound} volumes")

    async def _init(self, plan: DeployPlan) -> None:
        """Send `init` once, to the recorded target; the activity looks at every node before it does."""
        with self._step("init"):
            request = InitRequest(ref=self._ref, spec=plan.spec, target=INIT_TARGET)
            await workflow.execute_activity_method(
                NodeActivities.record_target, request, summary=f"record node {INIT_TARGET} as init's target", **APPLY
            )
            sending = workflow.start_activity_method(
                NodeActivities.init, request, summary=f"init node {INIT_TARGET} when every node waits for it", **INIT
            )
            if not await self._wait(sending.done, timeout=LOOK_AT_NODES, summary="then say what init waits for"):
                decision = decide_init((await self._ask_nodes(plan)).answers, nodes=plan.spec.nodes)
                self._detail("init", decision.sentence)
            outcome = await sending
            if outcome.outcome == "already":
                await self._until_joined(plan)
            self._detail("init", f"{outcome.outcome} through node {INIT_TARGET}")

    async def _until_joined(self, plan: DeployPlan) -> None:
        """Some node served before `init` was sent: the others join within a minute, or a person looks."""
        begun = workflow.now()
        while True:
            answers = await self._ask_nodes(plan)
            decision = decide_init(answers.answers, nodes=plan.spec.nodes)
            if decision.action == "done":
                return
            if workflow.now() - begun >= JOIN_WITHIN:
                raise BrokenError("init.mixed", f"{decision.sentence}.", hint="Look at the waiting nodes' logs.")
            self._detail("init", decision.sentence)
            await self._wait(lambda: False, timeout=LOOK_AT_NODES, summary="ask the nodes again")

    async def _ask_nodes(self, plan: DeployPlan) -> NodesAnswers:
        return await workflow.execute_activity_method(
            NodeActivities.observe,
            ClusterRequest(ref=self._ref, spec=plan.spec),
            summary="ask every node how it stands",
            **OBSERVE,
        )

    async def _ready(self, plan: DeployPlan) -> None:
        with self._step("ready"):
            state = await self._or_cancel(
                workflow.start_activity_method(
                    ClusterActivities.wait_ready,
                    ClusterRequest(ref=self._ref, spec=plan.spec),
                    summary="wait until all nodes are ready",
                    **READY,
                )
            )
            self._detail("ready", f"{state.ready} of {plan.spec.nodes}")

    async def _sql(self, plan: DeployPlan) -> SqlAnswer:
        with self._step("sql"):
            answer = await workflow.execute_activity_method(
                SqlActivities.check,
                ClusterRequest(ref=self._ref, spec=plan.spec),
                summary="every node's cluster id and SELECT 1, through the client pod",
                **SQL,
            )
            self._detail("sql", f"one cluster id, version {answer.version}, in {answer.seconds:.1f} s")
        namespace = self._ref.namespace
        self._edit(
            facts=(
                *plan.drift,
                f"cluster id {answer.cluster_id}",
                f"SQL: kubectl -n {namespace} exec -it {CLIENT_POD} -- /cockroach/cockroach sql "
                f"--certs-dir=/cockroach/cockroach-certs --host=cockroachdb-public",
            )
        )
        return answer

    def _result(self, plan: DeployPlan, answer: SqlAnswer, *, outcome: str) -> DeployResult:
        return DeployResult(
            outcome=outcome,
            nodes=plan.spec.nodes,
            version=plan.spec.version,
            cluster_id=answer.cluster_id,
            certificates=tuple(sorted(self._issued)),
            decided_by=tuple(sorted(self._decided_by)),
            plan=plan.lines,
        )
