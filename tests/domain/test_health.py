"""Rows of `node status` read by their names, nodes found by address, and what keeps a cluster from being well."""

from __future__ import annotations

import csv
import io

import pytest

from domain.health import (
    NodeStatus,
    ghosts,
    has_checks,
    moving,
    node_status,
    node_statuses,
    places,
    ranges_trouble,
    replication_factor,
    waits,
)

_HOST = "cockroachdb.crdb.svc.cluster.local:26257"
BASE = "id,address,sql_address,build,started_at,updated_at,locality,{attrs}is_available,is_live"
RANGES = "replicas_leaders,replicas_leaseholders,ranges,ranges_unavailable,ranges_underreplicated"
TAIL = "gossiped_replicas,is_decommissioning,membership,is_draining"


def rows(text: str) -> tuple[NodeStatus, ...]:
    found = csv.DictReader(io.StringIO(text))
    return node_statuses({k: "" if v == "NULL" else v for k, v in row.items()} for row in found)


def node(number: int, ordinal: int | None = None, **more: object) -> NodeStatus:
    address = "" if ordinal is None else f"cockroachdb-{ordinal}.{_HOST}"
    return NodeStatus.model_validate({"id": number, "address": address, "is_live": True, **more})


@pytest.mark.parametrize("attrs", ["", "attrs,"], ids=["columns of v19.2", "columns of v25.4"])
def test_both_layouts_are_read_by_name(attrs: str) -> None:
    value = "[]," if attrs else ""
    head = f"{BASE.format(attrs=attrs)},{RANGES},{TAIL}"
    text = f"{head}\n2,cockroachdb-4.{_HOST},x,v25.4.3,t,t,,{value}true,true,1,1,20,1,2,21,true,decommissioning,true\n"

    (found,) = rows(text)

    assert found == NodeStatus(
        id=2,
        address=f"cockroachdb-4.{_HOST}",
        build="v25.4.3",
        is_live=True,
        membership="decommissioning",
        is_draining=True,
        replicas=21,
        under_replicated=2,
        unavailable=1,
    )
    assert (found.ordinal, found.name()) == (4, "n2 (cockroachdb-4)")


def test_a_dead_node_s_empty_columns_are_borne() -> None:
    text = f"{BASE.format(attrs='')},{RANGES},{TAIL}\n4{',NULL' * 6},false,false{',NULL' * 5},NULL,false,active,false\n"

    (found,) = rows(text)

    assert (found.ordinal, found.replicas, found.is_dead) == (None, None, True)
    assert found.name() == "n4 (pod unknown)"


@pytest.mark.parametrize(
    ("row", "membership"),
    [
        pytest.param({"is_decommissioning": "true"}, "decommissioning", id="an older release on its way"),
        pytest.param({"is_decommissioning": "false"}, "active", id="an older release"),
        pytest.param({"membership": "decommissioned", "is_decommissioning": "true"}, "decommissioned", id="a new one"),
    ],
)
def test_membership_where_a_release_has_no_such_column(row: dict[str, str], membership: str) -> None:
    assert node_status({"id": "1", **row}).membership == membership


@pytest.mark.parametrize(
    ("address", "ordinal"),
    [
        ("cockroachdb-12.cockroachdb:26257", 12),
        ("cockroachdb-0", 0),
        ("other-3.cockroachdb:26257", None),
        ("10.0.0.7:26257", None),
    ],
)
def test_a_node_s_pod_is_told_by_its_address(address: str, ordinal: int | None) -> None:
    assert NodeStatus(id=9, address=address).ordinal == ordinal


def test_of_several_nodes_with_one_address_the_live_one_counts_and_a_dead_one_is_a_ghost() -> None:
    old, gone, now = node(2, 1, is_live=False), node(3, 1, is_live=False, membership="decommissioned"), node(7, 1)

    assert places((now, old, gone)) == {1: now}
    assert places((gone, old)) == {1: old}
    assert ghosts((now, old, gone)) == (old,)
    assert ghosts((node(4, is_live=False),)) == (node(4, is_live=False),)


@pytest.mark.parametrize(
    ("build", "known"), [("v23.1.0", True), ("v25.4.3", True), ("v22.2.9", False), ("v2.1.0", False), ("", False)]
)
def test_releases_that_check_before_they_decommission(build: str, known: bool) -> None:
    assert has_checks(build) is known


def test_the_most_copies_of_people_s_data_count_and_those_of_the_database_itself_do_not() -> None:
    zones = (
        {"target": "RANGE default", "raw_config_sql": "ALTER … USING\n\tnum_replicas = 3,\n"},
        {"target": "TABLE shop.orders", "raw_config_sql": "num_replicas = 5"},
        {"target": "RANGE meta", "raw_config_sql": "num_replicas = 7"},
        {"zone_name": "DATABASE x", "config_sql": "gc.ttlseconds = 60"},
    )

    assert replication_factor(zones) == 5
    assert replication_factor(()) is None


def test_ranges_in_trouble_are_summed_over_members_alone() -> None:
    nodes = (node(1, 0, under_replicated=2, unavailable=1), node(2, 1, membership="decommissioned", under_replicated=9))

    assert ranges_trouble(nodes) == ("1 ranges unavailable", "2 ranges under-replicated")


def test_what_is_waited_for_is_named() -> None:
    nodes = (node(1, 0), node(2, 1, is_live=False), node(3, 2, membership="decommissioning", under_replicated=4))

    assert waits(nodes, ordinals=range(4)) == (
        "n2 (cockroachdb-1) does not live",
        "n3 (cockroachdb-2) is decommissioning",
        "cockroachdb-3 has not joined",
        "4 ranges under-replicated",
    )


def test_a_dead_node_that_leaves_and_the_copies_it_lacks_hold_nothing_up() -> None:
    nodes = (node(1, 0, under_replicated=4), node(2, 1, is_live=False))

    assert waits(nodes, ordinals=(0, 1), leaving=(2,)) == ()


@pytest.mark.parametrize(
    ("left", "total", "seconds", "said"),
    [
        pytest.param(60, 60, 0, "░░░░░░░░░░░░ 0 of 60 replicas moved", id="not begun"),
        pytest.param(
            20, 60, 60, "████████░░░░ 40 of 60 replicas moved, 40 a minute, about 1 min left", id="on its way"
        ),
        pytest.param(0, 60, 60, "████████████ 60 of 60 replicas moved, 60 a minute", id="over"),
        pytest.param(0, 0, 60, "████████████ 0 of 0 replicas moved", id="nothing to move"),
        pytest.param(70, 60, 60, "░░░░░░░░░░░░ 0 of 70 replicas moved", id="more than at first"),
    ],
)
def test_progress_is_told_with_a_bar_a_rate_and_an_estimate(left: int, total: int, seconds: float, said: str) -> None:
    assert moving(left=left, total=total, seconds=seconds).sentence() == said
