from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bot.cards.blocks import Message, actions, button, mrkdwn
from bot.cards.evidence import card_message
from bot.cards.operation import operation_message
from domain.errors import TransientError
from operations.chat import MessageRef
from operations.messages import DecisionReceipt
from tests.bot import given
from tests.bot.harness import Stage, eventually

pytestmark = pytest.mark.parametrize("transport", ["http", "socket"])


async def test_an_approver_approves_and_the_card_says_so(on: Stage) -> None:
    card = await on.post_card()

    answer = await on.click("ada", card, "approve")

    assert answer["ok"]
    shown = await on.until_text(card, "Certificate for node cockroachdb-1: decided. Approved by Ada")
    assert "approve" not in json.dumps([b for b in shown["blocks"] if b["type"] == "actions"])
    verb, claims, _, update_id = on.gateway.decisions[0]
    assert (verb, claims.approval_id, claims.fingerprint) == ("approve", given.APPROVAL_ID, given.FINGERPRINT)
    assert (claims.run_id, claims.person.id) == (given.RUN_ID, "U0ADA")
    assert update_id == f"approve:{given.APPROVAL_ID}:U0ADA"


async def test_a_certificate_that_follows_at_once_is_drawn_with_its_decision(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, decide = await on.post_card(), on.gateway.decide

    def issue() -> None:
        on.gateway.card = on.gateway.card.model_copy(update={"state": "issued", "sequence": 9})

    async def decided(*args: Any, **named: Any) -> DecisionReceipt:
        receipt = await decide(*args, **named)
        asyncio.get_running_loop().call_later(0.1, issue)
        return receipt

    monkeypatch.setattr(on.gateway, "decide", decided)
    await on.click("ada", card, "approve")
    await on.until_text(card, "issued")

    assert [r.name for r in on.console.recorder.since(0) if r.name == "chat.update"] == ["chat.update"]


async def test_who_asked_may_not_approve_and_the_thread_hears_it_once(on: Stage) -> None:
    card = await on.post_card()

    await on.click("erin", card, "approve")
    await on.click("erin", card, "approve")

    await on.whispered("erin", "You asked for it: somebody else must decide.")

    async def both() -> bool:
        return len(await on.whispers("erin")) == 2

    await eventually(both)
    assert on.gateway.decisions == []
    assert [text for text in await on.replies(card) if "tried to approve" in text] == [
        "U0ERIN tried to approve this, who asked for it: somebody else must decide. Nothing was decided."
    ]


async def test_who_asked_may_deny(on: Stage) -> None:
    card = await on.post_card()

    await on.click("erin", card, "deny")
    view = await on.view("erin", "Deny the request")
    await on.page("submit", persona="erin", view_id=view["id"], values={"reason": "not what I meant"})

    await on.until_text(card, "Denied: not what I meant")


@pytest.mark.parametrize(
    ("persona", "words"),
    [
        pytest.param("vic", "You are none of the approvers", id="viewer"),
        pytest.param("gus", "Guests may not act here.", id="guest"),
        pytest.param("dee", "This account is deactivated.", id="deactivated"),
        pytest.param("sam", "You are not a member of this workspace", id="stranger"),
    ],
)
@pytest.mark.parametrize("action_id", ["approve", "deny"])
async def test_who_may_not_decide_is_refused_and_nothing_is_signed(
    on: Stage, persona: str, words: str, action_id: str
) -> None:
    card = await on.post_card()

    answer = await on.click(persona, card, action_id)

    assert answer["ok"]
    await on.whispered(persona, words)
    assert on.gateway.decisions == []
    assert await on.views(persona) == []


async def test_a_strangers_click_is_told_in_the_thread(on: Stage) -> None:
    card = await on.post_card()

    await on.click("sam", card, "approve")

    async def told() -> bool:
        return any("who is not of this workspace" in text for text in await on.replies(card))

    await eventually(told)


async def test_five_clicks_at_once_are_one_decision(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.delay = 0.05

    answers = await asyncio.gather(*(on.click("ada", card, "approve") for _ in range(5)))
    await on.until_text(card, "decided")

    assert [answer["ok"] for answer in answers] == [True] * 5
    assert len(on.gateway.decisions) == 1


async def test_the_second_approver_hears_that_it_is_decided(on: Stage) -> None:
    card = await on.post_card()
    await on.click("ada", card, "approve")
    await on.until_text(card, "decided")
    stale = await on.post(card_message(given.card()), kind="stale")

    await on.click("abe", stale, "approve")

    assert "Approved by" in await on.whispered("abe", "Already decided.")
    await on.until_text(stale, "decided")
    assert len(on.gateway.decisions) == 1


async def test_a_card_of_an_earlier_round_signs_nothing_and_is_drawn_again(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.card = given.card(approval_id="new00001", sequence=9)

    await on.click("ada", card, "approve")

    await on.whispered("ada", "This card is old: a newer one took its place.")
    assert on.gateway.decisions == []

    async def redrawn() -> bool:
        return "new00001" in json.dumps((await on.message(card))["blocks"])

    await eventually(redrawn)


async def test_a_card_of_a_closed_run_is_drawn_again(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.card = given.card("issued", sequence=9, sentence="Issued, approved by Ada.")

    await on.click("ada", card, "approve")

    await on.whispered("ada", "This request is closed already.")
    await on.until_text(card, "issued")
    assert on.gateway.decisions == []


async def test_nobody_approves_what_fails_a_check(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.card = given.card(verdict=given.verdict(failing=1))

    await on.click("ada", card, "approve")

    await on.whispered("ada", "Nobody can approve this request: signed by its own key.")
    assert on.gateway.decisions == []


async def test_who_approved_already_is_told_that_a_second_person_is_needed(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.card = given.card(approvals_wanted=2, decisions=(given.decided(),))

    await on.click("ada", card, "approve")

    await on.whispered("ada", "You approved it already: a second person is needed.")
    assert on.gateway.decisions == []


async def test_a_silent_worker_does_not_hinder_the_decision(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.query_error = TransientError("workflow.silent", "No worker answers for this run.")

    await on.click("ada", card, "approve")

    async def decided() -> bool:
        return len(on.gateway.decisions) == 1

    await eventually(decided)


async def test_temporal_away_at_a_click_is_said(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.away = TransientError("temporal.unreachable", "Temporal cannot be reached (unavailable).")

    await on.click("ada", card, "approve")

    await on.whispered("ada", "Temporal cannot be reached")


async def test_a_click_that_no_worker_takes_says_that_nothing_was_decided(on: Stage) -> None:
    card = await on.post_card()

    async def silent(*_: object, **__: object) -> None:
        raise TransientError("decision.not-recorded", "Your click was not recorded. Nothing was decided.")

    on.gateway.decide = silent  # type: ignore[assignment, method-assign]
    await on.click("ada", card, "approve")

    await on.whispered("ada", "Your click was not recorded.")


async def test_deny_opens_at_once_and_wants_a_reason(on: Stage) -> None:
    card = await on.post_card()
    await on.click("ada", card, "deny")
    view = await on.view("ada", "Deny the request")

    short = await on.page("submit", persona="ada", view_id=view["id"], values={"reason": "no"})
    assert short == {**short, "ok": False, "error": "view_errors"}
    assert on.gateway.decisions == []

    done = await on.page("submit", persona="ada", view_id=view["id"], values={"reason": "wrong pod <!channel>"})
    assert done["ok"]
    shown = await on.until_text(card, "decided")
    assert on.gateway.decisions[0][2] == "wrong pod <!channel>"
    assert "<!channel>" not in shown["text"]


async def test_a_preset_reason_needs_no_words(on: Stage) -> None:
    card = await on.post_card()
    await on.click("ada", card, "deny")
    view = await on.view("ada", "Deny the request")

    await on.page("submit", persona="ada", view_id=view["id"], values={"preset": "maintenance"})

    await on.until_text(card, "decided")
    assert on.gateway.decisions[0][2] == "Not now: maintenance"


async def test_deny_is_checked_again_when_it_is_sent(on: Stage) -> None:
    card = await on.post_card()
    await on.click("ada", card, "deny")
    view = await on.view("ada", "Deny the request")
    on.gateway.card = given.card(approval_id="new00001", sequence=9)

    await on.page("submit", persona="ada", view_id=view["id"], values={"reason": "wrong pod"})

    await on.whispered("ada", "This card is old: a newer one took its place.")
    assert on.gateway.decisions == []


async def test_deny_opens_within_the_triggers_time_though_temporal_is_slow(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.delay = 3.2

    await on.click("ada", card, "deny")

    await on.view("ada", "Deny the request")


async def test_details_show_all_the_evidence(on: Stage) -> None:
    card = await on.post_card()

    await on.click("vic", card, "details")

    async def filled() -> str:
        views = json.dumps(await on.views("vic"))
        return views if "kubectl describe csr crdb.node.cockroachdb-1" in views else ""

    shown = await eventually(filled)
    assert "BEGIN CERTIFICATE REQUEST" in shown
    assert given.FINGERPRINT in shown


async def test_an_expired_card_can_be_asked_again(on: Stage) -> None:
    on.gateway.card = given.card("expired", sentence="Expired.")
    card = await on.post_card()

    await on.click("erin", card, "ask_again")

    await eventually(lambda: _has(on, card, "new00001"))
    verb, claims, _, update_id = on.gateway.decisions[0]
    assert (verb, claims.approval_id) == ("ask_again", given.APPROVAL_ID)
    assert update_id == f"ask_again:{given.APPROVAL_ID}:U0ERIN"


async def test_an_operation_can_let_its_pods_ask_again_more_than_once(on: Stage) -> None:
    on.gateway.change = given.operation("person", may_ask_again=True)
    root = await on.post(operation_message(on.gateway.change, url="http://127.0.0.1:8233/x"), kind="operation")

    for count in (1, 2):
        await on.click("erin", root, "ask_again")

        async def decided(wanted: int = count) -> bool:
            return len(on.gateway.decisions) == wanted

        await eventually(decided)

    assert [(verb, claims.run_id) for verb, claims, _, _ in on.gateway.decisions] == [("ask_again", given.RUN_ID)] * 2
    assert len({update_id for _, _, _, update_id in on.gateway.decisions}) == 2


async def _has(on: Stage, card: MessageRef, words: str) -> bool:
    return words in json.dumps((await on.message(card))["blocks"])


async def test_cancel_stops_the_operation_and_its_message_says_so(on: Stage) -> None:
    on.gateway.change = given.operation()
    root = await on.post(operation_message(on.gateway.change, url="http://127.0.0.1:8233/x"), kind="operation")

    await on.click("erin", root, "cancel")

    await on.until_text(root, "cancelled: Deploy crdb")


async def test_a_link_button_is_acknowledged(on: Stage) -> None:
    on.gateway.change = given.operation()
    root = await on.post(operation_message(on.gateway.change, url="http://127.0.0.1:8233/x"), kind="operation")

    answer = await on.click("erin", root, "open_temporal")

    assert answer["ok"]


@pytest.mark.parametrize("value", ["approve crdb", '{"workflow_id": "x"}', '{"id": 1}'])
async def test_a_button_of_an_older_release_gets_an_answer(on: Stage, value: str) -> None:
    old = await on.post(
        Message(text="old", blocks=[mrkdwn("old"), *actions(button("Go", action="confirm_v1", value=value))])
    )

    answer = await on.click("ada", old, "confirm_v1")

    assert answer["ok"]
    await on.whispered("ada", "This button is of an older release.")


async def test_an_unknown_action_with_our_value_redraws_its_message(on: Stage) -> None:
    value = json.dumps({"workflow_id": given.CERTIFY_ID, "run_id": given.RUN_ID, "approval_id": "old"})
    old = await on.post(
        Message(text="old", blocks=[mrkdwn("old"), *actions(button("Go", action="approve_v1", value=value))])
    )

    await on.click("ada", old, "approve_v1")

    await on.until_text(old, "Sign certificate for node cockroachdb-1")


async def test_an_old_drawing_never_replaces_a_newer_one(on: Stage) -> None:
    card = await on.post_card()
    newer = card_message(given.card("issued", sentence="Issued."))
    assert await on.bot.messages.edit(card, newer, sequence=50)

    await on.click("vic", card, "details")
    await on.view("vic", "Certificate request")

    was_drawn = await on.bot.messages.edit(card, card_message(given.card()), sequence=49)
    assert not was_drawn
    assert "issued" in (await on.message(card))["text"]


async def test_who_waits_when_the_bot_is_stopped_is_told(on: Stage) -> None:
    card = await on.post_card()
    on.gateway.delay = 30
    await on.click("ada", card, "approve")

    await on.bot.tasks.drain(seconds=0.2)

    await on.whispered("ada", "The bot was stopped before this was done.")
    assert on.gateway.decisions == []
