from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from bot.outbox import ChatActivities
from devtools.console.faults import Fault
from gateway.running import Home
from operations.chat import MessageRef, Say, ShowCard, ShowOperation
from tests.bot import given
from tests.bot.harness import Stage


def environment(*, attempt: int = 1, age: timedelta = timedelta(0)) -> ActivityEnvironment:
    env = ActivityEnvironment()
    env.info = replace(
        env.info,
        attempt=attempt,
        scheduled_time=datetime.now(UTC) - age,
        workflow_id=given.CHANGE_ID,
        workflow_run_id=given.RUN_ID,
    )
    return env


def chat(on: Stage) -> ChatActivities:
    return ChatActivities(on.bot.messages, on.gateway)


async def messages(on: Stage, channel: str = "C0OPS") -> list[dict[str, Any]]:
    state = await on.state("ada")
    found: list[dict[str, Any]] = next(c for c in state["channels"] if c["id"] == channel)["messages"]
    return found


async def show(on: Stage, request: ShowOperation, **how: Any) -> MessageRef:
    return await environment(**how).run(chat(on).show_operation, request)


async def show_card(on: Stage, request: ShowCard, **how: Any) -> MessageRef:
    return await environment(**how).run(chat(on).show_card, request)


async def refused(on: Stage, request: ShowOperation) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await show(on, request)
    return caught.value


def fresh(on: Stage) -> ChatActivities:
    """The outbox of a bot that was started again: it remembers nothing."""
    from bot.messages import Messages

    return ChatActivities(Messages(on.bot.messages._client), on.gateway)


async def test_an_operation_is_posted_and_redrawn_in_place(on: Stage) -> None:
    ref = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))

    again = await show(on, ShowOperation(channel="C0OPS", status=given.operation("done", sequence=8), message=ref))

    assert again == ref
    found = await messages(on)
    assert [message["text"] for message in found] == ["done: Deploy crdb: 3 nodes, v25.2.3"]
    assert found[0]["metadata"]["event_payload"] == {
        "workflow_id": given.CHANGE_ID,
        "run_id": given.RUN_ID,
        "kind": "operation",
    }


async def test_an_older_state_is_dropped(on: Stage) -> None:
    ref = await show(on, ShowOperation(channel="C0OPS", status=given.operation("done", sequence=9)))

    late = await show(on, ShowOperation(channel="C0OPS", status=given.operation(sequence=8), message=ref))

    assert late == MessageRef(channel="C0OPS", ts="")
    assert (await messages(on))[0]["text"].startswith("done")


async def test_the_same_drawing_is_not_sent_twice(on: Stage) -> None:
    ref = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))

    await show(on, ShowOperation(channel="C0OPS", status=given.operation(sequence=8), message=ref))

    assert [r.name for r in on.console.recorder.since(0) if r.name == "chat.update"] == []


async def test_a_post_whose_answer_was_lost_is_found_again(on: Stage) -> None:
    on.console.faults.add(Fault("chat.postMessage", "lost_answer", count=1))
    request = ShowOperation(channel="C0OPS", status=given.operation(started_at=datetime.now(UTC)))
    error = await refused(on, request)

    ref = await environment(attempt=2).run(fresh(on).show_operation, request)

    assert not error.non_retryable
    assert [message["ts"] for message in await messages(on)] == [ref.ts]


async def test_a_card_whose_answer_was_lost_is_found_again_in_its_thread(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation(started_at=datetime.now(UTC))))
    on.gateway.homes["x"] = Home("C0OPS", root.ts)
    request = ShowCard(channel="C0OPS", status=given.card(), behind_workflow_id="x")
    on.console.faults.add(Fault("chat.postMessage", "lost_answer", count=1))
    with pytest.raises(ApplicationError):
        await show_card(on, request)

    ref = await environment(attempt=2).run(fresh(on).show_card, request)

    assert [reply["ts"] for reply in (await messages(on))[0]["replies"]] == [ref.ts]


async def test_the_last_state_finds_the_message_that_the_run_posted_meanwhile(on: Stage) -> None:
    ref = await show(on, ShowOperation(channel="C0OPS", status=given.operation(started_at=datetime.now(UTC))))

    last = ShowOperation(channel="C0OPS", status=given.operation("done", sequence=20, started_at=datetime.now(UTC)))
    found = await environment().run(fresh(on).show_operation, last)

    assert found == ref
    assert len(await messages(on)) == 1


