"""What "Review 3 requests" counts: the open requests of a cluster as Temporal knows them, while a deploy waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.workflows.people import BOB
from tests.workflows.stage import Stage
from tests.workflows.waiting import until, until_asked


async def pending(stage: Stage) -> set[tuple[str, str, str]]:
    found = await stage.gateway.requests_of(stage.world.ref)
    return {(t.run_id, t.approval_id, t.fingerprint) for t in found if t.state == "pending"}


async def test_before_the_first_look_the_operation_says_that_cards_follow(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.painter.REDRAW_AFTER", timedelta(seconds=1))  # when it is drawn is no matter here
    await stage.deploy()
    await until(lambda: len(stage.chat.cards("pending")) == 4)

    def detail() -> str:
        shown = stage.chat.shown_operation()
        return next((step.detail for step in shown.steps if step.name == "certificates"), "") if shown else ""

    await until(lambda: detail() != "")
    assert detail() == "0 of 4 in place; a card for each follows here"


async def test_the_requests_that_wait_are_those_whose_cards_can_be_decided(stage: Stage) -> None:
    await stage.deploy()
    await until(lambda: len(stage.chat.cards("pending")) == 4)
    cards = stage.chat.cards("pending")

    async def all_wait() -> bool:
        return len(await pending(stage)) == 4

    await until_asked(all_wait)
    assert await pending(stage) == {
        (card.run_id, card.approval_id, card.verdict.fingerprint) for card in cards if card.verdict
    }
    await stage.click("approve", cards[0], BOB)

    async def three_wait() -> bool:
        return {run_id for run_id, *_ in await pending(stage)} == {card.run_id for card in cards[1:]}

    await until_asked(three_wait)
