"""Serving RPC: reads requests from a connection, checks who the certificate speaks for, writes answers.

Not here: what each method does (server.py), the frames (wire.py), dialing (client.py, peers.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from devtools.cockroach import certs, wire
from devtools.cockroach.failure import RemoteError

Method = Callable[[dict[str, Any]], Awaitable[Any]]

_SQL = frozenset({wire.NODES, wire.EXECUTE})


class Service:
    """The methods of a node, with the rule of who may call which."""

    def __init__(self, methods: dict[str, Method]) -> None:
        self._methods = methods

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the other end goes away."""
        names = certs.principals(writer.get_extra_info("peercert") or {})
        try:
            while True:
                size = wire.size_of(await reader.readexactly(wire.HEADER.size))
                request = wire.unpack(await reader.readexactly(size))
                answer = await self._while_connected(reader, self._answer(request, names=names))
                writer.write(wire.pack(answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError, ValueError, KeyError):
            return

    async def _while_connected(
        self, reader: asyncio.StreamReader, answering: Awaitable[dict[str, Any]]
    ) -> dict[str, Any]:
        """Stop working on an answer when nobody waits for it any more."""
        task = asyncio.ensure_future(answering)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=0.2)
                if not task.done() and reader.at_eof():
                    raise ConnectionError("caller went away")
        finally:
            task.cancel()
        return task.result()

    async def _answer(self, request: dict[str, Any], *, names: list[str]) -> dict[str, Any]:
        try:
            name = str(request["method"])
            _authorize(name, user=str(request.get("user", "node")), names=names)
            method = self._methods.get(name)
            if method is None:
                raise RemoteError(f"unknown method {name}", code="Unimplemented")
            return {"ok": await method(request.get("params", {}))}
        except RemoteError as error:
            return {"error": error.to_wire()}


def _authorize(method: str, *, user: str, names: list[str]) -> None:
    if method in wire.BETWEEN_NODES:
        if "node" not in names:
            raise RemoteError(f"user {names[0]} is not allowed to perform this RPC", code="PermissionDenied")
        return
    if method in _SQL:
        if user not in names and "node" not in names:
            raise RemoteError(f'certificate authentication failed for user "{user}"', sqlstate="28000")
        if user not in ("root", "node"):
            raise RemoteError(f'password authentication failed for user "{user}"', sqlstate="28P01")
        return
    if "root" not in names and "node" not in names:
        raise RemoteError(f"user {names[0]} is not allowed to perform this RPC", code="PermissionDenied")
