"""RunningPort over Temporal's client: who holds a cluster's lock, which certificate workflows are open.

Starting and deciding is `gateway`'s; here activities ask what runs beside them.
"""

from __future__ import annotations

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.payloads import OpenCertifies, OpenCertify, RunningChange
from domain.errors import TransientError
from domain.model import ClusterRef, Person
from operations.queues import CLUSTER, change_id


class TemporalRunning:
    """What runs, by Temporal's word."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def change(self, ref: ClusterRef) -> RunningChange:
        """Return the change that holds the cluster's lock; all empty when none does."""
        try:
            found = await self._client.get_workflow_handle(change_id(ref)).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return RunningChange()
            raise _unreachable(error) from error
        if found.status != WorkflowExecutionStatus.RUNNING:
            return RunningChange()
        memo = await found.memo()
        requester = memo.get("requester")
        return RunningChange(
            workflow_id=found.id,
            run_id=found.run_id,
            operation=str(memo.get("operation", "")),
            requester=Person.model_validate(requester) if requester else None,
            also_asked=tuple(Person.model_validate(person) for person in memo.get("also_asked") or ()),
        )

    async def certifies(self, ref: ClusterRef) -> OpenCertifies:
        """Return all open Certify workflows of the cluster. Visibility may lag by a moment."""
        query = f"WorkflowType='Certify' AND {CLUSTER}='{ref}' AND ExecutionStatus='Running'"
        try:
            runs = [
                OpenCertify(workflow_id=found.id, run_id=found.run_id)
                async for found in self._client.list_workflows(query)
            ]
        except RPCError as error:
            raise _unreachable(error) from error
        return OpenCertifies(runs=tuple(runs))


def _unreachable(error: RPCError) -> TransientError:
    return TransientError("temporal.unreachable", f"Temporal does not answer: {error.message}")
