"""Questions of a running change: who may answer, what an answer leads to, and what ends a question otherwise."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey

from domain.configuration import ApprovalRule
from domain.errors import RefusedError
from domain.model import Person
from operations.base import Operation
from operations.deploy import DeployRequest
from operations.gate import Gates, GateStatus, Question
from operations.messages import DecisionReceipt, Verb
from operations.queues import APPROVAL, APPROVERS, FINGERPRINT, STATE, change_id
from tests.workflows.asking import Answers, AskingStart, AskingWorkflow
from tests.workflows.people import ALICE, BOB, CAROL, DAVE, STRANGER, VIEWER
from tests.workflows.stage import Grounds, Stage, code_of, ending_of, failure_of, staged
from tests.workflows.waiting import until, until_asked

ASKING = Operation(
    name="deploy", summary="", example="", kind="change", role="operator", request=DeployRequest, workflow="Asking"
)
Handle = WorkflowHandle[Any, Answers]


@pytest.fixture
async def stage(grounds: Grounds) -> AsyncIterator[Stage]:
    async with staged(grounds, has_signer=False, watches=False, classes=(AskingWorkflow,)) as stage:
        yield stage


def question(volume: int = 4, **more: Any) -> Question:
    fields: dict[str, Any] = {
        "kind": "delete-volume",
        "headline": f"Delete volume datadir-cockroachdb-{volume}?",
        "if_yes": "The volume and the data on it are deleted.",
        "if_no": "The volume stays; nothing uses it.",
        "evidence": ("node 5 is decommissioned", "replicas: 0"),
        "facts": {"volume": f"datadir-cockroachdb-{volume}", "uid": "u-1"},
        "destroys": f"datadir-cockroachdb-{volume}",
        "rule": ApprovalRule(),
    }
    return Question(**{**fields, **more})


async def ask(stage: Stage, *questions: Question, person: Person = ALICE, **more: Any) -> Handle:
    ref, request_id = stage.world.ref, uuid.uuid4().hex
    request = DeployRequest(ref=ref)
    token = stage.pen.start(person, "deploy", request, workflow_id=change_id(ref), request_id=request_id)
    started = await stage.gateway.start(
        ASKING,
        AskingStart(request=request, request_id=request_id, token=token, questions=questions, **more),
        ref=ref,
        requester=person,
        summary="ask",
    )
    return stage.client.get_workflow_handle(started.workflow_id, run_id=started.run_id, result_type=Answers)


async def click(
    stage: Stage, verb: Verb, card: GateStatus, person: Person = BOB, *, reason: str = "", **other: str
) -> DecisionReceipt:
    fields = {"run_id": card.run_id, "approval_id": card.approval_id, "fingerprint": card.fingerprint, **other}
    decision = stage.pen.decision(verb, person, workflow_id=card.workflow_id, reason=reason, **fields)
    return await stage.gateway.decide(
        verb,
        workflow_id=card.workflow_id,
        run_id=card.run_id,
        decision=decision,
        update_id=f"{verb}:{card.approval_id}:{person.id}",
    )


async def refused(stage: Stage, verb: Verb, card: GateStatus, person: Person = BOB, **more: str) -> str:
    with pytest.raises(RefusedError) as caught:
        await click(stage, verb, card, person, **more)
    return caught.value.code


async def gates(handle: Handle) -> list[GateStatus]:
    return list((await handle.query("gates", result_type=Gates)).gates)


async def shown(stage: Stage, handle: Handle, count: int) -> list[GateStatus]:
    """Wait until so many cards are shown; in the order in which they were asked."""
    await until(lambda: len([g for g in stage.chat.gates("pending") if g.expires_at]) == count)
    return await gates(handle)


async def test_a_yes_is_recorded_with_who_and_what_and_the_story_goes_on(stage: Stage) -> None:
    handle = await ask(stage, question())
    card = await stage.chat.gate("pending")

    receipt = await click(stage, "approve", card)
    result = await handle.result()

    (answer,) = result.answers
    assert (receipt.sentence, answer.outcome, answer.is_yes) == ("Recorded.", "approved", True)
    assert [(r.verb, r.person.id, r.approval_id, r.fingerprint) for r in answer.records] == [
        ("approve", BOB.id, card.approval_id, question().fingerprint)
    ]
    assert result.effects == (card.approval_id,)
    await until(lambda: [gate.sentence for gate in stage.chat.gates("approved")] == ["Approved by Bob."])


async def test_a_no_needs_a_reason_where_the_question_says_so_and_ends_the_question(stage: Stage) -> None:
    handle = await ask(stage, question())
    card = await stage.chat.gate("pending")

    code = await refused(stage, "deny", card, reason=" no ")
    await click(stage, "deny", card, CAROL, reason="we still need it")
    (answer,) = (await handle.result()).answers

    assert (code, answer.outcome, answer.is_yes) == ("decision.reason-missing", "denied", False)
    assert answer.sentence == "Denied by Carol: we still need it"


async def test_a_no_needs_no_reason_where_the_question_asks_for_none(stage: Stage) -> None:
    handle = await ask(stage, question(is_reason_required=False))

    await click(stage, "deny", await stage.chat.gate("pending"))

    assert (await handle.result()).answers[0].sentence == "Denied by Bob."


async def test_an_answer_is_told_in_the_words_of_its_button(stage: Stage) -> None:
    handle = await ask(stage, question(no="Keep", is_reason_required=False))

    await click(stage, "deny", await stage.chat.gate("pending"))

    assert (await handle.result()).answers[0].sentence == "“Keep” by Bob."


async def test_the_rule_for_volumes_asks_for_two_different_people(stage: Stage) -> None:
    handle = await ask(stage, question(rule=ApprovalRule(approvals=2)))
    card = await stage.chat.gate("pending")

    first = await click(stage, "approve", card, BOB)
    # The same click again is the same update; a second click of the same person is another one.
    again = stage.pen.decision(
        "approve",
        BOB,
        workflow_id=card.workflow_id,
        run_id=card.run_id,
        approval_id=card.approval_id,
        fingerprint=card.fingerprint,
    )
    with pytest.raises(RefusedError) as twice:
        await stage.gateway.decide(
            "approve", workflow_id=card.workflow_id, run_id=card.run_id, decision=again, update_id="second"
        )
    waiting = (await gates(handle))[0]
    await click(stage, "approve", card, CAROL)
    result = await handle.result()

    assert (first.sentence, twice.value.code) == ("Recorded; 1 more needed.", "approval.twice")
    assert (waiting.state, waiting.sentence) == ("pending", "Approved by Bob; 1 more needed.")
    assert result.answers[0].sentence == "Approved by Bob, Carol."
    assert result.volume_approvals == 2


async def test_one_no_outweighs_an_earlier_yes(stage: Stage) -> None:
    handle = await ask(stage, question(rule=ApprovalRule(approvals=2)))
    card = await stage.chat.gate("pending")

    await click(stage, "approve", card, BOB)
    await click(stage, "deny", card, CAROL, reason="wrong volume")

    assert [(r.verb, r.person.id) for r in (await handle.result()).answers[0].records] == [
        ("approve", BOB.id),
        ("deny", CAROL.id),
    ]


@pytest.mark.parametrize(
    ("person", "codes"),
    [
        pytest.param(VIEWER, {"role.missing"}, id="viewer"),
        pytest.param(STRANGER, {"role.stranger"}, id="stranger_from_another_workspace"),
        pytest.param(ALICE, {"role.missing"}, id="operator_who_asked"),
    ],
)
async def test_nobody_without_the_role_may_answer(stage: Stage, person: Person, codes: set[str]) -> None:
    handle = await ask(stage, question())
    card = await stage.chat.gate("pending")

    yes = await refused(stage, "approve", card, person)
    no = await refused(stage, "deny", card, person, reason="because I can")

    assert {yes, no} == codes
    assert (await gates(handle))[0].decisions == ()


async def test_whoever_asked_may_say_no_but_not_yes(stage: Stage) -> None:
    handle = await ask(stage, question(), person=DAVE)
    card = await stage.chat.gate("pending")

    code = await refused(stage, "approve", card, DAVE)
    await click(stage, "deny", card, DAVE, reason="my mistake")

    assert code == "approval.four-eyes"
    assert [person.id for person in card.asked_by] == [DAVE.id]
    assert (await handle.result()).answers[0].outcome == "denied"


async def test_four_eyes_holds_for_everyone_who_asked(stage: Stage) -> None:
    await ask(stage, question(), asked_by=(BOB, ALICE))
    card = await stage.chat.gate("pending")

    code = await refused(stage, "approve", card, BOB)

    assert code == "approval.four-eyes"
    assert [person.id for person in card.asked_by] == [ALICE.id, BOB.id]


@pytest.mark.parametrize(
    ("other", "code"),
    [
        pytest.param({"fingerprint": "0" * 64}, "decision.changed", id="another_fingerprint"),
        pytest.param({"approval_id": "deadbeef"}, "approval.unknown", id="an_approval_id_that_nothing_carries"),
        pytest.param({"run_id": "another-run"}, "token.other-run", id="another_run"),
    ],
)
async def test_an_answer_to_anything_else_is_refused(stage: Stage, other: dict[str, str], code: str) -> None:
    await ask(stage, question())

    found = await refused(stage, "approve", await stage.chat.gate("pending"), **other)

    assert found == code


async def test_an_answer_to_one_question_is_none_to_another(stage: Stage) -> None:
    handle = await ask(stage, question(3), question(4))
    three, four = await shown(stage, handle, 2)

    crossed = await refused(stage, "approve", three, fingerprint=four.fingerprint)
    await click(stage, "approve", four)
    await click(stage, "deny", three, reason="keep this one")
    answers = (await handle.result()).answers

    assert crossed == "decision.changed"
    assert [(a.approval_id, a.outcome) for a in answers] == [
        (three.approval_id, "denied"),
        (four.approval_id, "approved"),
    ]


async def test_what_is_asked_is_found_without_a_worker_and_no_longer_when_answered(stage: Stage) -> None:
    handle = await ask(stage, question(3), question(3), question(4))
    cards = await shown(stage, handle, 3)

    async def listed() -> bool:
        found = await stage.gateway.pending(limit=100)
        return [t.approval_id for t in found if t.workflow_id == handle.id] == [c.approval_id for c in cards]

    await until_asked(listed)
    for card in cards:
        target = await stage.gateway.find_approval(card.approval_id)
        same = await stage.gateway.target(handle.id, run_id=card.run_id, approval_id=card.approval_id)
        assert target == same
        assert (target.workflow_id, target.run_id) == (handle.id, card.run_id)
        assert (target.approval_id, target.fingerprint) == (card.approval_id, card.fingerprint)
    await click(stage, "approve", cards[0])
    await click(stage, "approve", cards[1], CAROL)
    left = (await handle.describe()).typed_search_attributes

    assert left.get(SearchAttributeKey.for_keyword_list(APPROVAL)) == [cards[2].approval_id]
    assert left.get(SearchAttributeKey.for_keyword_list(FINGERPRINT)) == [cards[2].fingerprint]
    assert left.get(SearchAttributeKey.for_keyword_list(APPROVERS)) == [BOB.id, CAROL.id]
    assert left.get(SearchAttributeKey.for_keyword(STATE)) == "pending"
    await click(stage, "approve", cards[2])
    await handle.result()
    ended = (await handle.describe()).typed_search_attributes
    assert ended.get(SearchAttributeKey.for_keyword(STATE)) == "done"
    assert not ended.get(SearchAttributeKey.for_keyword_list(APPROVAL))
    assert not (await stage.gateway.target(handle.id)).approval_id


async def test_the_operations_message_says_that_it_waits_for_people(stage: Stage) -> None:
    handle = await ask(stage, question())
    card = await stage.chat.gate("pending")
    waiting = (await stage.status(handle)).steps[0]

    await click(stage, "approve", card)
    await handle.result()

    assert (waiting.state, waiting.detail) == ("person", f"waits for people: {card.question.headline}")
    root = next(m for m in stage.chat.messages.values() if m.origin[2] == "operation")
    shown = next(m for m in stage.chat.messages.values() if m.origin[2] == f"gate {card.approval_id}")
    assert shown.behind in ("", root.ts)


async def test_a_question_that_nobody_answers_expires_and_then_takes_no_answer(stage: Stage) -> None:
    handle = await ask(stage, question(3), question(4, rule=ApprovalRule(expires_minutes=600)))
    early, late = await shown(stage, handle, 2)
    assert early.expires_at is not None
    assert early.shown_at is not None
    assert early.expires_at - early.shown_at == timedelta(minutes=60)

    await stage.pass_time(handle, minutes=61)
    await stage.chat.gate("expired")
    code = await refused(stage, "approve", early)
    found = await gates(handle)
    await click(stage, "deny", late, reason="not now")

    assert (code, found[0].state, found[1].state) == ("decision.expired", "expired", "pending")
    assert [answer.outcome for answer in (await handle.result()).answers] == ["expired", "denied"]


async def test_people_are_reminded_of_a_question_then_the_channel_is_told_and_nothing_after_the_answer(
    stage: Stage,
) -> None:
    handle = await ask(stage, question(rule=ApprovalRule(approvals=2)))
    card = await stage.chat.gate("pending")
    await click(stage, "approve", card, BOB)

    await stage.pass_time(handle, minutes=16)
    await until(lambda: len(stage.chat.said) == 1)
    await stage.pass_time(handle, minutes=35)
    await until(lambda: len(stage.chat.said) == 3)
    await click(stage, "approve", card, CAROL)
    await handle.result()

    reminders = [say for say in stage.chat.said.values() if say.kind != "end"]
    first, second, escalation = reminders
    assert "“Delete volume datadir-cockroachdb-4?” has been waiting for one more approval since <t:" in first.text
    assert (first.audience, second.audience) == (("S-APPROVE",), ())
    assert (escalation.kind, escalation.thread_ts) == ("warning", "")
    assert "“Delete volume datadir-cockroachdb-4?” of shop has been waiting" in escalation.text


async def test_a_question_whose_card_cannot_be_shown_is_given_up_after_a_day(stage: Stage) -> None:
    stage.chat.refuses.add("chat.show_gate")
    handle = await ask(stage, question())
    await until(lambda: "chat.show_gate" in stage.chat.calls)

    await stage.pass_time(handle, hours=24, minutes=1)

    assert (await handle.result()).answers[0].outcome == "expired"


async def test_a_cancel_withdraws_what_is_asked_and_the_cards_say_so(stage: Stage) -> None:
    handle = await ask(stage, question(3), question(4))
    card = (await shown(stage, handle, 2))[0]

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)
    code = await refused(stage, "approve", card)

    assert (error.message, code) == ("Cancelled by Alice.", "decision.closed")
    await until(lambda: len(stage.chat.gates("withdrawn")) == 2)
    assert {gate.sentence for gate in stage.chat.gates()} == {
        "Withdrawn: the operation was cancelled by Alice. Nothing was done."
    }
    assert len([m for m in stage.chat.messages.values() if m.origin[2].startswith("gate")]) == 2


async def test_a_cancel_from_outside_withdraws_what_is_asked(stage: Stage) -> None:
    handle = await ask(stage, question())
    await stage.chat.gate("pending")

    await handle.cancel()
    await ending_of(handle)

    gate = await stage.chat.gate("withdrawn")
    assert "cancelled by somebody outside, person unknown" in gate.sentence


async def test_a_yes_that_comes_with_the_cancel_leads_to_nothing_and_the_card_says_so(stage: Stage) -> None:
    handle = await ask(stage, question(3), question(4))
    await click(stage, "approve", (await shown(stage, handle, 2))[0])

    await stage.click_operation("cancel", handle)
    await failure_of(handle)

    await until(lambda: len(stage.chat.gates("withdrawn")) == 1)
    assert {g.state for g in stage.chat.gates()} == {"approved", "withdrawn"}


async def test_a_change_that_fails_leaves_no_question_open(stage: Stage) -> None:
    handle = await ask(stage, question(), breaks=True)
    await stage.chat.gate("pending")

    await handle.signal("moot")
    error = await failure_of(handle)

    assert code_of(error) == "sql.silent"
    assert (await stage.chat.gate("withdrawn")).sentence == "Withdrawn: the operation ended. Nothing was done."


async def test_a_story_withdraws_a_question_that_is_moot(stage: Stage) -> None:
    handle = await ask(stage, question(), withdraws=True)
    card = await stage.chat.gate("pending")

    await handle.signal("moot")

    (answer,) = (await handle.result()).answers
    assert (answer.outcome, answer.sentence) == ("withdrawn", "Withdrawn. The node is back.")
    assert (await stage.chat.gate("withdrawn")).approval_id == card.approval_id


async def test_the_last_state_is_shown_though_chat_was_down_when_it_was_reached(stage: Stage) -> None:
    handle = await ask(stage, question())
    card = await stage.chat.gate("pending")
    stage.chat.is_down = True

    await click(stage, "approve", card)
    await handle.result()
    stage.chat.is_down = False

    assert (await stage.chat.gate("approved")).approval_id == card.approval_id
