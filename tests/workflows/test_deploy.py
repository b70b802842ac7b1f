"""`Deploy` told as it should go, and where it ends early: refused, planned, nothing to do, resumed, in trouble."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain.errors import BusyError, TransientError
from domain.model import CLIENT_POD
from operations.deploy import DeployRequest, DeployStart
from operations.queues import change_id, ops_queue
from tests.workflows.people import ALICE, BOB, CAROL, VIEWER
from tests.workflows.stage import Grounds, Stage, code_of, failure_of, said_at_end, staged
from tests.workflows.waiting import until
from workflows.retries import SIGNER

NODES = ("cockroachdb-0", "cockroachdb-1", "cockroachdb-2")
CSRS = (
    "crdb.client.root",
    "crdb.node.cockroachdb-0",
    "crdb.node.cockroachdb-1",
    "crdb.node.cockroachdb-2",
)


async def test_deploys_a_cluster_when_every_certificate_is_approved(stage: Stage) -> None:
    stage.approve_all(BOB)

    handle = await stage.deploy()
    result = await handle.result()

    assert (result.outcome, result.nodes, result.cluster_id) == ("deployed", 3, "0b7e-one-cluster")
    assert (result.certificates, result.decided_by) == (CSRS, ("Bob",))
    effects = stage.world.state.effects
    decided = [f"{what} {csr}" for what in ("approved", "issued") for csr in CSRS]
    assert effects[:3] == ["made CA", "published CA", "applied objects"]
    assert sorted(effects[3:-1]) == sorted(decided)
    assert effects[-1:] == ["init 0"]
    assert stage.world.state.init_target == 0


async def test_shows_the_operation_in_one_message_and_says_its_end_once(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    stage.approve_all(BOB)

    handle = await stage.deploy()
    await handle.result()
    await until(lambda: bool(stage.chat.said))

    shown = stage.chat.operation()
    assert (shown.state, shown.requester.id) == ("done", ALICE.id)
    assert {step.state for step in shown.steps} == {"done"}
    assert any("cluster id 0b7e-one-cluster" in fact for fact in shown.facts)
    assert said_at_end(stage.chat) == ["deploy of shop is done."]


async def test_cards_of_a_deploy_name_the_change_that_needs_them(stage: Stage) -> None:
    handle = await stage.deploy()

    card = await stage.chat.card("pending", csr="crdb.client.root")

    assert {m.behind for m in stage.chat.messages.values() if m.status.workflow_id == card.workflow_id} == {handle.id}
    assert [person.id for person in card.asked_by] == [ALICE.id]
    await handle.terminate()


async def test_refuses_a_person_without_the_role_before_anything_is_done(stage: Stage) -> None:
    handle = await stage.deploy(VIEWER)

    error = await failure_of(handle)

    assert (error.type, code_of(error)) == ("RefusedError", "operation.not-allowed")
    assert stage.world.state.calls == ["operation.authorize"]
    assert stage.chat.messages == {}


async def test_refuses_a_start_whose_token_is_for_another_request(stage: Stage) -> None:
    ref = stage.world.ref
    token = stage.pen.start(
        ALICE, "deploy", DeployRequest(ref=ref, nodes=3), workflow_id=change_id(ref), request_id="r1"
    )

    handle = await stage.client.start_workflow(
        "Deploy",
        DeployStart(request=DeployRequest(ref=ref, nodes=9), request_id="r1", token=token),
        id=change_id(ref),
        task_queue=ops_queue(ref.site),
    )

    assert code_of(await failure_of(handle)) == "token.other-run"
    assert stage.world.state.effects == []


async def test_preflight_names_every_reason_and_makes_nothing(stage: Stage) -> None:
    stage.world.facts = {"has_storage_class": False, "server_version": "v1.21.0"}
    stage.world.signer_facts = {"missing_rules": ("create secrets in namespace crdbops-system",)}

    handle = await stage.deploy()
    error = await failure_of(handle)
    await until(lambda: bool(stage.chat.said))

    assert code_of(error) == "deploy.refused"
    assert "crdbops-local" in error.message
    assert "v1.21.0" in error.message
    assert "create secrets in namespace crdbops-system" in error.message
    assert stage.world.state.effects == []
    shown = stage.chat.operation()
    assert (shown.state, shown.steps[0].state) == ("failed", "failed")
    assert shown.problem is not None
    assert shown.problem.hint.startswith("Nothing was created.")


async def test_plan_shows_what_would_be_done_and_does_nothing(stage: Stage) -> None:
    handle = await stage.deploy(plan=True, nodes=5)

    result = await handle.result()
    await until(lambda: bool(stage.chat.said))

    assert (result.outcome, result.nodes) == ("plan", 5)
    assert any("5 nodes" in line for line in result.plan)
    assert stage.world.state.effects == []
    shown = stage.chat.operation()
    assert shown.state == "plan"
    assert [step.state for step in shown.steps] == ["done", *["skipped"] * 7]


async def test_a_second_deploy_finds_nothing_to_do(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    stage.approve_all(BOB)
    await (await stage.deploy()).result()
    before = list(stage.world.state.effects)

    again = await stage.deploy(CAROL.model_copy(update={"groups": ("S-OPS",)}))
    result = await again.result()

    assert result.outcome == "nothing-to-do"
    assert stage.world.state.effects == before


async def test_an_argument_that_differs_from_the_record_is_refused_naming_scale(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    stage.approve_all(BOB)
    await (await stage.deploy()).result()

    error = await failure_of(await stage.deploy(nodes=5))

    assert "use /crdb scale 5" in error.message


async def test_a_terminated_deploy_is_resumed_by_the_next_one(stage: Stage) -> None:
    first = await stage.deploy()
    await stage.chat.card("pending", csr="crdb.client.root")
    await first.terminate("the machine room is dark")

    second = await stage.deploy()
    stage.approve_all(BOB)
    result = await second.result()

    assert (result.outcome, result.certificates) == ("deployed", CSRS)
    assert stage.world.state.effects.count("applied objects") == 1
    assert stage.world.state.effects.count("made CA") == 1


async def test_certificates_that_are_in_place_are_not_asked_for_again(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES, CLIENT_POD)

    result = await (await stage.deploy()).result()

    assert (result.outcome, result.certificates) == ("deployed", ())
    assert stage.chat.cards() == []


async def test_trouble_that_passes_is_tried_again_and_done_once(stage: Stage) -> None:
    trouble = TransientError("kubernetes.unreachable", "the API server does not answer")
    stage.world.keep_certificates(*NODES)
    stage.world.errors = {"cluster.apply": [trouble], "signing.ensure_ca": [trouble], "nodes.init": [trouble]}
    stage.approve_all(BOB)

    result = await (await stage.deploy()).result()

    assert result.outcome == "deployed"
    assert stage.world.state.calls.count("cluster.apply") == 2
    assert [stage.world.state.effects.count(one) for one in ("applied objects", "init 0")] == [1, 1]


async def test_a_silent_signer_is_named_and_nothing_was_created(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SIGNER["schedule_to_start_timeout"] == timedelta(seconds=30)
    monkeypatch.setitem(SIGNER, "schedule_to_start_timeout", timedelta(seconds=1))  # no clock skips what waits so
    async with staged(grounds, has_signer=False) as stage:
        handle = await stage.deploy()

        error = await failure_of(handle)

        assert code_of(error) == "signer.away"
        assert error.message == f"The signer of site {stage.world.ref.site} does not answer; nothing was created."
        assert stage.world.state.effects == []


async def test_init_is_not_sent_where_some_node_serves_and_others_wait(stage: Stage) -> None:
    stage.world.keep_certificates(*NODES)
    stage.approve_all(BOB)
    gate = stage.world.gates["nodes.init"] = asyncio.Event()
    handle = await stage.deploy()
    await until(lambda: "nodes.init" in stage.world.state.calls)
    stage.world.state.cluster_ids = {2: "by-hand"}
    gate.set()
    await until(lambda: "nodes.observe" in stage.world.state.calls)

    error = await stage.failure_in_time(handle)

    assert code_of(error) == "init.mixed"
    assert "nodes [2] serve while nodes [0, 1] still wait" in error.message
    assert "init 0" not in stage.world.state.effects


async def test_a_second_deploy_at_once_is_refused_naming_the_first(stage: Stage) -> None:
    first = await stage.deploy(ALICE)

    with pytest.raises(BusyError) as caught:
        await stage.deploy(BOB.model_copy(update={"groups": ("S-OPS",)}))

    assert caught.value.details["requester"] == ALICE.id
    await first.terminate()


async def test_the_server_itself_refuses_a_second_change_of_one_cluster(stage: Stage) -> None:
    first = await stage.deploy(ALICE)
    ref = stage.world.ref
    token = stage.pen.start(ALICE, "deploy", DeployRequest(ref=ref), workflow_id=change_id(ref), request_id="r2")

    with pytest.raises(WorkflowAlreadyStartedError):
        await stage.client.start_workflow(
            "Deploy",
            DeployStart(request=DeployRequest(ref=ref), request_id="r2", token=token),
            id=change_id(ref),
            task_queue=ops_queue(ref.site),
            run_timeout=timedelta(minutes=1),
        )

    await first.terminate()


async def test_deploy_goes_through_while_chat_is_down_and_frees_the_lock(stage: Stage) -> None:
    stage.chat.is_down = True
    handle = await stage.deploy()
    await until(lambda: len(stage.world.state.requests) == 4)

    await stage.approve_without_cards(BOB)
    result = await handle.result()

    assert result.outcome == "deployed"
    assert stage.chat.messages == {}
    assert await stage.gateway.running(stage.world.ref) is None


async def test_what_chat_missed_is_told_when_it_is_back(stage: Stage) -> None:
    stage.chat.is_down = True
    handle = await stage.deploy(plan=True)
    await handle.result()

    stage.chat.is_down = False
    await until(lambda: bool(stage.chat.said))

    assert stage.chat.operation().state == "plan"


async def test_the_client_pod_asks_for_root(stage: Stage) -> None:
    await stage.deploy()

    card = await stage.chat.card("pending", csr="crdb.client.root")

    assert card.evidence is not None
    assert (card.evidence.pod, card.evidence.kind) == (CLIENT_POD, "client")
