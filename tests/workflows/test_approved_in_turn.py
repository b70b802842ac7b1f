"""Approved is written within the turn that hears the signer's yes; what fails there, an activity does."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from devtools.histories import not_replaying, replayer
from domain.errors import BrokenError, OpsError, TransientError
from tests.workflows.people import BOB
from tests.workflows.stage import Grounds, Stage
from tests.workflows.waiting import until

CSR = "crdb.node.cockroachdb-0"
APPROVE = "certificates.approve"


async def _approved(stage: Stage) -> WorkflowHandle[Any, Any]:
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)
    return handle


async def _writes(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """How the history tells of the writing: in the turn, or by an activity."""
    found = []
    for event in (await handle.fetch_history()).events:
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            if event.marker_recorded_event_attributes.marker_name == "core_local_activity":
                found.append("in the turn")
        elif event.activity_task_scheduled_event_attributes.activity_type.name == APPROVE:
            found.append("by an activity")
    return found


async def test_approved_is_written_in_the_turn_and_its_answer_recorded(stage: Stage) -> None:
    handle = await _approved(stage)
    result = await handle.result()

    assert result.state == "issued"
    assert stage.world.state.calls.count(APPROVE) == 1
    assert await _writes(handle) == ["in the turn"]


async def test_a_server_in_trouble_is_left_to_the_activity_that_goes_on_trying(stage: Stage) -> None:
    errors: list[OpsError] = [TransientError("kubernetes.unavailable", "503"), TransientError("kubernetes.busy", "429")]
    stage.world.errors[APPROVE] = [*errors]

    handle = await _approved(stage)
    result = await handle.result()

    assert result.state == "issued"
    assert stage.world.state.calls.count(APPROVE) == 3
    assert await _writes(handle) == ["in the turn", "by an activity"]
    assert stage.world.state.effects == [f"approved {CSR}", f"issued {CSR}"]


async def test_a_lost_answer_is_made_good_by_the_activity_which_finds_what_was_written(stage: Stage) -> None:
    stage.world.lost[APPROVE] = [TransientError("kubernetes.unreachable", "the answer broke off")]

    handle = await _approved(stage)
    result = await handle.result()

    assert result.state == "issued"
    assert await _writes(handle) == ["in the turn", "by an activity"]
    assert stage.world.state.effects == [f"approved {CSR}", f"issued {CSR}"]


async def test_what_is_refused_for_good_is_said_by_the_activity_and_not_tried_again(stage: Stage) -> None:
    stage.world.errors[APPROVE] = [BrokenError("kubernetes.forbidden", "Ops may not approve.") for _ in range(5)]

    handle = await _approved(stage)
    result = await handle.result()

    assert result.state == "failed"
    assert "Ops may not approve." in result.sentence
    assert await _writes(handle) == ["in the turn", "by an activity"]
    assert stage.world.state.calls.count(APPROVE) == 2
    assert stage.world.state.effects == []


async def test_a_server_that_does_not_answer_holds_a_turn_for_five_seconds_at_most(stage: Stage) -> None:
    stage.world.gates[APPROVE] = asyncio.Event()
    handle = await _approved(stage)
    await until(lambda: stage.world.state.calls.count(APPROVE) == 2)

    status = await stage.gateway.certify_status(handle.id, run_id=handle.first_execution_run_id or "")
    stage.world.gates[APPROVE].set()
    result = await handle.result()

    assert status.state == "decided"
    assert result.state == "issued"
    assert stage.world.state.effects == [f"approved {CSR}", f"issued {CSR}"]


async def test_a_run_is_replayed_also_in_the_middle_of_that_turn(stage: Stage, grounds: Grounds) -> None:
    stage.world.gates[APPROVE] = asyncio.Event()
    handle = await _approved(stage)
    await until(lambda: stage.world.state.calls.count(APPROVE) == 1)

    async with asyncio.timeout(10):
        found = await not_replaying(stage.client, replayer(grounds.pen.ring), query=f"WorkflowId = '{handle.id}'")

    stage.world.gates[APPROVE].set()
    assert found == []
    assert (await handle.result()).state == "issued"
