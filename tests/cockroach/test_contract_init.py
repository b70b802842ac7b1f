"""Contract: init waits, happens once, and done at two nodes makes two clusters."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import COMMAND, TREE, Node, environment, initialized, started
from tests.eventually import eventually

pytestmark = pytest.mark.processes


def _cluster_id(node: Node, client: Path) -> str:
    answer = node.ask("sql", "--format=csv", "-e", "SELECT crdb_internal.cluster_id()", client=client)
    assert answer.code == 0, answer.err
    return answer.out.splitlines()[1]


def test_init_says_so_and_makes_one_cluster(make_nodes: MakeNodes, client: Path) -> None:
    nodes = started(make_nodes(3))

    answer = nodes[1].ask("init", client=client)

    assert (answer.code, answer.out) == (0, "Cluster successfully initialized\n")
    assert len({_cluster_id(node.until("ready"), client) for node in nodes}) == 1


def test_init_again_is_an_error_on_every_node(cluster: Sequence[Node], client: Path) -> None:
    answers = [node.ask("init", client=client) for node in cluster]

    assert [answer.code for answer in answers] == [1, 1, 1]
    assert all("ERROR: cluster has already been initialized" in answer.err for answer in answers)
    assert all('Failed running "init"' in answer.err for answer in answers)


def test_init_waits_until_its_node_answers(make_nodes: MakeNodes, client: Path, tmp_path: Path) -> None:
    (node,) = make_nodes(1)
    errors = tmp_path / "init-errors.txt"
    with errors.open("wb") as file:
        asking = subprocess.Popen(
            [*COMMAND, "init", f"--certs-dir={client}", f"--host={node.address}"],
            cwd=TREE,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=file,
        )
    with asking:
        eventually(lambda: "(retrying)" in errors.read_text())
        node.start()
        out, _ = asking.communicate(timeout=20)

    assert "warning: node not ready to perform cluster initialization: " in errors.read_text()
    assert (asking.returncode, out) == (0, b"Cluster successfully initialized\n")


def test_init_never_ends_by_itself_when_nobody_answers(make_nodes: MakeNodes, client: Path) -> None:
    (node,) = make_nodes(1)

    with pytest.raises(subprocess.TimeoutExpired):
        node.ask("init", client=client, seconds=1.5)


def test_init_at_two_nodes_makes_two_clusters_and_a_restart_refuses(make_nodes: MakeNodes, client: Path) -> None:
    first, second = make_nodes(2)
    for node in (first, second):
        initialized([node], client=client)
    ids = [_cluster_id(node, client) for node in (first, second)]

    second.kill()
    second.join = [first.address, second.address]
    second.start()

    assert ids[0] != ids[1]
    assert second.wait() == 1
    assert f"but is attempting to connect to a gossip network for cluster {ids[0]}" in second.printed()
    assert f"belongs to cluster {ids[1]}" in second.printed()
