"""The chat activities, served by the bot on its own queue: show an operation or a card, say a milestone.

Slack is a view: nothing here decides anything, and a workflow never waits for it before a decision. Posting and order
are `bot.messages`; how it looks is `bot.cards`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from bot.cards import blocks as b
from bot.cards.blocks import Message
from bot.cards.evidence import card_message
from bot.cards.gate import gate_message
from bot.cards.observation import observation_message
from bot.messages import Drawing, Messages, Origin
from bot.ports import GatewayPort
from bot.roots import Roots
from domain.errors import BrokenError, OpsError, TransientError
from gateway.running import Home
from operations.chat import (
    SAY,
    SHOW_CARD,
    SHOW_GATE,
    SHOW_OBSERVATION,
    SHOW_OPERATION,
    MessageRef,
    Say,
    ShowCard,
    ShowGate,
    ShowObservation,
    ShowOperation,
)

_log = logging.getLogger(__name__)

#: A card waits this long for the root message of the change behind it (design, section 5).
_HOME_WITHIN = timedelta(seconds=30)
_LOOK_EVERY = 0.5
#: An earlier try of the same post cannot be older than the activity, but for clocks that differ.
_CLOCKS = timedelta(minutes=2)
_MARKS = {"milestone": "", "warning": "⚠ ", "end": ""}
#: States in which the message is drawn by a child of the run, which cannot know what the run itself posted last.
_ENDED = frozenset({"done", "nothing", "failed", "cancelled", "plan", "issued", "denied", "gone"})


def _now() -> datetime:
    return datetime.now(UTC)


class ChatActivities:
    """What workflows say in Slack.

    Args:
        messages: Posts and redraws.
        gateway: Knows where a change is shown.
        roots: Draws root messages.
        clock: Now.
    """

    def __init__(
        self,
        messages: Messages,
        gateway: GatewayPort,
        *,
        roots: Roots | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._messages = messages
        self._gateway = gateway
        self._roots = roots or Roots(gateway, messages)
        self._clock = clock

    @activity.defn(name=SHOW_OPERATION)
    async def show_operation(self, request: ShowOperation) -> MessageRef:
        """Post or redraw an operation's root message. Safe to repeat: an earlier post is found by its metadata."""
        status = request.status
        drawing = partial(self._roots.drawing, status)
        with _reported("operation", workflow_id=status.workflow_id, run_id=status.run_id):
            if request.message is not None:
                return await self._redraw(request.message, drawing, status.sequence, status.state)
            return await self._messages.post(
                await drawing(),
                channel=request.channel,
                origin=Origin(status.workflow_id, status.run_id, "operation"),
                sequence=status.sequence,
                state=status.state,
                look_first=_may_be_repeat() or status.state in _ENDED,
                since=(status.started_at - _CLOCKS).timestamp(),
            )

    @activity.defn(name=SHOW_CARD)
    async def show_card(self, request: ShowCard) -> MessageRef:
        """Post or redraw a certificate's card. Safe to repeat: an earlier post is found by its metadata."""
        shown = await self._show_card(request)
        # How many requests wait stands on the root message; nothing here waits for that.
        self._roots.follow(request.behind_workflow_id, run_id=request.behind_run_id)
        return shown

    async def _show_card(self, request: ShowCard) -> MessageRef:
        status = request.status
        message = card_message(status, url=self._gateway.url(status.workflow_id, run_id=status.run_id))
        with _reported("card", workflow_id=status.workflow_id, run_id=status.run_id):
            if request.message is not None:
                return await self._redraw(request.message, message, status.sequence, status.state)
            home = await self._home(request.behind_workflow_id, request.behind_run_id)
            origin = Origin(status.workflow_id, status.run_id, "card", status.approval_id)
            home = Home(home.channel or request.channel, home.root_ts)
            return await self._post_card(
                message, origin, home, status.sequence, status.state, is_ended=status.state in _ENDED
            )

    @activity.defn(name=SHOW_GATE)
    async def show_gate(self, request: ShowGate) -> MessageRef:
        """Post or redraw the card of a question. Safe to repeat: an earlier post is found by its metadata."""
        status = request.status
        message = gate_message(status, url=self._gateway.url(status.workflow_id, run_id=status.run_id))
        with _reported("gate", workflow_id=status.workflow_id, run_id=status.run_id):
            if request.message is not None:
                return await self._redraw(request.message, message, status.sequence, status.state)
            home = Home(request.channel, request.thread_ts)
            if not request.thread_ts:
                home = await self._home(status.workflow_id, status.run_id)
            origin = Origin(status.workflow_id, status.run_id, "gate", status.approval_id)
            home = Home(home.channel or request.channel, home.root_ts)
            return await self._post_card(
                message, origin, home, status.sequence, status.state, is_ended=status.state != "pending"
            )

    @activity.defn(name=SHOW_OBSERVATION)
    async def show_observation(self, request: ShowObservation) -> MessageRef:
        """Say what goes with it, then post or redraw the card. Safe to repeat: both are found by their metadata.

        The card is seen in the channel as well: people come back to it after days.
        """
        if request.say is not None:
            await self.say(request.say)
        status = request.status
        message = observation_message(status, url=self._gateway.url(status.workflow_id, run_id=status.run_id))
        with _reported("observation", workflow_id=status.workflow_id, run_id=status.run_id):
            if request.message is not None:
                return await self._redraw(request.message, message, status.sequence, status.state)
            return await self._post_in_thread(
                message,
                channel=request.channel,
                origin=Origin(status.workflow_id, status.run_id, "observation"),
                sequence=status.sequence,
                state=status.state,
                thread_ts=request.thread_ts,
                is_broadcast=bool(request.thread_ts),
                look_first=_may_be_repeat() or status.is_over,
                since=0.0 if status.is_over else _since(),
            )

    async def _post_card(
        self, message: Message, origin: Origin, home: Home, sequence: int, state: str, *, is_ended: bool
    ) -> MessageRef:
        """Post a card into its thread, or into the channel where somebody deleted the root message."""
        return await self._post_in_thread(
            message,
            channel=home.channel,
            origin=origin,
            sequence=sequence,
            state=state,
            thread_ts=home.root_ts,
            is_broadcast=self._roots.is_first_card(home.channel, home.root_ts, origin),
            look_first=_may_be_repeat() or is_ended,
            since=0.0 if is_ended else _since(),
        )

    @activity.defn(name=SAY)
    async def say(self, request: Say) -> MessageRef:
        """Say one sentence in a thread or in the channel. Safe to repeat: an earlier post is found by its key."""
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        with _reported("say", workflow_id=workflow_id, run_id=run_id):
            link = await self._messages.link(request.about) if request.about else ""
            return await self._post_in_thread(
                _said(request, link=link),
                channel=request.channel,
                origin=Origin(workflow_id, run_id, "say", request.key),
                thread_ts=request.thread_ts,
                is_broadcast=request.kind == "end" and bool(request.thread_ts),
                look_first=_may_be_repeat(),
                since=_since(),
            )

    async def _post_in_thread(
        self, message: Message, *, thread_ts: str, is_broadcast: bool = False, **how: Any
    ) -> MessageRef:
        """Post into a thread, or into the channel when somebody deleted its root: it still has to be seen."""
        try:
            return await self._messages.post(message, thread_ts=thread_ts, is_broadcast=is_broadcast, **how)
        except BrokenError as error:
            if not thread_ts or error.code not in ("slack.thread-not-found", "slack.message-not-found"):
                raise
            return await self._messages.post(message, **how)

    async def _redraw(self, ref: MessageRef, message: Message | Drawing, sequence: int, state: str) -> MessageRef:
        was_drawn = await self._messages.edit(ref, message, sequence=sequence, state=state)
        return ref if was_drawn else MessageRef(channel=ref.channel, ts="")

    async def _home(self, workflow_id: str, run_id: str) -> Home:
        """Wait for the root message of the change behind a card; after half a minute the channel itself will do."""
        if not workflow_id:
            return Home()
        until = activity.info().scheduled_time + _HOME_WITHIN
        while True:
            home = await self._gateway.home(workflow_id, run_id=run_id)
            if (home.channel and home.root_ts) or self._clock() >= until:
                return home
            activity.heartbeat()
            await asyncio.sleep(_LOOK_EVERY)


