"""Messages of the stand-in workspace: kept in memory, found again by channel and ts, ephemeral ones apart.

Whether a message may be written (scopes, membership, limits) is decided in `methods_chat.py` and `responses.py`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devtools.console.block_ids import with_ids
from devtools.console.limits_text import Json
from devtools.console.workspace import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID


@dataclass
class Message:
    """One message; `only_for` makes it ephemeral."""

    channel: str
    ts: str
    author: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    is_broadcast: bool = False
    edited_ts: str | None = None
    metadata: Json | None = None
    only_for: str | None = None
    inputs: dict[str, Json] = field(default_factory=dict)

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread and did not start it."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    def to_slack(self, *, replies: list[Message] | None = None, has_metadata: bool = False) -> Json:
        """The message object of Slack's answers and payloads."""
        message: Json = {"type": "message", "user": self.author, "ts": self.ts, "text": self.text, "team": TEAM_ID}
        if self.author == BOT_USER_ID:
            message |= {
                "bot_id": BOT_ID,
                "app_id": APP_ID,
                "bot_profile": {"id": BOT_ID, "app_id": APP_ID, "name": "crdb"},
            }
        if self.blocks:
            message["blocks"] = copy.deepcopy(self.blocks)
        if self.attachments:
            message["attachments"] = copy.deepcopy(self.attachments)
        if self.thread_ts:
            message["thread_ts"] = self.thread_ts
        if self.is_broadcast:
            message["subtype"] = "thread_broadcast"
        if self.edited_ts:
            message["edited"] = {"user": self.author, "ts": self.edited_ts}
        if has_metadata and self.metadata:
            message["metadata"] = copy.deepcopy(self.metadata)
        if replies:
            message |= {
                "thread_ts": self.ts,
                "reply_count": len(replies),
                "reply_users": sorted({reply.author for reply in replies}),
                "reply_users_count": len({reply.author for reply in replies}),
                "latest_reply": replies[-1].ts,
            }
        return message


class Messages:
    """All messages, each channel in the order of their ts."""

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._by_channel: dict[str, list[Message]] = {}
        self._ephemerals: list[Message] = []
        self._last_ts = 0

    def next_ts(self) -> str:
        """An instant in Slack's spelling that no other message has."""
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def add(self, message: Message) -> Message:
        """Keep a new message, giving its blocks ids."""
        message.blocks = with_ids(message.blocks)
        if message.only_for:
            self._ephemerals.append(message)
        else:
            self._by_channel.setdefault(message.channel, []).append(message)
        self._changed()
        return message

    def edit(self, message: Message, **changes: Any) -> None:
        """Change a message; people see that it was edited."""
        for name, value in changes.items():
            setattr(message, name, with_ids(value) if name == "blocks" else value)
        if message.only_for is None:
            message.edited_ts = self.next_ts()
        self._changed()

    def remove(self, message: Message) -> None:
        """Take a message away."""
        if message.only_for:
            self._ephemerals.remove(message)
        else:
            self._by_channel[message.channel].remove(message)
        self._changed()

    def find(self, channel: str, *, ts: str) -> Message | None:
        """Find a lasting message."""
        return next((message for message in self._by_channel.get(channel, []) if message.ts == ts), None)

    def find_ephemeral(self, channel: str, *, ts: str) -> Message | None:
        """Find an ephemeral message."""
        return next((one for one in self._ephemerals if one.channel == channel and one.ts == ts), None)

    def top(self, channel: str) -> list[Message]:
        """What the channel itself shows: no replies, unless they were broadcast."""
        return [one for one in self._by_channel.get(channel, []) if not one.is_reply or one.is_broadcast]

    def replies(self, channel: str, *, ts: str) -> list[Message]:
        """List a thread without its first message."""
        return [one for one in self._by_channel.get(channel, []) if one.is_reply and one.thread_ts == ts]

    def ephemerals(self, channel: str, *, user: str) -> list[Message]:
        """List what only this person sees here."""
        return [one for one in self._ephemerals if one.channel == channel and one.only_for == user]
