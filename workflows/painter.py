"""Keeps one chat message up to date without ever holding the operation up.

At most one edit is outstanding; what changes meanwhile goes into the next one, so the newest wins. Small changes may
wait for a while or for the next edit, since each one costs six events of the history. The last state is not the
painter's but `announce`'s, which outlives the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from operations.chat import MessageRef
    from operations.queues import CHAT_QUEUE
    from workflows.retries import REDRAW_AFTER, Terms

Payload = TypeVar("Payload")


class Painter(Generic[Payload]):
    """Posts a message once and redraws it whenever asked.

    Args:
        activity: Name of the chat activity.
        payload: Makes the payload from the workflow's state now and the message so far.
        first: Terms of the post, on which the message's existence hangs.
        edits: Terms of every redraw.
        summary: What the event list shows.
        posted: Called once with the message when it exists.
    """

    def __init__(
        self,
        activity: str,
        payload: Callable[[MessageRef | None], Payload],
        *,
        first: Terms,
        edits: Terms,
        summary: str,
        posted: Callable[[MessageRef], None],
    ) -> None:
        self._activity, self._payload = activity, payload
        self._first, self._edits, self._summary, self._posted = first, edits, summary, posted
        self._due: datetime | None = None
        self._drawn_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self.message: MessageRef | None = None

    def paint(self) -> None:
        """Ask for a redraw at once; returns before it is done."""
        self._ask(workflow.now())

    def paint_soon(self) -> None:
        """Ask for the post, or for a redraw not so soon after the last one; returns at once."""
        now = workflow.now()
        self._ask(now if self._drawn_at is None else max(now, self._drawn_at + REDRAW_AFTER))

    def paint_within(self, wait: timedelta) -> None:
        """Ask for a redraw after a while: what follows sooner goes into the same one; returns at once."""
        self._ask(workflow.now() + wait)

    def _ask(self, due: datetime) -> None:
        self._due = due if self._due is None else min(self._due, due)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._paint())

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be drawn."""
        return self._due is not None or (self._task is not None and not self._task.done())

    async def stop(self) -> None:
        """Give up the outstanding edit; the last state is delivered elsewhere."""
        self._due = None
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _paint(self) -> None:
        while self._due is not None:
            await self._until_due()
            if self._due is not None:
                self._due, self._drawn_at = None, workflow.now()
                await self._draw()

    async def _until_due(self) -> None:
        while self._due is not None and self._due > workflow.now():
            try:
                await workflow.wait_condition(
                    partial(self._is_due_before, self._due),
                    timeout=self._due - workflow.now(),
                    timeout_summary=f"before {self._summary} is drawn again",
                )
            except TimeoutError:
                return

    def _is_due_before(self, due: datetime) -> bool:
        return self._due is None or self._due < due

    async def _draw(self) -> None:
        is_first = self.message is None
        try:
            message = await workflow.execute_activity(
                self._activity,
                self._payload(self.message),
                result_type=MessageRef,
                task_queue=CHAT_QUEUE,
                summary=f"{'post' if is_first else 'redraw'} {self._summary}",
                **(self._first if is_first else self._edits),
            )
        except ActivityError as error:
            # A card that cannot be drawn never stops an operation; the bot has logged why.
            workflow.logger.info("message not drawn", extra={"error": str(error.cause)})
            return
        if is_first and message.ts:
            self.message = message
            self._posted(message)
