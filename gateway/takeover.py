"""A question must not move a run on: what a worker replayed to answer one is forgotten before the run's next task.

Where a worker has died, a query may reach its successor before the run's next workflow task does. The SDK then plays
the run up to the newest event, past the last completed task, and keeps it so. The task that follows brings what came
since (a click, a signal) by itself, while a later replay finds both in one task, the click first: other commands than
were recorded, a run that no worker can go on with. Seen with temporalio 1.35.0 and reported upstream for similar cases
(temporalio/sdk-python 1591). So a run that was taken over from its history leaves the cache after it answered a query
that came alone; its next task replays it whole. A run that began on this worker is always up to date and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker._command_aware_visitor import CommandInfo

#: How the SDK names a query that did not come with a workflow task (`query_id` of its job).
_ALONE = "legacy_query"
_NO_STORE = StorageDriverStoreContext()


class ForgettingRunner(WorkflowRunner):
    """Runs workflows as another runner does, and lets go of runs as the module says.

    Args:
        runner: What runs workflow code.
        forget: Takes the id of a run that shall leave the worker's cache; called on a workflow thread.
    """

    def __init__(self, runner: WorkflowRunner, forget: Callable[[str], None]) -> None:
        self._runner, self._forget = runner, forget

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        """Prepare a workflow definition."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make what handles the activations of one run."""
        return _Instance(self._runner.create_instance(det), self._forget)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Pass on which exceptions fail a workflow."""
        self._runner.set_worker_level_failure_exception_types(types)


class _Instance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance, forget: Callable[[str], None]) -> None:
        self._instance, self._forget = instance, forget
        self._is_taken_over = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Handle an activation."""
        if any(job.HasField("initialize_workflow") for job in act.jobs):
            self._is_taken_over = act.is_replaying
        completion = self._instance.activate(act)
        if self._is_taken_over and any(job.query_workflow.query_id == _ALONE for job in act.jobs):
            self._forget(act.run_id)
        return completion

    def get_serialization_context(self, command_info: CommandInfo | None) -> SerializationContext | None:
        """Name none: our data converter heeds none, and to ask costs a step into the sandbox for each payload."""
        return None

    def get_external_store_context(self, command_info: CommandInfo | None) -> StorageDriverStoreContext:
        """Name none: no payload of ours is stored outside Temporal."""
        return _NO_STORE

    def get_info(self) -> workflow.Info:
        """Pass on."""
        return self._instance.get_info()
