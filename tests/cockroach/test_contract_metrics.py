"""Contract: /_status/vars: the metrics that dashboards and alert rules of the vendor use."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from activities.standing import EXPIRATION
from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import WAITS, Node

pytestmark = pytest.mark.processes

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
DOCUMENTED = [
    "sys_uptime",
    "build_timestamp",
    "liveness_livenodes",
    "capacity",
    "capacity_available",
    "ranges",
    "ranges_unavailable",
    "ranges_underreplicated",
    "replicas_leaders_not_leaseholders",
    "sql_conns",
    "sql_query_count",
    "sys_fd_open",
    "sys_fd_softlimit",
    "clock_offset_meannanos",
    "security_certificate_expiration_ca",
    "security_certificate_expiration_client_ca",
    "security_certificate_expiration_node",
    "security_certificate_expiration_node_client",
    "security_certificate_expiration_ui",
    "security_certificate_expiration_ui_ca",
    "requests_slow_latch",
    "requests_slow_lease",
    "requests_slow_raft",
    "txn_durations_bucket",
    "exec_latency_bucket",
    "round_trip_latency_bucket",
    "sql_exec_latency_bucket",
    "raft_process_logcommit_latency_bucket",
    "raft_process_commandcommit_latency_bucket",
]

Samples = dict[str, list[tuple[str, float]]]


def _samples(node: Node) -> Samples:
    """Every sample by name: its labels and value."""
    page = node.get("/_status/vars")
    assert page.status == 200
    found: Samples = {}
    for line in page.body.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, f"no sample: {line}"
            found.setdefault(match[1], []).append((match[2] or "", float(match[3])))
    return found


def _value(node: Node, name: str) -> float:
    return _samples(node)[name][0][1]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_metric_is_there(scraped: Samples, name: str) -> None:
    assert name in scraped


@pytest.fixture(scope="module")
def scraped(cluster: Sequence[Node]) -> Samples:
    """One node's page."""
    return _samples(cluster[1])


def test_values_tell_of_this_node(scraped: Samples, standin: None) -> None:
    (labels, expires), (build, _) = (
        scraped["security_certificate_expiration_node"][0],
        scraped["build_timestamp"][0],
    )

    assert scraped["liveness_livenodes"][0][1] == 3
    assert expires > 1.7e9
    assert scraped["security_certificate_expiration_ui"][0][1] == 0
    node_id = labels.removeprefix('node_id="').removesuffix('"')  # ids do not follow the order of starting
    assert node_id in ("2", "3")
    assert 'tag="v25.2.3"' in build
    assert scraped["ranges_underreplicated"] == [(f'store="{node_id}",node_id="{node_id}"', 0)]
    assert scraped["sql_query_count"][0][0] == f'node_id="{node_id}",tenant="system"'


def test_sql_tells_until_when_the_certificate_of_this_very_node_is_valid(
    cluster: Sequence[Node], client: Path, scraped: Samples
) -> None:
    answer = cluster[1].sql(EXPIRATION, client=client)

    (row,) = answer.table()
    assert float(row["value"]) == scraped["security_certificate_expiration_node"][0][1]


def test_each_scrape_is_fresh(cluster: Sequence[Node], client: Path) -> None:
    before = _value(cluster[0], "sql_query_count")

    assert cluster[0].sql("SELECT 1; SELECT 2", client=client).code == 0

    assert _value(cluster[0], "sql_query_count") >= before + 2


def test_buckets_rise_to_their_count(scraped: Samples) -> None:
    counts = [value for _, value in scraped["round_trip_latency_bucket"]]

    assert counts == sorted(counts)
    assert counts[-1] == scraped["round_trip_latency_count"][0][1] > 0


def test_older_releases_have_no_label_of_the_node(make_nodes: MakeNodes, standin: None) -> None:
    (node,) = make_nodes(1)
    node.start(version="v19.2.1").until(WAITS)

    found = _samples(node)

    assert found["sys_uptime"][0][0] == ""
    assert found["capacity"][0][0] == 'store="0"'
