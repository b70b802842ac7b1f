"""A workflow that does nothing but show: posts an operation, a card in its thread, and says the end."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from operations.chat import SAY, SHOW_CARD, SHOW_OPERATION, MessageRef, Say, ShowCard, ShowOperation
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
