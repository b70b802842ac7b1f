"""Reminders and the escalation of a card: when, where and to whom, each once a round, never after it closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from activities.payloads import RunningChange
from domain.configuration import ApprovalRule, Configuration, Role
from domain.errors import NotReadyError
from domain.model import Person
from operations.certify import CertifyStatus
from operations.messages import ASKED_BY, AskedBy
from tests.workflows.people import ALICE, BOB, CAROL, DAVE
from tests.workflows.stage import Grounds, Stage, new_site, staged
from tests.workflows.waiting import until
from tests.workflows.world import configuration
from workflows.reminders import reminders_of

CSR = "crdb.node.cockroachdb-0"
T = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


async def _shown(stage: Stage, *, after: str = "") -> CertifyStatus:
    """Wait for a card whose clocks run."""
    await until(lambda: any(c.expires_at is not None and c.approval_id != after for c in stage.chat.cards("pending")))
    return await stage.chat.card("pending", csr=CSR, after=after)


def _keys(stage: Stage) -> list[str]:
    return [key.split(":")[0] for key in stage.chat.said]


def _with_people(site: str, *people: Person, **approvals: object) -> Configuration:
    roles = {
        "operator": Role(groups=("S-OPS",)),
        "approver": Role(groups=("S-APPROVE",), people=[p.id for p in people]),
    }
    return configuration(site, **approvals).model_copy(update={"roles": roles})


@pytest.mark.parametrize(
    ("rule", "minutes"),
    [
        pytest.param(ApprovalRule(), [(1, 15), (2, 40), (0, 50)], id="the defaults"),
        pytest.param(ApprovalRule(expires_minutes=45), [(1, 15), (2, 40)], id="no escalation when it expires before"),
        pytest.param(ApprovalRule(expires_minutes=2), [], id="nothing when it expires soon"),
        pytest.param(
            ApprovalRule(expires_minutes=9, remind_minutes=(0.5, 8), escalate_minutes=4),
            [(1, 0.5), (0, 4), (2, 8)],
            id="by time, whatever it is",
        ),
    ],
)
def test_what_is_said_is_what_the_rule_says_in_order_of_time(
    rule: ApprovalRule, minutes: list[tuple[int, float]]
) -> None:
    found = reminders_of(rule, shown_at=T)

    assert [(r.number, (r.due - T) / timedelta(minutes=1)) for r in found] == minutes


async def test_people_are_reminded_twice_then_the_channel_is_told_each_once(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await _shown(stage)

    await stage.pass_time(handle, minutes=14)
    before = dict(stage.chat.said)
    await stage.pass_time(handle, minutes=2)
    await until(lambda: len(stage.chat.said) == 1)
    await stage.pass_time(handle, minutes=35)
    await until(lambda: len(stage.chat.said) == 3)
    await stage.pass_time(handle, hours=3)
    await stage.chat.card("expired", csr=CSR)

    first, second, escalation = stage.chat.said.values()
    (ts,) = stage.chat.messages
    assert before == {}
    assert list(stage.chat.said) == [f"{kind}:{card.approval_id}" for kind in ("remind-1", "remind-2", "escalate")]
    assert [say.thread_ts for say in (first, second, escalation)] == [ts, ts, ""]
    assert [say.audience for say in (first, second, escalation)] == [("S-APPROVE",), (), ()]
    assert [say.kind for say in (first, second, escalation)] == ["milestone", "milestone", "warning"]
    assert {say.about.ts for say in (first, second, escalation) if say.about} == {ts}
    assert stage.chat.repeated == []


async def test_a_reminder_says_what_waits_since_when_and_until_when(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await _shown(stage)
    assert card.shown_at is not None
    assert card.expires_at is not None
    await stage.pass_time(handle, minutes=51)
    await until(lambda: len(stage.chat.said) == 3)

    first, _, escalation = (say.text for say in stage.chat.said.values())

    since, end = (f"<t:{int(at.timestamp())}>" for at in (card.shown_at, card.expires_at))
    said = "The certificate for node cockroachdb-0 has been waiting for a decision since"
    assert first == f"{said} {since}. Its card expires at {end}."
    assert escalation.startswith("The certificate for node cockroachdb-0 of shop has been waiting for a decision since")


async def test_a_card_in_the_thread_of_its_operation_is_reminded_of_in_that_thread(stage: Stage) -> None:
    await stage.deploy()
    await until(lambda: any(c.expires_at is not None and c.csr == CSR for c in stage.chat.cards("pending")))
    card = await stage.chat.card("pending", csr=CSR)

    await stage.pass_time(stage.handle(card.workflow_id, card.run_id), minutes=51)
    await until(lambda: len(stage.chat.said) == 3)

    (root,) = [ts for ts, shown in stage.chat.messages.items() if shown.origin[2] == "operation"]
    assert [say.thread_ts for say in stage.chat.said.values()] == [root, root, ""]


async def test_who_asked_or_approved_already_is_not_mentioned(grounds: Grounds) -> None:
    file = _with_people(new_site(), BOB, CAROL, DAVE, approvals=2)
    async with staged(grounds, file=file) as stage:
        handle = await stage.certify(stage.world.add_pod())
        card = await _shown(stage)
        await handle.signal(ASKED_BY, AskedBy(person=DAVE, workflow_id="crdb/x/change", run_id="r"))
        await stage.click("approve", card, BOB)

        await stage.pass_time(handle, minutes=16)
        await until(lambda: len(stage.chat.said) == 1)

        (say,) = stage.chat.said.values()
        assert say.audience == ("S-APPROVE", CAROL.id)
        assert "has been waiting for one more approval since" in say.text


async def test_nothing_is_said_once_somebody_decided(stage: Stage) -> None:
    trouble = NotReadyError("ca.locked", "Not now.", retry_after=timedelta(hours=3))
    stage.world.errors = {"signing.judge": [trouble] * 100}
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await _shown(stage), BOB)

    await stage.pass_time(handle, hours=2)

    assert (await stage.gateway.certify_status(handle.id, run_id="")).state == "decided"
    assert stage.chat.said == {}


async def test_what_could_not_be_said_before_the_decision_is_never_said(grounds: Grounds) -> None:
    async with staged(grounds, has_signer=False) as stage:
        stage.chat.fails, stage.chat.retry_after = {"chat.say": 1}, timedelta(minutes=2)
        handle = await stage.certify(stage.world.add_pod())
        card = await _shown(stage)
        await stage.pass_time(handle, minutes=16)
        await until(lambda: "chat.say" in stage.chat.calls)
        await stage.click("approve", card, BOB)

        async with stage.signer():
            await handle.result()

        events = [event.event_type for event in await stage.history(handle)]
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED in events
        assert stage.chat.said == {}


async def test_while_chat_is_down_the_next_one_takes_over(stage: Stage) -> None:
    stage.chat.fails, stage.chat.retry_after = {"chat.say": 3}, timedelta(minutes=10)
    handle = await stage.certify(stage.world.add_pod())
    await _shown(stage)

    await stage.pass_time(handle, minutes=45)
    await until(lambda: len(stage.chat.said) > 0)

    assert _keys(stage) == ["remind-2"]


async def test_a_card_asked_for_again_is_reminded_of_anew(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    first = await _shown(stage)
    await stage.pass_time(handle, minutes=61)
    await stage.click("ask_again", await stage.chat.card("expired", csr=CSR), ALICE)
    second = await _shown(stage, after=first.approval_id)

    await stage.pass_time(handle, minutes=16)
    await until(lambda: len(stage.chat.said) == 4)

    assert [key.split(":")[1] for key in stage.chat.said] == [first.approval_id] * 3 + [second.approval_id]
    assert list(stage.chat.said.values())[3].thread_ts == list(stage.chat.messages)[1]


async def test_an_approval_that_did_not_count_lets_the_reminders_go_on(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await _shown(stage)
    stage.world.behind = RunningChange(workflow_id="crdb/x/change", run_id="r", requester=DAVE)
    await stage.click("approve", card, DAVE)
    await until(lambda: stage.chat.cards()[0].sentence.startswith("An approval does not count"))

    await stage.pass_time(handle, minutes=16)
    await until(lambda: _keys(stage) == ["remind-1"])


async def test_reminders_outlive_the_worker_that_began_them(grounds: Grounds) -> None:
    file = configuration(new_site())
    async with staged(grounds, file=file, watches=False) as stage:
        handle = await stage.certify(stage.world.add_pod())
        await _shown(stage)
        await stage.pass_time(handle, minutes=16)
        await until(lambda: _keys(stage) == ["remind-1"])

    async with staged(grounds, file=file, watches=False) as later:
        await later.pass_time(handle, minutes=35)
        await until(lambda: _keys(later) == ["remind-1", "remind-2", "escalate"])

        assert later.chat.repeated == []


async def test_a_card_that_is_open_for_seconds_expires_without_a_word(grounds: Grounds) -> None:
    async with staged(grounds, file=configuration(new_site(), expires_minutes=0.05)) as stage:
        await stage.certify(stage.world.add_pod())

        await stage.chat.card("expired", csr=CSR)

        assert stage.chat.said == {}
