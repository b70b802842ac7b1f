"""The answer of `/crdb status`: every figure with its age or the reason why it is not there."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from bot.cards.status import status_message
from operations.status import Part, Ranges, StatusResult
from tests.bot import given
from tests.bot.harness import Stage


def words(result: StatusResult, **more: str) -> str:
    """All that is written on the card."""
    found: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, dict):
            found.extend(str(value[key]) for key in ("text", "url") if isinstance(value.get(key), str))
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(status_message(result, **more).blocks)
    return "".join(found)


def test_a_node_is_shown_with_id_liveness_build_replicas_volume_and_days_left() -> None:
    said = words(given.status())

    assert "cockroachdb-0   n1  ·  ready  ·  live  ·  v25.2.3" in said
    assert "42 replicas  ·  volume Bound 1Gi  ·  certificate 364 days left" in said


def test_what_all_nodes_share_is_said_once() -> None:
    said = words(given.status())

    assert said.count("local.invalid/cockroach:v25.2.3") == 1
    assert "each at POD.cockroachdb.crdb.svc.cluster.local:26257" in said


def test_a_node_of_which_less_is_known_does_not_make_the_others_longer() -> None:
    less = given.node_row(2, address="", image="", is_ready=False, phase="missing")
    said = words(given.status(nodes=(given.node_row(0), given.node_row(1), less)))

    assert said.count("svc.cluster.local") == 1
    assert said.count("local.invalid") == 1


def test_a_node_that_differs_says_so_itself() -> None:
    odd = given.node_row(
        2, image="local.invalid/cockroach:v25.3.0", build="v25.3.0", membership="decommissioning", is_draining=True
    )
    said = words(given.status(nodes=(given.node_row(0), given.node_row(1), odd)))

    assert "decommissioning  ·  draining  ·  v25.3.0" in said
    assert "image local.invalid/cockroach:v25.3.0" in said


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param({"is_ready": False, "phase": "Pending", "trouble": "no room"}, "no room", id="trouble"),
        pytest.param({"is_ready": False, "phase": "missing"}, "n1  ·  missing", id="no pod"),
        pytest.param({"is_live": False, "replicas": None}, "not live", id="dead"),
        pytest.param({"build": ""}, "build not known", id="NULL columns"),
        pytest.param({"certificate_by": "request"}, "certificate 364 days left, as issued", id="by the request"),
        pytest.param({"certificate_until": None}, "certificate present", id="days not known"),
        pytest.param({"certificate_until": given.AT + timedelta(days=29)}, "certificate ⚠ 29 days left", id="soon"),
        pytest.param({"certificate_until": given.AT - timedelta(days=2)}, "⚠ ended on 2026-11-23", id="ended"),
        pytest.param({"restarts": 4}, "4 restarts", id="restarts"),
    ],
)
def test_what_is_special_of_a_node_is_said(row: dict[str, object], told: str) -> None:
    assert told in words(given.status(nodes=(given.node_row(0, **row),)))


def test_a_large_cluster_is_listed_whole_and_one_too_large_is_counted() -> None:
    def named(result: StatusResult) -> int:
        return sum(f"cockroachdb-{n} " in words(result) for n in range(99))

    assert named(given.status(40)) == 40
    assert 40 < named(given.status(99)) < 99
    assert f"… {99 - named(given.status(99))} more" in words(given.status(99))


def test_every_part_has_its_time_and_the_nodes_own_figures_their_age() -> None:
    said = words(given.status())

    assert said.count(" as of <!date^") == 3
    assert "database as of <!date^" in said
    assert "its nodes' own figures up to 9 s older" in said


@pytest.mark.parametrize("reason", ["not asked: no client certificate yet", "waits for init"])
def test_what_is_not_there_has_its_reason_and_is_no_error(reason: str) -> None:
    rows = tuple(
        given.node_row(n, node_id="", is_live=None, build="", address="", membership="", replicas=None)
        for n in range(3)
    )
    parts = (Part(name="database", reason=reason), Part(name="certificates", reason=reason))
    said = words(given.status(nodes=rows, database=reason, ranges=None, parts=parts))

    assert f"Database: {reason}" in said
    assert "Ranges: not known, for the same reason" in said
    assert "Days left" not in said


def test_a_silent_certificate_has_a_reason_of_its_own() -> None:
    parts = (Part(name="certificates", reason="1 of 3 nodes did not answer in time"),)

    assert "Days left: 1 of 3 nodes did not answer in time" in words(given.status(parts=parts))


def test_ranges_strays_volumes_and_drift_are_named_and_turn_the_light() -> None:
    stray = given.node_row(6, pod="", phase="no pod", is_ready=False, is_live=False, node_id="7")
    result = given.status(
        nodes=(*given.status().nodes, stray),
        ranges=Ranges(under_replicated=4, unavailable=1),
        leftover_volumes=("datadir-cockroachdb-6",),
        drift=("nodes: recorded 3, found 4",),
    )
    said = words(result)

    assert said.startswith("🟡")
    assert "4 under-replicated, 1 unavailable" in said
    assert "Without a pod: n7, dead, active, last at cockroachdb-6" in said
    assert "Volumes without a pod: datadir-cockroachdb-6" in said
    assert "nodes: recorded 3, found 4" in said
    assert words(given.status()).startswith("🟢")


def test_what_runs_has_a_link_and_nothing_is_said_as_well() -> None:
    said = words(given.status(), running="scale, asked for by Erin.", url="http://127.0.0.1/run")

    assert "Running now: scale, asked for by Erin." in said
    assert "http://127.0.0.1/run" in said
    assert "Running now: nothing" in words(given.status())


async def test_the_link_of_what_runs_leads_to_the_run(on: Stage) -> None:
    on.gateway.change = given.operation()

    await on.command("vic", "status")
    await on.whispered("vic", "crdb: 3 of 3 nodes ready")
    shown = json.dumps(await on.state("vic"))

    assert "deploy, asked for by Erin Engineer at" in shown
    assert given.RUN_ID in shown
