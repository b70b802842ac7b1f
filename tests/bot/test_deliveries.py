"""What Slack delivers twice, late, or not to the end: one effect, and one answer."""

from __future__ import annotations

import pytest

from devtools.console.faults import Fault
from operations.chat import MessageRef
from tests.bot import given
from tests.bot.harness import Stage, eventually, stage

pytestmark = pytest.mark.parametrize("transport", ["http", "socket"])


async def settled(on: Stage, name: str, count: int = 2) -> None:
    """All deliveries of this name have been answered, and what they began has ended."""

    async def look() -> bool:
        return sum(r.name == name and r.direction == "delivery" for r in on.console.recorder.since(0)) >= count

    await eventually(look)
    await on.bot.tasks.drain(seconds=5)


async def test_a_command_delivered_twice_starts_one_operation_and_is_answered_once(on: Stage) -> None:
    on.console.faults.add(Fault("/crdb", "duplicate"))

    await on.command("erin", "deploy")
    await settled(on, "/crdb")

    assert len(on.gateway.started) == 1
    assert await on.whispers("erin") == ["Deploy of crdb has started. Follow it in this channel."]


async def test_a_click_delivered_twice_is_one_decision(on: Stage) -> None:
    card = await on.post_card()
    on.console.faults.add(Fault("block_actions", "duplicate"))

    await on.click("ada", card, "approve")
    await settled(on, "block_actions")

    assert len(on.gateway.decisions) == 1
    assert await on.whispers("ada") == []


async def test_a_click_that_opens_a_dialog_opens_one_when_delivered_twice(on: Stage) -> None:
    card = await on.post_card()
    on.console.faults.add(Fault("block_actions", "duplicate"))

    await on.click("ada", card, "details")
    await settled(on, "block_actions")

    assert len(await on.views("ada")) == 1
    assert await on.whispers("ada") == []


async def test_two_clicks_of_one_person_are_one_decision(on: Stage) -> None:
    card = await on.post_card()

    await on.click("ada", card, "approve")
    await on.click("ada", MessageRef(channel=card.channel, ts=card.ts), "details")
    await on.page("command", persona="ada", channel="C0OPS", text=f"/crdb approve {given.APPROVAL_ID}")
    await on.bot.tasks.drain(seconds=5)

    assert len(on.gateway.decisions) == 1


async def test_a_reason_submitted_twice_denies_once(on: Stage) -> None:
    card = await on.post_card()
    await on.click("ada", card, "deny")
    view = await on.view("ada", "Deny the request")
    on.console.faults.add(Fault("view_submission", "duplicate"))

    answer = await on.page("submit", persona="ada", view_id=view["id"], values={"reason": "wrong pod"})
    await settled(on, "view_submission")

    assert answer["ok"]
    assert [verb for verb, *_ in on.gateway.decisions] == ["deny"]


async def test_a_home_event_delivered_twice_is_drawn_once(on: Stage) -> None:
    on.console.faults.add(Fault("app_home_opened", "duplicate"))

    await on.page("home", persona="ada")
    await settled(on, "app_home_opened")

    assert sum(record.name == "views.publish" for record in on.console.recorder.since(0)) == 1


async def test_a_command_whose_acknowledgement_was_late_is_still_answered(transport: str) -> None:
    async with stage(transport="socket" if transport == "socket" else "http", ack_seconds=0.3) as on:
        on.console.faults.add(Fault("/crdb", "late_ack"))

        answer = await on.command("erin", "deploy")

        assert answer["error"] == "operation_timeout"
        await on.whispered("erin", "Deploy of crdb has started.")
        assert len(on.gateway.started) == 1
