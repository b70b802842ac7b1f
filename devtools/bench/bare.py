"""The least that a durable approval costs: one update, two activities. The baseline of `clicks`."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

QUEUE = "bench-bare"


@workflow.defn(name="Bare")
class BareWorkflow:
    """1. Wait for the update. 2. Approve. 3. Sign."""

    @workflow.init
    def __init__(self) -> None:
        """Begin undecided."""
        self._is_done = False

    @workflow.run
    async def run(self) -> None:
        """Wait for the update to have done its work."""
        await workflow.wait_condition(lambda: self._is_done)
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.update
    async def approve(self, name: str) -> None:
        """Approve and sign."""
        for step in ("bare.approve", "bare.sign"):
            await workflow.execute_activity(step, name, start_to_close_timeout=timedelta(seconds=10))
        self._is_done = True
