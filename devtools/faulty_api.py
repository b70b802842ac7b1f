"""A reverse proxy before the API server that answers wrongly on request: 409, 429, 503, a lost answer, a broken watch.

For tests of the production's clients on a real Kubernetes: their kubeconfig points here instead (`redirect`). It speaks
plain HTTP on loopback, passes the caller's token on, and does nothing by itself. Faults of Slack are the console's.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp
from aiohttp import web
from yarl import URL

from devtools.processes import free_port

#: `lost` and `cut` take effect first: the answer never comes, the stream ends without a word.
Kind = Literal["409", "429", "503", "lost", "cut"]
_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length", "upgrade"})


@dataclass
class Fault:
    """The next `count` calls of this method (or of any: "") whose path and query hold all the words meet this."""

    kind: Kind
    method: str
    words: tuple[str, ...]
    count: int = 1

    def fits(self, request: web.BaseRequest) -> bool:
        """Whether a call meets it."""
        return self.method in ("", request.method) and all(word in request.raw_path for word in self.words)


class FaultyApi:
    """One proxy before one API server.

    Args:
        server: Address of the API server.
        ca: PEM file of its certificate's authority; None where it speaks plain HTTP.
    """

    def __init__(self, server: str, *, ca: Path | None) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cafile=str(ca)) if ca else None
        self._faults: list[Fault] = []
        self._watches: dict[asyncio.Transport, str] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.port = free_port()
        #: What was met, as the method and path of each call.
        self.met: list[str] = []
        #: Every call since the beginning: its method, and its path with the query.
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Address of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> FaultyApi:
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(auto_decompress=False, timeout=timeout)
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._runner is not None
        assert self._session is not None
        self.cut_watches("")
        for task in self._tasks:  # a watch whose caller is gone waits for the server's next word
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()
        await self._session.close()

    def redirect(self, kubeconfig: Path) -> None:
        """Let a kubeconfig of the dev cluster (JSON, with a token) point here."""
        content = json.loads(kubeconfig.read_text())
        content["clusters"][0]["cluster"] = {"server": self.url}
        kubeconfig.write_text(json.dumps(content))

    def fault(self, kind: Kind, method: str, *words: str, count: int = 1) -> None:
        """Let the next fitting calls meet this."""
        self._faults.append(Fault(kind, method, words, count))

    def clear(self) -> None:
        """Forget what was not met yet."""
        self._faults.clear()

    def left(self) -> list[Fault]:
        """The faults that nothing met yet."""
        return list(self._faults)

    def cut_watches(self, word: str) -> int:
        """End all open watches of paths that hold this word, without a word; how many there were."""
        found = [transport for transport, path in self._watches.items() if word in path]
        for transport in found:
            transport.abort()
        return len(found)

    def _take(self, request: web.BaseRequest) -> Fault | None:
        fault = next((one for one in self._faults if one.fits(request)), None)
        if fault is not None:
            self.met.append(f"{fault.kind} {request.method} {request.path}")
            fault.count -= 1
            if fault.count <= 0:
                self._faults.remove(fault)
        return fault

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.asked.append(f"{request.method} {request.raw_path}")
        fault = self._take(request)
        if fault is not None and fault.kind in ("409", "429", "503"):
            return _status(int(fault.kind))
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request, is_lost=fault is not None)
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method,
            URL(self._server + request.raw_path, encoded=True),
            headers=headers,
            data=await request.read(),
            ssl=self._tls or True,
            allow_redirects=False,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            if "watch=true" in request.raw_path and answer.status == 200:
                return await self._stream(request, answer, kept, is_cut=fault is not None)
            body = await answer.read()
            if fault is not None:
                _abort(request)
            return web.Response(status=answer.status, headers=kept, body=body)

    async def _stream(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: dict[str, str], *, is_cut: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        transport = request.transport
        if is_cut or not isinstance(transport, asyncio.Transport):
            _abort(request)
            return response
        self._watches[transport] = request.raw_path
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        except ConnectionResetError:  # the watch was cut here, or its caller killed
            pass
        finally:
            self._watches.pop(transport, None)
        return response

    async def _socket(self, request: web.BaseRequest, *, is_lost: bool) -> web.StreamResponse:
        """Relay a websocket, such as exec; lost: everything reaches the pod, and nothing comes back."""
        assert self._session is not None
        protocols = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
        try:
            there = await self._session.ws_connect(
                URL(self._server + request.raw_path, encoded=True),
                headers={"Authorization": request.headers.get("Authorization", "")},
                protocols=protocols,
                ssl=self._tls or True,
                max_msg_size=0,
            )
        except aiohttp.WSServerHandshakeError as error:
            return _status(error.status)
        async with there:
            here = web.WebSocketResponse(protocols=protocols, max_msg_size=0)
            try:
                await here.prepare(request)
            except ConnectionResetError:  # the caller was killed meanwhile
                return here
            back = asyncio.create_task(_relay(here, there))
            try:
                async for message in there:
                    if not is_lost and message.type == aiohttp.WSMsgType.BINARY:
                        try:
                            await here.send_bytes(message.data)
                        except ConnectionResetError:  # the caller was killed: nobody waits for the rest
                            break
                if is_lost:
                    _abort(request)
                else:
                    await here.close()
            finally:
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
            return here


async def _relay(source: web.WebSocketResponse, sink: aiohttp.ClientWebSocketResponse) -> None:
    async for message in source:
        if message.type == aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)
    await sink.close()


def _status(code: int) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": f"asked to say {code}"}
    return web.json_response(body, status=code, headers={"Retry-After": "1"} if code == 429 else {})


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
