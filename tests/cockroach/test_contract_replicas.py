"""Contract: replicas follow the nodes: they spread, survive a loss, are made anew elsewhere; dead nodes are removed.

The tests share one cluster and follow each other: three nodes, a fourth, then less.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.cockroach.nodes import FAST, Node, initialized
from tests.cockroach.standings import inject, metric, replicated, rows
from tests.eventually import eventually

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("standin")]  # ids and times are by faults.json

SUMS = (
    "SELECT sum((metrics->>'ranges.unavailable')::DECIMAL)::INT AS ranges_unavailable, "
    "sum((metrics->>'ranges.underreplicated')::DECIMAL)::INT8 AS ranges_underreplicated "
    "FROM crdb_internal.kv_store_status"
)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, node_certs: Path, client: Path) -> Iterator[Sequence[Node]]:
    """Four nodes, of which the last has not started; the ids 1, 3, 2 and 7 are theirs."""
    home = tmp_path_factory.mktemp("replicas")
    made = [Node(home / f"node{at}", certs=node_certs) for at in range(4)]
    for node in made:
        node.flags = list(FAST)
    inject(made[0], node_ids=_ids(made))
    made[3].join = [made[1].address]
    try:
        initialized(made[:3], client=client)
        yield made
    finally:
        for node in made:
            node.kill()


def _ids(made: Sequence[Node]) -> dict[str, int]:
    return dict(zip([node.address for node in made], [1, 3, 2, 7], strict=True))


def _moving(nodes: Sequence[Node], *, a_second: int) -> None:
    """Have the rate in each old node's file: of others the writer heeds only those that count as live."""
    for node in nodes[:3]:
        inject(node, moves_per_second=a_second, **({"node_ids": _ids(nodes)} if node is nodes[0] else {}))


def _ranges(node: Node, client: Path) -> dict[int, int]:
    shown = rows(node, client=client)
    return {number: int(row["ranges"]) for number, row in shown.items() if row["ranges"] != "NULL"}


def _sums(node: Node, client: Path) -> tuple[int, int]:
    (row,) = node.sql(SUMS, client=client).table()
    return int(row["ranges_unavailable"]), int(row["ranges_underreplicated"])


def _loses(node: Node, number: int, asked: Node, client: Path) -> None:
    node.kill()
    eventually(lambda: rows(asked, client=client)[number]["is_live"] == "false")


def test_ids_are_as_the_faults_ask_and_not_in_the_order_of_nodes(nodes: Sequence[Node], client: Path) -> None:
    replicated(nodes[:3])

    shown = rows(nodes[2], client=client)

    assert {number: row["address"] for number, row in shown.items()} == {
        1: nodes[0].address,
        2: nodes[2].address,
        3: nodes[1].address,
    }
    assert _ranges(nodes[0], client) == {1: 69, 2: 69, 3: 69}
    assert sum(int(row["replicas_leaseholders"]) for row in shown.values()) == 69


def test_a_newcomer_takes_its_share_little_by_little(nodes: Sequence[Node], client: Path) -> None:
    _moving(nodes, a_second=0)
    nodes[3].start().until("ready")
    seen = {metric(nodes[3], "replicas")}
    _moving(nodes, a_second=15)

    def share() -> bool:
        seen.add(metric(nodes[3], "replicas"))
        return max(seen) >= 51

    eventually(share)
    for node in nodes[:3]:
        inject(node)

    assert len(seen) > 2
    assert sorted(_ranges(nodes[0], client)) == [1, 2, 3, 7]
    assert sum(_ranges(nodes[0], client).values()) == 69 * 3
    assert _sums(nodes[2], client) == (0, 0)


def test_a_loss_makes_ranges_underreplicated_until_the_node_is_back(nodes: Sequence[Node], client: Path) -> None:
    held = _ranges(nodes[0], client)[2]

    _loses(nodes[2], 2, nodes[0], client)
    lost = _sums(nodes[0], client)
    row = rows(nodes[0], client=client)[2]
    counted = sum(metric(node, "ranges_underreplicated") for node in (nodes[0], nodes[1], nodes[3]))
    nodes[2].start().until("ready")
    eventually(lambda: _sums(nodes[0], client) == (0, 0))

    assert lost == (0, held)
    assert counted == held
    assert (row["gossiped_replicas"], row["ranges"], row["membership"]) == ("0", str(held), "active")
    assert _ranges(nodes[0], client)[2] == held


def test_a_store_that_is_dead_for_long_is_replaced_and_takes_a_share_when_it_is_back(
    nodes: Sequence[Node], client: Path
) -> None:
    for node in nodes:
        inject(node, seconds_until_store_dead=1)
    _loses(nodes[3], 7, nodes[0], client)

    eventually(lambda: _ranges(nodes[0], client).get(7) == 0)
    eventually(lambda: _sums(nodes[0], client) == (0, 0))
    for node in nodes:
        inject(node)
    nodes[3].start().until("ready")

    eventually(lambda: _ranges(nodes[0], client).get(7, 0) >= 51)


def test_placement_and_membership_survive_a_restart_of_all(nodes: Sequence[Node], client: Path) -> None:
    marked = nodes[0].ask("node", "decommission", "7", "--wait=none", client=client)
    eventually(lambda: _ranges(nodes[0], client).get(7) == 0)
    for node in nodes:
        node.kill()
    for node in nodes:
        node.start()
    for node in nodes[:3]:
        node.until("ready")

    assert marked.code == 0
    assert eventually(lambda: rows(nodes[1], client=client)[7]["membership"]) == "decommissioning"
    eventually(lambda: _ranges(nodes[1], client) == {1: 69, 2: 69, 3: 69, 7: 0})


def test_a_dead_node_is_decommissioned_by_another(nodes: Sequence[Node], client: Path) -> None:
    back = nodes[0].ask("node", "recommission", "7", client=client)
    eventually(lambda: _ranges(nodes[0], client).get(7, 0) >= 51)
    _loses(nodes[3], 7, nodes[0], client)

    answer = nodes[1].ask("node", "decommission", "7", "--format=csv", client=client)

    assert back.code == 0
    assert answer.code == 0, answer.err
    assert "skipping drain step for node n7; it is not live\n" in answer.err
    assert rows(nodes[0], client=client)[7]["membership"] == "decommissioned"
    assert sorted(_ranges(nodes[0], client)) == [1, 2, 3]


def test_the_node_that_writes_can_leave_too(nodes: Sequence[Node], client: Path, tmp_path: Path) -> None:
    fresh = nodes[3]
    fresh.store = tmp_path / "store"
    fresh.start().until("ready")

    left = nodes[0].ask("node", "decommission", "1", "--format=csv", client=client)
    made = nodes[1].sql("CREATE DATABASE bank", client=client)

    assert left.code == 0, left.err
    assert "skipping drain step for node n1; it is decommissioning and serving the request\n" in left.err
    assert made.code == 0, made.err
    assert rows(nodes[1], client=client)[1]["membership"] == "decommissioned"


@pytest.mark.parametrize("layout", ["older", "newer", "unknown"])
def test_a_fault_chooses_the_columns(nodes: Sequence[Node], client: Path, layout: str) -> None:
    inject(nodes[1], status_columns=layout)

    columns = list(next(iter(rows(nodes[1], client=client).values())))
    inject(nodes[1])

    assert ("attrs" in columns, columns[1]) == (
        layout != "older",
        "standin_note" if layout == "unknown" else "address",
    )
