"""Contract: `node status` and `node ls`: columns, rows, formats, refusals."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cockroach.nodes import Node
from tests.eventually import eventually

pytestmark = pytest.mark.processes

BASE = ["id", "address", "sql_address", "build", "started_at", "updated_at", "locality", "is_available", "is_live"]
OLDEST = ["id", "address", "build", "started_at", "updated_at", "is_available", "is_live"]
RANGES = ["replicas_leaders", "replicas_leaseholders", "ranges", "ranges_unavailable", "ranges_underreplicated"]
STATS = ["live_bytes", "key_bytes", "value_bytes", "intent_bytes", "system_bytes"]
DECOMMISSION = ["gossiped_replicas", "is_decommissioning", "membership", "is_draining"]


@pytest.mark.parametrize(
    ("flags", "columns"),
    [
        pytest.param([], BASE, id="base"),
        pytest.param(["--ranges"], BASE + RANGES, id="ranges"),
        pytest.param(["--stats"], BASE + STATS, id="stats"),
        pytest.param(["--decommission"], BASE + DECOMMISSION, id="decommission"),
        pytest.param(["--all"], BASE + RANGES + STATS + DECOMMISSION, id="all in a fixed order"),
    ],
)
def test_columns_follow_the_flags(
    cluster: Sequence[Node], client: Path, flags: list[str], columns: list[str], standin: None
) -> None:
    rows = cluster[0].ask("node", "status", "--format=csv", *flags, client=client, version="v25.2.3").table()

    assert list(rows[0]) == columns


def test_newer_clients_show_attrs_between_locality_and_availability(
    cluster: Sequence[Node], client: Path, standin: None
) -> None:
    rows = cluster[0].ask("node", "status", "--format=csv", client=client, version="v25.4.0").table()

    columns = list(rows[0])
    assert columns[columns.index("attrs") - 1] == "locality"
    assert columns[columns.index("attrs") + 1] == "is_available"


@pytest.mark.parametrize(
    ("version", "columns"),
    [
        pytest.param(
            "v2.1.11",
            [*OLDEST, "gossiped_replicas", "is_decommissioning", "is_draining"],
            id="before addresses of their own",
        ),
        pytest.param(
            "v20.1.17", BASE + [name for name in DECOMMISSION if name != "membership"], id="before membership"
        ),
    ],
)
def test_older_clients_show_fewer_columns(
    cluster: Sequence[Node], client: Path, version: str, columns: list[str], standin: None
) -> None:
    rows = cluster[0].ask("node", "status", "--decommission", "--format=csv", client=client, version=version).table()

    assert list(rows[0]) == columns


def test_every_node_shows_every_node_with_its_address(cluster: Sequence[Node], client: Path) -> None:
    tables = [node.ask("node", "status", "--format=csv", "--all", client=client).table() for node in cluster]

    addresses = {node.address for node in cluster}
    for rows in tables:
        assert {row["address"] for row in rows} == addresses
        assert [row["id"] for row in rows] == ["1", "2", "3"]
        assert {(row["is_live"], row["membership"]) for row in rows} == {("true", "active")}


def test_three_live_nodes_have_no_underreplicated_range(cluster: Sequence[Node], client: Path) -> None:
    def total() -> int:
        rows = cluster[0].ask("node", "status", "--format=csv", "--ranges", client=client).table()
        return sum(int(row["ranges_underreplicated"]) for row in rows)

    eventually(lambda: total() == 0)


def test_one_id_gives_one_row(cluster: Sequence[Node], client: Path) -> None:
    rows = cluster[0].ask("node", "status", "2", "--format=csv", client=client).table()

    assert [row["id"] for row in rows] == ["2"]


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        pytest.param("17", "ERROR: node 17 doesn't exist", id="unknown id"),
        pytest.param("two", "ERROR: could not parse node_id two", id="not a number"),
    ],
)
def test_a_wrong_id_is_refused(cluster: Sequence[Node], client: Path, argument: str, sentence: str) -> None:
    answer = cluster[0].ask("node", "status", argument, client=client)

    assert answer.code == 1
    assert sentence in answer.err
    assert 'Failed running "node status"' in answer.err


def test_ls_has_one_column(cluster: Sequence[Node], client: Path) -> None:
    answer = cluster[0].ask("node", "ls", "--format=csv", client=client)

    assert (answer.code, answer.out) == (0, "id\n1\n2\n3\n")


def test_formats_differ_in_shape_alone(cluster: Sequence[Node], client: Path) -> None:
    def shown(form: str) -> str:
        return cluster[0].ask("node", "ls", f"--format={form}", client=client).out

    assert shown("tsv") == "id\n1\n2\n3\n"
    assert shown("table").splitlines()[-1] == "(3 rows)"
    assert shown("records").count("-[ RECORD ") == 3


def test_an_unknown_format_is_a_bad_flag(cluster: Sequence[Node], client: Path) -> None:
    answer = cluster[0].ask("node", "ls", "--format=xml", client=client)

    assert answer.code == 4
    assert 'invalid argument "xml" for "--format" flag' in answer.err
