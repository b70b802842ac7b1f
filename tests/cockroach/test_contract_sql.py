"""Contract: the statements that are understood, and how everything else is refused."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from tests.cockroach.nodes import Answer, Node

pytestmark = pytest.mark.processes

OPTION = "cluster.preserve_downgrade_option"


def _sql(node: Node, client: Path, *statements: str) -> Answer:
    return node.sql(*statements, client=client)


def test_an_integer_is_selected(cluster: Sequence[Node], client: Path) -> None:
    answer = _sql(cluster[1], client, "SELECT 1")

    assert (answer.code, answer.out) == (0, "?column?\n1\n")


def test_several_statements_run_in_order(cluster: Sequence[Node], client: Path) -> None:
    answer = _sql(cluster[0], client, "SELECT 1; SELECT 2", "SELECT 3")

    assert answer.out.split("\n")[1::2] == ["1", "2", "3"]


def test_the_first_error_stops(cluster: Sequence[Node], client: Path) -> None:
    answer = _sql(cluster[0], client, "SELECT 1", "SELEKT 2", "SELECT 3")

    assert answer.code == 1
    assert "3" not in answer.out


def test_nonsense_is_a_syntax_error(cluster: Sequence[Node], client: Path) -> None:
    answer = _sql(cluster[0], client, "SELEKT 1 FROM nowhere")

    assert answer.code == 1
    assert answer.err.startswith("ERROR: at or near ")
    assert "syntax error\nSQLSTATE: 42601\n" in answer.err
    assert answer.err.endswith('Failed running "sql"\n')


def test_all_nodes_name_the_same_cluster(cluster: Sequence[Node], client: Path) -> None:
    answers = {_sql(node, client, "SELECT crdb_internal.cluster_id()").out for node in cluster}

    (only,) = answers
    assert UUID(only.splitlines()[1])


def test_the_active_version_is_the_major_series(cluster: Sequence[Node], client: Path, standin: None) -> None:
    answer = _sql(cluster[0], client, "SHOW CLUSTER SETTING version")

    assert answer.out == "version\n25.2\n"


def test_the_downgrade_option_is_set_everywhere_at_once_and_reset(cluster: Sequence[Node], client: Path) -> None:
    active = _sql(cluster[0], client, "SHOW CLUSTER SETTING version").out.splitlines()[1]

    done = _sql(cluster[0], client, f"SET CLUSTER SETTING {OPTION} = '{active}'")
    seen = _sql(cluster[2], client, f"SHOW CLUSTER SETTING {OPTION}").out.splitlines()[1]
    reset = _sql(cluster[1], client, f"RESET CLUSTER SETTING {OPTION}")
    after = _sql(cluster[0], client, f"SHOW CLUSTER SETTING {OPTION}").out.splitlines()[1]

    assert (done.code, done.out) == (0, "SET CLUSTER SETTING\n")
    assert reset.code == 0
    assert (seen, after) == (active, '""')


def test_the_downgrade_option_takes_the_active_version_alone(
    cluster: Sequence[Node], client: Path, standin: None
) -> None:
    answer = _sql(cluster[0], client, f"SET CLUSTER SETTING {OPTION} = '25.1'")

    assert answer.code == 1
    assert f"ERROR: cannot set {OPTION} to 25.1 (cluster version is 25.2)" in answer.err


def test_the_phases_of_a_drain_are_settings(cluster: Sequence[Node], client: Path) -> None:
    name = "server.shutdown.transactions.timeout"

    first = _sql(cluster[0], client, f"SHOW CLUSTER SETTING {name}").out
    changed = _sql(cluster[0], client, f"SET CLUSTER SETTING {name} = '5m'")
    seen = _sql(cluster[1], client, f"SHOW CLUSTER SETTING {name}").out
    refused = _sql(cluster[0], client, f"SET CLUSTER SETTING {name} = 'soon'")
    reset = _sql(cluster[0], client, f"RESET CLUSTER SETTING {name}")
    last = _sql(cluster[2], client, f"SHOW CLUSTER SETTING {name}").out

    assert (changed.code, refused.code, reset.code) == (0, 1, 0)
    assert [text.splitlines()[1] for text in (first, seen, last)] == ["00:00:10", "00:05:00", "00:00:10"]


@pytest.mark.parametrize("statement", ["SHOW CLUSTER SETTING no.such", "SET CLUSTER SETTING no.such = 'x'"])
def test_an_unknown_setting_is_refused(cluster: Sequence[Node], client: Path, statement: str) -> None:
    answer = _sql(cluster[0], client, statement)

    assert answer.code == 1
    assert "no.such" in answer.err


def test_the_version_string_names_the_release(cluster: Sequence[Node], client: Path) -> None:
    answer = _sql(cluster[0], client, "SELECT version()")

    assert answer.out.splitlines()[1].strip('"').startswith("CockroachDB CCL v")


def test_the_replication_factor_is_in_the_default_zone(cluster: Sequence[Node], client: Path) -> None:
    (row,) = _sql(cluster[0], client, "SHOW ZONE CONFIGURATION FROM RANGE default").table()

    assert row["target"] == "RANGE default"
    lines = [line.strip().rstrip(",") for line in row["raw_config_sql"].splitlines()]
    assert lines[0] == "ALTER RANGE default CONFIGURE ZONE USING"
    assert "num_replicas = 3" in lines


def test_the_replication_factor_is_changed_for_all_and_not_to_two(cluster: Sequence[Node], client: Path) -> None:
    alter = "ALTER RANGE default CONFIGURE ZONE USING num_replicas = "
    try:
        done = _sql(cluster[1], client, f"{alter}5")
        (row,) = _sql(cluster[2], client, "SHOW ZONE CONFIGURATION FROM RANGE default").table()
    finally:
        _sql(cluster[0], client, f"{alter}3")
    refused = _sql(cluster[0], client, f"{alter}2")

    assert (done.code, done.out) == (0, "CONFIGURE ZONE 1\n")
    assert "num_replicas = 5" in row["raw_config_sql"]
    assert refused.code == 1
    assert "at least 3 replicas are required for multi-replica configurations" in refused.err


def test_the_first_ranges_with_a_replica_on_a_node_are_named(cluster: Sequence[Node], client: Path) -> None:
    held = "SELECT range_id FROM [SHOW CLUSTER RANGES] WHERE replicas @> ARRAY[{}] ORDER BY range_id LIMIT 3"

    here, nowhere = (_sql(cluster[0], client, held.format(node)) for node in (1, 99))

    numbers = [int(line) for line in here.out.splitlines()[1:]]
    assert here.out.startswith("range_id\n")
    assert (len(numbers), numbers) == (3, sorted(numbers))
    assert (nowhere.code, nowhere.out) == (0, "range_id\n")


def test_ranges_are_summed_over_the_stores(cluster: Sequence[Node], client: Path) -> None:
    names = ("ranges.unavailable", "ranges.underreplicated")
    sums = ", ".join(f"sum((metrics->>'{name}')::DECIMAL)::INT AS {name.replace('.', '_')}" for name in names)

    answer = _sql(cluster[0], client, f"SELECT {sums} FROM crdb_internal.kv_store_status")

    assert answer.out == "ranges_unavailable,ranges_underreplicated\n0,0\n"
