"""Redrawing over the wire: the newest wins, one drawing in a while, and patience when Slack asks for it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.cards.operation import operation_message
from bot.messages import Messages, Origin
from bot.pace import Pace
from devtools.console.faults import Fault
from domain.errors import TransientError
from operations.chat import MessageRef
from operations.messages import OperationState
from tests.bot import given
from tests.bot.harness import Stage

SECONDS = 0.4
ORIGIN = Origin(given.CHANGE_ID, given.RUN_ID, "operation")


@pytest.fixture
def messages(on: Stage) -> Messages:
    return Messages(on.bot.messages._client, pace=Pace(message_seconds=SECONDS))


async def post(messages: Messages) -> MessageRef:
    message = operation_message(given.operation(ended=0), url="")
    return await messages.post(message, channel="C0OPS", origin=ORIGIN, sequence=0, state="running")


async def edit(messages: Messages, ref: MessageRef, sequence: int, state: OperationState = "running") -> bool:
    message = operation_message(given.operation(state, ended=sequence % 8), url="")
    return await messages.edit(ref, message, sequence=sequence, state=state)


def updates(on: Stage) -> list[dict[str, Any]]:
    return [r.arguments for r in on.console.recorder.since(0) if r.name == "chat.update"]


async def test_of_many_drawings_at_once_one_is_sent_and_it_is_the_newest(on: Stage, messages: Messages) -> None:
    ref = await post(messages)

    drawn = await asyncio.gather(*(edit(messages, ref, number) for number in range(1, 8)))

    assert drawn == [False] * 6 + [True]
    (sent,) = updates(on)
    assert "7 of 8" in str(sent["blocks"])


async def test_two_drawings_of_the_same_state_are_some_time_apart(on: Stage, messages: Messages) -> None:
    ref = await post(messages)
    begun = time.monotonic()

    await edit(messages, ref, 1)
    await edit(messages, ref, 2)

    assert time.monotonic() - begun >= 2 * SECONDS
    assert len(updates(on)) == 2


async def test_another_state_is_drawn_at_once_and_overtakes_what_waits(on: Stage, messages: Messages) -> None:
    ref = await post(messages)
    waiting = asyncio.create_task(edit(messages, ref, 1))
    await asyncio.sleep(0)
    begun = time.monotonic()

    assert await edit(messages, ref, 2, "person")

    assert time.monotonic() - begun < SECONDS
    assert await waiting is False
    assert len(updates(on)) == 1


async def test_while_slack_asks_for_patience_nothing_is_sent_and_then_the_newest_alone(
    on: Stage, messages: Messages
) -> None:
    ref = await post(messages)
    on.console.faults.add(Fault("chat.update", "429", seconds=1))
    with pytest.raises(TransientError) as caught:
        await edit(messages, ref, 1, "person")

    drawn = await asyncio.gather(*(edit(messages, ref, number, "person") for number in range(2, 6)))

    assert caught.value.retry_after == timedelta(seconds=1)
    assert drawn == [False, False, False, True]
    assert len(updates(on)) == 2, "the refused one and the newest"


async def test_a_long_request_for_patience_is_handed_on_and_slack_left_alone(on: Stage, messages: Messages) -> None:
    ref = await post(messages)
    on.console.faults.add(Fault("chat.update", "429", seconds=30))
    with pytest.raises(TransientError):
        await edit(messages, ref, 1, "person")

    with pytest.raises(TransientError) as caught:
        await edit(messages, ref, 2, "done")

    assert caught.value.retry_after is not None
    assert 25 < caught.value.retry_after.total_seconds() <= 30
    assert len(updates(on)) == 1


async def test_a_post_waits_as_long_as_slack_asks(on: Stage, messages: Messages) -> None:
    on.console.faults.add(Fault("chat.postMessage", "429", seconds=30))
    with pytest.raises(TransientError):
        await post(messages)

    with pytest.raises(TransientError) as caught:
        await post(messages)

    assert caught.value.code == "slack.rate-limited"
    assert sum(r.name == "chat.postMessage" for r in on.console.recorder.since(0)) == 1


async def test_an_older_state_may_still_be_drawn_when_the_newer_one_failed(on: Stage, messages: Messages) -> None:
    ref = await post(messages)
    on.console.faults.add(Fault("chat.update", "500"))
    with pytest.raises(TransientError):
        await edit(messages, ref, 2, "person")

    assert await edit(messages, ref, 1, "person")


async def test_a_redraw_whose_answer_was_lost_is_sent_again(on: Stage, messages: Messages) -> None:
    ref = await post(messages)
    on.console.faults.add(Fault("chat.update", "lost_answer"))
    with pytest.raises(TransientError):
        await edit(messages, ref, 1, "person")

    assert await edit(messages, ref, 1, "person")

    assert len(updates(on)) == 2


async def test_repairs_asked_for_meanwhile_are_one(on: Stage, messages: Messages) -> None:
    ref = await post(messages)
    message = operation_message(given.operation(ended=0), url="")

    await asyncio.gather(*(messages.edit(ref, message, sequence=0, state="running", is_repair=True) for _ in range(5)))

    assert len(updates(on)) == 1


async def test_a_minute_has_forty_redraws_and_progress_thirty_of_them(on: Stage) -> None:
    messages = Messages(on.bot.messages._client, pace=Pace(message_seconds=0))
    message = operation_message(given.operation(started_at=datetime.now(UTC)), url="")
    refs = [
        await messages.post(message, channel="C0OPS", origin=Origin("w", str(number), "operation"), state="running")
        for number in range(31)
    ]

    for ref in refs[:30]:
        await edit(messages, ref, 1)
    with pytest.raises(TransientError):
        await edit(messages, refs[30], 1)
    for ref in refs[:10]:
        await edit(messages, ref, 2, "person")
    with pytest.raises(TransientError) as caught:
        await edit(messages, refs[30], 2, "person")

    assert len(updates(on)) == 40
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() > 50