async def test_two_posts_at_once_are_one_message(on: Stage) -> None:
    request = ShowOperation(channel="C0OPS", status=given.operation())

    refs = await asyncio.gather(*(show(on, request) for _ in range(3)))

    assert len({ref.ts for ref in refs}) == 1
    assert len(await messages(on)) == 1


async def test_a_rate_limit_becomes_the_delay_that_slack_asks_for(on: Stage) -> None:
    on.console.faults.add(Fault("chat.postMessage", "429", count=1, seconds=17))

    error = await refused(on, ShowOperation(channel="C0OPS", status=given.operation()))

    assert error.next_retry_delay == timedelta(seconds=17)
    assert not error.non_retryable


async def test_slacks_own_trouble_is_retried(on: Stage) -> None:
    on.console.faults.add(Fault("chat.postMessage", "500", count=1))

    error = await refused(on, ShowOperation(channel="C0OPS", status=given.operation()))

    assert (error.type, error.non_retryable) == ("TransientError", False)


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        pytest.param("C0GEN", "The bot is not in the channel.", id="not a member"),
        pytest.param("C0NONE", "The channel does not exist, or the bot cannot see it.", id="no such channel"),
        pytest.param("C0OLD", "The channel is archived.", id="archived"),
        pytest.param("C0SHR", "is shared with another workspace", id="shared with another company"),
    ],
)
async def test_what_a_person_has_to_mend_is_final_and_in_words(on: Stage, channel: str, words: str) -> None:
    error = await refused(on, ShowOperation(channel=channel, status=given.operation()))

    assert error.non_retryable
    assert words in error.message


async def test_a_card_goes_into_the_thread_of_the_change_behind_it(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))
    request = ShowCard(channel="C0OPS", status=given.card(), behind_workflow_id="x")
    posting = asyncio.create_task(show_card(on, request))
    await asyncio.sleep(0)
    on.gateway.homes["x"] = Home("C0OPS", root.ts)

    ref = await posting

    assert [reply["ts"] for reply in (await messages(on))[0]["replies"]] == [ref.ts]


async def test_the_first_card_of_a_thread_is_seen_in_the_channel_and_the_next_are_not(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))
    on.gateway.homes["x"] = Home("C0OPS", root.ts)
    outbox = chat(on)
    cards = [
        ShowCard(channel="C0OPS", status=given.card(run_id=f"run-{number}"), behind_workflow_id="x")
        for number in range(3)
    ]
    on.console.faults.add(Fault("chat.postMessage", "500", count=1))
    with pytest.raises(ApplicationError):
        await environment().run(outbox.show_card, cards[0])

    for card in (cards[1], cards[0], cards[2]):
        await environment().run(outbox.show_card, card)

    replies = (await messages(on))[0]["replies"]
    assert [reply["is_broadcast"] for reply in replies] == [False, True, False], (
        "whichever was to be the first stays it"
    )


async def test_a_card_in_no_thread_is_no_broadcast(on: Stage) -> None:
    await show_card(on, ShowCard(channel="C0OPS", status=given.card()))

    post = next(r for r in on.console.recorder.since(0) if r.name == "chat.postMessage")
    assert "reply_broadcast" not in post.arguments


async def test_a_card_that_waited_half_a_minute_goes_into_the_channel(on: Stage) -> None:
    request = ShowCard(channel="C0OPS", status=given.card(), behind_workflow_id="x")

    ref = await show_card(on, request, age=timedelta(seconds=31))

    assert [message["ts"] for message in await messages(on)] == [ref.ts]


async def test_a_card_without_a_change_goes_into_the_channel(on: Stage) -> None:
    ref = await show_card(on, ShowCard(channel="C0OPS", status=given.card()))

    assert [message["ts"] for message in await messages(on)] == [ref.ts]


async def test_a_card_whose_thread_was_deleted_goes_into_the_channel(on: Stage) -> None:
    on.gateway.homes["x"] = Home("C0OPS", "1700000000.000100")

    ref = await show_card(on, ShowCard(channel="C0OPS", status=given.card(), behind_workflow_id="x"))

    assert [message["ts"] for message in await messages(on)] == [ref.ts]


