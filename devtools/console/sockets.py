"""Socket Mode: the app connects to us, and what people do comes to it over that line, one envelope each.

`Sockets` keeps the lines: hello, envelopes and their acknowledgements, goodbye. `SocketDelivery` is the way to the bot
over them, beside `delivery.py`'s HTTP. The address to connect to is handed out by `methods_apps.py`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSCloseCode, WSMsgType, web

from devtools.console.delivery import ACK_SECONDS, Answer, Envelope
from devtools.console.limits_text import Json
from devtools.console.recorder import Recorder
from devtools.console.refusal import RefusalError
from devtools.console.tickets import Tickets
from devtools.console.workspace import APP_ID

#: Slack takes no more lines of one app.
MOST = 10
HEARTBEAT_SECONDS = 10.0
#: How long a line stays open after the app was asked to take a new one.
REFRESH_SECONDS = 10.0
Reason = Literal["warning", "refresh_requested", "too_many_websockets"]


@dataclass(eq=False)
class Line:
    """One open connection. `waiting`: envelopes without acknowledgement; `fatal`: whose acknowledgement breaks it."""

    socket: web.WebSocketResponse
    request: web.Request
    is_leaving: bool = False
    waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    fatal: set[str] = field(default_factory=set)


class Sockets:
    """All lines of the app."""

    def __init__(self, tickets: Tickets, *, recorder: Recorder) -> None:
        self._tickets = tickets
        self._recorder = recorder
        self._lines: list[Line] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many lines are open and were not asked to leave."""
        return sum(not line.is_leaving for line in self._lines)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one line until either side ends it."""
        try:
            self._tickets.use_link(request.query.get("ticket", ""))
        except RefusalError as refusal:
            return web.json_response(refusal.answer(), status=403)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS)
        await socket.prepare(request)
        if len(self._lines) >= MOST:
            await socket.send_json(_goodbye("too_many_websockets"))
            await socket.close(code=WSCloseCode.POLICY_VIOLATION)
            return socket
        line = Line(socket, request)
        self._lines.append(line)
        try:
            await socket.send_json(_hello(len(self._lines)))
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._hear(line, message.data)
        finally:
            self._lines.remove(line)
        return socket

    async def send(self, envelope: Envelope, *, is_dropped: bool = False) -> asyncio.Future[Any] | None:
        """Send an envelope over one line, by chance; the future is its acknowledgement. None: nobody is connected.

        `is_dropped`: the line breaks before the acknowledgement arrives, when the bot has the envelope for sure.
        """
        lines = [line for line in self._lines if not line.is_leaving] or self._lines
        if not lines:
            return None
        line = secrets.choice(lines)
        envelope_id = str(uuid.uuid4())
        acknowledged: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        line.waiting[envelope_id] = acknowledged
        if is_dropped:
            line.fatal.add(envelope_id)
        try:
            await line.socket.send_json(_enveloped(envelope, envelope_id))
        except ConnectionError:
            return None
        return acknowledged

    def drop(self) -> int:
        """Cut all lines without a word, as a broken network does; how many there were."""
        lines = list(self._lines)
        for line in lines:
            _cut(line)
        return len(lines)

    async def refresh(self, *, seconds: float = REFRESH_SECONDS) -> int:
        """Ask the app to connect anew, and close the lines of now after a while; how many there were."""
        lines = list(self._lines)
        for line in lines:
            line.is_leaving = True
            await line.socket.send_json(_goodbye("refresh_requested"))
            task = asyncio.create_task(_close_later(line, seconds))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(lines)

    async def close(self) -> None:
        """End all lines."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in list(self._lines):
            try:
                async with asyncio.timeout(0.5):
                    await line.socket.close(code=WSCloseCode.GOING_AWAY)
            except TimeoutError:
                _cut(line)

    def _hear(self, line: Line, text: str) -> None:
        """Take an acknowledgement. It counts on the line alone on which its envelope went out."""
        try:
            content = json.loads(text)
            envelope_id = str(content["envelope_id"])
            acknowledged = line.waiting.pop(envelope_id)
        except (ValueError, KeyError, TypeError):
            self._complain("unknown_envelope", text)
            return
        if envelope_id in line.fatal:
            _cut(line)
            return
        if acknowledged.cancelled():
            self._complain("late_acknowledgement", text)
            return
        acknowledged.set_result(content.get("payload"))

    def _complain(self, error: str, text: str) -> None:
        self._recorder.record(
            "delivery",
            name="acknowledgement",
            arguments={"text": text[:300]},
            status=None,
            answer={"error": error},
            duration_s=0.0,
        )


class SocketDelivery:
    """Tells the bot over one of its lines, and waits for the acknowledgement."""

    def __init__(self, sockets: Sockets, *, recorder: Recorder, ack_seconds: float = ACK_SECONDS) -> None:
        self._sockets = sockets
        self._recorder = recorder
        self._ack_seconds = ack_seconds

    async def deliver(self, envelope: Envelope, *, is_dropped: bool = False) -> Answer:
        """Tell the bot, and hand back what it answered in time."""
        started_at = time.monotonic()
        answer = await self._send(envelope, is_dropped=is_dropped)
        self._recorder.record(
            "delivery",
            name=envelope.name,
            arguments=envelope.payload,
            status=200 if answer.error is None else None,
            answer=answer.body if answer.error is None else {"error": answer.error, "detail": answer.detail},
            duration_s=time.monotonic() - started_at,
        )
        return answer

    async def close(self) -> None:
        """The lines are closed by who serves them."""

    async def _send(self, envelope: Envelope, *, is_dropped: bool) -> Answer:
        acknowledged = await self._sockets.send(envelope, is_dropped=is_dropped)
        if acknowledged is None:
            return Answer(error="dispatch_failed", detail="the app has no open socket")
        try:
            body = await asyncio.wait_for(acknowledged, self._ack_seconds)
        except TimeoutError:
            return Answer(error="operation_timeout", detail=f"no acknowledgement within {self._ack_seconds:g} s")
        if body and envelope.kind == "events_api":
            return Answer(error="dispatch_failed", detail="the acknowledgement of an event carries no payload")
        return Answer(body=body)


def _hello(count: int) -> Json:
    return {
        "type": "hello",
        "num_connections": count,
        "connection_info": {"app_id": APP_ID},
        "debug_info": {"host": "stand-in", "build_number": 1, "approximate_connection_time": 18060},
    }


def _goodbye(reason: Reason) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "stand-in"}}


def _enveloped(envelope: Envelope, envelope_id: str) -> Json:
    content: Json = {
        "envelope_id": envelope_id,
        "type": envelope.kind,
        "accepts_response_payload": envelope.kind != "events_api",
        "payload": envelope.payload,
    }
    if envelope.kind == "events_api":
        reason = "timeout" if envelope.retry_reason == "http_timeout" else ""
        content |= {"retry_attempt": envelope.retry_number, "retry_reason": reason}
    return content


def _cut(line: Line) -> None:
    transport = line.request.transport
    if transport is not None:
        transport.abort()


async def _close_later(line: Line, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await line.socket.close(code=WSCloseCode.GOING_AWAY)
