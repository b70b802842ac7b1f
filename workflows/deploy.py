"""`Deploy`: from nothing, or from where an earlier run stopped, to a secure cluster that answers SQL."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cluster import ClusterActivities
    from activities.payloads import (
        ApplyRequest,
        EnsureCaRequest,
        PlanDeployRequest,
        RecordCaRequest,
        SignerPreflightRequest,
        SqlAnswer,
    )
    from activities.signing import SigningActivities
    from domain.preflight import DeployPlan
    from operations.deploy import DeployResult, DeployStart
    from operations.queues import signer_queue
    from workflows.certificates import CertifiedWorkflow
    from workflows.initialization import InitializingWorkflow
    from workflows.retries import APPLY, OBSERVE, SIGNER


@workflow.defn(name="Deploy")
class DeployWorkflow(CertifiedWorkflow[DeployResult], InitializingWorkflow[DeployResult]):
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
            answer = await self._sql(plan.spec, drift=plan.drift)
            self._edit(state="nothing")
            return self._result(plan, answer, outcome="nothing-to-do")
        # Both end before the first wait; side by side they cost no extra turn of the workflow.
        await asyncio.gather(self._tell_open_certifies(), self._authority(plan))
        await self._objects(plan)
        await self._certificates(plan.spec, is_first=plan.mode == "first")
        await self._running(plan.spec)
        await self._initialize(plan.spec)
        await self._ready(plan.spec)
        answer = await self._sql(plan.spec, drift=plan.drift)
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
