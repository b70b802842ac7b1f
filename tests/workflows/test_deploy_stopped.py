"""`Deploy` stopped or kept waiting: by a person, from outside, by a refusal, by time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, CancelledError

from domain.errors import RefusedError
from domain.model import CLIENT_POD
from tests.workflows.people import ALICE, BOB, CAROL, VIEWER
from tests.workflows.stage import Stage, code_of, ending_of, failure_of, said_at_end
from tests.workflows.waiting import until

NODES = ("cockroachdb-0", "cockroachdb-1", "cockroachdb-2")


async def test_cancel_stops_before_the_next_step_and_keeps_what_exists(stage: Stage) -> None:
    gate = stage.world.gates["cluster.record_ca"] = asyncio.Event()
    handle = await stage.deploy()
    await until(lambda: "cluster.record_ca" in stage.world.state.calls)

    receipt = await stage.click_operation("cancel", handle, CAROL)
    gate.set()
    error = await failure_of(handle)
    await until(lambda: bool(stage.chat.said))

    assert receipt.sentence == "Stopping before the next step."
    assert (error.type, error.message) == ("Cancelled", "Cancelled by Carol.")
    assert stage.world.state.effects == ["made CA", "published CA"]
    assert stage.chat.operation().state == "cancelled"
    assert said_at_end(stage.chat) == ["deploy of shop was cancelled by Carol."]


async def test_cancel_ends_the_wait_for_people_and_leaves_their_cards_open(stage: Stage) -> None:
    handle = await stage.deploy()
    card = await stage.chat.card("pending", csr="crdb.client.root")

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert (await stage.gateway.target(card.workflow_id)).state == "pending"


async def test_a_cancelled_deploy_is_resumed_by_the_next_one(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    first = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")
    await stage.click_operation("cancel", first)
    await failure_of(first)

    second = await stage.deploy()
    await stage.until_step(second, "certificates", "person")  # who approves at once is too early for it
    stage.approve_all(BOB)
    result = await second.result()

    assert (result.outcome, result.certificates) == ("deployed", ("crdb.client.root",))
    assert stage.world.state.effects.count("applied objects") == 1


async def test_who_resumes_a_deploy_may_not_approve_its_open_cards(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    first = await stage.deploy(ALICE)
    card = await stage.chat.card("pending", csr="crdb.client.root")
    await stage.click_operation("cancel", first)
    await failure_of(first)
    bob = BOB.model_copy(update={"groups": ("S-OPS", "S-APPROVE")})

    second = await stage.deploy(bob)
    await until(lambda: any(person.is_same_as(bob) for c in stage.chat.cards() for person in c.asked_by))

    with pytest.raises(RefusedError) as caught:
        await stage.click("approve", card, bob)
    assert caught.value.code == "approval.four-eyes"
    await second.terminate()


@pytest.mark.parametrize("wait", ["cluster.wait_running", "cluster.wait_ready"])
async def test_cancel_stops_a_long_wait_in_the_world_first(stage: Stage, wait: str) -> None:
    stage.world.keep_certificates(*NODES, CLIENT_POD)
    stage.world.held = {wait}
    handle = await stage.deploy()
    await stage.until_step(handle, wait.removeprefix("cluster.wait_"), "running")

    await stage.click_operation("cancel", handle)
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert stage.world.state.stopped == [wait]


async def test_a_native_cancel_is_told_as_from_outside(stage: Stage) -> None:
    handle = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")

    await handle.cancel()
    cause = await ending_of(handle)
    await until(lambda: bool(stage.chat.said))

    assert isinstance(cause, CancelledError)
    shown = stage.chat.operation()
    assert (shown.state, shown.problem and shown.problem.code) == ("cancelled", "cancelled.outside")
    assert said_at_end(stage.chat) == ["deploy of shop was cancelled: Cancelled outside, person unknown."]


async def test_a_native_cancel_stops_a_long_wait_in_the_world(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES, CLIENT_POD)
    stage.world.held = {"cluster.wait_running"}
    handle = await stage.deploy()
    await stage.until_step(handle, "running", "running")

    await handle.cancel()
    cause = await ending_of(handle)

    assert isinstance(cause, CancelledError)
    assert stage.world.state.stopped == ["cluster.wait_running"]


async def test_a_native_cancel_in_the_middle_of_a_step_frees_the_lock(stage: Stage) -> None:
    gate = stage.world.gates["cluster.apply"] = asyncio.Event()
    handle = await stage.deploy()
    await until(lambda: "cluster.apply" in stage.world.state.calls)

    await handle.cancel()
    cause = await ending_of(handle)
    gate.set()

    assert isinstance(cause, CancelledError)
    assert await stage.gateway.running(stage.world.ref) is None


async def test_cancel_is_refused_to_viewers_and_after_the_end(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    handle = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")

    with pytest.raises(RefusedError) as viewer:
        await stage.click_operation("cancel", handle, VIEWER)
    stage.approve_all(BOB)
    await handle.result()
    with pytest.raises(RefusedError) as late:
        await stage.click_operation("cancel", handle)

    assert (viewer.value.code, late.value.code) == ("role.missing", "decision.closed")


async def test_a_denied_certificate_is_asked_for_again_and_the_deploy_goes_on(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    handle = await stage.deploy()
    card = await stage.chat.card("pending", csr="crdb.client.root")
    await stage.click("deny", card, BOB, reason="wrong week")
    await until(lambda: stage.chat.operation().may_ask_again)

    with pytest.raises(RefusedError) as viewer:
        await stage.click_operation("ask_again", handle, VIEWER)
    await stage.click_operation("ask_again", handle, ALICE)
    second = await stage.chat.card("pending", after=card.approval_id)
    await stage.click("approve", second, CAROL)
    result = await handle.result()

    assert viewer.value.code == "role.missing"
    assert second.csr.startswith("crdb.client.root.")
    assert (result.outcome, result.certificates) == ("deployed", (second.csr,))
    assert result.decided_by == ("Bob", "Carol")
    assert stage.world.state.effects.count(f"asked again {CLIENT_POD}") == 1


async def test_ask_again_is_refused_while_nothing_was_denied(stage: Stage) -> None:
    handle = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")

    with pytest.raises(RefusedError) as caught:
        await stage.click_operation("ask_again", handle)

    assert caught.value.code == "certify.not-refused"
    await handle.terminate()


async def test_pods_that_ask_for_nothing_are_named_after_five_minutes(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES[1:], CLIENT_POD)
    stage.world.silent_pods = {NODES[0]}
    handle = await stage.deploy()
    await stage.until_step(handle, "certificates", "person")
    await stage.pass_time(handle, minutes=4)
    assert await stage.gateway.running(stage.world.ref) is not None

    error = await stage.failure_in_time(handle)

    assert code_of(error) == "deploy.not-asked"
    assert error.message.endswith("cockroachdb-0: certagent does not answer.")


async def test_a_day_without_decisions_gives_the_lock_back_and_keeps_the_objects(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each look costs most of a second of the server's time skipping; how often it looks is no matter here.
    monkeypatch.setattr("workflows.certificates.LOOK_SELDOM", timedelta(hours=8))
    stage.world.keep_certificates(*NODES)
    handle = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")

    error = await stage.failure_in_time(handle)

    assert code_of(error) == "deploy.not-approved"
    assert error.type == "RefusedError"
    assert "applied objects" in stage.world.state.effects
    assert len(await stage.history(handle)) < 1000


async def test_a_problem_ends_the_run_with_its_code_for_whoever_reads_the_history(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES, CLIENT_POD)
    stage.world.errors = {"nodes.init": [RefusedError("init.other-target", "node 1 is recorded", hint="look")]}

    error = await failure_of(await stage.deploy())

    assert isinstance(error, ApplicationError)
    assert error.details[0] == {"code": "init.other-target", "message": "node 1 is recorded", "hint": "look"}
