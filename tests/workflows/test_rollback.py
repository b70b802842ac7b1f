"""`Rollback`: any time before an upgrade is final, from wherever it stands."""

from __future__ import annotations

from tests.workflows.people import VIEWER
from tests.workflows.stage import Stage, code_of, failure_of
from tests.workflows.waiting import until

MAJOR, OLD = "v25.4.1", "v25.2.3"


def upgraded(stage: Stage) -> None:
    """A cluster on a new release that is not final."""
    stage.world.serve(1, 2, 3)
    stage.world.stand_on(MAJOR)


async def test_returns_one_node_at_a_time_and_clears_what_kept_the_way_back(stage: Stage) -> None:
    upgraded(stage)

    handle = await stage.roll_back()
    result = await handle.result()

    assert (result.outcome, result.version, result.before) == ("rolled-back", OLD, MAJOR)
    assert result.rolled == ("cockroachdb-2", "cockroachdb-1", "cockroachdb-0")
    assert stage.world.state.effects == [
        "client pod on v25.2.3",
        "rolled v25.2.3 from 2",
        "restarted cockroachdb-2 on v25.2.3",
        "rolled v25.2.3 from 1",
        "restarted cockroachdb-1 on v25.2.3",
        "rolled v25.2.3 from 0",
        "restarted cockroachdb-0 on v25.2.3",
        "reset",
        "rolled v25.2.3 from 0",
    ]
    steps = [(step.name, step.state) for step in (await stage.status(handle)).steps]
    names = ("preflight", "client", "node-2", "node-1", "node-0", "guard", "record")
    assert steps == [(name, "done") for name in names]
    assert stage.world.state.spec is not None
    assert (stage.world.state.spec.version, stage.world.state.spec.upgraded_from) == (OLD, "")


async def test_returns_from_the_middle_of_an_upgrade_that_was_cancelled(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)
    handle = await stage.upgrade(MAJOR, backup="taken")
    await stage.chat.gate("pending", kind="canary")
    await stage.click_operation("cancel", handle)
    await failure_of(handle)

    result = await (await stage.roll_back()).result()

    assert (result.outcome, result.rolled) == ("rolled-back", ("cockroachdb-2",))
    assert {member.build for member in stage.world.state.members} == {OLD}


async def test_what_is_final_cannot_be_rolled_back(stage: Stage) -> None:
    upgraded(stage)
    stage.world.state.active, stage.world.state.preserved = "25.4", ""

    error = await failure_of(await stage.roll_back())

    assert code_of(error) == "rollback.refused"
    assert "25.4" in error.message
    assert stage.world.state.effects == []


async def test_without_an_upgrade_there_is_nothing_to_return_from(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    error = await failure_of(await stage.roll_back())

    assert code_of(error) == "rollback.refused"
    assert stage.world.state.effects == []


async def test_a_plan_changes_nothing(stage: Stage) -> None:
    upgraded(stage)

    result = await (await stage.roll_back(plan=True)).result()

    assert (result.outcome, result.version) == ("plan", OLD)
    assert stage.world.state.effects == []


async def test_a_node_that_cannot_start_on_the_release_before_ends_it_with_the_cause(stage: Stage) -> None:
    upgraded(stage)
    stage.world.unpullable = {OLD}

    handle = await stage.roll_back()
    error = await failure_of(handle)

    assert code_of(error) == "upgrade.stuck"
    assert "ImagePullBackOff" in error.message
    assert "the same /crdb rollback goes on from there" in "; ".join((await stage.status(handle)).facts)


async def test_a_cancel_waits_for_the_node_and_the_same_command_goes_on(stage: Stage) -> None:
    upgraded(stage)
    stage.world.held = {"upgrading.wait_back"}
    first = await stage.roll_back()
    await until(lambda: "upgrading.wait_back" in stage.world.waiting)
    await stage.click_operation("cancel", first)
    stage.world.held.clear()
    await failure_of(first)

    result = await (await stage.roll_back()).result()

    assert (result.outcome, result.rolled) == ("rolled-back", ("cockroachdb-1", "cockroachdb-0"))


async def test_refuses_a_person_without_the_role(stage: Stage) -> None:
    stage.world.serve(1, 2, 3)

    error = await failure_of(await stage.roll_back(VIEWER))

    assert code_of(error) == "operation.not-allowed"
