"""Contract: nodes that die: one is a matter of rows, a majority stops service, all come back by themselves."""

import subprocess
from pathlib import Path

import pytest

from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import Node, initialized
from tests.eventually import eventually

pytestmark = pytest.mark.processes


def _rows(node: Node, client: Path) -> dict[str, dict[str, str]]:
    table = node.ask("node", "status", "--format=csv", "--all", client=client).table()
    return {row["address"]: row for row in table}


def _underreplicated(node: Node, client: Path) -> int:
    return sum(int(row["ranges_underreplicated"]) for row in _rows(node, client).values())


def test_one_dead_node_is_shown_and_two_stop_service_until_one_is_back(
    make_fast_nodes: MakeNodes, client: Path
) -> None:
    first, second, third = initialized(make_fast_nodes(3), client=client)

    third.kill()
    eventually(lambda: _rows(first, client)[third.address]["is_live"] == "false")
    after_one = (_rows(first, client)[third.address], _underreplicated(first, client), first.readiness())

    second.kill()
    first.until("node is not healthy")
    alive = first.get("/health").status
    bounded = first.ask("node", "status", "--timeout=300ms", client=client)
    with pytest.raises(subprocess.TimeoutExpired):
        first.ask("sql", "-e", "SELECT 1", client=client, seconds=1)

    second.start().until("ready")
    first.until("ready")
    healed = first.ask("sql", "-e", "SELECT 1", client=client)

    dead, underreplicated, readiness = after_one
    assert (dead["is_available"], dead["membership"], dead["build"] != "NULL") == ("false", "active", True)
    assert underreplicated > 0
    assert readiness == "ready"
    assert alive == 200
    assert (bounded.code, "timeout" in bounded.err or "timed out" in bounded.err) == (1, True)
    assert healed.code == 0


def test_after_a_whole_restart_a_node_that_stays_away_has_nulls(make_fast_nodes: MakeNodes, client: Path) -> None:
    first, second, third = initialized(make_fast_nodes(3), client=client)
    for node in (first, second, third):
        node.kill()

    for node in (first, second):
        node.start()
    for node in (first, second):
        node.until("ready")
    forgotten = _rows(first, client)["NULL"]
    third.start().until("ready")
    eventually(lambda: set(_rows(first, client)) == {node.address for node in (first, second, third)})

    assert (forgotten["build"], forgotten["started_at"], forgotten["ranges"]) == ("NULL", "NULL", "NULL")
    assert forgotten["membership"] == "active"
