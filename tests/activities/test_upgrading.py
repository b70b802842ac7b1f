"""Facts of an upgrade, the guard, image and partition, what a finalization waits for; pods that come back are apart."""

from __future__ import annotations

from typing import Any

import pytest

from activities.manifests.labels import SPEC
from activities.preflight import live_set, recorded_spec
from activities.upgrade_payloads import (
    FollowVersionRequest,
    GuardRequest,
    RollRequest,
    UpgradeObserveRequest,
)
from activities.upgrading import UpgradingActivities
from domain.errors import BrokenError, NotReadyError, RefusedError, TransientError
from domain.upgrade import UpgradeFacts
from tests.activities.upgrades import NEW, OLD, RollingWorld
from tests.activities.world import run
from tests.fakes.kubernetes import conflict


@pytest.fixture
def world() -> RollingWorld:
    return RollingWorld()


@pytest.fixture
def activities(world: RollingWorld) -> UpgradingActivities:
    return world.upgrading()


async def observed(world: RollingWorld, activities: UpgradingActivities) -> UpgradeFacts:
    facts: UpgradeFacts = (await run(activities.observe, UpgradeObserveRequest(ref=world.ref))).facts
    return facts


def guard(world: RollingWorld, value: str) -> GuardRequest:
    return GuardRequest(ref=world.ref, spec=world.spec, value=value)


def rolling(world: RollingWorld, **changes: Any) -> RollRequest:
    """The canary's roll, changed as said."""
    fields = {"version": NEW, "partition": 2, "found_version": OLD, "found": 0, "upgraded_from": OLD, **changes}
    return RollRequest(ref=world.ref, **fields)


# --- facts ---


