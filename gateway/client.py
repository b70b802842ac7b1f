"""OperationsClient: all that a front end does through Temporal: start, decide, look, read.

It checks no role: the front end does, and the workflow again. Making the client is `gateway.connect`; what waits for
people is `gateway.approvals`; what memo and search attributes mean is `gateway.running`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from pydantic import BaseModel
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import RefusedError, TransientError
from domain.model import ClusterRef, Person
from gateway.approvals import CALL as _CALL
from gateway.approvals import ApprovalReads
from gateway.failures import is_passing, ours, unreachable
from gateway.links import run_url
from gateway.looks import LIFETIME, RESULTS, LookResult, last_seen, silent_site
from gateway.running import ApprovalTarget, Home, Running, running_of, target_of
from operations.base import LookStart, Operation, Start
from operations.certify import CertifyStatus
from operations.gate import GATES, Gates, GateStatus
from operations.messages import STATUS, Claims, Decision, DecisionReceipt, OperationStatus
from operations.observe import ObserveStatus
from operations.queues import (
    CLUSTER,
    OPERATION,
    REQUESTER,
    STATE,
    change_id,
    look_id,
    ops_queue,
)

_Answer = TypeVar("_Answer", bound=BaseModel)

#: How long a start whose answer was lost is asked for again (design, section 6).
_START_FOR = timedelta(seconds=30)
#: How long a start may look for a Temporal that does not answer at all, before anything was sent.
_LOOK_FOR = timedelta(seconds=10)


@dataclass(frozen=True)
class Started:
    """A change that runs. `is_repeat`: an earlier try of the same request had started it."""

    workflow_id: str
    run_id: str
    is_repeat: bool = False


class OperationsClient(ApprovalReads):
    """What a front end may do.

    Args:
        client: Connected by `gateway.connect`.
        ui_url: Address of Temporal's Web UI, for links.
        start_for: How long a start whose answer was lost is repeated.
    """

    def __init__(self, client: Client, *, ui_url: str, start_for: timedelta = _START_FOR) -> None:
        super().__init__(client)
        self._ui_url = ui_url
        self._start_for = start_for

    def url(self, workflow_id: str, *, run_id: str) -> str:
        """Return the address of a run in Temporal's Web UI."""
        return run_url(self._ui_url, namespace=self._client.namespace, workflow_id=workflow_id, run_id=run_id)

    async def is_healthy(self) -> bool:
        """Whether Temporal answers now."""
        try:
            return await self._client.service_client.check_health(timeout=timedelta(seconds=2))
        except RPCError:
            return False

    # --- changes

    async def start(
        self, operation: Operation, start: Start, *, ref: ClusterRef, requester: Person, summary: str
    ) -> Started:
        """Start a change under its cluster's lock; the same request id twice is the same start.

        Raises:
            BusyError: Another change holds the cluster.
            TransientError: `temporal.unreachable` (surely nothing was started) or `operation.start-unknown`.
        """
        begun, was_sent = datetime.now(UTC), False
        while True:
            try:
                latest = await self._latest(ref)
                if latest is not None and latest.request_id == start.request_id:
                    return Started(workflow_id=latest.workflow_id, run_id=latest.run_id, is_repeat=True)
                if latest is not None and latest.is_open:
                    raise latest.error()
                was_sent = True
                return await self._start_once(operation, start, ref=ref, requester=requester, summary=summary)
            except WorkflowAlreadyStartedError:
                pass  # somebody was faster, or our own earlier try: the next look says which
            except RPCError as error:
                if not is_passing(error):
                    raise
                waited = datetime.now(UTC) - begun
                if not was_sent and waited > min(_LOOK_FOR, self._start_for):
                    raise unreachable(error) from error
                if was_sent and waited > self._start_for:
                    raise TransientError(
                        "operation.start-unknown",
                        f"It is not known whether {operation.name} of {ref.cluster} started: Temporal did not answer.",
                        hint="Look with /crdb status before asking again.",
                    ) from error
            await asyncio.sleep(0.2)

    async def _start_once(
        self, operation: Operation, start: Start, *, ref: ClusterRef, requester: Person, summary: str
    ) -> Started:
        attributes = {CLUSTER: str(ref), OPERATION: operation.name, REQUESTER: requester.id, STATE: "running"}
        handle = await self._client.start_workflow(
            operation.workflow,
            start,
            id=change_id(ref),
            task_queue=ops_queue(ref.site),
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            memo={
                "request_id": start.request_id,
                "operation": operation.name,
                "requester": {"id": requester.id, "name": requester.name, "team": requester.team},
                "summary": summary,
            },
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(SearchAttributeKey.for_keyword(key), value) for key, value in attributes.items()]
            ),
            static_summary=summary,
            rpc_timeout=_CALL,
        )
        return Started(workflow_id=handle.id, run_id=handle.result_run_id or "")

    async def running(self, ref: ClusterRef) -> Running | None:
        """Return who holds a cluster now, or None.

        Raises:
            TransientError: `temporal.unreachable`.
        """
        latest = await _asked(self._latest(ref))
        return latest if latest is not None and latest.is_open else None

    async def _latest(self, ref: ClusterRef) -> Running | None:
        """Return the newest run of a cluster's lock, open or closed."""
        try:
            found = await self._client.get_workflow_handle(change_id(ref)).describe(rpc_timeout=_CALL)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise
        return running_of(found, await found.memo(), url=self.url(found.id, run_id=found.run_id))

    async def home(self, workflow_id: str, *, run_id: str = "") -> Home:
        """Return where a change is shown, as far as its memo says yet."""
        try:
            found = await self._handle(workflow_id, run_id).describe(rpc_timeout=_CALL)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return Home()
            raise unreachable(error) from error
        memo = await found.memo()
        return Home(channel=str(memo.get("channel") or ""), root_ts=str(memo.get("root_ts") or ""))

    # --- decisions

    async def target(self, workflow_id: str, *, run_id: str = "", approval_id: str = "") -> ApprovalTarget:
        """Return what a run asks a person for right now, of several the one of that id; needs no worker.

        Raises:
            RefusedError: `decision.closed`: there is no such run.
            TransientError: `temporal.unreachable`.
        """
        try:
            found = await self._handle(workflow_id, run_id).describe(rpc_timeout=_CALL)
            return target_of(found, await found.memo(), approval_id=approval_id)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise _closed() from error
            raise unreachable(error) from error

    async def decide(
        self, update: str, *, workflow_id: str, run_id: str, decision: Decision, update_id: str
    ) -> DecisionReceipt:
        """Send a signed decision to one run; sent again with the same update id until the token's time is over.

        Raises:
            RefusedError: The validator's refusal, with its sentence; `decision.closed` when the run is over.
            TransientError: `decision.not-recorded`: no worker took it while the token was valid.
        """
        until = Claims.model_validate_json(decision.token.claims).until
        handle = self._handle(workflow_id, run_id)
        while True:
            left = (until - datetime.now(UTC)).total_seconds()
            try:
                async with asyncio.timeout(max(left, 0.1)):
                    receipt: DecisionReceipt = await handle.execute_update(
                        update, decision, id=update_id, result_type=DecisionReceipt, rpc_timeout=_CALL
                    )
                    return receipt
            except WorkflowUpdateFailedError as error:
                cause = error.cause
                kind = cause.type if isinstance(cause, ApplicationError) else ""
                if kind == "AcceptedUpdateCompletedWorkflow":
                    raise _closed() from error
                # The server's word for a task that came back without an answer to it, as while a worker takes over.
                if kind != "UnprocessedUpdate":
                    raise ours(cause) from error
            except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError):
                # Not accepted yet: nobody serves the queue. The SDK says the same when we ourselves are stopped.
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from None
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    raise _closed() from error
                if not is_passing(error):
                    raise
            if datetime.now(UTC) >= until:
                raise TransientError(
                    "decision.not-recorded",
                    "Your click was not recorded: no worker took it. Nothing was decided.",
                    hint="Click again.",
                )
            await asyncio.sleep(0.2)

    # --- reading

    async def certify_status(self, workflow_id: str, *, run_id: str) -> CertifyStatus:
        """Ask the life of a CSR for all that its card shows."""
        return await self._query(workflow_id, run_id=run_id, result=CertifyStatus)

    async def gate_status(self, workflow_id: str, *, run_id: str, approval_id: str) -> GateStatus:
        """Ask a change for all that the card of one of its questions shows.

        Raises:
            RefusedError: `approval.unknown`: it asked nothing under that id.
        """
        found = await self._query(workflow_id, run_id=run_id, result=Gates, name=GATES)
        asked = next((gate for gate in found.gates if gate.approval_id == approval_id), None)
        if asked is None:
            raise RefusedError("approval.unknown", "This operation asks nothing under that approval id.")
        return asked

    async def operation_status(self, workflow_id: str, *, run_id: str) -> OperationStatus:
        """Ask a change for all that its message shows."""
        return await self._query(workflow_id, run_id=run_id, result=OperationStatus)

    async def observe_status(self, workflow_id: str, *, run_id: str) -> ObserveStatus:
        """Ask what observes an upgrade for all that its card shows."""
        return await self._query(workflow_id, run_id=run_id, result=ObserveStatus)

    async def _query(self, workflow_id: str, *, run_id: str, result: type[_Answer], name: str = STATUS) -> _Answer:
        try:
            # The SDK repeats a call that timed out; a person waits no longer than one.
            async with asyncio.timeout(_CALL.total_seconds()):
                answer = await self._handle(workflow_id, run_id).query(name, result_type=result)
        except TimeoutError as error:
            raise _silent() from error
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise _closed() from error
            if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
                raise _silent() from error
            raise unreachable(error) from error
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            raise _silent() from error
        return cast("_Answer", answer)

    async def look(
        self, operation: Operation, ref: ClusterRef, *, request_id: str, timeout: timedelta = timedelta(seconds=8)
    ) -> LookResult:
        """Look at a cluster.

        Raises:
            TransientError: `site.silent` (no worker of the site answered in time) or `temporal.unreachable`.
            OpsError: What the look itself found wrong.
        """
        work = self._client.execute_workflow(
            operation.workflow,
            LookStart(operation=operation.name, ref=ref),
            id=look_id(site=ref.site, request_id=request_id),
            task_queue=ops_queue(ref.site),
            result_type=RESULTS[operation.name],
            execution_timeout=LIFETIME,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"{operation.name} {ref.cluster}",
        )
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return cast("LookResult", await work)
        except TimeoutError as error:
            raise await silent_site(self._client, ref.site) from error
        except WorkflowFailureError as error:
            raise ours(error.cause) from error
        except RPCError as error:
            raise unreachable(error) from error

    async def last_seen(self, site: str) -> datetime | None:
        """Return when a worker of a site last asked for work, if one did lately."""
        return await last_seen(self._client, site)

    def _handle(self, workflow_id: str, run_id: str) -> WorkflowHandle[object, object]:
        return self._client.get_workflow_handle(workflow_id, run_id=run_id or None)


async def _asked(call: Awaitable[Running | None]) -> Running | None:
    try:
        return await call
    except RPCError as error:
        raise unreachable(error) from error


def _closed() -> RefusedError:
    return RefusedError("decision.closed", "This request is closed already.", hint="The card shows how it ended.")


def _silent() -> TransientError:
    return TransientError("workflow.silent", "No worker answers for this run.", hint="Try again.")
