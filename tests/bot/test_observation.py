"""The card of an upgrade that is not final: what it says, what its buttons start, what becomes of old ones."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, get_args

import pytest

from bot.cards import blocks as b
from bot.cards.blocks import Message
from bot.cards.observation import observation_message
from devtools.console.faults import Fault
from domain.errors import TransientError
from domain.observation import Observation
from operations.chat import MessageRef, Say, ShowObservation
from operations.observe import ObserveState, ObserveStatus
from tests.bot import given
from tests.bot.harness import Stage
from tests.bot.test_cards import actions_of, faults, strings
from tests.bot.test_outbox import chat, environment, fresh, messages

URL = "http://127.0.0.1:8233/namespaces/crdb/workflows/x"
VALUE = b.button_value(workflow_id=given.OBSERVE_ID, run_id=given.RUN_ID)
OVER = [state for state in get_args(ObserveState) if state not in ("observed", "due")]


def words(message: Message) -> str:
    return json.dumps(message.blocks, ensure_ascii=False)


async def post(on: Stage, status: ObserveStatus | None = None) -> MessageRef:
    on.gateway.observation = status or given.observation()
    return await on.post(observation_message(on.gateway.observation), kind="observation")


# --- what it says ---


@pytest.mark.parametrize("state", get_args(ObserveState))
def test_the_card_keeps_slacks_limits_at_its_largest(state: ObserveState) -> None:
    assert faults(observation_message(given.largest_observation(state), url=URL)) == []


@pytest.mark.parametrize("state", get_args(ObserveState))
def test_untrusted_text_is_never_markup(state: ObserveState) -> None:
    message = observation_message(given.largest_observation(state), url=URL)

    assert not any("<!channel" in text or "*bold*" in text for text in strings(message.blocks))
    assert "<!channel" not in message.text


def test_an_open_one_says_since_when_both_versions_and_both_ways_on() -> None:
    message = observation_message(given.observation(), url=URL)
    said = words(message)

    assert "crdb runs v25.4.1, which is not final" in said
    assert f"<!date^{int(given.AT.timestamp())}^" in said
    assert f"<!date^{int((given.AT + timedelta(days=1)).timestamp())}^" in said
    assert "*Nodes run*\\n`v25.4.1`" in said
    assert "*Active version*\\n`25.2`" in said
    assert "All nodes live, every range has its copies." in said
    assert "the nodes return to v25.2.3, one at a time" in said
    assert actions_of(message) == ["finalize", "roll_back", "open_temporal"]


def test_what_is_not_well_and_who_was_reminded_is_said_without_a_second_ping() -> None:
    seen = Observation(version="v25.4.1", active="25.2", builds=("v25.4.1",), notices=("ranges lack copies",))
    message = observation_message(
        given.observation("due", seen=seen, noticed_at=given.AT, reminded=("S0APPROVERS",), reminded_at=given.AT)
    )

    assert "ranges lack copies" in words(message)
    assert "Reminded <!date^" in words(message)
    assert "make it final or roll it back" in message.text
    assert "S0APPROVERS" not in message.text


@pytest.mark.parametrize("state", OVER)
def test_one_that_is_over_says_how_and_offers_nothing(state: ObserveState) -> None:
    message = observation_message(given.observation(state, sentence="rolled back to v25.2.3"), url=URL)

    assert "rolled back to v25.2.3." in words(message)
    assert actions_of(message) == []
    assert len(message.blocks) == 3


# --- its buttons ---


@pytest.mark.parametrize(("action", "operation"), [("finalize", "finalize"), ("roll_back", "rollback")])
async def test_a_button_starts_its_change_as_the_command_does_and_the_person_hears_where(
    on: Stage, action: str, operation: str
) -> None:
    card = await post(on)

    await on.click("erin", card, action)

    await on.whispered("erin", f"{operation.capitalize()} of crdb has started.")
    ((name, start, ref, person),) = on.gateway.started
    assert (name, ref, person.id) == (operation, given.REF, "U0ERIN")
    assert json.loads(start.token.claims)["verb"] == "start"


async def test_a_click_that_is_delivered_twice_is_one_start(on: Stage) -> None:
    on.console.faults.add(Fault("block_actions", "duplicate"))
    card = await post(on)

    await on.click("erin", card, "finalize")
    await on.whispered("erin", "Finalize of crdb has started.")

    assert len(on.gateway.started) == 1


async def test_a_second_click_hears_who_was_first(on: Stage) -> None:
    card = await post(on)
    await on.click("erin", card, "finalize")
    await on.whispered("erin", "Finalize of crdb has started.")

    await on.click("ada", card, "roll_back")

    await on.whispered("ada", "another operation is running".capitalize())
    assert [name for name, *_ in on.gateway.started] == ["finalize"]


@pytest.mark.parametrize(("persona", "why"), [("vic", "operator"), ("gus", "Guests"), ("sam", "workspace")])
async def test_who_may_not_ask_starts_nothing(on: Stage, persona: str, why: str) -> None:
    card = await post(on)

    await on.click(persona, card, "finalize")

    assert why in await on.whispered(persona, why)
    assert on.gateway.started == []


@pytest.mark.parametrize("action", ["finalize", "roll_back"])
async def test_the_button_of_an_upgrade_that_is_over_starts_nothing_and_the_card_says_how_it_ended(
    on: Stage, action: str
) -> None:
    card = await post(on)
    on.gateway.observation = given.observation("final", sequence=9, sentence="active version 25.4")

    await on.click("erin", card, action)

    await on.whispered("erin", "This upgrade is not observed any more.")
    await on.until_text(card, "is final: active version 25.4.")
    assert on.gateway.started == []


async def test_while_temporal_is_away_nothing_is_started_and_that_is_said(on: Stage) -> None:
    card = await post(on)
    on.gateway.away = TransientError("temporal.unreachable", "Temporal does not answer.")

    await on.click("erin", card, "finalize")

    await on.whispered("erin", "Temporal does not answer.")
    assert on.gateway.started == []


@pytest.mark.parametrize("action", ["finalize", "roll_back", "open_temporal", "finalize_v0"])
@pytest.mark.parametrize("persona", ["erin", "vic", "gus", "sam"])
async def test_any_click_redraws_the_card_whoever_clicks(on: Stage, action: str, persona: str) -> None:
    stale = Message("stale", [b.mrkdwn("stale"), *b.actions(b.button("Go", action=action, value=VALUE))])
    card = await on.post(stale, kind="observation")

    await on.click(persona, card, action)

    await on.until_text(card, "crdb runs v25.4.1, which is not final")


# --- the activity ---


async def show(on: Stage, request: ShowObservation, **how: Any) -> MessageRef:
    return await environment(**how).run(chat(on).show_observation, request)


def reminder(root: MessageRef) -> Say:
    return Say(channel="C0OPS", thread_ts=root.ts, key="observe-remind-1:r", kind="warning", text="It is not final.")


async def test_it_stands_in_the_upgrades_thread_is_seen_in_the_channel_and_edited_in_place(on: Stage) -> None:
    root = await on.post(Message("root"))
    ref = await show(on, ShowObservation(channel="C0OPS", status=given.observation(), thread_ts=root.ts))

    later = given.observation("due", sequence=5)
    again = await show(
        on,
        ShowObservation(channel="C0OPS", status=later, thread_ts=root.ts, message=ref, say=reminder(root)),
    )

    assert again == ref
    assert ref.thread == root.ts
    assert await on.replies(root) == [observation_message(later).text, "⚠ It is not final."]
    posted = next(r for r in on.console.recorder.since(0) if r.name == "chat.postMessage" and "final" in str(r))
    assert "reply_broadcast" in str(posted)


async def test_a_bot_that_was_killed_between_the_sentence_and_the_card_says_it_once(on: Stage) -> None:
    root = await on.post(Message("root"))
    request = ShowObservation(channel="C0OPS", status=given.observation(), thread_ts=root.ts, say=reminder(root))
    first = await show(on, request)

    again = await environment(attempt=2).run(fresh(on).show_observation, request)

    assert again == first
    assert len(await on.replies(root)) == 2


async def test_where_somebody_deleted_the_root_the_channel_gets_it(on: Stage) -> None:
    await show(on, ShowObservation(channel="C0OPS", status=given.observation(), thread_ts="1.000001"))

    assert [m["text"] for m in await messages(on)] == [observation_message(given.observation()).text]


def test_every_button_names_the_run_that_its_card_shows() -> None:
    (row,) = [block for block in observation_message(given.observation(), url=URL).blocks if block["type"] == "actions"]

    assert {json.loads(element["value"])["run_id"] for element in row["elements"]} == {given.RUN_ID}
