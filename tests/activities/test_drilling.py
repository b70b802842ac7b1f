"""Facts of a drill, the one deletion, the wait for what comes back: no second pod goes, and what was counted stays."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.drill_payloads import BackRequest, DrillAbout, KillRequest, PodBack, Seen
from activities.drilling import DrillingActivities
from activities.manifests import labels
from domain.drill import Probes, plan_drill
from domain.errors import NotReadyError, RefusedError
from domain.model import NodeRef
from tests.activities.world import World, run
from tests.workflows.waiting import until

TARGET = NodeRef(ordinal=1)


@pytest.fixture
def world() -> World:
    """Three nodes that serve, n3 on the second pod, each with its volume."""
    world = World()
    world.deployed()
    world.nodes.serve()
    for member, ordinal in ((1, 0), (3, 1), (2, 2)):
        world.nodes.join(member, ordinal)
        pod(world, ordinal, uid=f"uid-{ordinal}")
        meta = {"name": f"datadir-cockroachdb-{ordinal}", "namespace": "crdb", "labels": labels.labels(world.ref)}
        claim = {"kind": "PersistentVolumeClaim", "metadata": meta, "spec": {"volumeName": f"pv-{ordinal}"}}
        world.kubernetes.put(claim)
    return world


@pytest.fixture
def activities(world: World) -> DrillingActivities:
    return DrillingActivities(world.kubernetes, world.nodes, pause=0.02)


def pod(world: World, ordinal: int, *, uid: str, is_ready: bool = True, **status: Any) -> None:
    """Put a node's pod in place, as the StatefulSet says."""
    made = world.pod(f"cockroachdb-{ordinal}", uid=uid, phase="Running" if is_ready else "Pending", **status)
    containers = [{"name": "cockroachdb", "image": world.spec.database_image}]
    world.kubernetes.put({**made, "spec": {**made["spec"], "containers": containers}})


def kill(world: World, uid: str = "uid-1") -> KillRequest:
    return KillRequest(ref=world.ref, node=TARGET, uid=uid)


def waiting(world: World, **more: Any) -> BackRequest:
    fields = {"seconds": 5.0, "killed_at": datetime.now(UTC), "others": (0, 2), "uid": "uid-1", **more}
    return BackRequest(ref=world.ref, node=TARGET, spec=world.spec, **fields)


async def at_attempt(number: int, activity: Any, argument: Any, *, beaten: Seen | None = None) -> Any:
    """Run an activity as a later attempt, with what the one before it beat last."""
    environment = ActivityEnvironment()
    details = [beaten.model_dump(mode="json")] if beaten else []
    environment.info = dataclasses.replace(environment.info, attempt=number, heartbeat_details=details)
    return await environment.run(activity, argument)


def asked(world: World) -> set[int]:
    return {ordinal for what, ordinal in world.nodes.asked if what == "query"}


# --- facts ---


async def test_facts_of_a_whole_cluster_allow_it(world: World, activities: DrillingActivities) -> None:
    facts = await run(activities.observe, DrillAbout(ref=world.ref, node=TARGET))

    assert (facts.pod_uid, facts.volume, facts.ready) == ("uid-1", "datadir-cockroachdb-1 (pv-1)", (0, 1, 2))
    assert facts.node.id == 3
    assert (facts.fewest_copies, facts.most_copies, facts.sql) == (3, 3, "")
    assert plan_drill(facts).verdict.is_yes
    assert asked(world) == {0, 2}
    assert world.kubernetes.writes() == []


async def test_facts_of_nothing_and_of_a_cluster_before_init(world: World, activities: DrillingActivities) -> None:
    world.nodes.states = ["waiting"] * 3
    early = await run(activities.observe, DrillAbout(ref=world.ref, node=TARGET))
    world.kubernetes.remove("StatefulSet", "cockroachdb", namespace="crdb")
    none = await run(activities.observe, DrillAbout(ref=world.ref, node=TARGET))

    assert early.database == "waiting-for-init"
    assert none.live is None


async def test_silence_and_another_node_that_does_not_answer_are_reasons(
    world: World, activities: DrillingActivities
) -> None:
    world.nodes.states[2] = "broken"
    half = await run(activities.observe, DrillAbout(ref=world.ref, node=TARGET))
    world.nodes.refusal = NotReadyError("nodes.no-client-pod", "no pod", retry_after=timedelta(seconds=2))
    silent = await run(activities.observe, DrillAbout(ref=world.ref, node=TARGET))

    assert "cockroachdb-2" in half.sql
    assert (silent.database, silent.detail) == ("silent", "no pod")


async def test_a_release_that_lists_one_zone_alone_is_asked_for_that(
    world: World, activities: DrillingActivities
) -> None:
    world.nodes.knows_all_zones = False

    facts = await run(activities.observe, DrillAbout(ref=world.ref, node=TARGET))

    assert facts.fewest_copies == 3


# --- the deletion ---


