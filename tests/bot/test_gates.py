"""Questions of a change in Slack: their card, what a click on it does, and how the card comes into its thread."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from temporalio.exceptions import ApplicationError

from bot.cards.blocks import Message
from bot.cards.gate import gate_deny_view, gate_message
from devtools.console.faults import Fault
from devtools.console.limits import check_view
from domain.configuration import ApprovalRule
from domain.errors import TransientError
from gateway.running import Home
from operations.chat import MessageRef, ShowGate, ShowOperation
from operations.gate import GateState, GateStatus
from tests.bot import given
from tests.bot.harness import Stage, eventually, stage
from tests.bot.test_cards import actions_of, faults, strings
from tests.bot.test_outbox import chat, environment, fresh, messages, show

URL = "http://127.0.0.1:8233/namespaces/crdb/workflows/x"


def words(message: Message) -> str:
    return json.dumps(message.blocks, ensure_ascii=False)


def button(message: Message, action_id: str) -> dict[str, Any]:
    row = next(block for block in message.blocks if block["type"] == "actions")
    found: dict[str, Any] = next(e for e in row["elements"] if e["action_id"] == action_id)
    return found


@pytest.mark.parametrize("state", get_args(GateState))
def test_the_card_keeps_slacks_limits_at_its_largest(state: GateState) -> None:
    assert faults(gate_message(given.largest_gate(state), url=URL)) == []


@pytest.mark.parametrize("state", get_args(GateState))
def test_untrusted_text_is_never_markup_on_a_question(state: GateState) -> None:
    message = gate_message(given.largest_gate(state), url=URL)

    assert not any("<!channel" in text or "*bold*" in text for text in strings(message.blocks))
    assert "<!channel" not in message.text


def test_the_modal_keeps_slacks_limits_at_its_largest() -> None:
    assert check_view(gate_deny_view(given.largest_gate().question, private="{}")) == []
    assert check_view(gate_deny_view(None, private="{}")) == []


def test_an_open_question_shows_evidence_outcomes_who_may_and_until_when() -> None:
    message = gate_message(given.gate(), url=URL)
    said, question = words(message), given.question()

    assert message.text.startswith(f"{question.headline} ")
    assert all(text in said for text in (*question.evidence, question.if_yes, question.if_no, "Delete volume: "))
    assert f"Destroys {question.destroys}" in said
    assert "0 of 2 from the approvers, not <@U0ERIN> who asked for it" in said
    assert given.GATE_ID in said
    assert question.fingerprint[:8] in said


def test_the_dialog_before_a_yes_repeats_what_is_destroyed() -> None:
    dialog = button(gate_message(given.gate()), "approve")["confirm"]

    assert dialog["title"]["text"] == "Delete volume datadir-cockroachdb-4?"
    assert dialog["text"]["text"] == (
        "Destroys volume datadir-cockroachdb-4 of 100Gi with its data. Nothing brings it back."
    )
    assert (dialog["confirm"]["text"], dialog["style"]) == ("Delete volume", "danger")


def test_the_dialog_ends_whole_even_where_much_is_destroyed() -> None:
    dialog = button(gate_message(given.largest_gate()), "approve")["confirm"]

    assert dialog["text"]["text"].endswith("Nothing brings it back.")


def test_a_question_that_destroys_nothing_says_what_yes_does() -> None:
    asked = given.question(destroys="", if_yes="The upgrade goes on with two nodes more.")
    yes = button(gate_message(given.gate(asked=asked)), "approve")

    assert (yes["style"], yes["confirm"]["text"]["text"]) == ("primary", "The upgrade goes on with two nodes more.")


def test_buttons_carry_run_and_approval_and_nothing_more() -> None:
    value = json.loads(button(gate_message(given.gate()), "approve")["value"])

    assert value == {"workflow_id": given.CHANGE_ID, "run_id": given.RUN_ID, "approval_id": given.GATE_ID}


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        pytest.param(given.gate(), ["approve", "deny"], id="a no with a reason"),
        pytest.param(
            given.gate(asked=given.question(is_reason_required=False)), ["approve", "deny_now"], id="a no without"
        ),
        pytest.param(given.gate("approved"), [], id="approved"),
        pytest.param(given.gate("denied"), [], id="denied"),
        pytest.param(given.gate("expired"), [], id="expired"),
        pytest.param(given.gate("withdrawn"), [], id="withdrawn"),
    ],
)
def test_a_question_has_the_buttons_of_its_state(status: GateStatus, buttons: list[str]) -> None:
    assert actions_of(gate_message(status)) == buttons


async def test_a_first_of_two_yeses_leaves_the_question_open_and_the_card_counts_it(on: Stage) -> None:
    card = await on.post_gate()

    await on.click("ada", card, "approve")

    shown = await on.until_text(card, "Approved by 1.")
    verb, claims, _, update_id = on.gateway.decisions[0]
    assert "1 of 2 from the approvers" in json.dumps(shown["blocks"])
    assert (verb, claims.workflow_id, claims.run_id) == ("approve", given.CHANGE_ID, given.RUN_ID)
    assert (claims.approval_id, claims.fingerprint) == (given.GATE_ID, given.question().fingerprint)
    assert update_id == f"approve:{given.GATE_ID}:U0ADA"


async def test_the_same_person_cannot_be_both(on: Stage) -> None:
    card = await on.post_gate(given.gate(decisions=(given.decided(),), sentence="Approved by Ada; 1 more needed."))

    await on.click("ada", card, "approve")

    await on.whispered("ada", "You approved it already: a second person is needed.")
    assert on.gateway.decisions == []


async def test_a_yes_closes_the_card(on: Stage) -> None:
    card = await on.post_gate(given.gate(asked=given.question(rule=ApprovalRule())))

    await on.click("ada", card, "approve")

    shown = await on.until_text(card, "— Delete volume")
    assert [block for block in shown["blocks"] if block["type"] == "actions"] == []


async def test_a_no_asks_why_and_the_card_says_it(on: Stage) -> None:
    card = await on.post_gate()

    await on.click("ada", card, "deny")
    view = await on.view("ada", "Say no, and why")
    await on.page("submit", persona="ada", view_id=view["id"], values={"reason": "still needed"})

    await on.until_text(card, "Denied by Ada")
    assert given.question().if_no in json.dumps(view, ensure_ascii=False)
    verb, claims, reason, _ = on.gateway.decisions[0]
    assert (verb, claims.approval_id, reason) == ("deny", given.GATE_ID, "still needed")


async def test_a_no_without_a_reason_is_sent_at_once_where_none_is_asked(on: Stage) -> None:
    card = await on.post_gate(given.gate(asked=given.question(is_reason_required=False)))

    await on.click("ada", card, "deny_now")

    await on.until_text(card, "— Keep it")
    assert [(verb, reason) for verb, _, reason, _ in on.gateway.decisions] == [("deny", "")]


async def test_who_asked_may_not_say_yes_and_the_thread_hears_it(on: Stage) -> None:
    card = await on.post_gate()

    await on.click("erin", card, "approve")

    await on.whispered("erin", "You asked for it: somebody else must decide.")
    assert on.gateway.decisions == []

    async def told() -> bool:
        return any("tried to approve" in text for text in await on.replies(card))

    await eventually(told)


@pytest.mark.parametrize("action_id", ["approve", "deny"])
async def test_who_holds_no_role_is_refused_and_nothing_is_signed(on: Stage, action_id: str) -> None:
    card = await on.post_gate()

    await on.click("vic", card, action_id)

    await on.whispered("vic", "You are none of the approvers")
    assert (on.gateway.decisions, await on.views("vic")) == ([], [])


async def test_a_click_on_a_stale_card_says_how_it_was_decided_and_redraws_it(on: Stage) -> None:
    card = await on.post_gate()
    on.gateway.gate = given.gate("denied", sentence="Denied by Bob: still needed", sequence=9)

    await on.click("ada", card, "approve")

    await on.whispered("ada", "Already decided. Denied by Bob: still needed")
    await on.until_text(card, "— Keep it")
    assert on.gateway.decisions == []


async def test_a_click_after_the_change_withdrew_the_question_says_so(on: Stage) -> None:
    card = await on.post_gate()
    on.gateway.gate = given.gate("withdrawn", sentence="Withdrawn. The node is back.", sequence=9)

    await on.click("ada", card, "approve")

    await on.whispered("ada", "Withdrawn. The node is back.")
    await on.until_text(card, "withdrawn")


async def test_while_no_worker_answers_a_yes_is_still_sent_by_what_temporal_knows(on: Stage) -> None:
    card = await on.post_gate()
    on.gateway.query_error = TransientError("workflow.silent", "No worker answers for this run.")

    await on.click("ada", card, "approve")
    await on.bot.tasks.drain(seconds=5)

    assert [claims.fingerprint for _, claims, _, _ in on.gateway.decisions] == [given.question().fingerprint]


@pytest.mark.parametrize(("role", "sent"), [("operator", 1), ("approver", 0)])
async def test_while_no_worker_answers_the_mildest_rule_of_all_says_who_may_try(role: str, sent: int) -> None:
    operators = 'groups = ["S0OPERATORS"]'
    toml = given.TOML.replace(operators, f'{operators}\npeople = ["U0VIC"]')
    toml += f'\n[approvals.upgrade]\nrole = "{role}"\n'
    async with stage(given.configuration(toml)) as on:
        card = await on.post_gate()
        on.gateway.query_error = TransientError("workflow.silent", "No worker answers for this run.")

        await on.click("vic", card, "approve")
        await on.bot.tasks.drain(seconds=5)

        assert len(on.gateway.decisions) == sent


async def test_the_text_commands_answer_a_question_and_list_it(on: Stage) -> None:
    await on.post_gate()

    await on.command("ada", "approvals")
    await on.whispered("ada", "2 wait for a decision")
    await on.command("ada", f"approve {given.GATE_ID}")
    await on.whispered("ada", "Recorded.")
    await on.command("ada", f'deny {given.GATE_ID} "still needed"')
    await on.bot.tasks.drain(seconds=5)

    assert [(verb, claims.approval_id) for verb, claims, _, _ in on.gateway.decisions] == [
        ("approve", given.GATE_ID),
        ("deny", given.GATE_ID),
    ]


async def show_gate(on: Stage, request: ShowGate, **how: Any) -> MessageRef:
    return await environment(**how).run(chat(on).show_gate, request)


async def test_a_question_comes_into_its_operations_thread_and_is_redrawn_there(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation(started_at=datetime.now(UTC))))

    ref = await show_gate(on, ShowGate(channel="C0OPS", status=given.gate(), thread_ts=root.ts))
    await show_gate(on, ShowGate(channel="C0OPS", status=given.gate("denied", sequence=9), message=ref))

    (reply,) = (await messages(on))[0]["replies"]
    assert reply["ts"] == ref.ts
    assert "— Keep it" in reply["text"]
    assert reply["metadata"]["event_payload"] == {
        "workflow_id": given.CHANGE_ID,
        "run_id": given.RUN_ID,
        "kind": "gate",
        "key": given.GATE_ID,
    }


async def test_a_question_finds_its_thread_in_the_changes_memo(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation(started_at=datetime.now(UTC))))
    on.gateway.homes[given.CHANGE_ID] = Home("C0OPS", root.ts)

    ref = await show_gate(on, ShowGate(channel="C0OPS", status=given.gate()))

    assert [reply["ts"] for reply in (await messages(on))[0]["replies"]] == [ref.ts]


async def test_the_last_state_finds_the_card_that_the_run_posted_meanwhile(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation(started_at=datetime.now(UTC))))
    ref = await show_gate(on, ShowGate(channel="C0OPS", status=given.gate(), thread_ts=root.ts))

    last = ShowGate(channel="C0OPS", status=given.gate("withdrawn", sequence=20), thread_ts=root.ts)
    found = await environment().run(fresh(on).show_gate, last)

    assert found == ref
    assert len((await messages(on))[0]["replies"]) == 1


async def test_a_question_whose_answer_was_lost_is_posted_once(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation(started_at=datetime.now(UTC))))
    request = ShowGate(channel="C0OPS", status=given.gate(), thread_ts=root.ts)
    on.console.faults.add(Fault("chat.postMessage", "lost_answer", count=1))
    with pytest.raises(ApplicationError):
        await show_gate(on, request)

    ref = await environment(attempt=2).run(fresh(on).show_gate, request)

    assert [reply["ts"] for reply in (await messages(on))[0]["replies"]] == [ref.ts]


async def test_a_question_whose_thread_was_deleted_comes_into_the_channel(on: Stage) -> None:
    ref = await show_gate(on, ShowGate(channel="C0OPS", status=given.gate(), thread_ts="1.000001"))

    assert [message["ts"] for message in await messages(on)] == [ref.ts]
