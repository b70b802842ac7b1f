"""Modals of a real bolt app: opened within three seconds or not at all, filled in, refused, closed, pushed, updated."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_sdk.errors import SlackApiError

from devtools.console import Console
from tests.console import cards
from tests.console.conftest import Clock
from tests.console.tiny_bot import TinyBot
from tests.console.visitor import Visitor, eventually


async def posted(bot: TinyBot, *action_ids: str) -> str:
    block = {"type": "actions", "elements": [cards.button(name, name) for name in action_ids]}
    answer = await bot.client.chat_postMessage(channel="C0OPS", text="t", blocks=[block])
    return str(answer["ts"])


async def opened(bot: TinyBot, erin: Visitor) -> dict[str, Any]:
    ts = await posted(bot, "deny")
    await erin.post("click", channel="C0OPS", ts=ts, action_id="deny")
    return await erin.modal()


def last_trigger(bot: TinyBot) -> str:
    payload = json.loads(parse_qs(bot.requests[-1][1])["payload"][0])
    return str(payload["trigger_id"])


async def refused(bot: TinyBot, method: str, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await bot.client.api_call(method, json=arguments)
    return str(caught.value.response["error"])


async def test_a_click_opens_a_modal_for_whoever_clicked(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)

    assert modal["title"]["text"] == "Deny the request"
    assert (await erin.as_("ada").state())["views"] == []


async def test_a_trigger_older_than_three_seconds_is_refused(bot: TinyBot, erin: Visitor, clock: Clock) -> None:
    ts = await posted(bot, "late")
    await erin.post("click", channel="C0OPS", ts=ts, action_id="late")
    clock.now += 3.1

    error = await refused(bot, "views.open", trigger_id=last_trigger(bot), view=cards.deny_view())

    assert error == "expired_trigger_id"
    assert (await erin.state())["views"] == []


async def test_a_trigger_opens_one_modal_only(bot: TinyBot, erin: Visitor) -> None:
    await opened(bot, erin)

    assert (
        await refused(bot, "views.open", trigger_id=last_trigger(bot), view=cards.deny_view()) == "exchanged_trigger_id"
    )
    assert await refused(bot, "views.open", trigger_id="1.2.x", view=cards.deny_view()) == "invalid_trigger_id"


async def test_a_view_over_the_limits_is_refused_and_leaves_the_trigger_unused(bot: TinyBot, erin: Visitor) -> None:
    ts = await posted(bot, "late")
    await erin.post("click", channel="C0OPS", ts=ts, action_id="late")
    bad = {**cards.deny_view(), "title": cards.plain("t" * 25)}

    with pytest.raises(SlackApiError) as caught:
        await bot.client.views_open(trigger_id=last_trigger(bot), view=bad)
    good = await bot.client.views_open(trigger_id=last_trigger(bot), view=cards.deny_view())

    assert caught.value.response["error"] == "invalid_arguments"
    assert "/view/title/text" in caught.value.response["response_metadata"]["messages"][0]
    assert good["ok"]


async def test_the_client_complains_before_the_bot_hears_of_it(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)
    heard = len(bot.requests)

    empty = await erin.post("submit", view_id=modal["id"], values={})
    short = await erin.post("submit", view_id=modal["id"], values={"reason": {"text": "abcd"}})

    assert empty["errors"] == {"reason": "Please complete this required field."}
    assert short["errors"] == {"reason": "Please enter at least 5 characters."}
    assert len(bot.requests) == heard


async def test_errors_of_the_bot_keep_the_modal_open(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)

    answer = await erin.post("submit", view_id=modal["id"], values={"reason": {"text": "no idea"}})

    assert (answer["error"], answer["errors"]) == ("view_errors", {"reason": "Say why: because …"})
    assert (await erin.state())["views"]


async def test_a_submit_brings_the_values_and_closes_the_modal(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)

    answer = await erin.post("submit", view_id=modal["id"], values={"text": "because of the names", "choice": "names"})

    values = bot.submitted[0]["state"]["values"]
    assert answer == {"ok": True}
    assert values["reason"]["text"] == {"type": "plain_text_input", "value": "because of the names"}
    assert values["preset"]["choice"]["selected_option"]["value"] == "names"
    assert bot.submitted[0]["private_metadata"] == "w|r|a"
    assert (await erin.state())["views"] == []


async def test_an_input_that_is_not_there_is_named(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)

    answer = await erin.post("submit", view_id=modal["id"], values={"reasn": "because"})

    assert answer["error"] == "no_such_input"
    assert "reason.text" in answer["detail"]


async def test_closing_is_told_when_the_bot_asked_for_it(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)

    await erin.post("close", view_id=modal["id"])

    assert [view["id"] for view in bot.closed] == [modal["id"]]
    assert (await erin.state())["views"] == []


async def test_nobody_submits_somebody_elses_modal(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)

    answer = await erin.as_("ada").post("submit", view_id=modal["id"], values={"text": "because"})

    assert answer["error"] == "view_not_found"


async def test_update_with_an_old_hash_conflicts(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)
    await bot.client.views_update(view_id=modal["id"], hash=modal["hash"], view=cards.deny_view())

    error = await refused(bot, "views.update", view_id=modal["id"], hash=modal["hash"], view=cards.deny_view())

    assert error == "hash_conflict"
    assert await refused(bot, "views.update", view_id="V0NONE", view=cards.deny_view()) == "not_found"


async def test_modals_stack_three_high(bot: TinyBot, erin: Visitor) -> None:
    await opened(bot, erin)
    view = {**cards.details_view(), "blocks": [{"type": "actions", "elements": [cards.button("more", "late")]}]}
    await bot.client.views_update(view_id=(await erin.modal())["id"], view=view)

    async def push() -> None:
        await erin.post("click", view_id=(await erin.modal())["id"], action_id="late")
        await bot.client.views_push(trigger_id=last_trigger(bot), view=view)

    await push()
    await push()
    with pytest.raises(SlackApiError) as caught:
        await push()

    assert caught.value.response["error"] == "push_limit_reached"
    assert len((await erin.state())["views"]) == 3


async def test_push_needs_a_trigger_from_a_modal(bot: TinyBot, erin: Visitor) -> None:
    ts = await posted(bot, "late")
    await erin.post("click", channel="C0OPS", ts=ts, action_id="late")

    assert (
        await refused(bot, "views.push", trigger_id=last_trigger(bot), view=cards.deny_view()) == "invalid_trigger_id"
    )


async def test_response_actions_update_push_and_clear(console: Console, bot: TinyBot, erin: Visitor) -> None:
    answers: list[dict[str, Any]] = [
        {"response_action": "update", "view": {**cards.deny_view(), "callback_id": "wizard"}},
        {"response_action": "push", "view": {**cards.deny_view(), "callback_id": "wizard"}},
        {"response_action": "errors", "errors": {"nowhere": "x"}},
        {"response_action": "clear"},
    ]

    @bot.app.view("wizard")
    async def wizard(ack: Any) -> None:
        await ack(**answers.pop(0))

    await opened(bot, erin)
    first = await erin.modal()
    await bot.client.views_update(view_id=first["id"], view={**cards.deny_view(), "callback_id": "wizard"})
    values = {"text": "because"}

    updated = await erin.post("submit", view_id=first["id"], values=values)
    assert (updated, len((await erin.state())["views"])) == ({"ok": True}, 1)
    pushed = await erin.post("submit", view_id=first["id"], values=values)
    assert (pushed, len((await erin.state())["views"])) == ({"ok": True}, 2)
    second = await erin.modal()
    nowhere = await erin.post("submit", view_id=second["id"], values=values)
    assert nowhere["error"] == "invalid_errors"
    cleared = await erin.post("submit", view_id=second["id"], values=values)
    assert (cleared, (await erin.state())["views"]) == ({"ok": True}, [])


async def test_what_was_typed_survives_an_update_of_the_view(bot: TinyBot, erin: Visitor) -> None:
    modal = await opened(bot, erin)
    await erin.post("submit", view_id=modal["id"], values={"text": "no idea at all"})

    await bot.client.views_update(view_id=modal["id"], view=cards.deny_view())

    async def kept() -> bool:
        values = (await erin.modal())["state"]["values"]
        return bool(values["reason"]["text"]["value"] == "no idea at all")

    assert await eventually(kept)
