"""The bot's messages in Slack: post once, redraw in order, find an earlier post, say something to one person.

What they look like is `bot.cards`; when they are drawn is decided by the workflows (`bot.outbox`) and by clicks
(`bot.actions`), which share the order kept here: an older state never replaces a newer one, and what waits for its
turn (`bot.pace`) gives way to what is newer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.cards.blocks import Message
from bot.pace import Pace
from bot.slack_errors import translated
from domain.errors import BrokenError, OpsError, TransientError
from operations.chat import MessageRef

_log = logging.getLogger(__name__)

#: A message that is made when its turn has come, of what is true then.
Drawing = Callable[[], Awaitable[Message]]

EVENT = "crdbops_message"
#: Messages whose order is remembered; an older one is redrawn from the workflow's state anyway.
_KEPT = 5000
#: How long it is believed that a channel is not shared with another workspace.
_CHANNEL_SECONDS = 300.0
_PAGES = 5
#: A redraw waits so long for its turn by itself; for longer it is left to whoever repeats it.
_PATIENCE_SECONDS = 3.5


@dataclass
class _Delivered:
    """What a message shows, as far as this process knows, and what it shall show (`wanted`)."""

    sequence: int = -1
    digest: str = ""
    state: str = ""
    drawn_at: float | None = None
    wanted: int = -1
    newer: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Origin:
    """Which state a message shows: stands in its metadata, by which an earlier post is found again."""

    workflow_id: str
    run_id: str
    kind: str
    key: str = ""

    def payload(self) -> dict[str, str]:
        """Return the metadata's payload."""
        said = {"workflow_id": self.workflow_id, "run_id": self.run_id, "kind": self.kind}
        return {**said, "key": self.key} if self.key else said


