"""Workflows that do nothing but show: an operation, a card in its thread, what is said at the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from operations.chat import SAY, SHOW_CARD, SHOW_OPERATION, MessageRef, Say, ShowCard, ShowOperation
    from operations.messages import OperationStatus
    from operations.queues import CHAT_QUEUE
    from tests.bot import given


@workflow.defn(name="Showing")
class ShowingWorkflow:
    @workflow.run
    async def run(self) -> list[str]:
        info = workflow.info()
        operation = given.operation(workflow_id=info.workflow_id, run_id=info.run_id)
        root = await self._chat(SHOW_OPERATION, ShowOperation(channel="C0OPS", status=operation))
        workflow.upsert_memo({"channel": root.channel, "root_ts": root.ts})
        card = await self._chat(
            SHOW_CARD,
            ShowCard(
                channel="C0OPS",
                status=given.card(workflow_id=info.workflow_id, run_id=info.run_id),
                behind_workflow_id=info.workflow_id,
                behind_run_id=info.run_id,
            ),
        )
        end = await self._chat(
            SAY, Say(channel=root.channel, thread_ts=root.ts, key="end", kind="end", text="done", mention="U0ERIN")
        )
        return [root.ts, card.ts, end.ts]

    async def _chat(self, activity: str, payload: object) -> MessageRef:
        message: MessageRef = await workflow.execute_activity(
            activity,
            payload,
            result_type=MessageRef,
            task_queue=CHAT_QUEUE,
            start_to_close_timeout=timedelta(seconds=20),
        )
        return message


@workflow.defn(name="Following")
class FollowingWorkflow:
    """Shows a change that goes on when told to, as the product's workflows do: retried for ever, the newest state."""

    def __init__(self) -> None:
        self.steps = 0
        self.is_over = False

    @workflow.signal
    def step(self) -> None:
        self.steps += 1

    @workflow.signal
    def end(self) -> None:
        self.is_over = True

    @workflow.run
    async def run(self) -> list[str]:
        root = await self._chat(SHOW_OPERATION, ShowOperation(channel="C0OPS", status=self._status(0)))
        workflow.upsert_memo({"channel": root.channel, "root_ts": root.ts})
        drawn = 0
        while not self.is_over or drawn < self.steps:
            await workflow.wait_condition(lambda drawn=drawn: self.is_over or self.steps > drawn)  # type: ignore[misc]
            drawn = self.steps
            shown = ShowOperation(channel="C0OPS", status=self._status(drawn), message=root)
            await self._chat(SHOW_OPERATION, shown)
        last = self._status(8, "done")
        await self._chat(SHOW_OPERATION, ShowOperation(channel="C0OPS", status=last, message=root))
        end = await self._chat(
            SAY, Say(channel=root.channel, thread_ts=root.ts, key="end", kind="end", text="done", mention="U0ERIN")
        )
        return [root.ts, end.ts]

    def _status(self, ended: int, state: Literal["running", "done"] = "running") -> OperationStatus:
        info = workflow.info()
        return given.operation(
            state,
            ended=ended,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            sequence=100 if state == "done" else ended,
            started_at=info.start_time,
        )

    async def _chat(self, activity: str, payload: object) -> MessageRef:
        message: MessageRef = await workflow.execute_activity(
            activity,
            payload,
            result_type=MessageRef,
            task_queue=CHAT_QUEUE,
            start_to_close_timeout=timedelta(seconds=4),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.2), maximum_interval=timedelta(seconds=1)),
        )
        return message
