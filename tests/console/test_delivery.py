"""Commands, clicks and events brought to a real bolt app over HTTP: signed, in Slack's shape, answered in time."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from slack_sdk.signature import SignatureVerifier

from devtools.console import Console
from devtools.console.delivery import ACK_SECONDS
from tests.console.cards import button
from tests.console.tiny_bot import TinyBot
from tests.console.visitor import Visitor, eventually


def form_of(bot: TinyBot) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(bot.requests[-1][1], keep_blank_values=True).items()}


def payload_of(bot: TinyBot) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(form_of(bot)["payload"])
    return payload


async def test_a_command_is_signed_as_slack_signs(console: Console, bot: TinyBot, erin: Visitor) -> None:
    await erin.types("/crdb help")

    headers, body = bot.requests[-1]
    assert SignatureVerifier(console.signing_secret).is_valid_request(body, headers)
    assert not SignatureVerifier("another secret").is_valid_request(body, headers)
    assert abs(int(headers["X-Slack-Request-Timestamp"]) - time.time()) < 5


async def test_a_bot_with_another_secret_refuses_the_delivery(console: Console, erin: Visitor) -> None:
    other = TinyBot(token=console.bot_token, signing_secret="another", api_url=console.api_url)
    await other.start()
    console.bot_url = other.url

    answer = await erin.types("/crdb help")
    await other.stop()

    assert answer["error"] == "dispatch_failed"
    assert "401" in answer["detail"]


async def test_a_command_has_slacks_fields(bot: TinyBot, erin: Visitor) -> None:
    answer = await erin.types("/crdb help deploy")

    form = form_of(bot)
    assert answer == {"ok": True}
    assert (form["command"], form["text"]) == ("/crdb", "help deploy")
    assert (form["user_id"], form["channel_id"], form["team_id"]) == ("U0ERIN", "C0OPS", "T0CRDB")
    assert form["api_app_id"] == "A0CRDB"
    assert form["response_url"].startswith("http://127.0.0.1")
    assert form["trigger_id"]


async def test_the_acknowledgement_of_a_command_is_shown_to_its_author_alone(bot: TinyBot, erin: Visitor) -> None:
    await erin.types("/crdb help")

    (shown,) = await erin.ephemerals()
    assert shown["text"] == "What /crdb can do"
    assert shown["blocks"]
    assert await erin.as_("ada").ephemerals() == []
    assert await erin.messages() == []


async def test_names_in_a_command_are_escaped_as_the_manifest_asks(bot: TinyBot, erin: Visitor) -> None:
    await erin.types("/crdb echo @ada #db-ops @crdb-approvers https://example.com <b> & @nobody")

    assert form_of(bot)["text"] == (
        "echo <@U0ADA|ada> <#C0OPS|db-ops> <!subteam^S0APPROVERS|@crdb-approvers> <https://example.com> "
        "&lt;b&gt; &amp; @nobody"
    )


async def test_a_command_without_an_answer_in_time_fails_and_says_so(session: aiohttp.ClientSession) -> None:
    async with Console(ack_seconds=0.2) as console:
        bot = TinyBot(token=console.bot_token, signing_secret=console.signing_secret, api_url=console.api_url)
        await bot.start()
        console.bot_url = bot.url
        erin = Visitor(console.url, session=session)
        answer = await erin.types("/crdb slow")
        (notice,) = await erin.ephemerals()
        await bot.stop()

    assert answer["error"] == "operation_timeout"
    assert notice["text"] == '/crdb failed with the error "operation_timeout"'


def test_an_acknowledgement_has_three_seconds() -> None:
    assert ACK_SECONDS == 3.0


async def test_a_bot_that_is_away_is_told_to_the_person(console: Console, erin: Visitor) -> None:
    console.bot_url = "http://127.0.0.1:1/slack/events"

    answer = await erin.types("/crdb help")

    assert answer["error"] == "dispatch_failed"


async def test_an_unknown_command_never_reaches_the_bot(bot: TinyBot, erin: Visitor) -> None:
    answer = await erin.types("/other thing")

    assert answer["error"] == "unknown_command"
    assert bot.requests == []


async def test_a_command_in_a_thread_is_not_supported(bot: TinyBot, erin: Visitor) -> None:
    root = (await erin.types("hello"))["ts"]

    answer = await erin.post("command", channel="C0OPS", text="/crdb help", thread_ts=root)

    assert answer["error"] == "not_supported_in_threads"
    assert bot.requests == []


async def test_a_click_has_slacks_shape_and_changes_the_message(bot: TinyBot, erin: Visitor) -> None:
    await erin.types("/crdb deploy")
    card = await erin.message(1)

    answer = await erin.as_("ada").post("click", channel="C0OPS", ts=card["ts"], action_id="approve")

    payload = payload_of(bot)
    action = payload["actions"][0]
    assert answer == {"ok": True}
    assert payload["user"] == {"id": "U0ADA", "username": "ada", "name": "ada", "team_id": "T0CRDB"}
    assert payload["container"]["thread_ts"] == card["thread_ts"]
    assert payload["message"]["ts"] == card["ts"]
    assert payload["channel"] == {"id": "C0OPS", "name": "db-ops"}
    assert (action["action_id"], action["block_id"], action["type"]) == ("approve", "decision", "button")
    assert action["value"] == "w|r|a"

    async def updated() -> bool:
        return bool((await erin.messages())[1]["text"] == "Approved")

    assert await eventually(updated)


async def test_a_strangers_click_names_their_own_company(bot: TinyBot, erin: Visitor) -> None:
    await erin.types("/crdb deploy")
    card = await erin.message(1)

    await erin.as_("sam").post("click", channel="C0OPS", ts=card["ts"], action_id="approve")

    assert payload_of(bot)["user"]["team_id"] == "T0OTHER"
    assert payload_of(bot)["team"]["id"] == "T0CRDB"


async def test_a_click_on_a_button_that_nobody_handles_fails_visibly(bot: TinyBot, erin: Visitor) -> None:
    ts = (await bot.client.chat_postMessage(channel="C0OPS", text="t", blocks=actions("forgotten")))["ts"]

    answer = await erin.post("click", channel="C0OPS", ts=ts, action_id="forgotten")

    assert answer["error"] == "dispatch_failed"
    assert "404" in answer["detail"]


async def test_only_what_is_there_can_be_clicked(bot: TinyBot, erin: Visitor) -> None:
    ts = (await bot.client.chat_postMessage(channel="C0SHR", text="t", blocks=actions("approve")))["ts"]

    outside = await erin.as_("vic").post("click", channel="C0SHR", ts=ts, action_id="approve")
    missing = await erin.post("click", channel="C0SHR", ts=ts, action_id="deny")
    gone = await erin.post("click", channel="C0SHR", ts="1.000001", action_id="approve")

    assert (outside["error"], missing["error"], gone["error"]) == (
        "not_in_channel",
        "no_such_action",
        "message_not_found",
    )
    assert bot.requests == []


async def test_a_menu_sends_the_chosen_option_and_keeps_it_as_state(bot: TinyBot, erin: Visitor) -> None:
    options = [{"text": {"type": "plain_text", "text": name}, "value": name} for name in ("one", "two")]
    menu = {"type": "static_select", "action_id": "respond", "options": options}
    block = {"type": "actions", "block_id": "menu", "elements": [menu]}
    ts = (await bot.client.chat_postMessage(channel="C0OPS", text="t", blocks=[block]))["ts"]

    wrong = await erin.post("click", channel="C0OPS", ts=ts, action_id="respond", value="three")
    await erin.post("click", channel="C0OPS", ts=ts, action_id="respond", value="two")

    payload = payload_of(bot)
    assert wrong["error"] == "no_such_option"
    assert payload["actions"][0]["selected_option"]["value"] == "two"
    assert payload["state"]["values"]["menu"]["respond"]["selected_option"]["value"] == "two"


async def test_app_home_is_drawn_when_opened(bot: TinyBot, erin: Visitor) -> None:
    answer = await erin.post("home")

    async def drawn() -> Any:
        return (await erin.state())["home"]

    home = await eventually(drawn)
    event = json.loads(bot.requests[0][1])
    assert answer == {"ok": True}
    assert (event["type"], event["event"]["type"]) == ("event_callback", "app_home_opened")
    assert home["blocks"][0]["type"] == "header"


async def test_an_event_that_failed_is_delivered_again_with_its_number(bot: TinyBot, erin: Visitor) -> None:
    bot.failures = 1
    await erin.post("home")

    async def delivered_again() -> list[tuple[dict[str, str], str]]:
        return bot.requests[1:]

    ((headers, _),) = await eventually(delivered_again)
    assert headers["X-Slack-Retry-Num"] == "1"
    assert headers["X-Slack-Retry-Reason"] == "http_error"


async def test_the_record_of_deliveries_has_no_secrets(console: Console, bot: TinyBot, erin: Visitor) -> None:
    await erin.types("/crdb help")

    calls = (await erin.get("calls"))["calls"]

    delivery = next(call for call in calls if call["direction"] == "delivery")
    assert (delivery["name"], delivery["status"]) == ("/crdb", 200)
    assert {delivery["arguments"][key] for key in ("token", "trigger_id", "response_url")} == {"(redacted)"}


@pytest.mark.parametrize("act", ["command", "click", "submit", "close", "home"])
async def test_an_unknown_person_is_refused(erin: Visitor, act: str) -> None:
    assert (await erin.as_("nobody").post(act))["error"] == "unknown_persona"


def actions(action_id: str) -> list[dict[str, Any]]:
    return [{"type": "actions", "elements": [button("b", action_id)]}]


async def test_a_late_acknowledgement_on_request_times_out_though_the_bot_was_told(
    session: aiohttp.ClientSession,
) -> None:
    async with Console(ack_seconds=0.2) as console:
        bot = TinyBot(token=console.bot_token, signing_secret=console.signing_secret, api_url=console.api_url)
        await bot.start()
        console.bot_url = bot.url
        erin = Visitor(console.url, session=session)
        await erin.post("faults", method="/crdb", kind="late_ack")

        late = await erin.types("/crdb echo hello")
        next_one = await erin.types("/crdb help")
        await bot.stop()

        assert (late["error"], next_one["ok"]) == ("operation_timeout", True)
        assert (await erin.messages())[0]["text"] == "echo hello"


async def test_a_second_delivery_on_request_is_the_same_request_again(bot: TinyBot, erin: Visitor) -> None:
    await erin.post("faults", method="/crdb", kind="duplicate")

    await erin.types("/crdb help")

    async def both() -> Any:
        return bot.requests[1:]

    await eventually(both)
    assert bot.requests[0][1] == bot.requests[1][1]


async def test_trouble_on_the_way_to_the_bot_leaves_its_own_calls_alone(
    console: Console, bot: TinyBot, erin: Visitor
) -> None:
    await erin.post("faults", method="*", kind="duplicate")

    await bot.client.auth_test()

    assert [fault["kind"] for fault in (await erin.get("faults"))["faults"]] == ["duplicate"]
