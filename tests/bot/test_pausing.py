"""`/crdb pause` and `/crdb resume`, their buttons, the line on the message, and who is refused at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from bot.cards.operation import operation_message
from domain.errors import TransientError
from operations.messages import OperationStatus, Pause
from tests.bot import given
from tests.bot.harness import Stage, eventually

URL = "http://127.0.0.1:8233/x"
ASKED = Pause(by=given.ADA, at=given.AT)
HELD = Pause(by=given.ADA, at=given.AT, before="cockroachdb-1 on v25.4.1", until=given.AT + timedelta(hours=24))


def running(**more: Any) -> OperationStatus:
    return given.operation(more.pop("state", "running"), operation="upgrade", may_pause=True, **more)


def drawn(status: OperationStatus) -> str:
    return json.dumps(operation_message(status, url=URL).blocks, ensure_ascii=False)


def buttons(status: OperationStatus) -> list[str]:
    blocks = operation_message(status, url=URL).blocks
    return [element["action_id"] for row in blocks if row["type"] == "actions" for element in row["elements"]]


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        pytest.param(running(), ["pause", "cancel", "open_temporal"], id="while it runs"),
        pytest.param(running(pause=ASKED), ["resume", "cancel", "open_temporal"], id="asked for"),
        pytest.param(running(pause=HELD, state="person"), ["resume", "cancel", "open_temporal"], id="held"),
        pytest.param(given.operation(), ["cancel", "open_temporal"], id="what cannot be paused"),
        pytest.param(running(state="cancelled", pause=HELD), ["open_temporal"], id="over"),
    ],
)
def test_only_the_button_that_applies_is_there(status: OperationStatus, wanted: list[str]) -> None:
    assert buttons(status) == wanted


def test_the_message_says_who_paused_it_since_when_and_what_it_will_go_on_with() -> None:
    said = drawn(running(pause=HELD, state="person"))

    assert "*Paused* by <@U0ADA> since <!date^" in said
    assert "will go on with `cockroachdb-1 on v25.4.1`" in said
    assert "If nobody resumes it, it stops where it is" in said
    assert "Pausing, as <@U0ADA> asked" in drawn(running(pause=ASKED))
    assert "Paused" not in drawn(running(state="cancelled", pause=HELD))


@pytest.mark.parametrize(("verb", "pause"), [("pause", None), ("resume", HELD)])
@pytest.mark.parametrize("persona", ["erin", "ada"])
async def test_operators_and_approvers_do_it_by_text_and_by_button(
    on: Stage, verb: str, pause: Pause | None, persona: str
) -> None:
    on.gateway.change = running(pause=pause)
    root = await on.post(operation_message(on.gateway.change, url=URL), kind="operation")

    await on.command(persona, verb)
    await on.whispered(persona, "Recorded.")
    await on.click(persona, root, verb)
    await eventually(lambda: _count(on, 2))

    assert [(sent, claims.verb, claims.run_id) for sent, claims, _, _ in on.gateway.decisions] == [
        (verb, verb, given.RUN_ID)
    ] * 2
    assert len({update_id for *_, update_id in on.gateway.decisions}) == 2


async def _count(on: Stage, wanted: int) -> bool:
    return len(on.gateway.decisions) == wanted


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
async def test_who_neither_asked_nor_holds_a_role_is_refused_at_once(on: Stage, verb: str) -> None:
    on.gateway.change = running(pause=HELD)

    await on.command("vic", verb)
    await on.whispered("vic", f"Only the requester, operators and approvers may {verb} this operation.")

    assert on.gateway.decisions == []


async def test_a_stranger_s_click_on_resume_is_refused(on: Stage) -> None:
    on.gateway.change = running(pause=HELD)
    root = await on.post(operation_message(on.gateway.change, url=URL), kind="operation")

    await on.click("sam", root, "resume")
    await on.whispered("sam", "workspace")

    assert on.gateway.decisions == []


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_what_cannot_be_paused_is_said_with_what_can(on: Stage, verb: str) -> None:
    on.gateway.change = given.operation(operation="scale")

    await on.command("erin", verb)
    said = await on.whispered("erin", "cannot be paused")

    assert "Found scale running on crdb, which cannot be paused, expected one of upgrade and rollback." in said
    assert on.gateway.decisions == []


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_without_an_operation_there_is_nothing_to_pause(on: Stage, verb: str) -> None:
    await on.command("erin", verb)

    await on.whispered("erin", "Found no operation running on crdb")


async def seen(on: Stage, persona: str, command: str, words: str) -> str:
    """All that a command's answer shows, found by some words of its notice."""
    await on.command(persona, command)
    await on.whispered(persona, words)
    channel = next(c for c in (await on.state(persona))["channels"] if c["id"] == "C0OPS")
    return json.dumps([message["blocks"] for message in channel["ephemerals"]], ensure_ascii=False)


async def test_status_says_that_what_runs_is_paused_by_whom_and_what_lets_it_go(on: Stage) -> None:
    on.gateway.change = running(pause=HELD, state="person")

    said = await seen(on, "vic", "status", "nodes ready")

    assert f"It is paused by {given.ADA.name} since {given.AT:%H:%M} UTC; /crdb resume lets it go on." in said


async def test_status_says_when_what_runs_still_goes_on_to_where_it_will_be_paused(on: Stage) -> None:
    on.gateway.change = running(pause=ASKED)

    said = await seen(on, "vic", "status", "nodes ready")

    assert f"It will be paused before its next node, as {given.ADA.name} asked; /crdb resume lets it go on." in said


async def test_who_comes_second_hears_that_the_first_is_paused(on: Stage) -> None:
    on.gateway.change = running(pause=HELD, state="person")

    said = await seen(on, "erin", "scale 4", "Another operation is running")

    assert f"It is paused by {given.ADA.name} since {given.AT:%H:%M} UTC: /crdb resume lets it go on" in said
    assert "/crdb cancel" in said


@pytest.mark.parametrize(("command", "words"), [("status", "nodes ready"), ("scale 4", "Another operation is running")])
async def test_what_does_not_say_whether_it_is_paused_holds_no_answer_up(on: Stage, command: str, words: str) -> None:
    on.gateway.change = running(pause=HELD, state="person")
    on.gateway.query_error = TransientError("workflow.silent", "No worker answers for this run.")

    said = await seen(on, "erin", command, words)

    assert "upgrade" in said
    assert "paused" not in said
