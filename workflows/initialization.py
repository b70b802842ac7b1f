"""From nodes that run to a cluster that answers SQL: the steps that `deploy` and `init` have in common.

A change that uses them has the steps `running`, `init`, `ready` and `sql` on its card. What comes before is its own.
"""

from __future__ import annotations

from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cluster import ClusterActivities
    from activities.nodes import NodeActivities
    from activities.payloads import ClusterRequest, InitRequest, NodesAnswers, SqlAnswer
    from activities.sql import SqlActivities
    from domain.errors import BrokenError
    from domain.model import CLIENT_POD, ClusterSpec
    from domain.nodes import decide_init, init_target
    from workflows.base import OperationWorkflow
    from workflows.retries import APPLY, INIT, JOIN_WITHIN, LOOK_AT_NODES, OBSERVE, READY, RUNNING, SQL

Done = TypeVar("Done")


class InitializingWorkflow(OperationWorkflow[Done]):
    """A change that brings running nodes to one initialized cluster."""

    async def _running(self, spec: ClusterSpec) -> None:
        with self._step("running"):
            await self._until_running(spec)

    async def _until_running(self, spec: ClusterSpec) -> None:
        state = await self._or_cancel(
            workflow.start_activity_method(
                ClusterActivities.wait_running,
                ClusterRequest(ref=self._status.ref, spec=spec),
                summary="wait until all pods run and volumes are bound",
                **RUNNING,
            )
        )
        self._detail("running", f"{state.running} pods, {state.bound} volumes")

    async def _initialize(self, spec: ClusterSpec) -> None:
        """Send `init` once, to the recorded target; the activity looks at every node before it does."""
        target = init_target(spec.init_target)
        with self._step("init"):
            request = InitRequest(ref=self._status.ref, spec=spec, target=target)
            if spec.init_target is None:
                await workflow.execute_activity_method(
                    NodeActivities.record_target, request, summary=f"record node {target} as init's target", **APPLY
                )
            sending = workflow.start_activity_method(
                NodeActivities.init, request, summary=f"init node {target} when every node waits for it", **INIT
            )
            if not await self._wait(sending.done, timeout=LOOK_AT_NODES, summary="then say what init waits for"):
                decision = decide_init((await self._ask_nodes(spec)).answers, nodes=spec.nodes)
                self._detail("init", decision.sentence)
            outcome = await sending
            if outcome.outcome == "already":
                await self._until_joined(spec)
            self._detail("init", f"{outcome.outcome} through node {target}")

    async def _until_joined(self, spec: ClusterSpec) -> None:
        """Some node served before `init` was sent: the others join within a minute, or a person looks."""
        begun = workflow.now()
        while True:
            answers = await self._ask_nodes(spec)
            decision = decide_init(answers.answers, nodes=spec.nodes)
            if decision.action == "done":
                return
            if workflow.now() - begun >= JOIN_WITHIN:
                raise BrokenError("init.mixed", f"{decision.sentence}.", hint="Look at the waiting nodes' logs.")
            self._detail("init", decision.sentence)
            await self._wait(lambda: False, timeout=LOOK_AT_NODES, summary="ask the nodes again")

    async def _ask_nodes(self, spec: ClusterSpec) -> NodesAnswers:
        return await workflow.execute_activity_method(
            NodeActivities.observe,
            ClusterRequest(ref=self._status.ref, spec=spec),
            summary="ask every node how it stands",
            **OBSERVE,
        )

    async def _ready(self, spec: ClusterSpec) -> None:
        with self._step("ready"):
            state = await self._or_cancel(
                workflow.start_activity_method(
                    ClusterActivities.wait_ready,
                    ClusterRequest(ref=self._status.ref, spec=spec),
                    summary="wait until all nodes are ready",
                    **READY,
                )
            )
            self._detail("ready", f"{state.ready} of {spec.nodes}")

    async def _sql(self, spec: ClusterSpec, *, drift: tuple[str, ...]) -> SqlAnswer:
        """Ask every node by SQL; what it answers and how to connect stand at the end of the message."""
        with self._step("sql"):
            answer = await workflow.execute_activity_method(
                SqlActivities.check,
                ClusterRequest(ref=self._status.ref, spec=spec),
                summary="every node's cluster id and SELECT 1, through the client pod",
                **SQL,
            )
            self._detail("sql", f"one cluster id, version {answer.version}, in {answer.seconds:.1f} s")
        self._edit(
            facts=(
                *drift,
                f"cluster id {answer.cluster_id}",
                f"SQL: kubectl -n {self._status.ref.namespace} exec -it {CLIENT_POD} -- /cockroach/cockroach sql "
                f"--certs-dir=/cockroach/cockroach-certs --host=cockroachdb-public",
            )
        )
        return answer
