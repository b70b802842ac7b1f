"""Who asked, from where, and how they are answered: by the response address, else by a message only they see.

Everything that Slack says about a request but what it asks for; that is `bot.command` and `bot.clicks`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.cards.blocks import Message
from bot.messages import Messages
from bot.slack_errors import translated
from domain.errors import OpsError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asker:
    """One request's sender. `team` is the workspace they act from; `channel` may be empty (App Home)."""

    user: str
    team: str
    channel: str
    thread_ts: str = ""
    response_url: str = ""

    async def tell(self, message: Message, *, messages: Messages) -> None:
        """Say something that only this person sees; never touches the message that was clicked."""
        if self.response_url and await self._respond(message):
            return
        if self.channel:
            await messages.whisper(message, channel=self.channel, user=self.user, thread_ts=self.thread_ts)

    async def _respond(self, message: Message) -> bool:
        body: dict[str, Any] = {
            "response_type": "ephemeral",
            "replace_original": False,
            "delete_original": False,
            "text": message.text,
            "blocks": message.blocks,
        }
        if self.thread_ts:
            body["thread_ts"] = self.thread_ts
        try:
            with translated("answering a person"):
                answer = await AsyncWebhookClient(self.response_url, timeout=10, retry_handlers=[]).send_dict(body)
        except OpsError as error:
            _log.info("response address failed", extra={"error_code": error.code, "person": self.user})
            return False
        return answer.status_code == 200


def asker_of(body: Mapping[str, Any]) -> Asker:
    """Read the sender out of a command, a click, a submitted modal or an event."""
    user = body.get("user")
    person = user if isinstance(user, Mapping) else {}
    team = body.get("team")
    container = body.get("container") or {}
    channel = body.get("channel")
    event = body.get("event") or {}
    return Asker(
        user=str(person.get("id") or body.get("user_id") or event.get("user") or ""),
        team=str(person.get("team_id") or (team or {}).get("id") or body.get("team_id") or ""),
        channel=str((channel or {}).get("id") or body.get("channel_id") or container.get("channel_id") or ""),
        thread_ts=str(container.get("thread_ts") or ""),
        response_url=str(body.get("response_url") or ""),
    )
