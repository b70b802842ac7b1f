"""Tells people that a card waits for them: reminders in its thread, then one message to the channel.

Here are what is said and when, each exactly once a round, and that nothing is said once the round is closed. When a
round begins and closes is the life of the card (`approval`, `gate`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from domain.configuration import ApprovalRule
    from operations.chat import SAY, MessageRef, Say
    from operations.queues import CHAT_QUEUE
    from workflows.retries import CARD, within


@dataclass(frozen=True)
class Reminder:
    """One thing to say: the number of a reminder from 1, or 0 for the escalation."""

    number: int
    due: datetime

    @property
    def is_escalation(self) -> bool:
        """Whether the channel is told, not the thread."""
        return self.number == 0


def reminders_of(rule: ApprovalRule, *, shown_at: datetime) -> list[Reminder]:
    """Return what a rule wants to be said, in order of time."""
    wanted = list(enumerate(rule.remind_minutes, start=1))
    if rule.escalate_minutes is not None:
        wanted.append((0, rule.escalate_minutes))
    found = [Reminder(number=number, due=shown_at + timedelta(minutes=minutes)) for number, minutes in wanted]
    return sorted(found, key=lambda reminder: reminder.due)


class Waiting(NamedTuple):
    """What waits for people. `what` begins a sentence; `missing`: approvals, of which `has_some` are there.

    `audience`: ids of who can decide, mentioned in the first reminder alone. `wanted` is what it waits for, `end` what
    happens when nobody does it.
    """

    what: str
    cluster: str
    approval_id: str
    message: MessageRef
    shown_at: datetime
    expires_at: datetime
    missing: int
    has_some: bool
    audience: tuple[str, ...]
    wanted: str = "a decision"
    end: str = "Its card expires"

    def say(self, reminder: Reminder) -> Say:
        """Return the message. Instants and no spans: it may arrive late."""
        wanted = self.wanted
        if self.has_some:
            wanted = "one more approval" if self.missing == 1 else f"{self.missing} more"
        of = f" of {self.cluster}" if reminder.is_escalation else ""
        kind = "escalate" if reminder.is_escalation else f"remind-{reminder.number}"
        return Say(
            channel=self.message.channel,
            thread_ts="" if reminder.is_escalation else self.message.thread,
            key=f"{kind}:{self.approval_id}",
            kind="warning" if reminder.is_escalation else "milestone",
            text=f"{self.what}{of} has been waiting for {wanted} since "
            f"<t:{int(self.shown_at.timestamp())}>. {self.end} at <t:{int(self.expires_at.timestamp())}>.",
            audience=self.audience if reminder.number == 1 else (),
            about=self.message,
        )


class Reminders:
    """Says what is due while a round is open.

    Args:
        say: Makes the message when its time has come.
    """

    def __init__(self, say: Callable[[Reminder], Say]) -> None:
        self._say = say
        self._left: deque[Reminder] = deque()
        self._until = workflow.now()
        self._task: asyncio.Task[None] | None = None

    def begin(self, rule: ApprovalRule, *, shown_at: datetime, until: datetime) -> None:
        """Begin a round; the clocks start when its card is shown."""
        self.pause()
        self._left, self._until = deque(reminders_of(rule, shown_at=shown_at)), until
        self.go_on()

    def end(self) -> None:
        """Forget what was not said; returns at once."""
        self.pause()
        self._left.clear()

    def pause(self) -> None:
        """Say nothing from now on, also what is on its way and was not delivered yet; returns at once."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def go_on(self) -> None:
        """Go on where it was paused; what was being said then is not said twice."""
        if self._left and self._task is None:
            self._task = asyncio.create_task(self._say_all())

    async def _say_all(self) -> None:
        while self._left:
            wait = self._left[0].due - workflow.now()
            if wait > timedelta(0):
                await workflow.sleep(wait, summary="before people are reminded")
            await self._tell(self._left.popleft())
        self._task = None

    async def _tell(self, reminder: Reminder) -> None:
        # While chat is down the next one takes over: two at once would only say the same.
        end = self._left[0].due if self._left else self._until
        try:
            await workflow.execute_activity(
                SAY,
                self._say(reminder),
                result_type=MessageRef,
                task_queue=CHAT_QUEUE,
                summary="tell the channel that nobody decides" if reminder.is_escalation else "remind people",
                **within(CARD, end - workflow.now()),
            )
        except ActivityError as error:
            if is_cancelled_exception(error):  # paused: who goes on is another task
                raise asyncio.CancelledError from error
            # A reminder that cannot be said stops nothing; the bot has logged why.
            workflow.logger.info("reminder not said", extra={"error": str(error.cause)})
