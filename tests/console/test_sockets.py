"""Socket Mode: a real bolt app connects with Slack's own client, and hears commands, clicks, submits and events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from devtools.console import Console
from devtools.console.faults import Fault
from devtools.console.manifest import SOCKET_PATH
from devtools.console.recorder import Record
from devtools.console.sockets import MOST
from tests.console.tiny_bot import TinyBot
from tests.console.visitor import Visitor, eventually

Json = dict[str, Any]


@asynccontextmanager
async def connected(bot: TinyBot, console: Console) -> AsyncIterator[AsyncSocketModeHandler]:
    # Slack's client looks each second whether its line is there, and takes one for stale after four without a pong.
    handler = AsyncSocketModeHandler(bot.app, console.app_token, ping_interval=1)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        yield handler
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    async with Console(manifest=SOCKET_PATH, ack_seconds=1.0, event_retry_seconds=(0.0,)) as console:
        yield console


@pytest.fixture
async def bot(console: Console) -> AsyncIterator[TinyBot]:
    bot = TinyBot(token=console.bot_token, signing_secret="unused", api_url=console.api_url)
    async with connected(bot, console):
        yield bot
        bot.may_answer.set()


async def line(console: Console, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """A connection by hand, after its hello."""
    client = AsyncWebClient(base_url=console.api_url)
    url = (await client.apps_connections_open(app_token=console.app_token))["url"]
    socket = await session.ws_connect(url)
    assert (await socket.receive_json())["type"] == "hello"
    return socket


def deliveries(console: Console, name: str) -> list[Record]:
    return [r for r in console.recorder.since(0) if r.direction == "delivery" and r.name == name]


async def until_connected(console: Console, count: int = 1) -> None:
    async def look() -> bool:
        return console.sockets.count == count

    await eventually(look)


async def test_a_command_is_answered_over_the_socket(bot: TinyBot, erin: Visitor) -> None:
    answer = await erin.types("/crdb help")

    (shown,) = await erin.ephemerals()
    assert answer == {"ok": True}
    assert shown["text"] == "What /crdb can do"
    assert bot.requests == [], "nothing came by HTTP"


async def test_clicks_modals_and_their_errors_work_over_the_socket(bot: TinyBot, erin: Visitor) -> None:
    await erin.types("/crdb deploy")
    card = await erin.message(1)

    await erin.as_("ada").post("click", channel="C0OPS", ts=card["ts"], action_id="deny")
    view = await erin.as_("ada").modal()
    refused = await erin.as_("ada").post("submit", view_id=view["id"], values={"reason": "not so good"})
    taken = await erin.as_("ada").post("submit", view_id=view["id"], values={"reason": "because it is wrong"})

    assert refused["errors"] == {"reason": "Say why: because …"}
    assert taken == {"ok": True}
    assert len(bot.submitted) == 1


async def test_an_event_is_delivered_and_home_drawn(bot: TinyBot, erin: Visitor) -> None:
    await erin.post("home")

    async def drawn() -> Any:
        return (await erin.state())["home"]

    assert (await eventually(drawn))["blocks"][0]["type"] == "header"


async def test_the_line_says_hello_and_envelopes_have_slacks_keys(
    console: Console, session: aiohttp.ClientSession, erin: Visitor
) -> None:
    socket = await line(console, session)
    typing = asyncio.create_task(erin.types("/crdb help"))

    envelope = await socket.receive_json()
    await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "hi"}})

    assert await typing == {"ok": True}
    assert [m["text"] for m in await erin.ephemerals()] == ["hi"]
    assert set(envelope) == {"envelope_id", "type", "accepts_response_payload", "payload"}
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
    assert envelope["payload"]["command"] == "/crdb"
    await socket.close()


async def test_an_event_that_nobody_acknowledged_comes_again_with_its_number(
    console: Console, session: aiohttp.ClientSession, erin: Visitor
) -> None:
    socket = await line(console, session)
    opening = asyncio.create_task(erin.post("home"))

    first, second = await socket.receive_json(), await socket.receive_json()

    assert (await opening)["error"] == "operation_timeout"
    assert (first["retry_attempt"], first["accepts_response_payload"]) == (0, False)
    assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")
    assert first["payload"]["event_id"] == second["payload"]["event_id"]
    assert first["envelope_id"] != second["envelope_id"]
    await socket.close()


async def test_without_a_line_the_person_is_told(console: Console, erin: Visitor) -> None:
    answer = await erin.types("/crdb help")

    assert answer == {"ok": False, "error": "dispatch_failed", "detail": "the app has no open socket"}


async def test_an_acknowledgement_that_comes_too_late_is_a_timeout_and_recorded(
    console: Console, bot: TinyBot, erin: Visitor
) -> None:
    answer = await erin.types("/crdb slow")
    bot.may_answer.set()

    async def late() -> Any:
        return deliveries(console, "acknowledgement")

    assert answer["error"] == "operation_timeout"
    assert (await eventually(late))[0].answer == {"error": "late_acknowledgement"}


async def test_an_acknowledgement_counts_on_its_own_line_alone(
    console: Console, session: aiohttp.ClientSession, erin: Visitor
) -> None:
    socket = await line(console, session)
    typing = asyncio.create_task(erin.types("/crdb help"))
    envelope = await socket.receive_json()
    other = await line(console, session)

    await other.send_json({"envelope_id": envelope["envelope_id"]})

    assert (await typing)["error"] == "operation_timeout"
    await socket.close()
    await other.close()


async def test_a_late_acknowledgement_on_request_times_out_though_the_bot_was_told(
    console: Console, bot: TinyBot, erin: Visitor
) -> None:
    console.faults.add(Fault("/crdb", "late_ack"))

    answer = await erin.types("/crdb echo hello")

    assert answer["error"] == "operation_timeout"
    assert [m["text"] for m in await erin.messages()] == ["echo hello"]


async def test_a_second_delivery_on_request_has_the_same_payload_in_another_envelope(
    console: Console, session: aiohttp.ClientSession, erin: Visitor
) -> None:
    console.faults.add(Fault("/crdb", "duplicate"))
    socket = await line(console, session)
    typing = asyncio.create_task(erin.types("/crdb help"))

    first, second = await socket.receive_json(), await socket.receive_json()
    for envelope in (first, second):
        await socket.send_json({"envelope_id": envelope["envelope_id"]})

    assert await typing == {"ok": True}
    assert first["payload"] == second["payload"]
    assert first["envelope_id"] != second["envelope_id"]
    await socket.close()


async def test_a_line_that_drops_behind_an_envelope_is_a_timeout_and_the_app_comes_back(
    console: Console, bot: TinyBot, erin: Visitor
) -> None:
    console.faults.add(Fault("/crdb", "drop"))

    answer = await erin.types("/crdb echo hello")
    await until_connected(console)
    again = await erin.types("/crdb echo again")

    assert answer["error"] == "operation_timeout"
    assert again == {"ok": True}


async def test_lines_are_cut_on_request(console: Console, bot: TinyBot, erin: Visitor) -> None:
    await until_connected(console)

    assert await erin.post("sockets", act="drop") == {"ok": True, "ended": 1}
    await until_connected(console, 0)
    await until_connected(console)
    assert await erin.types("/crdb help") == {"ok": True}


async def test_an_app_that_is_asked_to_connect_anew_does(console: Console, bot: TinyBot, erin: Visitor) -> None:
    await until_connected(console)

    await erin.post("sockets", act="refresh", seconds=0.2)

    async def is_anew() -> bool:
        opened = [r for r in console.recorder.since(0) if r.name == "apps.connections.open"]
        return len(opened) == 2 and console.sockets.count == 1

    await eventually(is_anew)
    assert await erin.types("/crdb help") == {"ok": True}


async def test_an_unknown_way_to_end_lines_is_refused(erin: Visitor) -> None:
    assert (await erin.post("sockets", act="pull"))["error"] == "invalid_arguments"


async def test_the_eleventh_line_is_sent_away(console: Console, session: aiohttp.ClientSession) -> None:
    lines = [await line(console, session) for _ in range(MOST)]
    client = AsyncWebClient(base_url=console.api_url)
    url = (await client.apps_connections_open(app_token=console.app_token))["url"]

    async with session.ws_connect(url) as extra:
        said = await extra.receive_json()

    assert (said["type"], said["reason"]) == ("disconnect", "too_many_websockets")
    for open_line in lines:
        await open_line.close()


async def test_an_address_to_connect_to_is_good_once(console: Console, session: aiohttp.ClientSession) -> None:
    client = AsyncWebClient(base_url=console.api_url)
    url = (await client.apps_connections_open(app_token=console.app_token))["url"]
    async with session.ws_connect(url):
        pass

    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await session.ws_connect(url)


@pytest.mark.parametrize(
    ("token", "error"),
    [
        pytest.param("xoxb-stand-in", "not_allowed_token_type", id="the bot's token"),
        pytest.param("xapp-other", "invalid_auth", id="another token"),
    ],
)
async def test_a_socket_wants_the_apps_own_token(console: Console, token: str, error: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        await AsyncWebClient(base_url=console.api_url).apps_connections_open(app_token=token)

    assert caught.value.response["error"] == error


async def test_the_apps_token_is_good_for_nothing_else(console: Console) -> None:
    with pytest.raises(SlackApiError) as caught:
        await AsyncWebClient(token=console.app_token, base_url=console.api_url).auth_test()

    assert caught.value.response["error"] == "not_allowed_token_type"


async def test_a_workspace_without_socket_mode_opens_none() -> None:
    async with Console() as console:
        with pytest.raises(SlackApiError) as caught:
            await AsyncWebClient(base_url=console.api_url).apps_connections_open(app_token=console.app_token)

    assert caught.value.response["error"] == "access_denied"


async def test_the_record_of_calls_has_no_address_to_connect_to(console: Console, bot: TinyBot) -> None:
    (opened,) = [r for r in console.recorder.since(0) if r.name == "apps.connections.open"]

    assert opened.answer["url"] == "(redacted)"
