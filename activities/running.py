"""What runs beside a workflow: the change that holds a cluster's lock, open certificate workflows."""

from __future__ import annotations

from temporalio import activity

from activities.payloads import BehindRequest, OpenCertifies, RunningChange
from activities.ports import RunningPort


class RunningActivities:
    """Activities that ask Temporal."""

    def __init__(self, running: RunningPort) -> None:
        self._running = running

    @activity.defn(name="running.behind")
    async def behind(self, request: BehindRequest) -> RunningChange:
        """Say which change holds the cluster's lock. Repeating it only reads again."""
        return await self._running.change(request.ref)

    @activity.defn(name="running.open_certifies")
    async def open_certifies(self, request: BehindRequest) -> OpenCertifies:
        """Say which certificate workflows of the cluster are open. Repeating it only reads again."""
        return await self._running.certifies(request.ref)