async def test_the_recorded_pod_is_deleted_and_a_repeat_deletes_no_other(
    world: World, activities: DrillingActivities
) -> None:
    first = await run(activities.kill, kill(world))
    pod(world, 1, uid="uid-1-again")
    again = await at_attempt(2, activities.kill, kill(world))

    assert (first.outcome, again.outcome) == ("deleted", "already")
    assert [call for call in world.kubernetes.writes() if call[0] == "delete"] == [("delete", "Pod", "cockroachdb-1")]
    assert world.kubernetes.find("Pod", "cockroachdb-1", namespace="crdb")["metadata"]["uid"] == "uid-1-again"


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_pod_that_somebody_else_has_deleted_ends_it(
    world: World, activities: DrillingActivities, is_there: bool
) -> None:
    world.kubernetes.remove("Pod", "cockroachdb-1", namespace="crdb")
    if is_there:
        pod(world, 1, uid="another")

    with pytest.raises(RefusedError) as caught:
        await run(activities.kill, kill(world))

    assert caught.value.code == "drill.pod-changed"
    assert world.kubernetes.writes() == []


async def test_a_cluster_that_got_worse_since_the_plan_keeps_its_pod(
    world: World, activities: DrillingActivities
) -> None:
    world.nodes.members[2]["is_live"] = "false"

    with pytest.raises(RefusedError) as caught:
        await run(activities.kill, kill(world))

    assert caught.value.code == "drill.refused"
    assert world.kubernetes.writes() == []


async def test_a_pod_that_is_not_ours_is_kept(world: World, activities: DrillingActivities) -> None:
    found = world.kubernetes.find("Pod", "cockroachdb-1", namespace="crdb")
    found["metadata"]["labels"] = {}

    with pytest.raises(RefusedError):
        await run(activities.kill, kill(world))

    assert world.kubernetes.writes() == []


# --- the wait ---


async def test_the_pod_is_followed_until_it_is_ready_and_sql_is_asked_through_the_others(
    world: World, activities: DrillingActivities
) -> None:
    async def come_back() -> None:
        await until(lambda: len(asked(world)) == 2)
        world.kubernetes.remove("Pod", "cockroachdb-1", namespace="crdb")
        pod(world, 1, uid="new", is_ready=False)
        await until(lambda: ("watch", "Pod", "crdb") in world.kubernetes.calls)
        pod(world, 1, uid="new")

    task = asyncio.create_task(come_back())
    back: PodBack = await run(activities.wait_back, waiting(world))
    await task

    assert back.is_ready
    assert back.seen.gone_seconds is not None
    assert back.seen.ready_seconds is not None
    assert back.seen.gone_seconds <= back.seen.ready_seconds
    assert back.seen.probes.asked == back.seen.probes.answered >= 2
    assert (back.volume, back.asked) == ("datadir-cockroachdb-1 (pv-1)", ())
    assert asked(world) == {0, 2}


async def test_silence_is_counted_with_its_longest_gap_and_last_word(
    world: World, activities: DrillingActivities
) -> None:
    world.nodes.states = ["down", "serving", "down"]

    back = await run(activities.wait_back, waiting(world, seconds=0.2, seen=Seen(probes=Probes())))

    assert back.seen.probes.answered == 0
    assert back.seen.probes.asked >= 2
    assert back.seen.probes.longest_gap > 0.05
    assert "cockroachdb-" in back.seen.probes.last_error


@pytest.mark.parametrize(
    ("state", "told"),
    [
        pytest.param("ending", "cockroachdb-1 is still ending", id="the old one"),
        pytest.param("gone", "cockroachdb-1 is gone and Kubernetes has not made another yet", id="none"),
        pytest.param("pending", "cockroachdb-1 is started again and does not run yet", id="pending"),
        pytest.param("homeless", "cockroachdb-1 finds no place: no worker", id="unschedulable"),
        pytest.param("asks", "people decide on its card", id="a certificate"),
    ],
)
async def test_what_is_missing_is_named_when_the_look_ends(
    world: World, activities: DrillingActivities, state: str, told: str
) -> None:
    if state != "ending":
        world.kubernetes.remove("Pod", "cockroachdb-1", namespace="crdb")
    if state in ("pending", "asks"):
        pod(world, 1, uid="new", is_ready=False)
    if state == "homeless":
        scheduled = {"type": "PodScheduled", "status": "False", "message": "no worker"}
        pod(world, 1, uid="new", is_ready=False, conditions=[scheduled])
    if state == "asks":
        world.csr("cockroachdb-1", pod_uid="new")

    back = await run(activities.wait_back, waiting(world, seconds=0.05))

    assert not back.is_ready
    assert told in back.sentence


async def test_a_request_that_the_new_pod_made_is_told_and_an_old_one_is_not(
    world: World, activities: DrillingActivities
) -> None:
    world.csr("cockroachdb-1", pod_uid="uid-1")
    world.csr("cockroachdb-1", name="crdb.node.cockroachdb-1.0a", uid="c2", pod_uid="new")
    pod(world, 1, uid="new")

    back = await run(activities.wait_back, waiting(world))

    assert back.asked == ("crdb.node.cockroachdb-1.0a",)


async def test_a_later_attempt_counts_on_and_says_that_the_asking_had_paused(
    world: World, activities: DrillingActivities
) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=3)
    beaten = Seen(gone_seconds=1.5, probes=Probes(asked=7, answered=7, longest_gap=1.0, last_answer_at=long_ago))
    world.kubernetes.remove("Pod", "cockroachdb-1", namespace="crdb")

    back = await at_attempt(2, activities.wait_back, waiting(world, seconds=0.1), beaten=beaten)

    assert back.seen.gone_seconds == 1.5
    assert back.seen.probes.answered > 7
    assert (back.seen.probes.pauses, back.seen.probes.longest_gap) == (1, 1.0)
