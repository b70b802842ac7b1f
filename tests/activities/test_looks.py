"""Looks: each part a value or the reason why there is none, and nothing changed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from activities.csr_facts import look_around
from activities.looks import LookActivities
from activities.manifests import labels
from activities.manifests.accounts import ca_config_map
from activities.payloads import OpenCertify
from activities.standing import Inquiry
from domain.certificate import SigningPolicy, profile_of
from domain.errors import NotReadyError
from domain.model import CLIENT_POD, ClusterRef, NodeRef
from operations.base import LookStart
from operations.crowd import MOST_OPEN
from operations.csr import CsrResult
from operations.queues import certify_id
from operations.status import Ranges, StatusResult
from tests.activities.world import World, run
from tests.fakes.running import FakeRunning


def looking(world: World, running: FakeRunning | None = None) -> LookActivities:
    return LookActivities(
        world.kubernetes,
        world.csrs,
        world.nodes,
        world.configuration,
        running=running or FakeRunning(),
        clock=world.clock,
    )


async def status(world: World) -> StatusResult:
    looks = looking(world)
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


async def test_a_node_on_a_dead_machine_is_not_the_one_that_is_asked(world: World) -> None:
    world.deployed()
    world.nodes.serve()
    world.pod("cockroachdb-0", conditions=[{"type": "Ready", "status": "False"}])

    await status(world)

    assert [ordinal for what, ordinal in world.nodes.asked if what == "rows"] == [1]


@pytest.mark.parametrize(
    ("silent", "rows", "reason"),
    [
        pytest.param({0}, 3, "", id="the next one answers in what is left of the time"),
        pytest.param({0, 1}, 0, "does not answer within 0 s", id="two are silent"),
    ],
)
async def test_one_silent_address_does_not_take_all_of_the_time(
    world: World, silent: set[int], rows: int, reason: str
) -> None:
    world.deployed()
    world.nodes.serve()
    answers = world.nodes.rows

    async def answer(ref: ClusterRef, node: NodeRef, *, domain: str) -> tuple[dict[str, str], ...]:
        if node.ordinal in silent:
            await asyncio.Event().wait()
        return await answers(ref, node, domain=domain)

    world.nodes.rows = answer  # type: ignore[method-assign]
    around = await look_around(world.csrs, SigningPolicy.of(world.configuration, world.ref))
    standing = await Inquiry(world.nodes, world.ref, clock=world.clock, seconds=0.4).ask(
        world.spec, around.pods, replicas=3
    )

    assert (len(standing.nodes), standing.reason) == (rows, reason)


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

    looks = looking(world)
    found = await run(looks.status, LookStart(operation="status", ref=world.ref))

    assert found.drift == ("nodes: recorded 3, found 4",)
    assert [row.phase for row in found.nodes] == ["Running", "Running", "Running", "missing"]
    assert found.pending_csrs == 1


def serving(world: World) -> None:
    """Three nodes whose ids are not in the order of ordinals, each with its volume, and one volume too many."""
    world.deployed()
    world.nodes.serve()
    for member, ordinal in ((1, 0), (3, 1), (2, 2)):
        world.nodes.join(member, ordinal, updated_at="2026-11-25 11:59:52.5+00:00", ranges_underreplicated="1")
    for ordinal in range(4):
        meta = {"name": f"datadir-cockroachdb-{ordinal}", "namespace": "crdb", "labels": labels.labels(world.ref)}
        status = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
        world.kubernetes.put({"kind": "PersistentVolumeClaim", "metadata": meta, "status": status})


async def test_nodes_are_mapped_by_address_with_all_that_the_database_says(world: World) -> None:
    serving(world)
    world.nodes.members[2] |= {"is_draining": "true", "membership": "decommissioning", "gossiped_replicas": "7"}

    found = await status(world)

    assert [(row.pod, row.node_id) for row in found.nodes] == [
        ("cockroachdb-0", "1"),
        ("cockroachdb-1", "3"),
        ("cockroachdb-2", "2"),
    ]
    last = found.nodes[2]
    assert (last.is_draining, last.membership, last.replicas) == (True, "decommissioning", 7)
    assert last.address == "cockroachdb-2.cockroachdb.crdb.svc.cluster.local:26257"
    assert last.volume == "Bound 1Gi"
    assert found.ranges == Ranges(under_replicated=3, unavailable=0)
    assert found.leftover_volumes == ("datadir-cockroachdb-3",)
    assert found.client == "ready"


async def test_each_part_has_its_time_and_the_age_of_the_nodes_own_figures(world: World) -> None:
    serving(world)

    parts = {part.name: part for part in (await status(world)).parts}

    assert parts["pods and volumes"].at == parts["database"].at == parts["certificates"].at == world.now
    assert parts["database"].oldest == world.now - timedelta(seconds=7.5)
    assert {part.reason for part in parts.values()} == {""}


async def test_certificates_are_asked_of_each_node_itself(world: World) -> None:
    serving(world)
    world.nodes.expirations = ["1.8253728e+09", "1825372800", "0"]

    found = await status(world)

    until = datetime.fromtimestamp(1825372800, UTC)
    assert [(row.certificate_until, row.certificate_by) for row in found.nodes] == [
        (until, "node"),
        (until, "node"),
        (None, ""),
    ]
    assert [ordinal for what, ordinal in world.nodes.asked if what == "query"] == [0, 1, 2]
    assert found.parts[-1].reason == "cockroachdb-2 does not say until when its certificate is valid"


async def test_a_release_that_does_not_tell_leaves_what_was_issued_while_kubernetes_has_it(world: World) -> None:
    serving(world)
    world.nodes.expirations = ["no number"] * 3
    csr = world.csr("cockroachdb-1")
    authority = world.authorities.put(world.ref, days=100, now=world.now)
    profile = profile_of(world.policy, kind="node", pod="cockroachdb-1")
    ends = world.now + timedelta(days=50)
    issued = authority.issue(csr.request_pem, profile, not_before=world.now, not_after=ends)
    world.csrs.add(csr.model_copy(update={"certificate_pem": issued.encode()}))

    found = await status(world)

    assert [row.certificate_until for row in found.nodes] == [None, ends, None]
    assert found.nodes[1].certificate_by == "request"


async def test_a_database_that_answers_late_costs_its_own_part_alone(world: World) -> None:
    serving(world)

    async def never(*_: object, **__: object) -> tuple[dict[str, str], ...]:
        await asyncio.Event().wait()
        raise AssertionError

    world.nodes.query = never  # type: ignore[method-assign]
    policy = SigningPolicy.of(world.configuration, world.ref)
    around = await look_around(world.csrs, policy)
    standing = await Inquiry(world.nodes, world.ref, clock=world.clock, seconds=0.2).ask(
        world.spec, around.pods, replicas=3
    )

    assert len(standing.nodes) == 3
    assert standing.silence == "3 of 3 nodes did not answer in time"


async def test_members_without_a_pod_are_listed_and_what_a_dead_one_said_counts_for_nothing(world: World) -> None:
    serving(world)
    world.nodes.join(7, 6, is_live="false", gossiped_replicas="40")
    world.nodes.join(8, 7, is_live="false", membership="decommissioned")
    world.nodes.members[9] = {**world.nodes.members[7], "id": "9", "address": "", "build": "", "updated_at": ""}

    found = await status(world)

    assert [(row.pod, row.node_id, row.replicas, row.phase) for row in found.nodes[3:]] == [
        ("", "7", None, "no pod"),
        ("", "9", None, "no pod"),
    ]


async def test_the_ca_s_end_is_read_from_what_is_published(world: World) -> None:
    serving(world)
    authority = world.authorities.put(world.ref, days=100, now=world.now)
    world.kubernetes.put(ca_config_map(world.ref, operation_id="op-0", certificate_pem=authority.certificate_pem))

    found = await status(world)

    assert found.authority_until == authority.not_after


async def test_before_init_nothing_of_the_database_is_known_and_each_part_says_why(world: World) -> None:
    world.deployed()

    found = await status(world)

    assert found.ranges is None
    assert [(part.name, part.reason) for part in found.parts[1:]] == [
        ("database", "waits for init"),
        ("certificates", "not asked of the nodes: waits for init"),
    ]


async def test_requests_are_listed_newest_first_with_verdicts_and_without_strangers(world: World) -> None:
    world.deployed()
    world.csr("cockroachdb-0", created_at=world.now - timedelta(hours=1))
    world.csr("cockroachdb-1", usages=("client auth",))
    world.csr("cockroachdb-2", name="stranger", username="system:serviceaccount:evil:x")
    looks = looking(world)

    found = await run(looks.csr, LookStart(operation="csr", ref=world.ref))

    assert isinstance(found, CsrResult)
    assert [(row.pod, row.state) for row in found.rows] == [("cockroachdb-1", "pending"), ("cockroachdb-0", "pending")]
    assert found.rows[0].summary.endswith("nobody can approve this")
    assert found.rows[1].summary == "1 of 17 checks needs a look"


@pytest.mark.parametrize(("open_ones", "waits"), [(MOST_OPEN, [True, False]), (MOST_OPEN - 1, [False, False])])
async def test_a_request_without_a_run_waits_for_a_place_when_all_are_taken(
    world: World, open_ones: int, waits: list[bool]
) -> None:
    world.deployed()
    shown = world.csr("cockroachdb-0", created_at=world.now - timedelta(hours=1))
    world.csr("cockroachdb-1")
    running = FakeRunning()
    ids = [certify_id(site=world.ref.site, name=shown.name, uid=shown.uid), *map(str, range(open_ones - 1))]
    running.open[str(world.ref)] = tuple(OpenCertify(workflow_id=one, run_id="r") for one in ids)

    found = await run(looking(world, running).csr, LookStart(operation="csr", ref=world.ref))

    assert isinstance(found, CsrResult)
    assert [row.waits_for_place for row in found.rows] == waits