class Messages:
    """Posts and redraws.

    Args:
        client: Slack's Web API.
        clock: Monotonic seconds.
        pace: How often messages may be redrawn.
    """

    def __init__(
        self, client: AsyncWebClient, *, clock: Callable[[], float] = time.monotonic, pace: Pace | None = None
    ) -> None:
        self._client = client
        self._clock = clock
        self._pace = pace or Pace(clock=clock)
        self._delivered: OrderedDict[tuple[str, str], _Delivered] = OrderedDict()
        self._posts: OrderedDict[Origin, MessageRef] = OrderedDict()
        self._posting: dict[Origin, asyncio.Lock] = {}
        self._safe: dict[str, float] = {}

    async def post(
        self,
        message: Message,
        *,
        channel: str,
        origin: Origin,
        sequence: int = 0,
        state: str = "",
        thread_ts: str = "",
        is_broadcast: bool = False,
        look_first: bool = False,
        since: float = 0.0,
    ) -> MessageRef:
        """Post a message, or return the one that an earlier try posted.

        Args:
            message: What to say.
            channel: Where.
            origin: Which state it shows; a message is posted once for each.
            sequence: Number of that state.
            state: Its name; a redraw into another one waits for nothing.
            thread_ts: Root message of the thread; empty: the channel itself.
            is_broadcast: Show a thread message in the channel as well.
            look_first: Look in Slack for what an earlier try, perhaps of another process, left.
            since: Unix time before which no earlier try can have been.
        """
        lock = self._posting.setdefault(origin, asyncio.Lock())
        try:
            async with lock:
                known = self._posts.get(origin)
                if known is None and look_first:
                    known = await self.find(origin, channel=channel, thread_ts=thread_ts, since=since)
                if known is not None:
                    self._remember(origin, known)
                    await self.edit(known, message, sequence=sequence, state=state)
                    return known
                ref = await self._post(message, channel, origin, thread_ts, is_broadcast)
                self._remember(origin, ref)
                entry = self._entry(ref)
                entry.sequence, entry.digest = max(entry.sequence, sequence), _digest(message)
                entry.wanted, entry.state, entry.drawn_at = max(entry.wanted, sequence), state, self._clock()
                return ref
        finally:
            if not lock.locked():
                self._posting.pop(origin, None)

    async def _post(
        self, message: Message, channel: str, origin: Origin, thread_ts: str, is_broadcast: bool
    ) -> MessageRef:
        await self._require_unshared(channel)
        more: dict[str, Any] = {"thread_ts": thread_ts, "reply_broadcast": is_broadcast} if thread_ts else {}
        with self._held("chat.postMessage", "posting a message"):
            answer = await self._client.chat_postMessage(
                channel=channel,
                text=message.text,
                blocks=message.blocks,
                metadata={"event_type": EVENT, "event_payload": origin.payload()},
                unfurl_links=False,
                unfurl_media=False,
                **more,
            )
        return MessageRef(channel=str(answer["channel"]), ts=str(answer["ts"]), thread_ts=thread_ts)

    async def edit(
        self, ref: MessageRef, message: Message | Drawing, *, sequence: int, state: str = "", is_repair: bool = False
    ) -> bool:
        """Redraw a message when its turn has come, unless a newer state is there by then; False when it was dropped.

        Args:
            ref: The message.
            message: What it shall say; a drawing is made anew whenever its turn seems to have come.
            sequence: Number of the state it shows.
            state: Name of that state; a change of it waits for nothing but Slack.
            is_repair: Send it even where it seems to stand there already: somebody clicked on an old drawing.

        Raises:
            TransientError: Not now; `retry_after` says when.
        """
        entry, asked_at = self._entry(ref), self._clock()
        if sequence > entry.wanted:
            entry.wanted = sequence
            entry.newer.set()
            entry.newer = asyncio.Event()
        while sequence >= entry.wanted:
            newer = entry.newer
            async with entry.lock:
                if sequence < max(entry.sequence, entry.wanted):
                    return False
                drawn = message if isinstance(message, Message) else await message()
                digest = _digest(drawn)
                # A repair is done as well by a drawing that was sent after it was asked for.
                is_due = is_repair and (entry.drawn_at is None or entry.drawn_at < asked_at)
                if digest == entry.digest and not is_due:
                    entry.sequence, entry.state = sequence, state
                    return True
                wait = self._pace.wait(drawn_at=entry.drawn_at, is_new_state=state != entry.state)
                if wait <= 0:
                    await self._update(ref, drawn, entry, sequence)
                    entry.sequence, entry.digest, entry.state = sequence, digest, state
                    return True
            if wait > _PATIENCE_SECONDS:
                self._give_up(entry, sequence)
                raise _not_now("redrawing a message", wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await newer.wait()
        return False

    async def _update(self, ref: MessageRef, message: Message, entry: _Delivered, sequence: int) -> None:
        entry.drawn_at = self._pace.count()
        try:
            with self._held("chat.update", "redrawing a message"):
                await self._client.chat_update(channel=ref.channel, ts=ref.ts, text=message.text, blocks=message.blocks)
        except OpsError:
            # Whether Slack did it is not known: the next drawing is sent whatever it looks like.
            entry.digest = ""
            self._give_up(entry, sequence)
            raise

    def _give_up(self, entry: _Delivered, sequence: int) -> None:
        if entry.wanted == sequence:
            entry.wanted = entry.sequence

    @contextmanager
    def _held(self, method: str, doing: str) -> Iterator[None]:
        """Call Slack, but not while it asked to be left alone; and remember when it asks."""
        wait = self._pace.held(method)
        if wait > 0:
            raise _not_now(doing, wait)
        try:
            with translated(doing):
                yield
        except TransientError as error:
            if error.code == "slack.rate-limited" and error.retry_after is not None:
                self._pace.hold(method, seconds=error.retry_after.total_seconds())
            raise

    async def find(self, origin: Origin, *, channel: str, thread_ts: str, since: float) -> MessageRef | None:
        """Look in Slack for a message of this origin."""
        wanted = origin.payload()
        cursor = ""
        for _ in range(_PAGES):
            arguments: dict[str, Any] = {"channel": channel, "limit": 200, "include_all_metadata": True}
            if cursor:
                arguments["cursor"] = cursor
            if since:
                arguments["oldest"] = f"{since:.6f}"
            try:
                with translated("looking for an earlier message"):
                    if thread_ts:
                        answer = await self._client.conversations_replies(ts=thread_ts, **arguments)
                    else:
                        answer = await self._client.conversations_history(**arguments)
            except BrokenError as error:
                # Without the right to read, a repeat may post twice; a click on either redraws it.
                _log.warning("cannot look for an earlier message", extra={"error_code": error.code})
                return None
            for found in answer.get("messages") or ():
                metadata = found.get("metadata") or {}
                if metadata.get("event_type") == EVENT and metadata.get("event_payload") == wanted:
                    return MessageRef(channel=channel, ts=str(found["ts"]), thread_ts=thread_ts)
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return None
        return None

    async def link(self, ref: MessageRef) -> str:
        """Return the address of a message; empty when Slack does not tell, since it is only a convenience."""
        try:
            with self._held("chat.getPermalink", "asking for a message's address"):
                answer = await self._client.chat_getPermalink(channel=ref.channel, message_ts=ref.ts)
        except OpsError as error:
            _log.info("no link to a message", extra={"error_code": error.code})
            return ""
        return str(answer["permalink"])

    async def whisper(self, message: Message, *, channel: str, user: str, thread_ts: str = "") -> bool:
        """Say something that only one person sees; False when Slack did not take it."""
        more: dict[str, Any] = {"thread_ts": thread_ts} if thread_ts else {}
        try:
            with translated("answering a person"):
                await self._client.chat_postEphemeral(
                    channel=channel, user=user, text=message.text, blocks=message.blocks, **more
                )
        except OpsError as error:
            _log.info("answer not delivered", extra={"error_code": error.code, "person": user})
            return False
        return True

    async def _require_unshared(self, channel: str) -> None:
        """Refuse to show anything in a channel that another company reads as well, or of which that is not known."""
        if channel.startswith("D") or self._clock() - self._safe.get(channel, float("-inf")) < _CHANNEL_SECONDS:
            return
        with translated("reading whether the channel is shared"):
            answer = await self._client.conversations_info(channel=channel)
        facts = answer.get("channel") or {}
        if facts.get("is_ext_shared") is not False or facts.get("is_pending_ext_shared"):
            raise BrokenError(
                "slack.shared-channel",
                f"Channel {channel} is shared with another workspace, expected one of our own.",
                hint="Bind the cluster to another channel in crdbops.toml.",
            )
        self._safe[channel] = self._clock()

    def _entry(self, ref: MessageRef) -> _Delivered:
        key = (ref.channel, ref.ts)
        entry = self._delivered.setdefault(key, _Delivered())
        self._delivered.move_to_end(key)
        if len(self._delivered) > _KEPT:
            self._delivered.popitem(last=False)
        return entry

    def _remember(self, origin: Origin, ref: MessageRef) -> None:
        self._posts[origin] = ref
        if len(self._posts) > _KEPT:
            self._posts.popitem(last=False)


def _not_now(doing: str, seconds: float) -> TransientError:
    said = f"It is too early for Slack: {doing}."
    return TransientError("slack.rate-limited", said, retry_after=timedelta(seconds=seconds))


def _digest(message: Message) -> str:
    return hashlib.sha256(json.dumps([message.text, message.blocks], sort_keys=True).encode()).hexdigest()
