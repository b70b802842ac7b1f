from __future__ import annotations

import asyncio
import time

import pytest

from bot.health import Transport
from domain.errors import TransientError
from operations.messages import Claims
from operations.queues import change_id
from tests.bot import given
from tests.bot.harness import Stage, eventually, stage

pytestmark = pytest.mark.parametrize("transport", ["http", "socket"])


async def test_a_deploy_starts_with_a_signed_token_and_says_where_to_follow_it(on: Stage) -> None:
    answer = await on.command("erin", "deploy nodes=3")

    assert answer["ok"]
    assert "in this channel" in await on.whispered("erin", "Deploy of crdb has started")
    name, start, ref, requester = on.gateway.started[0]
    claims = Claims.model_validate_json(start.token.claims)
    assert (name, ref, requester.id) == ("deploy", given.REF, "U0ERIN")
    assert start.model_dump()["request"]["nodes"] == 3
    assert (claims.verb, claims.workflow_id, claims.request_id) == ("start", change_id(given.REF), start.request_id)
    assert claims.person.groups == ("S0APPROVERS", "S0OPERATORS")


async def test_a_second_deploy_hears_who_is_first(on: Stage) -> None:
    on.gateway.change = given.operation()

    await on.command("ada", "deploy")

    said = await on.whispered("ada", "Another operation is running")
    assert "U0ERIN" in said
    assert "Nothing was started." in said


async def test_a_viewer_may_not_deploy_and_hears_who_may(on: Stage) -> None:
    await on.command("vic", "deploy")

    assert "S0OPERATORS" in await on.whispered("vic", "You are none of the operators")
    assert on.gateway.started == []


@pytest.mark.parametrize(
    ("persona", "words"),
    [("gus", "Guests may not act here."), ("dee", "deactivated")],
)
async def test_who_may_not_act_at_all_is_refused(on: Stage, persona: str, words: str) -> None:
    await on.command(persona, "status")

    await on.whispered(persona, words)


async def test_bad_input_is_one_message_in_three_parts(on: Stage) -> None:
    await on.command("erin", "deploy nodes=two")

    said = await on.whispered("erin", "nodes: found 'two'")
    assert "for example /crdb deploy nodes=3" in said
    assert said.endswith("Nothing was started.")


async def test_help_lists_every_command(on: Stage) -> None:
    await on.command("vic", "")

    assert "/crdb status" in await on.whispered("vic", "/crdb deploy nodes=3")


async def test_status_and_csr_are_shown_to_a_viewer(on: Stage) -> None:
    await on.command("vic", "status")
    await on.command("vic", "csr")

    await on.whispered("vic", "crdb: 3 of 3 nodes ready")
    await on.whispered("vic", "1 certificate signing request, 1 pending")


async def test_a_look_that_no_worker_answers_names_the_site_and_what_temporal_knows(on: Stage) -> None:
    on.gateway.change = given.operation()

    async def silent(*_: object, **__: object) -> None:
        raise TransientError("site.silent", "No worker of site dev answers (none seen lately).")

    on.gateway.look = silent  # type: ignore[assignment, method-assign]
    await on.command("vic", "status")

    said = await on.whispered("vic", "No worker of site dev answers")
    assert "Temporal says: deploy, asked for by Erin Engineer" in said


async def test_temporal_away_is_said_and_nothing_was_started(on: Stage) -> None:
    on.gateway.away = TransientError("temporal.unreachable", "Temporal cannot be reached (unavailable).")

    await on.command("erin", "deploy")

    assert "Nothing was started." in await on.whispered("erin", "Temporal cannot be reached")


async def test_a_command_is_acknowledged_in_time_while_temporal_is_slow(on: Stage) -> None:
    on.gateway.delay = 2.7
    begun = time.monotonic()

    answer = await on.command("erin", "deploy")

    assert answer["ok"]
    assert time.monotonic() - begun < 2.5
    await on.whispered("erin", "has started", seconds=20)


async def test_a_command_works_where_the_bot_is_no_member(on: Stage) -> None:
    await on.command("erin", "deploy crdb", channel="C0GEN")

    await on.whispered("erin", "has started", channel="C0GEN")


async def test_cancel_by_text_stops_the_running_operation(on: Stage) -> None:
    on.gateway.change = given.operation()

    await on.command("erin", "cancel")

    await on.whispered("erin", "Recorded.")
    verb, claims, _, update_id = on.gateway.decisions[0]
    assert (verb, claims.run_id) == ("cancel", given.RUN_ID)
    assert update_id == f"cancel:{given.RUN_ID}:U0ERIN"


async def test_cancel_without_an_operation_says_so(on: Stage) -> None:
    await on.command("erin", "cancel")

    await on.whispered("erin", "Found no operation running on crdb")


async def test_approve_and_deny_by_text_are_the_buttons_in_words(on: Stage) -> None:
    await on.command("ada", f"approve {given.APPROVAL_ID}")

    await on.whispered("ada", "Recorded.")
    verb, claims, _, update_id = on.gateway.decisions[0]
    assert (verb, claims.fingerprint) == ("approve", given.FINGERPRINT)
    assert update_id == f"approve:{given.APPROVAL_ID}:U0ADA"


async def test_an_unknown_approval_id_decides_nothing(on: Stage) -> None:
    await on.command("ada", 'deny zzzz9999 "wrong pod"')

    await on.whispered("ada", "no open request with approval id zzzz9999")
    assert on.gateway.decisions == []


async def test_an_unforeseen_error_gets_an_id_and_shows_nothing_else(on: Stage) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    on.gateway.look = broken  # type: ignore[assignment, method-assign]
    await on.command("vic", "status")

    said = await on.whispered("vic", "Error id")
    assert "secret" not in said


async def test_an_unreadable_group_means_nobody_may(transport: Transport) -> None:
    toml = given.TOML.replace('groups = ["S0OPERATORS"]', 'groups = ["S0MISSING"]')
    async with stage(given.configuration(toml), transport=transport) as on:
        await on.command("erin", "deploy")

        await on.whispered("erin", "The approver list cannot be read right now")
        assert on.gateway.started == []


async def test_a_named_person_may_while_a_group_cannot_be_read(transport: Transport) -> None:
    toml = given.TOML.replace('groups = ["S0OPERATORS"]', 'groups = ["S0MISSING"]\npeople = ["U0ERIN"]')
    async with stage(given.configuration(toml), transport=transport) as on:
        await on.command("erin", "deploy")

        await on.whispered("erin", "has started")


async def test_an_empty_role_means_nobody(transport: Transport) -> None:
    toml = given.TOML.replace('groups = ["S0OPERATORS"]', "groups = []")
    async with stage(given.configuration(toml), transport=transport) as on:
        await on.command("erin", "deploy")

        await on.whispered("erin", "nobody: the list is empty")


async def test_the_home_tab_shows_roles_and_what_waits(on: Stage) -> None:
    await on.page("home", persona="ada")

    async def home() -> object:
        return (await on.state("ada"))["home"]

    shown = str(await eventually(home))
    assert "viewer, operator, approver" in shown
    assert given.APPROVAL_ID in shown


async def test_twenty_commands_at_once_are_all_answered(on: Stage) -> None:
    answers = await asyncio.gather(*(on.command("vic", "help status") for _ in range(20)))

    assert all(answer["ok"] for answer in answers)
