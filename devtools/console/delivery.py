"""Brings commands, clicks, submits and events to the bot: by HTTP, with Slack's signature, waiting 3 s at most.

What is in them is made in `interactions.py`; the other way to bring them, Socket Mode, is in `sockets.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import aiohttp

from devtools.console.limits_text import Json
from devtools.console.recorder import Recorder

ACK_SECONDS = 3.0


@dataclass(frozen=True)
class Envelope:
    """One thing to tell the bot. `name` is for the record alone: `/crdb`, `block_actions`, `app_home_opened`."""

    kind: Literal["slash_commands", "interactive", "events_api"]
    name: str
    payload: Json
    url: str
    retry_number: int = 0
    retry_reason: str = ""


@dataclass(frozen=True)
class Answer:
    """The bot's acknowledgement; `error` is what the person sees when there is none."""

    body: Any = None
    error: str | None = None
    detail: str = ""


class Delivery(Protocol):
    """A way to the bot."""

    async def deliver(self, envelope: Envelope) -> Answer:
        """Tell the bot, and hand back what it answered in time."""

    async def close(self) -> None:
        """Give up the connections."""


def signature(secret: str, *, timestamp: str, body: str) -> str:
    """Compute the value of X-Slack-Signature."""
    base = f"v0:{timestamp}:{body}".encode()
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class HttpDelivery:
    """POSTs to the request URL of the manifest, or to `override_url` when one is given."""

    def __init__(
        self,
        *,
        signing_secret: str,
        recorder: Recorder,
        override_url: str | None = None,
        ack_seconds: float = ACK_SECONDS,
    ) -> None:
        self.override_url = override_url
        self._signing_secret = signing_secret
        self._recorder = recorder
        self._ack_seconds = ack_seconds
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, envelope: Envelope) -> Answer:
        """Tell the bot, and hand back what it answered in time."""
        started_at = time.monotonic()
        status, answer = await self._post(envelope)
        self._recorder.record(
            "delivery",
            name=envelope.name,
            arguments=envelope.payload,
            status=status,
            answer=answer.body if answer.error is None else {"error": answer.error, "detail": answer.detail},
            duration_s=time.monotonic() - started_at,
        )
        return answer

    async def close(self) -> None:
        """Give up the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, envelope: Envelope) -> tuple[int | None, Answer]:
        url = self.override_url or envelope.url
        if not url:
            return None, Answer(error="dispatch_failed", detail="the manifest has no request URL for this")
        body, content_type = _encode(envelope)
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self._signing_secret, timestamp=timestamp, body=body),
        }
        if envelope.retry_number:
            headers |= {
                "X-Slack-Retry-Num": str(envelope.retry_number),
                "X-Slack-Retry-Reason": envelope.retry_reason,
            }
        if self._session is None:
            # Each delivery has a connection of its own: one kept open to a bot that was restarted would fail the next.
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            # Proxies of the environment must not see what goes to a neighbor on loopback.
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        try:
            async with (
                asyncio.timeout(self._ack_seconds),
                self._session.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response,
            ):
                text = await response.text()
        except TimeoutError:
            return None, Answer(error="operation_timeout", detail=f"no answer within {self._ack_seconds:g} s")
        except aiohttp.ClientError as error:
            return None, Answer(error="dispatch_failed", detail=f"cannot reach {url}: {error}")
        if not 200 <= response.status < 300:
            return response.status, Answer(
                error="dispatch_failed", detail=f"the bot answered {response.status}: {text[:300]}"
            )
        return response.status, Answer(body=_decode(text))


def _encode(envelope: Envelope) -> tuple[str, str]:
    if envelope.kind == "events_api":
        return json.dumps(envelope.payload), "application/json"
    if envelope.kind == "interactive":
        return urlencode({"payload": json.dumps(envelope.payload)}), "application/x-www-form-urlencoded"
    return urlencode(envelope.payload), "application/x-www-form-urlencoded"


def _decode(text: str) -> Any:
    """An acknowledgement is empty, JSON, or plain text."""
    try:
        return json.loads(text) if text else None
    except json.JSONDecodeError:
        return text
