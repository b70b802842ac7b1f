"""The stand-in is open to this machine alone: foreign hosts and origins get nothing, and the page asks nobody else."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from devtools.console import Console


async def test_serves_its_own_name_and_says_what_it_is(console: Console, session: aiohttp.ClientSession) -> None:
    async with session.get(console.url) as response:
        page = await response.text()

    assert response.status == 200
    assert "<title>Stand-in workspace (not Slack)</title>" in page
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("path", ["/", "/_page/state?persona=erin", "/api/auth.test", "/static/app.js"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example"}, id="foreign host"),
        pytest.param({"Host": "127.0.0.1.evil.example"}, id="host that begins like ours"),
        pytest.param({"Origin": "http://evil.example"}, id="foreign origin"),
        pytest.param({"Origin": "null"}, id="origin of a sandboxed frame"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, id="another port of this machine"),
    ],
)
async def test_refuses_foreign_hosts_and_origins(
    console: Console, session: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> None:
    async with session.get(console.url + path, headers=headers) as response:
        assert response.status == 403


async def test_takes_its_own_origin_by_both_names(console: Console, session: aiohttp.ClientSession) -> None:
    origins = [console.url, f"http://localhost:{console.port}"]

    statuses = [(await session.get(console.url, headers={"Origin": origin})).status for origin in origins]

    assert statuses == [200, 200]


async def test_refuses_what_a_foreign_form_could_send(console: Console, session: aiohttp.ClientSession) -> None:
    form = {"persona": "erin", "channel": "C0OPS", "text": "/crdb help"}

    async with session.post(f"{console.url}/_page/command", data=form) as response:
        answer = await response.json()

    assert response.status == 415
    assert answer["error"] == "json_only"


async def test_listens_on_loopback_only(console: Console) -> None:
    own = socket.gethostbyname(socket.gethostname())
    with socket.socket() as probe:
        probe.settimeout(1)
        reached = probe.connect_ex((own, console.port)) == 0 if not own.startswith("127.") else False

    assert not reached
