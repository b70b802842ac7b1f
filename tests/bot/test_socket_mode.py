"""The line to Slack: opened, lost, changed over, refused; what is in flight; how the bot leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.health import Transport
from bot.socket_mode import SocketMode
from devtools.console import Console
from devtools.console.faults import Fault
from devtools.console.manifest import SOCKET_PATH
from domain.errors import BrokenError, TransientError
from tests.bot.harness import APP_TOKEN, SECRET, TOKEN, Stage, eventually, stage


@pytest.fixture
def transport() -> Transport:
    return "socket"


def connections(console: Console) -> int:
    return sum(record.name == "apps.connections.open" for record in console.recorder.since(0))


async def until_lines(console: Console, count: int) -> None:
    async def look() -> bool:
        return console.sockets.count == count

    await eventually(look)


async def until_opened(socket: SocketMode | None, times: int) -> None:
    async def look() -> bool:
        return socket is not None and socket.is_connected and socket.facts()["opened"] == times

    await eventually(look)


async def health(on: Stage) -> dict[str, Any]:
    async with on.session.get(f"{on.bot_url}/readyz") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def test_with_a_socket_the_bot_takes_nothing_from_slack_by_http(on: Stage) -> None:
    async with on.session.post(f"{on.bot_url}/slack/events", data="command=/crdb") as answer:
        assert answer.status == 404


async def test_health_says_how_old_the_socket_is(on: Stage) -> None:
    said = await health(on)

    assert (said["ok"], said["transport"], said["slack"]["ok"], said["temporal"]["ok"]) == (True, "socket", True, True)
    assert said["socket"]["connected"]
    assert said["socket"]["age_seconds"] >= 0
    assert (said["socket"]["opened"], said["socket"]["lines"]) == (1, 1)


async def test_a_line_that_was_cut_is_opened_again(on: Stage) -> None:
    await on.page("sockets", act="drop")
    await until_opened(on.socket, 2)

    assert (await on.command("vic", "help"))["ok"]


async def test_a_change_over_opens_the_new_line_before_the_old_one_ends(on: Stage) -> None:
    await on.page("sockets", act="refresh", seconds=30)

    async def is_double() -> bool:
        return bool((await health(on))["socket"]["lines"] == 2)

    await eventually(is_double)
    assert (await on.command("vic", "help"))["ok"]


async def test_a_click_that_lies_across_a_change_over_is_answered_on_its_own_line(on: Stage) -> None:
    card = await on.post_card()
    on.console.faults.add(Fault("apps.connections.open", "slow", seconds=0.2))
    await on.page("sockets", act="refresh", seconds=30)

    answers = await asyncio.gather(*(on.click("ada", card, "details") for _ in range(5)))

    assert [answer["ok"] for answer in answers] == [True] * 5


async def test_without_a_line_the_bot_is_not_ready_and_says_why() -> None:
    async with stage(transport="socket") as on:
        assert on.socket is not None
        await on.socket.stop(seconds=1)

        assert (await health(on))["missing"] == "Slack's socket is not open"


async def test_a_line_that_always_ends_at_once_is_not_opened_in_a_circle(on: Stage) -> None:
    until = asyncio.get_running_loop().time() + 1.5
    while asyncio.get_running_loop().time() < until:
        await on.page("sockets", act="drop")
        await asyncio.sleep(0.02)

    assert connections(on.console) <= 5


async def test_slack_may_limit_how_often_a_line_is_opened(on: Stage) -> None:
    on.console.faults.add(Fault("apps.connections.open", "429", count=1, seconds=1))
    await on.page("sockets", act="drop")

    await until_opened(on.socket, 2)

    assert (await on.command("vic", "help"))["ok"]


async def test_slack_that_was_killed_and_started_again_is_found_again() -> None:
    async with stage(transport="socket") as on:
        port = on.console.port
        await on.console.stop()
        again = Console(port=port, signing_secret=SECRET, bot_token=TOKEN, app_token=APP_TOKEN, manifest=SOCKET_PATH)
        await asyncio.sleep(0.3)

        async with again:
            await until_lines(again, 1)
            assert (await on.command("vic", "help"))["ok"]
            await on.whispered("vic", "/crdb deploy")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        pytest.param("xapp-wrong", "invalid_auth", id="unknown"),
        pytest.param(TOKEN, "not_allowed_token_type", id="the bot's"),
    ],
)
async def test_a_token_that_opens_no_line_is_named(on: Stage, token: str, words: str) -> None:
    socket = SocketMode(on.bot.app, _client(on.console), session=on.session, app_token=token)

    with pytest.raises(BrokenError, match=words) as caught:
        await socket.start()

    assert "CRDBOPS_SLACK_APP_TOKEN" in caught.value.hint


async def test_a_slack_that_is_away_at_the_start_may_come_later(on: Stage) -> None:
    on.console.faults.add(Fault("apps.connections.open", "500"))
    socket = SocketMode(on.bot.app, _client(on.console), session=on.session, app_token=APP_TOKEN)

    with pytest.raises(TransientError):
        await socket.start()


async def test_a_bot_that_leaves_acknowledges_what_it_took() -> None:
    async with stage(transport="socket") as on:
        assert on.socket is not None
        card = await on.post_card()
        clicking = [asyncio.create_task(on.click("ada", card, "approve")) for _ in range(5)]

        async def is_taken() -> bool:
            return len(on.gateway.decisions) == 1

        await eventually(is_taken)
        await on.socket.stop(seconds=3)

        await until_lines(on.console, 0)
        assert any(answer["ok"] for answer in await asyncio.gather(*clicking))


async def test_a_line_that_broke_behind_a_click_decides_all_the_same(on: Stage) -> None:
    card = await on.post_card()
    on.console.faults.add(Fault("block_actions", "drop"))

    answer = await on.click("ada", card, "approve")

    assert answer["error"] == "operation_timeout"
    await on.until_text(card, "decided. Approved by Ada")
    assert len(on.gateway.decisions) == 1


def _client(console: Console) -> AsyncWebClient:
    return AsyncWebClient(token=TOKEN, base_url=console.api_url, retry_handlers=[])
