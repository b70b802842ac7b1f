"""Contract: what a node says in each state of its life, over HTTP, to client verbs and on its output."""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import WAITS, Node, initialized, roach, started
from tests.eventually import eventually

pytestmark = pytest.mark.processes


def test_a_node_without_a_cluster_is_healthy_but_not_ready(make_nodes: MakeNodes) -> None:
    (node,) = started(make_nodes(1))

    health, ready = node.get("/health"), node.get("/health?ready=1")

    assert (health.status, health.json()) == (200, {})
    assert ready.status == 503
    assert ready.json() == {"error": WAITS, "code": 14, "message": WAITS, "details": []}


def test_a_waiting_node_says_that_its_peer_waits_too(make_nodes: MakeNodes) -> None:
    first, second = started(make_nodes(2))

    eventually(lambda: f"{second.address} is itself waiting for init, will retry" in first.printed().replace("‹", ""))

    assert "wait for `cockroach init`" in first.printed()


def test_verbs_are_refused_while_the_node_waits_for_init(make_nodes: MakeNodes, client: Path) -> None:
    (node,) = started(make_nodes(1))

    answers = [
        node.ask(*verb, client=client) for verb in (("node", "status"), ("node", "ls"), ("sql", "-e", "SELECT 1"))
    ]

    assert [answer.code for answer in answers] == [1, 1, 1]
    assert all("node waiting for init; " in answer.err and " not available" in answer.err for answer in answers)
    assert [answer.err.splitlines()[-1] for answer in answers] == [
        'Failed running "node status"',
        'Failed running "node ls"',
        'Failed running "sql"',
    ]


def test_plain_http_is_sent_to_https(make_nodes: MakeNodes) -> None:
    (node,) = started(make_nodes(1))

    page = node.get("/health?ready=1", scheme="http")

    assert page.status == 307
    assert page.body == f"https://127.0.0.1:{node.http_port}/health?ready=1"


def test_the_banner_tells_how_the_node_came_to_its_cluster(cluster: Sequence[Node]) -> None:
    first, *others = (node.printed_when("nodeID:") for node in cluster)

    assert "CockroachDB node starting at" in first
    assert "status:              initialized new cluster" in first
    assert "nodeID:              1" in first
    assert all("status:              initialized new node, joined pre-existing cluster" in text for text in others)


def test_serving_nodes_are_healthy_and_ready(cluster: Sequence[Node]) -> None:
    pages = [node.get(path) for node in cluster for path in ("/health", "/health?ready=1")]

    assert {(page.status, page.body.strip()) for page in pages} == {(200, "{}")}


def test_sigterm_drains_and_a_restart_keeps_the_id(make_nodes: MakeNodes, client: Path) -> None:
    nodes = initialized(make_nodes(3), client=client)
    leaver = nodes[2]
    before = {
        row["address"]: row["id"] for row in nodes[0].ask("node", "status", "--format=csv", client=client).table()
    }

    leaver.signal(signal.SIGTERM)
    leaver.until("node is shutting down")
    alive_while_draining = leaver.get("/health").status
    code = leaver.wait()
    leaver.start().until("ready")
    after = {row["address"]: row["id"] for row in nodes[0].ask("node", "status", "--format=csv", client=client).table()}

    assert alive_while_draining in (200, 0)  # the port may close between the two questions
    assert code == 0
    assert "initiating graceful shutdown of server" in leaver.printed()
    assert "server drained and shutdown completed" in leaver.printed()
    assert after == before
    assert "status:              restarted pre-existing node" in leaver.printed()


def test_a_node_that_waits_for_init_ends_well_on_sigterm(make_nodes: MakeNodes) -> None:
    (node,) = started(make_nodes(1))

    node.signal(signal.SIGTERM)

    assert node.wait() == 0


def test_other_folders_in_the_store_disturb_nothing(make_nodes: MakeNodes, client: Path) -> None:
    (node,) = make_nodes(1)
    kept = node.store / "certs" / "node.key"
    kept.parent.mkdir(parents=True)
    kept.write_text("not a key")

    initialized([node], client=client)

    assert kept.read_text() == "not a key"


def test_start_without_join_is_refused() -> None:
    answer = roach("start", "--certs-dir=nowhere")

    assert answer.code == 1
    assert "no --join flags provided to 'cockroach start'" in answer.err


def test_an_unknown_flag_has_an_exit_code_of_its_own() -> None:
    answer = roach("start", "--nonsense=1", "--join=localhost")

    assert answer.code == 4
    assert "unknown flag: --nonsense" in answer.err
    assert 'Failed running "start"' in answer.err


def test_version_prints_the_build_tag_alone_when_asked(standin: None) -> None:
    whole = roach("version", version="v24.3.1")
    tag = roach("version", "--build-tag", version="v24.3.1")

    assert "Build Tag:        v24.3.1" in whole.out
    assert (tag.code, tag.out) == (0, "v24.3.1\n")


def test_help_says_that_it_is_no_database(standin: None) -> None:
    answer = roach("--help")

    assert answer.code == 0
    assert "NOT A DATABASE" in answer.out
