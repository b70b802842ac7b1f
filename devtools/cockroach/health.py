"""The HTTP port: health in every phase, metrics, and a redirect to https for whoever speaks plain HTTP.

Not here: how the phase is known (phase.py) and what is counted (metrics.py); both come by the callables given.
"""

import asyncio
import json
from collections.abc import Callable

_LIMIT = 16 * 1024
_PATIENCE_SECONDS = 10.0


class HealthPages:
    """Answers GET /health, /health?ready=1 and /_status/vars."""

    def __init__(self, *, not_ready: Callable[[], str], metrics: Callable[[], str]) -> None:
        self._not_ready = not_ready  # the reason, or empty when ready
        self._metrics = metrics

    async def secure(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request over TLS."""
        target, _ = await _request(reader)
        path, _, query = target.partition("?")
        if path == "/_status/vars":
            await _reply(writer, "200 OK", self._metrics().encode(), kind="text/plain; version=0.0.4; charset=utf-8")
            return
        if path != "/health":
            text = b"stand-in: only /health and /_status/vars are served\n"
            await _reply(writer, "404 Not Found", text, kind="text/plain")
            return
        reason = self._not_ready() if _wants_ready(query) else ""
        if reason:
            body = json.dumps({"error": reason, "code": 14, "message": reason, "details": []})
            await _reply(writer, "503 Service Unavailable", body.encode(), kind="application/json")
        else:
            await _reply(writer, "200 OK", b"{}", kind="application/json")

    async def plain(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request without TLS: sent to https."""
        target, host = await _request(reader)
        await _reply(
            writer, "307 Temporary Redirect", b"", kind="text/html", extra=f"Location: https://{host}{target}\r\n"
        )


def _wants_ready(query: str) -> bool:
    return any(part in ("ready=1", "ready=true", "ready=t") for part in query.split("&"))


async def _request(reader: asyncio.StreamReader) -> tuple[str, str]:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = await reader.readline()
            head += line
            if not line or len(head) > _LIMIT:
                raise ConnectionError("no HTTP request")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3:
        raise ConnectionError("no HTTP request")
    hosts = [line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")]
    return words[1], hosts[0] if hosts else ""


async def _reply(writer: asyncio.StreamWriter, status: str, body: bytes, *, kind: str, extra: str = "") -> None:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}"
        "Cache-control: no-cache\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode("latin-1") + body)
    await writer.drain()