async def test_facts_tell_what_every_pod_runs_and_what_the_database_says(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.nodes.preserved = "25.2"
    world.nodes.drains = {
        "initial_wait": "00:00:20",
        "connections.timeout": "00:00:00",
        "transactions.timeout": "00:01:10",
        "lease_transfer_iteration.timeout": "00:00:05.5",
    }
    await run(activities.roll, rolling(world))

    facts = await observed(world, activities)

    assert [(pod.image.rpartition(":")[2], pod.is_ready, pod.is_current) for pod in facts.pods] == [
        (OLD, True, False),
        (OLD, True, False),
        (NEW, True, True),
    ]
    assert facts.live is not None
    assert (facts.live.partition, facts.live.database_image) == (2, world.image(NEW))
    assert (facts.active, facts.preserved) == ("25.2", "25.2")
    assert (facts.grace_seconds, facts.drain_seconds) == (300, 20 + 2 * 70 + 6)
    assert [node.build for node in facts.nodes] == [OLD, OLD, NEW]
    assert facts.recorded is not None
    assert (facts.recorded.version, facts.recorded.upgraded_from) == (NEW, OLD)


async def test_the_names_of_drain_settings_before_23_2_are_known(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.nodes.drains = {
        "drain_wait": "8s",
        "connection_wait": "0s",
        "query_wait": "1m10s",
        "lease_transfer_wait": "500ms",
    }

    assert (await observed(world, activities)).drain_seconds == 8 + 2 * 70 + 1


@pytest.mark.parametrize("said", [None, "", "a while"])
async def test_a_drain_of_which_one_phase_is_not_known_is_not_known(
    world: RollingWorld, activities: UpgradingActivities, said: str | None
) -> None:
    known = dict.fromkeys(("initial_wait", "transactions.timeout", "lease_transfer_iteration.timeout"), "00:00:01")
    world.nodes.drains = known | ({} if said is None else {"connections.timeout": said})

    assert (await observed(world, activities)).drain_seconds is None


async def test_facts_of_a_silent_database_of_lost_rights_and_of_nothing(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.kubernetes.missing = {"patch statefulsets.apps in namespace crdb"}
    world.nodes.states = ["cannot dial server"] * 3
    silent = await observed(world, activities)
    world.kubernetes.remove("StatefulSet", "cockroachdb", namespace="crdb")
    none = await observed(world, activities)

    assert (silent.database, silent.nodes, silent.active) == ("silent", (), "")
    assert "cannot" in silent.detail or "waiting" in silent.detail
    assert silent.missing_rules == ("patch statefulsets.apps in namespace crdb",)
    assert (none.live, none.recorded, none.pods) == (None, None, ())


async def test_what_the_controller_has_not_seen_yet_is_looked_at_again(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    found = world.stateful_set()
    world.kubernetes.put({**found, "metadata": {**found["metadata"], "generation": 2}})
    with pytest.raises(NotReadyError) as caught:
        await observed(world, activities)
    world.kubernetes.put({**world.stateful_set(), "status": {**found["status"], "observedGeneration": 2}})

    assert caught.value.code == "upgrade.not-seen"
    assert (await observed(world, activities)).pods[0].is_current


async def test_terms_are_those_of_the_configuration_in_seconds(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    terms = (await run(activities.observe, UpgradeObserveRequest(ref=world.ref))).terms

    assert (terms.rule, terms.finalize_rule) == (world.configuration.approvals.upgrade,) * 2
    assert (terms.asks_after_canary, terms.soak, terms.gate_pause, terms.observe) == ("major", 0, 60, 86_400)


async def test_a_pod_that_cannot_start_says_why(world: RollingWorld, activities: UpgradingActivities) -> None:
    world.kubernetes.crashing = {world.image(NEW)}
    await run(activities.roll, rolling(world))

    canary = (await observed(world, activities)).pods[2]

    assert not canary.is_ready
    assert canary.trouble == "cockroachdb-2: cockroachdb ended 3 times: store is too new"


# --- the guard ---


async def test_the_guard_is_set_once_and_cleared_once(world: RollingWorld, activities: UpgradingActivities) -> None:
    for value in ("25.2", "25.2", "", ""):
        await run(activities.guard, guard(world, value))

    assert world.nodes.commands == [
        "SET CLUSTER SETTING cluster.preserve_downgrade_option = '25.2'",
        "RESET CLUSTER SETTING cluster.preserve_downgrade_option",
    ]
    assert world.nodes.preserved == ""


@pytest.mark.parametrize("value", ["24.3", "25.2-upgrading-to-25.4-step-012", "25.2'; DROP DATABASE shop; --"])
async def test_anything_but_the_active_version_is_refused(
    world: RollingWorld, activities: UpgradingActivities, value: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        await run(activities.guard, guard(world, value))

    assert caught.value.code == "upgrade.guard-refused"
    assert world.nodes.commands == []


# --- image and partition ---


async def test_image_partition_and_record_are_written_in_one_go_and_a_repeat_finds_them(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    first = await run(activities.roll, rolling(world))
    again = await run(activities.roll, rolling(world))

    assert (first.outcome, again.outcome) == ("done", "already")
    assert first.spec == again.spec == world.recorded()
    assert [call[0] for call in world.kubernetes.writes()].count("roll") == 1
    assert world.kubernetes.images() == [OLD, OLD, NEW]
    assert world.kubernetes.restarted == ["cockroachdb-2"]


async def test_every_container_with_the_databases_image_gets_it_and_no_other(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    template = world.stateful_set()["spec"]["template"]
    init = [*template["spec"]["initContainers"], {"name": "prepare", "image": world.image("v25.2.2")}]
    world.kubernetes.touch({"template": {**template, "spec": {**template["spec"], "initContainers": init}}})
    world.kubernetes.restarted.clear()

    await run(activities.roll, rolling(world))

    after = world.stateful_set()["spec"]["template"]["spec"]
    images = {one["name"]: one["image"] for one in (*after["initContainers"], *after["containers"])}
    assert images == {
        "certagent": world.spec.agent_image,
        "prepare": world.image(NEW),
        "cockroachdb": world.image(NEW),
    }


async def test_one_node_at_a_time_down_to_the_record(world: RollingWorld, activities: UpgradingActivities) -> None:
    world.nodes.preserved = "25.2"
    await run(activities.roll, rolling(world))
    for partition in (1, 0):
        await run(activities.roll, rolling(world, partition=partition, found_version=NEW, found=partition + 1))

    assert world.kubernetes.restarted == ["cockroachdb-2", "cockroachdb-1", "cockroachdb-0"]
    assert world.kubernetes.images() == [NEW] * 3
    finished = await run(activities.roll, rolling(world, partition=0, found_version=NEW, upgraded_from=""))
    assert finished.outcome == "done"
    assert world.recorded().upgraded_from == ""
    assert len(world.kubernetes.restarted) == 3


@pytest.mark.parametrize(
    ("partition", "image"),
    [pytest.param(1, OLD, id="partition"), pytest.param(0, "v25.2.9", id="image"), pytest.param(0, "", id="no image")],
)
async def test_what_somebody_else_wrote_is_left_and_told(
    world: RollingWorld, activities: UpgradingActivities, partition: int, image: str
) -> None:
    template = world.stateful_set()["spec"]["template"]
    containers = [{**template["spec"]["containers"][0], "image": world.image(image)}]
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    spec = {**template, "spec": {**template["spec"], "containers": containers}}
    world.kubernetes.touch({"template": spec, "updateStrategy": strategy})

    rolled = await run(activities.roll, rolling(world))

    assert rolled.outcome == "changed"
    assert f"found {world.image(image)} from pod {partition} on" in rolled.sentence
    assert world.kubernetes.writes() == []


async def test_a_pod_is_not_restarted_while_another_node_does_not_live(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.nodes.members[1]["is_live"] = "false"

    with pytest.raises(RefusedError) as caught:
        await run(activities.roll, rolling(world))

    assert caught.value.code == "upgrade.not-healthy"
    assert "n1 (cockroachdb-0) does not live" in caught.value.message
    assert world.kubernetes.writes() == []


async def test_two_pods_are_never_restarted_by_one_write(world: RollingWorld, activities: UpgradingActivities) -> None:
    with pytest.raises(RefusedError) as caught:
        await run(activities.roll, rolling(world, partition=1))

    assert "cockroachdb-1 and cockroachdb-2 would be restarted" in caught.value.message
    assert world.kubernetes.writes() == []


async def test_the_node_that_is_to_be_restarted_may_be_down_itself(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.kubernetes.unpullable = {world.image(NEW)}
    await run(activities.roll, rolling(world))
    assert world.nodes.members[3]["is_live"] == "false"

    back = await run(activities.roll, rolling(world, version=OLD, found_version=NEW, found=2, upgraded_from=""))

    assert back.outcome == "done"
    assert world.kubernetes.images() == [OLD] * 3


async def test_a_write_in_between_is_a_conflict_that_is_tried_again(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.kubernetes.fail("roll", conflict("cockroachdb"))

    with pytest.raises(TransientError):
        await run(activities.roll, rolling(world))
    again = await run(activities.roll, rolling(world))

    assert again.outcome == "done"


async def test_without_a_record_nothing_is_rolled(world: RollingWorld, activities: UpgradingActivities) -> None:
    del world.stateful_set()["metadata"]["annotations"][SPEC]

    with pytest.raises(BrokenError) as caught:
        await run(activities.roll, rolling(world))

    assert caught.value.code == "deploy.no-record"


# --- made final ---


def following(world: RollingWorld, **changes: Any) -> FollowVersionRequest:
    return FollowVersionRequest(ref=world.ref, spec=world.spec, wanted="25.4", **changes)


async def test_it_is_made_final_and_followed(world: RollingWorld, activities: UpgradingActivities) -> None:
    world.rolled()
    before = await run(activities.follow_version, following(world, at_most=0))
    spec = world.recorded()
    for _ in range(2):
        await run(activities.finalize, GuardRequest(ref=world.ref, spec=spec, value=""))

    after = await run(activities.follow_version, following(world))

    assert (before.active, before.preserved) == ("25.2", "25.2")
    assert before.holds == "cluster.preserve_downgrade_option is 25.2"
    assert (after.active, after.holds) == ("25.4", "")


async def test_nothing_is_made_final_while_a_node_is_down_or_runs_the_release_before(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.rolled()
    world.nodes.members[1]["build"] = OLD
    world.nodes.members[2]["is_live"] = "false"

    with pytest.raises(RefusedError) as caught:
        await run(activities.finalize, GuardRequest(ref=world.ref, spec=world.recorded(), value=""))

    assert caught.value.code == "upgrade.not-healthy"
    assert f"n1 (cockroachdb-0) runs {OLD}; n2 (cockroachdb-1) does not live" in caught.value.message
    assert world.nodes.preserved == "25.2"


async def test_what_holds_a_finalization_up_is_named_when_the_time_is_over(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.rolled()
    world.nodes.preserved = ""
    world.nodes.members[3]["membership"] = "decommissioning"

    seen = await run(activities.follow_version, following(world, known="25.2", at_most=0.05))

    assert (seen.active, seen.holds) == ("25.2", "n3 (cockroachdb-2) is decommissioning")


async def test_another_version_than_the_known_one_is_told_at_once(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.rolled()
    world.nodes.active = "25.2-upgrading-to-25.4-step-012"

    seen = await run(activities.follow_version, following(world, known="25.2", at_most=600))

    assert seen.active == "25.2-upgrading-to-25.4-step-012"


async def test_a_database_that_stays_silent_is_a_passing_trouble(
    world: RollingWorld, activities: UpgradingActivities
) -> None:
    world.nodes.states = ["cannot dial server"] * 3

    with pytest.raises(TransientError):
        await run(activities.follow_version, following(world, at_most=0.03))


def test_the_template_that_is_rolled_is_the_one_that_a_deploy_makes(world: RollingWorld) -> None:
    assert recorded_spec(world.stateful_set()) == world.spec
    assert live_set(world.stateful_set()).partition == 0
