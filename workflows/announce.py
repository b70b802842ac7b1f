"""`Announce`: delivers the last message of a run that is already closed, for as long as a day.

So a change closes, and frees its lock, at once while Slack is down.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ConfigDict

    from operations.chat import (
        SAY,
        SHOW_CARD,
        SHOW_GATE,
        SHOW_OPERATION,
        MessageRef,
        Say,
        ShowCard,
        ShowGate,
        ShowOperation,
    )
    from operations.queues import CHAT_QUEUE, announce_id
    from workflows.retries import ANNOUNCE


class AnnounceRequest(BaseModel):
    """What to show last, and what to say then in its thread."""

    model_config = ConfigDict(frozen=True)

    operation: ShowOperation | None = None
    card: ShowCard | None = None
    gates: tuple[ShowGate, ...] = ()
    say: Say | None = None


@workflow.defn(name="Announce")
class AnnounceWorkflow:
    """Tell the end.

    1. Draw the message, and the cards that are not up to date, for the last time.
    2. Say the end in its thread.

    Undone by nothing: it only tells.
    """

    @workflow.run
    async def run(self, request: AnnounceRequest) -> None:
        """Deliver the last message."""
        message: MessageRef | None = None
        if request.operation is not None:
            message = await workflow.execute_activity(
                SHOW_OPERATION,
                request.operation,
                result_type=MessageRef,
                task_queue=CHAT_QUEUE,
                summary="last state of the operation's message",
                **ANNOUNCE,
            )
        if request.card is not None:
            await workflow.execute_activity(
                SHOW_CARD,
                request.card,
                result_type=MessageRef,
                task_queue=CHAT_QUEUE,
                summary="last state of the card",
                **ANNOUNCE,
            )
        for gate in request.gates:
            await workflow.execute_activity(
                SHOW_GATE,
                gate.model_copy(update={"thread_ts": gate.thread_ts or (message.ts if message else "")}),
                result_type=MessageRef,
                task_queue=CHAT_QUEUE,
                summary="last state of a question's card",
                **ANNOUNCE,
            )
        if request.say is not None:
            say = request.say
            if message is not None and not say.thread_ts:
                say = say.model_copy(update={"channel": message.channel, "thread_ts": message.ts})
            await workflow.execute_activity(
                SAY, say, result_type=MessageRef, task_queue=CHAT_QUEUE, summary="say the end", **ANNOUNCE
            )


async def announce(request: AnnounceRequest) -> None:
    """Hand the last message to a child that outlives this run."""
    info = workflow.info()
    await workflow.start_child_workflow(
        AnnounceWorkflow.run,
        request,
        id=announce_id(workflow_id=info.workflow_id, run_id=info.run_id),
        parent_close_policy=ParentClosePolicy.ABANDON,
        static_summary="last message of " + info.workflow_id,
    )
