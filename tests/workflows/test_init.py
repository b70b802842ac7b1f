"""`Init` on its own: as it should go, nothing to do, refused, in trouble, cancelled, resumed, twice at once."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import BusyError, TransientError
from domain.model import CLIENT_POD
from domain.preflight import Leftover
from tests.workflows.people import ALICE, BOB, DAVE, VIEWER
from tests.workflows.stage import Stage, code_of, failure_of, said_at_end
from tests.workflows.waiting import until


async def test_initializes_a_deployed_cluster_once_through_the_recorded_node(stage: Stage) -> None:
    stage.world.wait_for_init()

    result = await (await stage.initialize()).result()

    assert (result.outcome, result.nodes, result.target) == ("initialized", 3, 0)
    assert (result.cluster_id, result.version) == ("0b7e-one-cluster", "25.2")
    assert stage.world.state.effects == ["recorded target 0", "init 0"]
    calls = stage.world.state.calls
    assert calls.index("nodes.record_target") < calls.index("nodes.init")


async def test_shows_its_steps_in_one_message_and_says_its_end_once(stage: Stage) -> None:
    stage.world.wait_for_init()

    await (await stage.initialize()).result()
    await until(lambda: bool(stage.chat.said))

    shown = stage.chat.operation()
    assert (shown.operation, shown.state, shown.requester.id) == ("init", "done", ALICE.id)
    assert {step.state for step in shown.steps} == {"done"}
    assert "now all 3 nodes wait for init" in shown.plan
    assert any("cluster id 0b7e-one-cluster" in fact for fact in shown.facts)
    assert said_at_end(stage.chat) == ["init of shop is done."]


async def test_finds_nothing_to_do_where_all_nodes_serve(stage: Stage) -> None:
    stage.world.wait_for_init()
    await (await stage.initialize()).result()
    before = list(stage.world.state.effects)

    result = await (await stage.initialize()).result()
    await until(lambda: len(stage.chat.said) == 2)

    assert (result.outcome, result.cluster_id) == ("nothing-to-do", "0b7e-one-cluster")
    assert result.plan == ("nothing: all 3 nodes serve",)
    assert stage.world.state.effects == before
    shown = stage.chat.shown_operation()
    assert shown is not None
    assert [step.state for step in shown.steps] == ["done", "skipped", "skipped", "skipped", "done"]


async def test_plan_shows_what_would_be_done_and_does_nothing(stage: Stage) -> None:
    stage.world.wait_for_init()

    result = await (await stage.initialize(plan=True)).result()

    assert result.outcome == "plan"
    assert any("send init to node 0 once" in line and "cannot be undone" in line for line in result.plan)
    assert stage.world.state.effects == []


async def test_goes_to_the_node_that_an_earlier_run_recorded(stage: Stage) -> None:
    stage.world.wait_for_init()
    stage.world.record_target(2)

    result = await (await stage.initialize()).result()

    assert (result.outcome, result.target) == ("initialized", 2)
    assert stage.world.state.effects == ["init 2"]


async def test_makes_the_client_pod_again_where_it_is_missing(stage: Stage) -> None:
    stage.world.wait_for_init()
    del stage.world.state.pods[CLIENT_POD]

    result = await (await stage.initialize()).result()

    assert result.outcome == "initialized"
    assert stage.world.state.effects == ["made client pod", "recorded target 0", "init 0"]


async def test_nothing_deployed_is_refused_naming_deploy(stage: Stage) -> None:
    error = await failure_of(await stage.initialize())

    assert (error.type, code_of(error)) == ("RefusedError", "init.not-deployed")
    assert "found no nodes, expected a deployed cluster (/crdb deploy shop makes one" in error.message
    assert stage.world.state.effects == []


async def test_missing_certificates_are_refused_naming_the_nodes_and_what_waits_for_them(stage: Stage) -> None:
    stage.world.keep_certificates("cockroachdb-0", CLIENT_POD)
    assert stage.world.state.spec is not None
    stage.world.make_pods(stage.world.state.spec)

    error = await failure_of(await stage.initialize())

    assert code_of(error) == "init.certificates-missing"
    assert "none in place for cockroachdb-1, cockroachdb-2" in error.message
    assert "/crdb deploy shop waits for the open cards" in error.message
    assert "nodes.init" not in stage.world.state.calls


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        pytest.param({"recorded": None}, "deploy.no-record", id="no recorded spec"),
        pytest.param(
            {"not_ours": (Leftover(kind="StatefulSet", name="cockroachdb", is_ours=False, detail="label x"),)},
            "deploy.not-ours",
            id="somebody else's",
        ),
    ],
)
async def test_what_is_not_a_cluster_of_ours_is_refused(stage: Stage, facts: dict[str, object], code: str) -> None:
    stage.world.wait_for_init()
    stage.world.facts = facts

    error = await failure_of(await stage.initialize())

    assert code_of(error) == code
    assert stage.world.state.effects == []


async def test_refuses_a_person_without_the_role_before_anything_is_looked_at(stage: Stage) -> None:
    stage.world.wait_for_init()

    error = await failure_of(await stage.initialize(VIEWER))

    assert code_of(error) == "operation.not-allowed"
    assert stage.world.state.calls == ["operation.authorize"]


async def test_init_is_not_sent_where_some_node_serves_and_others_wait(stage: Stage) -> None:
    stage.world.wait_for_init()
    stage.world.state.cluster_ids = {1: "by-hand"}
    handle = await stage.initialize()
    await until(lambda: stage.world.state.calls.count("nodes.observe") > 1)

    error = await stage.failure_in_time(handle)

    assert code_of(error) == "init.mixed"
    assert "nodes [1] serve while nodes [0, 2] still wait" in error.message
    assert "init 0" not in stage.world.state.effects


async def test_nodes_that_join_late_are_waited_for(stage: Stage) -> None:
    stage.world.wait_for_init()
    stage.world.state.cluster_ids = {1: "0b7e-one-cluster"}
    handle = await stage.initialize()
    await until(lambda: stage.world.state.calls.count("nodes.observe") > 1)

    stage.world.state.cluster_ids = dict.fromkeys(range(3), "0b7e-one-cluster")
    await stage.skipper.fast_forward(handle)
    result = await handle.result()

    assert (result.outcome, result.cluster_id) == ("initialized", "0b7e-one-cluster")
    assert "init 0" not in stage.world.state.effects


async def test_trouble_that_passes_is_tried_again_and_init_is_sent_once(stage: Stage) -> None:
    stage.world.wait_for_init()
    trouble = TransientError("kubernetes.unreachable", "the API server does not answer")
    stage.world.errors = {name: [trouble] for name in ("cluster.plan_init", "nodes.record_target", "nodes.init")}

    result = await (await stage.initialize()).result()

    assert result.outcome == "initialized"
    assert stage.world.state.effects == ["recorded target 0", "init 0"]


async def test_a_lost_answer_of_init_is_looked_for_and_not_sent_again(stage: Stage) -> None:
    stage.world.wait_for_init()
    stage.world.lost = {"nodes.init": [TransientError("kubernetes.unreachable", "the connection broke off")]}

    result = await (await stage.initialize()).result()

    assert result.outcome == "initialized"
    assert stage.world.state.calls.count("nodes.init") == 2
    assert stage.world.state.effects.count("init 0") == 1


async def test_two_inits_at_once_are_one_and_the_second_is_told_who_is_first(stage: Stage) -> None:
    stage.world.wait_for_init()
    gate = stage.world.gates["nodes.init"] = asyncio.Event()
    first = await stage.initialize(ALICE)

    with pytest.raises(BusyError) as caught:
        await stage.initialize(DAVE)

    assert (caught.value.details["requester"], caught.value.details["operation"]) == (ALICE.id, "init")
    gate.set()
    await first.result()
    assert stage.world.state.effects.count("init 0") == 1


async def test_a_deploy_is_refused_while_an_init_runs(stage: Stage) -> None:
    stage.world.wait_for_init()
    gate = stage.world.gates["nodes.init"] = asyncio.Event()
    first = await stage.initialize()

    with pytest.raises(BusyError):
        await stage.deploy(DAVE)

    gate.set()
    await first.result()


async def test_cancel_stops_before_the_next_step_and_a_later_init_goes_on(stage: Stage) -> None:
    stage.world.wait_for_init()
    stage.world.held = {"cluster.wait_running"}
    handle = await stage.initialize()
    await stage.until_step(handle, "running", "running")

    receipt = await stage.click_operation("cancel", handle, BOB)
    error = await failure_of(handle)

    assert receipt.sentence == "Stopping before the next step."
    assert (error.type, error.message) == ("Cancelled", "Cancelled by Bob.")
    assert stage.world.state.effects == []
    stage.world.held = set()
    assert (await (await stage.initialize()).result()).outcome == "initialized"


async def test_cancel_while_init_is_on_its_way_ends_after_it(stage: Stage) -> None:
    stage.world.wait_for_init()
    gate = stage.world.gates["nodes.init"] = asyncio.Event()
    handle = await stage.initialize()
    await until(lambda: "nodes.init" in stage.world.state.calls)

    await stage.click_operation("cancel", handle)
    gate.set()
    error = await failure_of(handle)

    assert error.type == "Cancelled"
    assert stage.world.state.effects.count("init 0") <= 1
    assert (await (await stage.initialize()).result()).outcome in ("initialized", "nothing-to-do")
    assert stage.world.state.effects.count("init 0") == 1


async def test_a_terminated_init_is_resumed_by_the_next_one(stage: Stage) -> None:
    stage.world.wait_for_init()
    gate = stage.world.gates["cluster.wait_ready"] = asyncio.Event()
    first = await stage.initialize()
    await until(lambda: "init 0" in stage.world.state.effects)
    await first.terminate("the machine room is dark")
    gate.set()

    result = await (await stage.initialize()).result()

    assert result.outcome == "nothing-to-do"
    assert stage.world.state.effects == ["recorded target 0", "init 0"]


async def test_deploy_goes_on_where_init_is_all_that_is_missing(stage: Stage) -> None:
    stage.world.wait_for_init()
    stage.world.record_target(0)

    result = await (await stage.deploy()).result()

    assert result.outcome == "deployed"
    assert stage.world.state.effects.count("init 0") == 1
