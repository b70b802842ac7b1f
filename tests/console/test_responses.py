"""What a bot may send to a response address: five times in thirty minutes, beside or in place of what was clicked."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest

from tests.console import cards
from tests.console.conftest import Clock
from tests.console.tiny_bot import TinyBot
from tests.console.visitor import Visitor, eventually


class Address:
    """A response address, taken from what the bot was last told."""

    def __init__(self, bot: TinyBot, session: aiohttp.ClientSession) -> None:
        form = parse_qs(bot.requests[-1][1])
        self._url = (
            form["response_url"][0] if "response_url" in form else json.loads(form["payload"][0])["response_url"]
        )
        self._session = session

    async def send(self, **content: Any) -> tuple[int, str]:
        async with self._session.post(self._url, json=content) as response:
            return response.status, await response.text()


@pytest.fixture
async def after_command(bot: TinyBot, erin: Visitor, session: aiohttp.ClientSession) -> Address:
    await erin.types("/crdb echo hello")
    return Address(bot, session)


@pytest.fixture
async def after_click(bot: TinyBot, erin: Visitor, session: aiohttp.ClientSession) -> Address:
    block = {"type": "actions", "elements": [cards.button("b", "late")]}
    ts = (await bot.client.chat_postMessage(channel="C0OPS", text="card", blocks=[block]))["ts"]
    await erin.post("click", channel="C0OPS", ts=ts, action_id="late")
    return Address(bot, session)


async def test_respond_of_bolt_is_seen_by_whoever_clicked(bot: TinyBot, erin: Visitor) -> None:
    block = {"type": "actions", "elements": [cards.button("b", "respond")]}
    ts = (await bot.client.chat_postMessage(channel="C0OPS", text="card", blocks=[block]))["ts"]

    await erin.post("click", channel="C0OPS", ts=ts, action_id="respond")

    (shown,) = await eventually(erin.ephemerals)
    assert shown["text"] == "Only you see this."
    assert [one["text"] for one in await erin.messages()] == ["card"]


async def test_five_uses_and_no_more(after_command: Address) -> None:
    answers = [await after_command.send(text="t") for _ in range(6)]

    assert [status for status, _ in answers] == [200, 200, 200, 200, 200, 404]
    assert "used_url" in answers[-1][1]


async def test_thirty_minutes_and_no_longer(after_command: Address, clock: Clock) -> None:
    clock.now += 30 * 60
    in_time = await after_command.send(text="t")
    clock.now += 1
    too_late = await after_command.send(text="t")

    assert in_time[0] == 200
    assert too_late[0] == 404
    assert "expired_url" in too_late[1]


async def test_in_channel_is_seen_by_everybody(after_command: Address, erin: Visitor) -> None:
    await after_command.send(text="for all", response_type="in_channel")

    assert "for all" in [one["text"] for one in await erin.as_("vic").messages()]


async def test_a_click_without_replace_original_wipes_the_card(after_click: Address, erin: Visitor) -> None:
    await after_click.send(text="oops")

    (message,) = await erin.messages()
    assert (message["text"], message["blocks"]) == ("oops", [])


async def test_a_click_can_leave_the_card_alone(after_click: Address, erin: Visitor) -> None:
    await after_click.send(text="beside it", replace_original=False)

    assert [one["text"] for one in await erin.messages()] == ["card"]
    assert [one["text"] for one in await erin.ephemerals()] == ["beside it"]


async def test_a_click_can_delete_its_message(after_click: Address, erin: Visitor) -> None:
    await after_click.send(delete_original=True)

    assert await erin.messages() == []


async def test_a_commands_earlier_answer_cannot_be_replaced(after_command: Address, erin: Visitor) -> None:
    await after_command.send(text="first")
    await after_command.send(text="second", replace_original=True)

    assert [one["text"] for one in await erin.ephemerals()] == ["first", "second"]


async def test_an_ephemeral_message_can_be_replaced_by_its_own_click(
    bot: TinyBot, erin: Visitor, session: aiohttp.ClientSession
) -> None:
    block = {"type": "actions", "elements": [cards.button("b", "late")]}
    await bot.client.chat_postEphemeral(channel="C0OPS", user="U0ERIN", text="choose", blocks=[block])
    (shown,) = await erin.ephemerals()
    await erin.post("click", channel="C0OPS", ts=shown["ts"], action_id="late")

    await Address(bot, session).send(text="chosen", replace_original=True)

    assert [one["text"] for one in await erin.ephemerals()] == ["chosen"]


async def test_limits_hold_for_responses_as_well(after_command: Address) -> None:
    status, text = await after_command.send(text="t", blocks=[cards.section("t" * 3001)])

    assert status == 400
    assert "invalid_blocks" in text


async def test_an_unknown_key_is_refused(after_command: Address) -> None:
    status, text = await after_command.send(text="t", thread="1")

    assert status == 400
    assert "invalid_payload" in text
