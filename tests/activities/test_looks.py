"""Looks: each part a value or the reason why there is none, and nothing changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.looks import LookActivities
from domain.errors import NotReadyError
from domain.model import CLIENT_POD
from operations.base import LookStart
from operations.csr import CsrResult
from operations.status import StatusResult
from tests.activities.world import World, run


async def status(world: World) -> StatusResult:
    looks = LookActivities(world.kubernetes, world.csrs, world.nodes, world.configuration, clock=world.clock)
    found = await run(looks.status, LookStart(operation="status", ref=world.ref))
    assert isinstance(found, StatusResult)
    assert world.kubernetes.writes() == []
    return found


async def test_an_empty_namespace_is_not_deployed(world: World) -> None:
    found = await status(world)

    assert not found.is_deployed
    assert found.nodes == ()


async def test_a_cluster_that_serves_is_shown_with_its_nodes_ids_and_builds(world: World) -> None:
    world.deployed()
    world.nodes.serve()

    found = await status(world)

    assert (found.wanted, found.ready, found.version, found.database) == (3, 3, "v25.2.3", "")
    assert [(row.pod, row.node_id, row.is_live, row.build) for row in found.nodes] == [
        ("cockroachdb-0", "1", True, "v25.2.3"),
        ("cockroachdb-1", "2", True, "v25.2.3"),
        ("cockroachdb-2", "3", True, "v25.2.3"),
    ]


async def test_a_cluster_before_init_and_one_without_client_pod_say_so(world: World) -> None:
    world.deployed()
    waiting = await status(world)
    world.kubernetes.remove("Pod", CLIENT_POD, namespace="crdb")
    early = await status(world)

    assert waiting.database == "waits for init"
    assert early.database == "not asked: no client certificate yet"
    assert early.nodes[0].is_live is None


@pytest.mark.parametrize(
    ("states", "said"),
    [
        pytest.param(["no answer within 10 s"] * 3, "does not answer", id="silent"),
        pytest.param(["silent", "serving", "serving"], "", id="the next one is asked"),
    ],
)
async def test_a_silent_node_is_no_error(world: World, states: list[str], said: str) -> None:
    world.deployed()
    world.nodes.states = states

    assert (await status(world)).database == said


async def test_trouble_with_asking_becomes_words(world: World) -> None:
    world.deployed()
    world.nodes.refusal = NotReadyError("nodes.no-client-pod", "no pod", retry_after=timedelta(seconds=2))

    assert (await status(world)).database == "not known: no pod"


async def test_drift_a_missing_pod_and_pending_requests_are_shown(world: World) -> None:
    placed = world.deployed()
    placed["spec"]["replicas"] = 4
    world.kubernetes.put(placed)
    world.csr("cockroachdb-1")
    world.csr("cockroachdb-2", name="stranger", username="system:serviceaccount:evil:x")

    looks = LookActivities(world.kubernetes, world.csrs, world.nodes, world.configuration, clock=world.clock)
    found = await run(looks.status, LookStart(operation="status", ref=world.ref))

    assert found.drift == ("nodes: recorded 3, found 4",)
    assert [row.phase for row in found.nodes] == ["Running", "Running", "Running", "missing"]
    assert found.pending_csrs == 1


async def test_requests_are_listed_newest_first_with_verdicts_and_without_strangers(world: World) -> None:
    world.deployed()
    world.csr("cockroachdb-0", created_at=world.now - timedelta(hours=1))
    world.csr("cockroachdb-1", usages=("client auth",))
    world.csr("cockroachdb-2", name="stranger", username="system:serviceaccount:evil:x")
    looks = LookActivities(world.kubernetes, world.csrs, world.nodes, world.configuration, clock=world.clock)

    found = await run(looks.csr, LookStart(operation="csr", ref=world.ref))

    assert isinstance(found, CsrResult)
    assert [(row.pod, row.state) for row in found.rows] == [("cockroachdb-1", "pending"), ("cockroachdb-0", "pending")]
    assert found.rows[0].summary.endswith("nobody can approve this")
    assert found.rows[1].summary == "1 of 17 checks needs a look"
