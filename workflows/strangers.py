"""`Strangers`: CSRs that ask one of our signers but come from no cluster of ours, told in one digest a minute."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from operations.chat import SAY, MessageRef, Say
    from operations.messages import STRANGERS_SEEN
    from operations.queues import CHAT_QUEUE
    from operations.strangers import EXAMPLES, StrangersResult, StrangersSeen, StrangersStart
    from workflows.retries import ANNOUNCE, GATHER_STRANGERS


@workflow.defn(name="Strangers")
class StrangersWorkflow:
    """1. Gather for a minute. 2. Tell count and five examples. Nothing is changed: such requests are never signed."""

    @workflow.init
    def __init__(self, start: StrangersStart) -> None:
        """Begin with nothing seen."""
        self._count = 0
        self._examples: list[str] = []

    @workflow.signal(name=STRANGERS_SEEN)
    def seen(self, more: StrangersSeen) -> None:
        """Count more of them."""
        self._count += more.count
        self._examples = (self._examples + [e for e in more.examples if e not in self._examples])[:EXAMPLES]

    @workflow.run
    async def run(self, start: StrangersStart) -> StrangersResult:
        """Gather, then tell."""
        await workflow.sleep(GATHER_STRANGERS, summary="gather strangers' requests")
        result = StrangersResult(count=self._count, examples=tuple(self._examples))
        if start.channel:
            text = (
                f"{result.count} certificate signing requests on site {start.site} belong to no cluster of ours and "
                f"will not be signed, for example: {'; '.join(result.examples)}"
            )
            await workflow.execute_activity(
                SAY,
                Say(channel=start.channel, thread_ts="", key=workflow.info().run_id, kind="warning", text=text),
                result_type=MessageRef,
                task_queue=CHAT_QUEUE,
                summary="tell of strangers' requests",
                **ANNOUNCE,
            )
        return result
