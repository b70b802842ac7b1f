"""Volumes of a scale: each that is left over, and each in the way of a new node, is decided upon by people."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import RefusedError
from operations.gate import GateStatus
from tests.workflows.database import Claim, Member
from tests.workflows.people import ALICE, BOB, CAROL, DAVE
from tests.workflows.stage import Stage, code_of, failure_of
from tests.workflows.waiting import until


async def questions(stage: Stage, count: int) -> list[GateStatus]:
    """Wait for so many open questions, in the order of their volumes."""
    await until(lambda: len(stage.chat.gates("pending")) == count)
    return sorted(stage.chat.gates("pending"), key=lambda gate: gate.question.headline)


async def test_each_volume_left_over_has_a_decision_of_its_own(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 5, 4)

    handle = await stage.scale(3)
    third, fourth = await questions(stage, 2)
    await stage.answer("approve", third, BOB)
    await stage.answer("approve", third, CAROL)
    await stage.answer("deny", fourth, CAROL)
    result = await handle.result()

    assert (third.question.headline, third.question.rule.approvals) == ("Delete volume datadir-cockroachdb-3?", 2)
    assert "its node is n5 (cockroachdb-3), decommissioned" in third.question.evidence
    assert third.question.facts == {"volume": "datadir-cockroachdb-3", "uid": "uid-datadir-cockroachdb-3", "node": 5}
    assert result.volumes_deleted == ("datadir-cockroachdb-3",)
    assert result.volumes_kept == ("datadir-cockroachdb-4",)
    assert [e for e in stage.world.state.effects if "deleted" in e] == ["deleted datadir-cockroachdb-3"]


async def test_a_volume_that_nobody_decides_on_is_kept(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)

    handle = await stage.scale(3)
    await until(lambda: any(gate.expires_at for gate in stage.chat.gates("pending")))
    await stage.pass_time(handle, minutes=61)
    result = await handle.result()

    assert (result.outcome, result.volumes_kept) == ("scaled", ("datadir-cockroachdb-3",))
    assert 3 in stage.world.state.claims


async def test_who_asked_for_the_scale_may_not_delete_its_volumes(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    handle = await stage.scale(3, DAVE)
    (card,) = await questions(stage, 1)

    with pytest.raises(RefusedError) as caught:
        await stage.answer("approve", card, DAVE)

    assert caught.value.code == "approval.four-eyes"
    await handle.terminate()


async def test_a_cancel_while_volumes_are_asked_about_keeps_them(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    handle = await stage.scale(3)
    await questions(stage, 1)

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert 3 in stage.world.state.claims
    assert "nodes.recommission" not in stage.world.state.calls


async def test_another_number_while_volumes_are_asked_about_withdraws_the_questions(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4, 5)
    handle = await stage.scale(4)
    await questions(stage, 1)

    await stage.retarget(handle, 3, ALICE)
    await until(lambda: len(stage.chat.gates("withdrawn")) == 1)
    stage.answer_all("deny", BOB)
    result = await handle.result()

    assert (result.nodes, result.decommissioned) == (3, (4, 5))
    assert result.volumes_kept == ("datadir-cockroachdb-3", "datadir-cockroachdb-4")


async def test_up_again_after_decommissioned_wipes_the_spent_volume_first(stage: Stage) -> None:
    stage.world.serve(1, 2, 3, 4)
    gate = stage.world.gates["scaling.resize"] = asyncio.Event()
    stage.approve_all(BOB)
    handle = await stage.scale(3)
    await until(lambda: "scaling.resize" in stage.world.state.calls)

    await stage.retarget(handle, 4)
    gate.set()
    (card,) = await questions(stage, 1)
    await stage.answer("approve", card, BOB)
    await stage.answer("approve", card, CAROL)
    result = await handle.result()

    assert card.question.kind == "wipe-volume"
    assert "the scale ends here" in card.question.if_no
    assert (result.nodes, result.added, result.volumes_deleted) == (4, ("cockroachdb-3",), ("datadir-cockroachdb-3",))
    assert [m.id for m in stage.world.state.members if m.is_live] == [1, 2, 3, 5]


async def test_a_spent_volume_that_is_kept_ends_the_scale_before_a_pod_takes_it(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.state.members.append(Member(id=4, ordinal=3, membership="decommissioned", is_live=False))
    stage.world.state.claims[3] = Claim(ordinal=3, node_id=4)
    stage.answer_all("deny", BOB)

    error = await failure_of(await stage.scale(4))

    assert code_of(error) == "scale.leftover-volume"
    assert "people decided to keep it" in error.message
    assert stage.world.state.effects == []


async def test_a_volume_whose_node_nobody_knows_can_be_used_again(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.state.claims[3] = Claim(ordinal=3)
    stage.answer_all("deny", BOB)
    stage.approve_all(BOB)

    result = await (await stage.scale(4)).result()

    assert (result.outcome, result.volumes_deleted) == ("scaled", ())


async def test_a_question_in_the_way_that_expires_ends_the_scale(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    stage.world.state.claims[3] = Claim(ordinal=3)
    handle = await stage.scale(4)
    await until(lambda: any(gate.expires_at for gate in stage.chat.gates("pending")))

    await stage.pass_time(handle, **{"minutes": timedelta(hours=2) // timedelta(minutes=1)})
    error = await failure_of(handle)

    assert code_of(error) == "scale.leftover-volume"
    assert "nobody decided in time" in error.message