async def test_the_end_is_said_once_with_a_mention_and_seen_in_the_channel(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))
    end = Say(
        channel="C0OPS", thread_ts=root.ts, key="end", kind="end", text="deploy is done <!channel>", mention="U0ERIN"
    )

    first = await environment().run(chat(on).say, end)
    second = await environment(attempt=2).run(fresh(on).say, end)

    assert first == second
    reply = (await messages(on))[0]["replies"][0]
    assert reply["text"] == "<@U0ERIN> deploy is done &lt;!channel&gt;"
    assert reply["is_broadcast"]
    assert reply["blocks"][0]["elements"][0]["elements"][0] == {"type": "user", "user_id": "U0ERIN"}


async def test_a_milestone_stays_in_the_thread(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))

    await environment().run(
        chat(on).say, Say(channel="C0OPS", thread_ts=root.ts, key="m", kind="milestone", text="All nodes run.")
    )

    assert not (await messages(on))[0]["replies"][0]["is_broadcast"]


REMINDER = Say(
    channel="C0OPS",
    thread_ts="",
    key="remind-1:ab12cd34",
    kind="milestone",
    text="The certificate for node <!channel> has been waiting for a decision since <t:1795615200>.",
    audience=("S0APPROVERS", "U0FRED"),
)


async def test_a_card_says_in_which_thread_it_stands(on: Stage) -> None:
    root = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))
    on.gateway.homes["x"] = Home("C0OPS", root.ts)

    inside = await show_card(on, ShowCard(channel="C0OPS", status=given.card(), behind_workflow_id="x"))
    alone = await show_card(on, ShowCard(channel="C0OPS", status=given.card(approval_id="other")))

    assert (inside.thread, alone.thread) == (root.ts, alone.ts)


async def test_a_reminder_mentions_the_role_and_leads_to_the_card_in_its_thread(on: Stage) -> None:
    card = await show_card(on, ShowCard(channel="C0OPS", status=given.card()))
    said = REMINDER.model_copy(update={"thread_ts": card.thread, "about": card})

    first = await environment().run(chat(on).say, said)
    second = await environment(attempt=2).run(fresh(on).say, said)

    (reply,) = (await messages(on))[0]["replies"]
    assert first == second
    assert reply["text"] == (
        "<!subteam^S0APPROVERS> <@U0FRED> The certificate for node &lt;!channel&gt; has been waiting for a decision "
        "since 14:00 UTC."
    )
    elements = reply["blocks"][0]["elements"][0]["elements"]
    assert [element["type"] for element in elements] == [
        "usergroup", "text", "user", "text", "text", "date", "text", "text", "link",
    ]  # fmt: skip
    assert elements[-1]["url"].endswith(f"/archives/C0OPS/p{card.ts.replace('.', '')}")
    assert not reply["is_broadcast"]


async def test_the_channel_is_told_in_the_channel(on: Stage) -> None:
    card = await show_card(on, ShowCard(channel="C0OPS", status=given.card()))
    said = REMINDER.model_copy(update={"kind": "warning", "about": card, "audience": ()})

    await environment().run(chat(on).say, said)

    found = await messages(on)
    assert [message["text"].startswith("⚠ The certificate") for message in found] == [False, True]
    assert found[0]["replies"] == []


async def test_a_reminder_is_said_without_a_link_when_slack_gives_none(on: Stage) -> None:
    card = await show_card(on, ShowCard(channel="C0OPS", status=given.card()))
    on.console.faults.add(Fault("chat.getPermalink", "500", count=1))

    await environment().run(chat(on).say, REMINDER.model_copy(update={"thread_ts": card.thread, "about": card}))

    (reply,) = (await messages(on))[0]["replies"]
    assert "link" not in [element["type"] for element in reply["blocks"][0]["elements"][0]["elements"]]


async def test_a_reminder_whose_thread_was_deleted_is_said_in_the_channel(on: Stage) -> None:
    ref = await environment().run(chat(on).say, REMINDER.model_copy(update={"thread_ts": "1700000000.000100"}))

    assert [message["ts"] for message in await messages(on)] == [ref.ts]
    assert ref.thread == ref.ts


async def test_a_rate_limited_storm_keeps_the_last_state(on: Stage) -> None:
    ref = await show(on, ShowOperation(channel="C0OPS", status=given.operation()))
    on.console.faults.add(Fault("chat.update", "429", count=3, seconds=1))
    edits = [
        ShowOperation(channel="C0OPS", status=given.operation("running", sequence=n, ended=n - 4), message=ref)
        for n in range(8, 12)
    ]

    for edit in edits[:3]:
        await refused(on, edit)
    await show(on, edits[3])

    assert "7 of 8" in str((await messages(on))[0]["blocks"])
