"""The whole state of one stand-in workspace, put together, and the news that something in it changed.

Its parts are `messages.py`, `views.py`, `tickets.py`; who is in it is in `workspace.py`. Nothing here speaks HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from devtools.console.manifest import Manifest
from devtools.console.messages import Message, Messages
from devtools.console.refusal import RefusalError
from devtools.console.tickets import Tickets
from devtools.console.views import Views
from devtools.console.workspace import (
    BOT_USER_ID,
    CHANNELS,
    SLACKBOT_ID,
    Channel,
    direct_messages,
    find_persona,
)


class World:
    """One workspace."""

    def __init__(self, *, manifest: Manifest, clock: Callable[[], float] = time.monotonic) -> None:
        self.manifest = manifest
        self.base_url = ""
        self.version = 0
        self._subscribers: set[asyncio.Event] = set()
        self.messages = Messages(changed=self.changed)
        self.views = Views(changed=self.changed)
        self.tickets = Tickets(clock=clock)
        self._channels = {channel.id: channel for channel in (*CHANNELS, *direct_messages())}

    def changed(self) -> None:
        """Tell everybody who listens that something changed."""
        self.version += 1
        for subscriber in self._subscribers:
            subscriber.set()

    def subscribe(self) -> asyncio.Event:
        """An event that is set at every change, until `unsubscribe`."""
        event = asyncio.Event()
        self._subscribers.add(event)
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        """Stop hearing of changes."""
        self._subscribers.discard(event)

    def channels_of(self, user: str) -> list[Channel]:
        """List where this person has a seat, the conversation with the bot last."""
        return [channel for channel in self._channels.values() if user in channel.seats]

    def find_channel(self, name: str) -> Channel | None:
        """By id; a person's id means the conversation with them."""
        if name.startswith(("U", "W")):
            persona = find_persona(name)
            name = "D0" + persona.id[2:] if persona else ""
        return self._channels.get(name)

    def channel_seen_by_bot(self, name: str) -> Channel:
        """The channel, or Slack's way to say that the bot does not even know of it."""
        channel = self.find_channel(name)
        if channel is None or (channel.is_private and not channel.has_bot):
            raise RefusalError("channel_not_found")
        return channel

    def channel_written_by_bot(self, name: str) -> Channel:
        """The channel, when the bot may write there."""
        channel = self.channel_seen_by_bot(name)
        if channel.is_archived:
            raise RefusalError("is_archived")
        if not channel.has_bot:
            raise RefusalError("not_in_channel")
        return channel

    def need_scope(self, *alternatives: str) -> None:
        """One of these scopes must be in the manifest."""
        if not self.manifest.scopes.intersection(alternatives):
            provided = ",".join(sorted(self.manifest.scopes))
            raise RefusalError("missing_scope", needed=",".join(alternatives), provided=provided)

    def notice(self, channel: str, *, user: str, text: str) -> None:
        """What Slack itself tells one person, for instance that a command failed."""
        ts = self.messages.next_ts()
        self.messages.add(Message(channel, ts, SLACKBOT_ID, text, only_for=user))

    def bot_message(self, channel: str, *, text: str) -> Message:
        """Begin a message of the bot."""
        return Message(channel, self.messages.next_ts(), BOT_USER_ID, text)
