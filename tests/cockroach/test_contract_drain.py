"""Contract: `node drain`: what it prints, what the node does meanwhile and after a restart."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cockroach.nodes import Node
from tests.cockroach.standings import id_of, inject, row_of

pytestmark = pytest.mark.processes


def test_a_drained_node_runs_on_without_clients_until_it_is_restarted(trio: Sequence[Node], client: Path) -> None:
    asked, _, drained = trio
    number = id_of(drained, client=client)

    answer = asked.ask("node", "drain", str(number), client=client)
    readiness, alive = drained.readiness(), drained.get("/health").status
    row = row_of(drained, client=client, asked=asked)
    refused = drained.ask("sql", "-e", "SELECT 1", client=client)
    drained.kill()
    drained.start().until("ready")

    assert (answer.code, answer.out) == (0, "ok\n")
    lines = answer.err.splitlines()
    assert all(line.startswith("node is draining... remaining: ") for line in lines)
    assert not lines[0].endswith(": 0")
    assert lines[-1] == "node is draining... remaining: 0 (complete)"
    assert (readiness, alive) == ("node is shutting down", 200)
    assert (row["is_draining"], row["is_live"], row["membership"]) == ("true", "true", "active")
    assert (row["replicas_leaseholders"], int(row["ranges"]) > 0) == ("0", True)
    assert (refused.code, "server is not accepting clients" in refused.err) == (1, True)
    assert row_of(drained, client=client, asked=drained)["is_draining"] == "false"


def test_a_drain_can_end_the_process(trio: Sequence[Node], client: Path) -> None:
    node = trio[1]

    answer = node.ask("node", "drain", "--self", "--shutdown", client=client)
    code = node.wait()
    node.start().until("ready")

    assert (answer.code, answer.out, code) == (0, "ok\n", 0)
    assert "server drained and shutdown completed" in node.printed()


def test_a_drain_that_takes_too_long_is_an_error_and_goes_on_when_asked_again(
    trio: Sequence[Node], client: Path, standin: None
) -> None:
    node = trio[1]
    inject(node, drain_seconds=30)

    late = node.ask("node", "drain", "--drain-wait=200ms", client=client)
    inject(node)
    again = node.ask("node", "drain", "--self", client=client)
    node.kill()
    node.start().until("ready")

    assert (late.code, late.out) == (1, "")
    assert "warning: draining a node without node ID or passing --self explicitly is deprecated.\n" in late.err
    assert 'ERROR: drain timeout\nFailed running "node drain"\n' in late.err
    assert (again.code, again.err) == (0, "node is draining... remaining: 0 (complete)\n")


def test_an_unknown_node_is_not_drained(trio: Sequence[Node], client: Path) -> None:
    answer = trio[0].ask("node", "drain", "77", client=client)

    assert answer.code == 1
    assert "n77" in answer.err
