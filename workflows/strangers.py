"""`Strangers`: CSRs that ask one of our signers but come from no cluster of ours, told in one digest a minute."""

from __future__ import annotations

import itertools

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from operations.chat import SAY, MessageRef, Say
    from operations.messages import STRANGERS_SEEN
    from operations.queues import CHAT_QUEUE
    from operations.strangers import EXAMPLES, StrangersResult, StrangersSeen, StrangersStart
    from workflows.retries import ANNOUNCE, GATHER_STRANGERS


@workflow.defn(name="Strangers")
class StrangersWorkflow:
    """Tell of requests that are nobody's of ours; undone by nothing, since nothing is changed.

    1. Gather for a minute.
    2. Tell how many there are, and five examples.
    3. Again, if more came meanwhile: at most one message a minute, also after an outage of chat.
    """

    @workflow.init
    def __init__(self, start: StrangersStart) -> None:
        """Begin with nothing seen."""
        self._counts: dict[str, int] = {}
        self._examples: list[str] = []

    @workflow.signal(name=STRANGERS_SEEN)
    def seen(self, more: StrangersSeen) -> None:
        """Count more of them, for each worker by itself: all workers of a site see the same requests."""
        self._counts[more.worker] = self._counts.get(more.worker, 0) + more.count
        self._examples = (self._examples + [e for e in more.examples if e not in self._examples])[:EXAMPLES]

    @workflow.run
    async def run(self, start: StrangersStart) -> StrangersResult:
        """Gather, then tell, for as long as there are more."""
        told, examples = 0, dict[str, None]()
        for number in itertools.count(1):
            await workflow.sleep(GATHER_STRANGERS, summary="gather strangers' requests")
            digest = StrangersResult(count=max(self._counts.values(), default=0), examples=tuple(self._examples))
            self._counts, self._examples = {}, []
            told, examples = told + digest.count, examples | dict.fromkeys(digest.examples)
            if start.channel and digest.count:
                await self._tell(start, digest, key=f"{workflow.info().run_id}:{number}")
            if not self._counts:
                break
        return StrangersResult(count=told, examples=tuple(examples)[:EXAMPLES])

    async def _tell(self, start: StrangersStart, digest: StrangersResult, *, key: str) -> None:
        is_one = digest.count == 1
        requests = "certificate signing request" if is_one else "certificate signing requests"
        shown = "" if is_one else "for example " if digest.count > len(digest.examples) else "all of them: "
        text = (
            f"{digest.count} {requests} on site {start.site} {'comes' if is_one else 'come'} from no database cluster "
            f"of ours and will not be signed: {shown}{'; '.join(digest.examples)}. "
            f"Nothing needs to be decided; find out who asks."
        )
        await workflow.execute_activity(
            SAY,
            Say(channel=start.channel, thread_ts="", key=key, kind="warning", text=text),
            result_type=MessageRef,
            task_queue=CHAT_QUEUE,
            summary="tell of strangers' requests",
            **ANNOUNCE,
        )