def _may_be_repeat() -> bool:
    return activity.info().attempt > 1


def _since() -> float:
    return (activity.info().scheduled_time - _CLOCKS).timestamp()


def _said(request: Say, *, link: str) -> Message:
    mark, said = _MARKS[request.kind], b.cut(request.text, b.MODAL_TEXT)
    ids = (*((request.mention,) if request.mention else ()), *request.audience)
    elements = [*([b.text(mark)] if mark else []), *b.audience(ids), *b.with_instants(said)]
    elements += [b.text(" "), b.link(link, "Open it")] if link else []
    fallback = b.cut(f"{mark}{b.notice_of_audience(ids)}{b.notice_with_instants(request.text)}", b.FALLBACK)
    return Message(text=fallback, blocks=[b.rich(b.line(*elements))])


@contextmanager
def _reported(kind: str, *, workflow_id: str, run_id: str) -> Iterator[None]:
    """Turn our errors into Temporal's, and log the end in one line."""
    fields = {"message_kind": kind, "workflow_id": workflow_id, "run_id": run_id, "attempt": activity.info().attempt}
    try:
        yield
    except OpsError as error:
        level = logging.ERROR if isinstance(error, BrokenError) else logging.INFO
        if activity.info().attempt > 3:
            level = max(level, logging.WARNING)
        _log.log(level, "message not delivered", extra={**fields, "error_code": error.code})
        raise _application_error(error) from error
    _log.debug("message delivered", extra=fields)


def _application_error(error: OpsError) -> ApplicationError:
    facts = {"code": error.code, "message": error.message, "hint": error.hint}
    is_passing = isinstance(error, TransientError)
    return ApplicationError(
        error.message,
        facts,
        type=type(error).__name__,
        non_retryable=not is_passing,
        next_retry_delay=error.retry_after if isinstance(error, TransientError) else None,
        category=ApplicationErrorCategory.BENIGN if is_passing else ApplicationErrorCategory.UNSPECIFIED,
    )
