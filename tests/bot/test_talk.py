"""What the bot answers by itself, without any worker: `/crdb approvals` and `/crdb whoami`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.cards.approvals import approvals_message
from bot.cards.blocks import Message
from domain.errors import TransientError
from gateway.running import ApprovalTarget
from tests.bot import given
from tests.bot.harness import Stage, stage


def words(message: Message) -> str:
    return " ".join(_texts(message.blocks))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for part in value.values() for text in _texts(part)]
    return [text for part in value for text in _texts(part)] if isinstance(value, list) else []


def drawn(*targets: ApprovalTarget) -> Message:
    return approvals_message(targets, now=given.AT, url=lambda target: f"http://t/{target.run_id}")


async def whispered(on: Stage, persona: str, start: str) -> dict[str, Any]:
    await on.whispered(persona, start)
    channel = next(c for c in (await on.state(persona))["channels"] if c["id"] == "C0OPS")
    found: dict[str, Any] = next(m for m in channel["ephemerals"] if start in m["text"])
    return found


def test_an_approval_is_listed_with_id_what_age_state_and_link() -> None:
    said = drawn(given.target())

    assert said.text == "1 waits for a decision"
    row = words(said)
    assert given.APPROVAL_ID in row
    assert "certificate crdb.node.cockroachdb-1" in row
    assert "cluster crdb  ·  12 min old" in row
    assert "waits for a decision" in row
    assert f"http://t/{given.RUN_ID}" in str(said.blocks)


def test_what_is_expired_or_decided_is_open_but_waits_for_nobody() -> None:
    said = drawn(given.target(), given.target(state="expired"), given.target(state="decided"))

    assert said.text == "1 waits for a decision, 2 more open"
    assert "expired: ask again on its card" in words(said)
    assert "decided, being signed" in words(said)


def test_more_than_fit_are_counted() -> None:
    assert "… 5 younger" in words(drawn(*[given.target()] * 25))


def test_a_run_that_is_no_certificate_is_named_by_its_id() -> None:
    assert given.CHANGE_ID in words(drawn(given.target(workflow_id=given.CHANGE_ID)))


def test_a_question_of_a_change_is_listed_by_its_own_words() -> None:
    said = words(drawn(given.target(workflow_id=given.CHANGE_ID, question="Delete volume datadir-cockroachdb-4?")))

    assert "Delete volume datadir-cockroachdb-4?" in said
    assert given.CHANGE_ID not in said


def test_an_age_that_nobody_knows_is_left_out() -> None:
    assert " old" not in words(drawn(given.target(since=None)))


def test_a_clock_that_is_behind_makes_no_age_below_zero() -> None:
    assert "0 s old" in words(drawn(given.target(since=given.AT + timedelta(minutes=1))))


async def test_approvals_are_listed_for_everybody_of_the_workspace(on: Stage) -> None:
    await on.command("vic", "approvals")

    shown = await whispered(on, "vic", "1 waits for a decision")
    assert given.APPROVAL_ID in str(shown["blocks"])


async def test_approvals_need_no_worker(on: Stage) -> None:
    on.gateway.query_error = TransientError("workflow.silent", "No worker answers.")

    await on.command("vic", "approvals")

    await on.whispered("vic", "1 waits for a decision")


async def test_approvals_say_when_temporal_is_away(on: Stage) -> None:
    on.gateway.away = TransientError("temporal.unreachable", "Temporal cannot be reached.")

    await on.command("vic", "approvals")

    await on.whispered("vic", "Temporal cannot be reached")


async def test_whoami_says_which_roles_and_through_which_group(on: Stage) -> None:
    await on.command("ada", "whoami")

    shown = await whispered(on, "ada", "You are Ada")
    assert "viewer, operator, approver" in shown["text"]
    assert "S0OPERATORS" in str(shown["blocks"])
    assert "U0ADA" in str(shown["blocks"])


async def test_whoami_says_who_holds_what_one_does_not(on: Stage) -> None:
    await on.command("vic", "whoami")

    shown = await whispered(on, "vic", "You are Vic")
    assert shown["text"].endswith(": viewer")
    assert "held by " in str(shown["blocks"])
    assert "S0APPROVERS" in str(shown["blocks"])


@pytest.mark.parametrize(
    ("line", "words_shown"),
    [
        pytest.param('groups = ["S0MISSING"]', "cannot be read right now, so it counts as no", id="unreadable group"),
        pytest.param('people = ["U0VIC"]', "named in crdbops.toml", id="named"),
        pytest.param("groups = []", "held by nobody: the list is empty", id="nobody"),
    ],
)
async def test_whoami_says_why(line: str, words_shown: str) -> None:
    toml = given.TOML.replace('groups = ["S0APPROVERS"]', line)
    async with stage(given.configuration(toml)) as on:
        await on.command("vic", "whoami")

        shown = await whispered(on, "vic", "You are Vic")
        assert words_shown in str(shown["blocks"])


@pytest.mark.parametrize("persona", ["gus", "sam"])
async def test_whoami_tells_guests_and_strangers_that_they_may_not_act(on: Stage, persona: str) -> None:
    await on.command(persona, "whoami")

    await on.whispered(persona, "may not act here")


@pytest.mark.parametrize("line", ["approvals shop", "whoami me"])
async def test_neither_takes_an_argument(on: Stage, line: str) -> None:
    await on.command("vic", line)

    await on.whispered("vic", "That cannot be right")
