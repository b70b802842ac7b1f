"""A listening socket whose TLS settings can be replaced while it runs, and which may tell TLS from plain HTTP.

Not here: what is said over an accepted connection (rpc.py, health.py).
"""

import asyncio
import contextlib
import socket
import ssl
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_PATIENCE_SECONDS = 10.0
_TLS_RECORD = b"\x16"


class _Alerting(sslproto.SSLProtocol):
    """Sends the TLS alert of a failed handshake, so that a refused caller learns why.

    asyncio closes the connection with the alert unsent. Private methods are used; without them the caller reads an
    end of file, as before. To be removed when asyncio sends alerts itself.
    """

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        base: Any = super()
        if handshake_exc is not None and hasattr(self, "_process_outgoing"):
            with contextlib.suppress(OSError):
                self._process_outgoing()
        base._on_handshake_complete(handshake_exc)


def send_alerts() -> None:
    """Let every TLS server of this process send alerts."""
    setattr(sslproto, "SSLProtocol", _Alerting)  # noqa: B010 - a class may not be assigned, says mypy


class Listener:
    """Accepts connections on one address and hands each to a handler."""

    def __init__(self, *, context: ssl.SSLContext, secure: Handler, plain: Handler | None = None) -> None:
        self.context = context  # replaced on SIGHUP; new connections use the new one
        self._secure = secure
        self._plain = plain
        self._socket: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def bind(self, host: str, *, port: int) -> int:
        """Take the address, raising OSError when it is not to be had; returns the port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host or "0.0.0.0", port))  # all addresses is the vendor's default
        listening.listen(128)
        listening.setblocking(False)
        self._socket = listening
        bound: int = listening.getsockname()[1]
        return bound

    async def serve(self) -> None:
        """Accept until cancelled."""
        if self._socket is None:
            raise RuntimeError("bind() comes before serve()")
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection, _ = await loop.sock_accept(self._socket)
                task = asyncio.create_task(self._greet(connection))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            self._socket.close()

    async def _greet(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            is_tls = self._plain is None or await asyncio.wait_for(_first_byte(connection), _PATIENCE_SECONDS) == (
                _TLS_RECORD
            )
            handler = self._secure if is_tls or self._plain is None else self._plain
            reader = asyncio.StreamReader(loop=loop)
            protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self.context if is_tls else None,
                ssl_handshake_timeout=_PATIENCE_SECONDS if is_tls else None,
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            try:
                await handler(reader, writer)
            finally:
                writer.close()
            return
        connection.close()


async def _first_byte(connection: socket.socket) -> bytes:
    """The first byte sent, left unread."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(connection.fileno(), wake)
    try:
        await readable
    finally:
        loop.remove_reader(connection.fileno())
    return connection.recv(1, socket.MSG_PEEK)
