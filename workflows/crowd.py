"""`Crowd`: more certificate signing requests of a cluster are pending than may be open at once.

Which are open and which wait is kept by the watch (`events.csr`), which also starts them.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from operations.chat import SAY, MessageRef, Say
    from operations.crowd import MOST_OPEN, CrowdResult, CrowdSeen, CrowdStart
    from operations.messages import CROWD_SEEN
    from operations.queues import CHAT_QUEUE
    from workflows.retries import ANNOUNCE, CROWD_AT_MOST, CROWD_OVER_AFTER


@workflow.defn(name="Crowd")
class CrowdWorkflow:
    """Tell once that requests wait for a place; undone by nothing, since nothing is changed.

    1. Tell how many wait.
    2. Stay until none has waited for a while, so that a number that goes to and fro is told once.
    """

    @workflow.init
    def __init__(self, start: CrowdStart) -> None:
        """Begin with none that waits."""
        self._waiting = self._most = 0

    @workflow.signal(name=CROWD_SEEN)
    def seen(self, now: CrowdSeen) -> None:
        """Take the number that wait now."""
        self._waiting, self._most = now.waiting, max(self._most, now.waiting)

    @workflow.run
    async def run(self, start: CrowdStart) -> CrowdResult:
        """Tell, then stay until it is over."""
        try:
            await workflow.wait_condition(
                lambda: self._most > 0, timeout=CROWD_AT_MOST, timeout_summary="how many wait"
            )
            await self._tell(start)
            while True:
                await workflow.wait_condition(
                    lambda: not self._waiting, timeout=CROWD_AT_MOST, timeout_summary="requests wait for a place"
                )
                await workflow.wait_condition(
                    lambda: self._waiting > 0, timeout=CROWD_OVER_AFTER, timeout_summary="whether more come to wait"
                )
        except TimeoutError:
            return CrowdResult(most=self._most)

    async def _tell(self, start: CrowdStart) -> None:
        name, waits = start.ref.cluster, "waits" if self._most == 1 else "wait"
        text = (
            f"{name} has {MOST_OPEN} open certificate signing requests, the most that are shown at once; "
            f"{self._most} more {waits} for a place and will have a card as others close. Decide on the open ones, "
            f"and find out who asks for so many: /crdb csr {name} lists them."
        )
        await workflow.execute_activity(
            SAY,
            Say(channel=start.channel, thread_ts="", key=workflow.info().run_id, kind="warning", text=text),
            result_type=MessageRef,
            task_queue=CHAT_QUEUE,
            summary="tell that requests wait for a place",
            **ANNOUNCE,
        )
