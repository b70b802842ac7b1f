"""Any click redraws the very message that was clicked: granted or refused, old button or link, open run or closed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.cards import blocks as b
from bot.cards.evidence import card_message
from bot.cards.operation import operation_message
from devtools.console.faults import Fault
from domain.errors import TransientError
from operations.chat import MessageRef
from tests.bot import given
from tests.bot.harness import Stage, eventually

VALUE = b.button_value(workflow_id=given.CERTIFY_ID, run_id=given.RUN_ID, approval_id=given.APPROVAL_ID)
ROOT_VALUE = b.button_value(workflow_id=given.CHANGE_ID, run_id=given.RUN_ID)


async def stale(on: Stage, action: str, value: str = VALUE) -> MessageRef:
    """A message whose drawing was lost: it still shows a button that it should not."""
    return await on.post(
        b.Message("stale", [b.mrkdwn("stale"), *b.actions(b.button("Go", action=action, value=value))])
    )


async def redrawn(on: Stage, ref: MessageRef) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        message = await on.message(ref)
        return None if message["text"] == "stale" else message

    found: dict[str, Any] = await eventually(look)
    return found


@pytest.mark.parametrize("action", ["approve", "deny", "details", "ask_again", "review", "open_temporal", "approve_v0"])
@pytest.mark.parametrize("persona", ["ada", "vic", "gus", "sam"])
async def test_a_click_redraws_a_card_whoever_clicks_and_whatever_comes_of_it(
    on: Stage, action: str, persona: str
) -> None:
    on.gateway.card = given.card("expired", sentence="Expired: nobody decided in time.")
    card = await stale(on, action)

    await on.click(persona, card, action)

    said = json.dumps((await redrawn(on, card))["blocks"])
    assert "certificate for node cockroachdb-1" in said


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "ask_again", "review", "open_temporal", "retry_v0"])
@pytest.mark.parametrize("persona", ["erin", "vic", "gus", "sam"])
async def test_a_click_redraws_an_operation_that_is_over(on: Stage, action: str, persona: str) -> None:
    on.gateway.change = given.operation("done")
    root = await stale(on, action, ROOT_VALUE)

    await on.click(persona, root, action)

    assert (await redrawn(on, root))["text"] == "done: Deploy crdb: 3 nodes, v25.2.3"


@pytest.mark.parametrize("state", ["issued", "denied", "failed", "gone"])
@pytest.mark.parametrize("action", ["approve", "deny", "ask_again"])
async def test_a_card_of_a_closed_run_shows_how_it_ended(on: Stage, action: str, state: Any) -> None:
    on.gateway.card = given.card(state, sentence="That was it.")
    card = await stale(on, action)

    await on.click("ada", card, action)

    await on.whispered("ada", "This request is closed already.")
    assert "That was it." in json.dumps((await redrawn(on, card))["blocks"])
    assert on.gateway.decisions == []


@pytest.mark.parametrize("action", ["deny", "details", "review"])
async def test_a_modal_that_slack_refuses_leaves_the_message_redrawn_and_the_person_told(
    on: Stage, action: str
) -> None:
    on.gateway.change = given.operation("person")
    card = await stale(on, action, ROOT_VALUE if action == "review" else VALUE)
    on.console.faults.add(Fault("views.open", "500"))

    await on.click("ada", card, action)

    await redrawn(on, card)
    await on.whispered("ada", "Slack")


@pytest.mark.parametrize("action", ["details", "review"])
async def test_who_closes_a_modal_before_it_is_filled_hears_of_no_error(on: Stage, action: str) -> None:
    on.gateway.change = given.operation("person")
    card = await stale(on, action, ROOT_VALUE if action == "review" else VALUE)
    on.gateway.delay = 0.5
    await on.click("ada", card, action)

    async def view() -> dict[str, Any] | None:
        return next(iter(await on.views("ada")), None)

    await on.page("close", persona="ada", view_id=(await eventually(view))["id"])

    await redrawn(on, card)
    assert any(r.name == "views.update" for r in on.console.recorder.since(0))
    assert await on.whispers("ada") == []


async def test_a_message_stays_as_it_is_while_nobody_knows_better(on: Stage) -> None:
    card = await stale(on, "approve_v0")
    on.gateway.query_error = TransientError("workflow.silent", "No worker answers for this run.")

    await on.click("ada", card, "approve_v0")

    await on.whispered("ada", "This button is of an older release.")
    assert (await on.message(card))["text"] == "stale"


def test_every_button_names_the_run_that_its_message_shows() -> None:
    messages = [
        operation_message(given.operation("person", may_ask_again=True), url="http://t/x", waiting=3),
        card_message(given.card(), url="http://t/x"),
        card_message(given.card("failed"), url="http://t/x"),
    ]

    rows = [block for message in messages for block in message.blocks if block["type"] == "actions"]
    values = {json.loads(element["value"])["run_id"] for row in rows for element in row["elements"]}
    assert values == {given.RUN_ID}
