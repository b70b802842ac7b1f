"""Contract of the stand-in: `faults.json` in the data folder makes things go wrong, and no longer when it is gone."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import WAITS, Node, initialized, is_standin, started

pytestmark = [pytest.mark.processes, pytest.mark.skipif(not is_standin(), reason="only the stand-in takes faults")]

Inject = Callable[..., None]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, node_certs: Path, client: Path) -> Iterator[Node]:
    """A cluster of one node, whose faults each test takes away again."""
    only = Node(tmp_path_factory.mktemp("faulty") / "node", certs=node_certs)
    try:
        initialized([only], client=client)
        yield only
    finally:
        only.kill()


@pytest.fixture
def inject(node: Node) -> Iterator[Inject]:
    """Writes faults."""
    path = node.store / "faults.json"

    def write(**faults: Any) -> None:
        path.write_text(json.dumps(faults))

    yield write
    path.unlink(missing_ok=True)


def test_a_node_can_refuse_to_be_ready(node: Node, inject: Inject) -> None:
    inject(not_ready="node is not accepting SQL clients")
    refused = node.readiness()
    (node.store / "faults.json").unlink()

    assert refused == "node is not accepting SQL clients"
    assert node.readiness() == "ready"
    assert node.get("/health").status == 200


def test_one_verb_can_be_slow(node: Node, inject: Inject, client: Path) -> None:
    inject(slow_seconds={"node": 0.8})
    took = []
    for verb in (("node", "ls"), ("sql", "-e", "SELECT 1")):
        began = time.monotonic()
        assert node.ask(*verb, client=client).code == 0
        took.append(time.monotonic() - began)

    assert took[0] >= 0.8
    assert "faults by faults.json" in node.printed()


def test_statements_can_hang_until_their_deadline(node: Node, inject: Inject, client: Path) -> None:
    inject(hang=["sql"])
    with pytest.raises(subprocess.TimeoutExpired):
        node.ask("sql", "-e", "SELECT 1", client=client, seconds=0.7)
    inject()

    assert node.ask("sql", "-e", "SELECT 1", client=client).code == 0


def test_ranges_can_seem_underreplicated(node: Node, inject: Inject, client: Path) -> None:
    def shown() -> int:
        (row,) = node.ask("node", "status", "--ranges", "--format=csv", client=client).table()
        return int(row["ranges_underreplicated"])

    before = shown()
    inject(underreplicated_ranges=5)

    ends_at = time.monotonic() + 10
    while shown() != before + 5:
        assert time.monotonic() < ends_at


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param('{"slwo": 1}', "unknown fault ['slwo']", id="unknown fault"),
        pytest.param('{"hang": ["SQL"]}', "unknown verb ['SQL']", id="unknown verb"),
        pytest.param('{"delay_init_seconds": "5"}', "found '5', expected a number from 0 on", id="no number"),
        pytest.param('{"moves_per_second": -1}', "found -1, expected a number from 0 on", id="negative rate"),
        pytest.param('{"node_ids": {"node-2": "2"}}', "found '2' for node-2, expected a node id", id="no node id"),
        pytest.param('{"status_columns": "new"}', "found 'new', expected one of", id="unknown columns"),
        pytest.param('{"finalize_stuck": true}', "finalize_stuck: found True, expected why, in words", id="no reason"),
        pytest.param("{", "an example: {", id="no JSON"),
    ],
)
def test_a_file_that_cannot_be_taken_is_complained_about_and_changes_nothing(
    node: Node, inject: Inject, text: str, complaint: str
) -> None:
    inject(not_ready="node is not healthy")
    before = node.readiness()
    (node.store / "faults.json").write_text(text)

    assert (before, node.readiness()) == ("node is not healthy", "node is not healthy")
    assert complaint in node.printed_when("faults.json not taken")


def test_init_can_be_delayed_and_is_not_done_when_its_caller_gave_up(make_nodes: MakeNodes, client: Path) -> None:
    (fresh,) = started(make_nodes(1))
    faults = fresh.store / "faults.json"
    faults.write_text('{"delay_init_seconds": 60}')
    with pytest.raises(subprocess.TimeoutExpired):
        fresh.ask("init", client=client, seconds=0.7)
    faults.write_text('{"delay_init_seconds": 0.5}')
    still_waits = fresh.readiness()

    done = fresh.ask("init", client=client)

    assert still_waits == WAITS
    assert (done.code, done.out) == (0, "Cluster successfully initialized\n")


def test_a_node_can_end_at_its_next_start(make_nodes: MakeNodes) -> None:
    (fresh,) = make_nodes(1)
    fresh.store.mkdir(parents=True)
    faults = fresh.store / "faults.json"
    faults.write_text('{"exit_at_start": 7}')

    codes = [fresh.start().wait() for _ in range(2)]
    faults.unlink()
    fresh.start().until(WAITS)

    assert codes == [7, 7]
