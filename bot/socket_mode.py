"""Socket Mode: the bot connects to Slack, and requests come in over that line; each is answered on the line it came by.

The other way in is `bot.web`; what the requests mean is `bot.app`, the same for both. This is no client of the SDK's
because that one answers on whatever line is newest, forgets work it has begun, closes the old line before the new one
is open, and cannot be asked to stop taking requests while it still answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_errors import translated
from domain.errors import BrokenError, OpsError, TransientError

_log = logging.getLogger(__name__)

#: A line on which Slack does not answer a ping is broken; aiohttp waits half of this for the answer.
_HEARTBEAT_SECONDS = 10.0
#: Slack greets at once; a line without that is none.
_HELLO_SECONDS = 10.0
#: An old line is read this long after Slack asked for a new one; then Slack itself has closed it.
_LEAVING_SECONDS = 60.0
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0
#: A line that lived no longer is followed after a wait, so that one that always ends at once is not opened in a circle.
_BRIEF_SECONDS, _BRIEF_WAIT = 1.0, 2.0
#: So many failures in a row are ordinary: Slack was restarted, the network blinked.
_ORDINARY = 3
_TOKEN_ERRORS = frozenset(
    {"slack.invalid-auth", "slack.not-authed", "slack.not-allowed-token-type", "slack.access-denied"}
)


@dataclass(eq=False)
class _Line:
    """One open connection."""

    socket: aiohttp.ClientWebSocketResponse
    opened_at: float
    answering: set[asyncio.Task[None]] = field(default_factory=set)
    reading: asyncio.Task[None] | None = None


class SocketMode:
    """Keeps one line to Slack open, and a second while Slack changes over.

    Args:
        app: The Bolt app.
        client: Slack's Web API; its token is not used here.
        session: Opens the line.
        app_token: The app's own token (xapp-…).
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        app: AsyncApp,
        client: AsyncWebClient,
        *,
        session: aiohttp.ClientSession,
        app_token: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._client = client
        self._session = session
        self._app_token = app_token
        self._clock = clock
        self._lines: set[_Line] = set()
        self._current: _Line | None = None
        self._is_wanted = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._opened = 0
        self._opened_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether Slack can reach the bot now."""
        return self._current is not None and not self._current.socket.closed

    def facts(self) -> dict[str, Any]:
        """Return what whoever runs the bot wants to know: connected, since how long, how often it had to be opened."""
        line = self._current
        age = round(self._clock() - line.opened_at, 1) if line is not None else None
        return {"connected": self.is_connected, "age_seconds": age, "opened": self._opened, "lines": len(self._lines)}

    async def start(self) -> None:
        """Open the first line, and keep one open from here on.

        Raises:
            OpsError: Slack refuses the app's token, or cannot be reached.
        """
        await self._open()
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self, *, seconds: float) -> None:
        """Take no more requests, answer those that were taken, and close."""
        if self._keeping is not None:
            await _ended([self._keeping])
        readers = [line.reading for line in self._lines if line.reading is not None]
        await _ended([*readers, *self._leaving])
        answering = [task for line in self._lines for task in line.answering]
        if answering:
            await asyncio.wait(answering, timeout=seconds)
        for line in list(self._lines):
            await self._close(line)

    async def _keep(self) -> None:
        brief = 0
        while True:
            await self._is_wanted.wait()
            brief = brief + 1 if self._clock() - self._opened_at < _BRIEF_SECONDS else 0
            if brief:
                await asyncio.sleep(min(_wait(brief), _BRIEF_WAIT))
            failures = 0
            while self._is_wanted.is_set():
                try:
                    await self._open()
                except OpsError as error:
                    failures += 1
                    level = logging.INFO if failures <= _ORDINARY else logging.WARNING
                    _log.log(level, "socket not opened", extra={"error_code": error.code, "attempt": failures})
                    await asyncio.sleep(_wait(failures, error))

    async def _open(self) -> None:
        """Open a line, make it the current one, and let the one before be read until Slack closes it."""
        url = await self._address()
        try:
            socket = await self._session.ws_connect(
                url,
                heartbeat=_HEARTBEAT_SECONDS,
                proxy=self._client.proxy,
                ssl=self._client.ssl if self._client.ssl is not None else True,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable() from error
        line = _Line(socket, self._clock())
        if not await _is_greeted(socket):
            await socket.close()
            raise _unreachable()
        self._lines.add(line)
        self._current = line
        self._is_wanted.clear()
        self._opened, self._opened_at = self._opened + 1, line.opened_at
        line.reading = asyncio.create_task(self._read(line))
        _log.info("socket opened", extra={"opened": self._opened})

    async def _address(self) -> str:
        try:
            with translated("opening a socket"):
                answer = await self._client.apps_connections_open(app_token=self._app_token)
        except BrokenError as error:
            if error.code not in _TOKEN_ERRORS:
                raise
            raise BrokenError(
                "slack.app-token",
                f"Slack refuses the app's own token ({error.code.removeprefix('slack.').replace('-', '_')}).",
                hint="CRDBOPS_SLACK_APP_TOKEN=xapp-…, with connections:write; Socket Mode must be on in the app.",
            ) from error
        return str(answer["url"])

    async def _read(self, line: _Line) -> None:
        """Take what comes until the line ends."""
        async for message in line.socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                self._take(line, message.data)
        _log.info("socket closed", extra={"code": line.socket.close_code})
        self._want_another(line)
        await self._close(line)

    def _take(self, line: _Line, text: str) -> None:
        try:
            content = json.loads(text)
            kind = content.get("type")
            request = SocketModeRequest.from_dict(content)
        except (ValueError, AttributeError):
            _log.warning("unreadable message on the socket")
            return
        if kind == "disconnect":
            _log.info("slack asks for a new socket", extra={"reason": content.get("reason")})
            self._want_another(line)
            self._spawn_leaving(self._leave(line))
        elif request is not None:
            task = asyncio.create_task(self._answer(line, request))
            line.answering.add(task)
            task.add_done_callback(line.answering.discard)

    def _want_another(self, line: _Line) -> None:
        if line is self._current:
            self._is_wanted.set()

    def _spawn_leaving(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, line: _Line) -> None:
        """Close a line that Slack wants to be rid of, after Slack had its time to do so."""
        await asyncio.sleep(_LEAVING_SECONDS)
        await line.socket.close()

    async def _answer(self, line: _Line, request: SocketModeRequest) -> None:
        response: BoltResponse = await run_async_bolt_app(self._app, request)
        if response.status != 200:
            _log.info("request not taken", extra={"status": response.status})
            return
        try:
            await line.socket.send_json(_acknowledgement(request.envelope_id, response))
        except (ConnectionError, aiohttp.ClientError):
            # The person sees a time-out; the work goes on and says itself what came of it.
            _log.info("acknowledgement not delivered")

    async def _close(self, line: _Line) -> None:
        self._lines.discard(line)
        if line is self._current:
            self._current = None
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await line.socket.close()


def _acknowledgement(envelope_id: str, response: BoltResponse) -> dict[str, Any]:
    """Make the answer: what Bolt would have sent as HTTP's body is the payload here."""
    answer: dict[str, Any] = {"envelope_id": envelope_id}
    if response.body:
        is_json = response.first_headers().get("content-type", "").startswith("application/json")
        answer["payload"] = json.loads(response.body) if is_json else {"text": response.body}
    return answer


async def _is_greeted(socket: aiohttp.ClientWebSocketResponse) -> bool:
    try:
        greeting = await socket.receive_json(timeout=_HELLO_SECONDS)
    except (TimeoutError, TypeError, ValueError, aiohttp.ClientError):
        return False
    return isinstance(greeting, dict) and greeting.get("type") == "hello"


def _wait(failures: int, error: OpsError | None = None) -> float:
    """Seconds until the next try: longer each time, never the same for two bots, and as long as Slack asks."""
    seconds = min(_FIRST_WAIT * 2.0 ** min(failures, 10), _LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311
    asked = error.retry_after if isinstance(error, TransientError) else None
    return max(seconds, asked.total_seconds() if asked else 0.0)


def _unreachable() -> TransientError:
    return TransientError("slack.unreachable", "Slack cannot be reached: opening a socket.")


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
