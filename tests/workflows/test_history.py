"""What an auditor reads: summaries on every activity and timer, memo and search attributes, and a short history."""

from __future__ import annotations

from collections import Counter

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.common import SearchAttributeKey

from operations.queues import STATE
from tests.workflows.people import ALICE, BOB
from tests.workflows.stage import Stage
from tests.workflows.waiting import until
from worker import workflow_classes

SUMMARIZED = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
)
#: Design, section 11.
MOST_EVENTS = 120


def without_summary(events: list[HistoryEvent]) -> list[str]:
    wanting = [e for e in events if e.event_type in SUMMARIZED and not e.user_metadata.summary.data]
    return [f"{event.event_id} {EventType.Name(event.event_type)}" for event in wanting]


async def test_the_history_of_a_deploy_is_short_and_every_step_says_what_it_is(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.approve_all(BOB)
    handle = await stage.deploy()
    await handle.result()

    events = await stage.history(handle)
    kinds = Counter(event.event_type for event in events)

    with capsys.disabled():
        print(f"\nhistory of a 3-node deploy with chat: {len(events)} events")
    assert without_summary(events) == []
    assert kinds[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED] >= 12
    assert kinds[EventType.EVENT_TYPE_TIMER_STARTED] >= 1
    assert len(events) <= MOST_EVENTS


async def test_every_step_of_a_certify_says_what_it_is(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending"), BOB)
    await handle.result()

    events = await stage.history(handle)

    assert without_summary(events) == []
    assert sum(event.event_type in SUMMARIZED for event in events) >= 8


async def test_memo_and_search_attributes_tell_who_what_and_where(stage: Stage) -> None:
    handle = await stage.deploy(plan=True)
    await handle.result()
    await until(lambda: bool(stage.chat.messages))

    described = await handle.describe()
    memo = await described.memo()

    assert (memo["operation"], memo["requester"]["id"]) == ("deploy", ALICE.id)
    assert described.typed_search_attributes.get(SearchAttributeKey.for_keyword(STATE)) == "plan"


async def test_the_memo_of_a_deploy_says_where_it_is_shown(stage: Stage) -> None:
    handle = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")

    home = await stage.gateway.home(handle.id, run_id=handle.run_id or "")

    (root,) = [ts for ts, shown in stage.chat.messages.items() if shown.origin[2] == "operation"]
    assert (home.channel, home.root_ts) == (stage.chat.messages[root].channel, root)
    await handle.terminate()


def test_every_update_of_every_workflow_has_a_validator() -> None:
    updates = {
        f"{definition.name}.{update.name}": update.validator
        for definition in map(workflow._Definition.must_from_class, workflow_classes())
        for update in definition.updates.values()
    }

    assert set(updates) >= {"Certify.approve", "Certify.deny", "Certify.ask_again"}
    assert set(updates) >= {f"{change}.cancel" for change in ("Deploy", "Init", "Scale")}
    assert set(updates) >= {"Deploy.ask_again", "Scale.ask_again", "Scale.approve", "Scale.deny", "Scale.retarget"}
    assert set(updates) >= {f"{change}.{verb}" for change in ("Upgrade", "Rollback") for verb in ("pause", "resume")}
    assert [name for name, validator in updates.items() if validator is None] == []
