"""Calls from one node to another: connections that are kept, one call at a time on each, dropped at the first trouble.

Not here: what is said (gossip.py, server.py), the client verbs' connections (client.py).
"""

import asyncio
import contextlib
import ssl
from typing import Any

from devtools.cockroach import address, certs, wire


class PeerError(Exception):
    """The peer was not reached, or its certificate was refused, or it refused ours."""


class _Line:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    def drop(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class Peers:
    """The connections a node keeps to others."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._lines: dict[tuple[str, str], _Line] = {}

    def use(self, context: ssl.SSLContext) -> None:
        """Dial anew, with other certificates."""
        self._context = context
        self.close()

    def close(self) -> None:
        """Drop every connection."""
        for line in self._lines.values():
            line.drop()
        self._lines.clear()

    async def call(self, where: str, method: str, params: dict[str, Any], *, limit: float) -> Any:
        """Call a method of the node at an address.

        Raises:
            PeerError: not reached, refused, or no answer in time.
            RemoteError: the node answered with an error.
        """
        line = self._lines.setdefault((where, method), _Line())
        async with line.lock:
            try:
                async with asyncio.timeout(limit):
                    if line.writer is None:
                        await self._dial(line, where)
                    answer = await self._exchange(line, {"method": method, "params": params, "user": "node"})
            except ssl.SSLError as error:
                line.drop()
                raise PeerError(certs.go_words(error)) from error
            except TimeoutError as error:
                line.drop()
                raise PeerError(f"dial tcp {where}: i/o timeout") from error
            except (OSError, EOFError, ValueError) as error:
                line.drop()
                raise PeerError(f"dial tcp {where}: {str(error) or 'EOF'}") from error
            except BaseException:
                line.drop()
                raise
        return wire.result_of(answer)

    async def _dial(self, line: _Line, where: str) -> None:
        host, port = address.split(where, port=address.SQL_PORT)
        reader, writer = await asyncio.open_connection(host, port, ssl=self._context, server_hostname=host)
        problem = certs.check_host(writer.get_extra_info("peercert"), host=host)
        if problem:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            raise OSError(problem)
        line.reader, line.writer = reader, writer

    async def _exchange(self, line: _Line, request: dict[str, Any]) -> dict[str, Any]:
        if line.reader is None or line.writer is None:
            raise OSError("not connected")
        line.writer.write(wire.pack(request))
        await line.writer.drain()
        size = wire.size_of(await line.reader.readexactly(wire.HEADER.size))
        return wire.unpack(await line.reader.readexactly(size))
