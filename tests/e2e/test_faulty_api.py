"""The proxy before an API server: passes on what it is given, and answers wrongly exactly when it was asked to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from activities.clients.api import Api
from devtools.faulty_api import FaultyApi, Kind
from devtools.processes import free_port
from domain.errors import TransientError


class Server:
    """A very small API server: counts what is created, streams events, echoes a websocket."""

    def __init__(self) -> None:
        self.created = 0
        self.seen: list[str] = []
        self.port = free_port()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(f"{request.headers.get('Authorization', '')} {request.raw_path}")
        if request.headers.get("Upgrade"):
            socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
            await socket.prepare(request)
            await socket.send_bytes(b"\x01hello")
            await socket.close()
            return socket
        if "watch=true" in request.raw_path:
            stream = web.StreamResponse()
            await stream.prepare(request)
            while True:
                await stream.write(b'{"type":"ADDED","object":{}}\n')
                await asyncio.sleep(0.02)
        if request.method == "POST":
            self.created += 1
        return web.json_response({"kind": "Thing"})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    yield server
    await runner.cleanup()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[FaultyApi]:
    async with FaultyApi(f"http://127.0.0.1:{server.port}", ca=None) as proxy:
        yield proxy


@pytest.fixture
async def api(proxy: FaultyApi, tmp_path: Path) -> AsyncIterator[Api]:
    """The production's client, whose kubeconfig was made for a server elsewhere."""
    path = tmp_path / "kubeconfig"
    content = {
        "clusters": [{"name": "dev", "cluster": {"server": "https://elsewhere.invalid"}}],
        "users": [{"name": "ops", "user": {"token": "t0ken"}}],
        "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": "ops"}}],
        "current-context": "dev",
    }
    path.write_text(json.dumps(content))
    proxy.redirect(path)
    async with await Api.connect(path) as api:
        yield api


async def test_calls_reach_the_server_with_their_token_and_their_query(
    server: Server, proxy: FaultyApi, api: Api
) -> None:
    found = await api.call("GET", "/api/v1/pods", query={"labelSelector": "a=b"})

    assert found == {"kind": "Thing"}
    assert server.seen == ["Bearer t0ken /api/v1/pods?labelSelector=a%3Db"]
    assert proxy.asked == ["GET /api/v1/pods?labelSelector=a%3Db"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        pytest.param("409", "kubernetes.conflict", id="409"),
        pytest.param("429", "kubernetes.busy", id="429"),
        pytest.param("503", "kubernetes.unavailable", id="503"),
    ],
)
async def test_a_refusal_is_answered_once_and_never_reaches_the_server(
    server: Server, proxy: FaultyApi, api: Api, kind: Kind, code: str
) -> None:
    proxy.fault(kind, "POST", "/pods")

    with pytest.raises(TransientError) as refused:
        await api.call("POST", "/api/v1/pods", body={})
    await api.call("POST", "/api/v1/pods", body={})

    assert refused.value.code == code
    assert (server.created, proxy.left(), proxy.met) == (1, [], [f"{kind} POST /api/v1/pods"])


async def test_a_lost_answer_has_had_its_effect(server: Server, proxy: FaultyApi, api: Api) -> None:
    proxy.fault("lost", "POST", "/pods")

    with pytest.raises(TransientError) as lost:
        await api.call("POST", "/api/v1/pods", body={})

    assert (lost.value.code, server.created) == ("kubernetes.unreachable", 1)


async def test_another_call_does_not_meet_the_fault(proxy: FaultyApi, api: Api) -> None:
    proxy.fault("503", "GET", "/pods", "watch=true")

    await api.call("GET", "/api/v1/pods")

    assert len(proxy.left()) == 1


async def _watched(api: Api, proxy: FaultyApi, *, cut_after: int) -> int:
    """Follow a watch, cut it after so many events; how many there were before it broke."""
    seen = 0
    try:
        async for _ in api.watch("/api/v1/pods", query={}):
            seen += 1
            if seen == cut_after:
                assert proxy.cut_watches("pods") == 1
    except TransientError:
        return seen
    raise AssertionError("the watch ended in good order")


async def test_an_open_watch_can_be_cut_without_a_word(proxy: FaultyApi, api: Api) -> None:
    assert await _watched(api, proxy, cut_after=3) >= 3


async def test_a_watch_can_be_cut_as_it_opens(proxy: FaultyApi, api: Api) -> None:
    proxy.fault("cut", "GET", "/pods", "watch=true")

    assert await _watched(api, proxy, cut_after=-1) == 0


async def test_a_websocket_is_relayed_or_its_answer_is_lost(server: Server, proxy: FaultyApi, api: Api) -> None:
    proxy.fault("lost", "GET", "/exec", "command=init")

    heard: dict[str, list[bytes]] = {}
    for command in ("init", "status"):
        async with await api.socket("/api/v1/pods/a/exec", query=[("command", command)]) as socket:
            heard[command] = [message.data async for message in socket if message.type == aiohttp.WSMsgType.BINARY]

    assert heard == {"init": [], "status": [b"\x01hello"]}
    assert len(server.seen) == 2
