"""Contract: what is refused, with which sentence: certificates, keys, stores, unreachable nodes."""

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from devtools.cockroach import flags, wire
from devtools.cockroach.client import FLAGS, Target
from devtools.cockroach.failure import RemoteError
from devtools.processes import free_port
from tests.cockroach.certificates import BOTH, CLIENT, LOOPBACK, Authority
from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import WAITS, Node, initialized, roach, started
from tests.eventually import eventually

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def stranger() -> Authority:
    """A CA that the cluster does not know."""
    return Authority("Somebody else's CA")


def test_nobody_listening_is_said_with_hints(client: Path) -> None:
    port = free_port()

    answer = roach("node", "status", f"--certs-dir={client}", f"--host=127.0.0.1:{port}")

    assert answer.code == 1
    assert answer.err == (
        "ERROR: cannot dial server.\n"
        "Is the server running?\n"
        "If the server is running, check --host client-side and --advertise server-side.\n"
        "\n"
        f"dial tcp 127.0.0.1:{port}: connect: connection refused\n"
        'Failed running "node status"\n'
    )


def test_a_name_that_does_not_resolve_is_said(client: Path) -> None:
    answer = roach("sql", "-e", "SELECT 1", f"--certs-dir={client}", "--host=no-such-host.invalid")

    assert answer.code == 1
    assert "cannot dial server." in answer.err


def test_a_port_that_speaks_no_tls_is_refused(client: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        listening.settimeout(0)

        answer = roach("sql", "-e", "SELECT 1", f"--certs-dir={client}", f"--host=127.0.0.1:{port}", "--timeout=300ms")

    assert answer.code == 1


def test_a_client_without_certificates_is_told_where_they_belong(tmp_path: Path) -> None:
    answer = roach("node", "status", f"--certs-dir={tmp_path}/none")

    assert answer.code == 1
    assert "certs" in answer.err


def test_a_client_of_another_authority_is_refused(
    cluster: Sequence[Node], stranger: Authority, authority: Authority, tmp_path: Path
) -> None:
    distrusting = stranger.client(tmp_path / "distrusting")
    distrusted = stranger.client(tmp_path / "distrusted")
    authority.ca(distrusted)

    answers = [cluster[0].ask("node", "status", client=folder) for folder in (distrusting, distrusted)]

    assert [answer.code for answer in answers] == [1, 1]
    assert "x509: certificate signed by unknown authority" in answers[0].err
    assert "remote error: tls: " in answers[1].err


def test_a_client_certificate_of_somebody_else_is_refused(
    cluster: Sequence[Node], authority: Authority, tmp_path: Path
) -> None:
    folder = authority.client(tmp_path / "other", user="root", common_name="maxroach")

    answer = cluster[0].ask("sql", "-e", "SELECT 1", client=folder)

    assert answer.code == 1
    assert "root" in answer.err


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        pytest.param(("localhost",), "doesn't contain any IP SANs", id="no address"),
        pytest.param(("localhost", "127.0.0.9"), "x509: certificate is valid for 127.0.0.9, not 127.0.0.1", id="other"),
    ],
)
def test_an_address_missing_from_the_node_certificate_is_named(
    make_nodes: MakeNodes, authority: Authority, client: Path, tmp_path: Path, names: Sequence[str], reason: str
) -> None:
    (node,) = make_nodes(1)
    node.certs = authority.node(tmp_path / "incomplete", names=names)
    node.start()

    eventually(lambda: "wait for `cockroach init`" in node.printed())
    answer = node.ask("node", "status", client=client)

    assert answer.code == 1
    assert reason in answer.err


def test_a_node_certificate_must_name_node(make_nodes: MakeNodes, authority: Authority, tmp_path: Path) -> None:
    (node,) = make_nodes(1)
    node.certs = authority.node(tmp_path / "misnamed", common_name="root")

    code = node.start().wait()

    assert code == 1
    assert 'expected "node"' in node.printed()
    assert 'Failed running "start"' in node.printed()


@pytest.mark.parametrize("mode", [0o644, 0o444], ids=oct)
def test_a_key_that_others_can_read_is_refused(
    make_nodes: MakeNodes, authority: Authority, tmp_path: Path, mode: int
) -> None:
    (node,) = make_nodes(1)
    node.certs = authority.node(tmp_path / "loose")
    key = node.certs / "node.key"
    key.chmod(mode)

    code = node.start().wait()

    assert code == 1
    assert f"key file {key} has permissions -r" in node.printed()
    assert ", exceeds -rwx" in node.printed()


def test_a_node_of_another_authority_never_joins(
    cluster: Sequence[Node], make_nodes: MakeNodes, stranger: Authority, tmp_path: Path, client: Path
) -> None:
    (node,) = make_nodes(1)
    node.certs = stranger.node(tmp_path / "foreign")
    node.join = [cluster[0].address]
    node.start()

    eventually(lambda: "certificate" in node.printed().replace("--certs", ""))

    assert node.readiness() == WAITS
    assert len(cluster[0].ask("node", "ls", "--format=csv", client=client).table()) == 3


def test_a_node_certificate_without_server_usage_is_refused_by_clients(
    make_nodes: MakeNodes, authority: Authority, client: Path, tmp_path: Path
) -> None:
    (node,) = make_nodes(1)
    node.certs = authority.node(tmp_path / "client-only")
    authority.write(node.certs, "node", common_name="node", names=LOOPBACK, usages=CLIENT)
    node.start()

    eventually(lambda: "wait for `cockroach init`" in node.printed())
    answer = node.ask("node", "status", client=client)

    assert answer.code == 1
    assert "x509: certificate specifies an incompatible key usage" in answer.err


def test_a_file_with_a_meaningless_name_is_warned_about_and_ignored(
    make_nodes: MakeNodes, authority: Authority, client: Path, tmp_path: Path
) -> None:
    (node,) = make_nodes(1)
    node.certs = authority.node(tmp_path / "more")
    authority.write(node.certs, "tls", common_name="node", names=LOOPBACK, usages=BOTH)

    initialized([node], client=client)

    assert "unknown prefix" in node.printed()


def test_a_store_in_use_is_refused(make_nodes: MakeNodes) -> None:
    first, second = make_nodes(2)
    started([first])
    second.store = first.store

    code = second.start().wait()

    assert code == 1
    assert "resource temporarily unavailable" in second.printed()


@pytest.mark.parametrize(
    ("wrote", "opens", "sentence"),
    [
        pytest.param(
            "v25.2.3",
            "v25.1.0",
            "cockroach version v25.1 is incompatible with data in store {store}; use version v25.2 or later",
            id="binary too old",
        ),
        pytest.param(
            "v20.2.1",
            "v21.2.0",
            "last used with cockroach version v20.2, is too old for running version v21.2 "
            "(which requires data from v21.1 or later)",
            id="binary too new",
        ),
        pytest.param("v19.1.0", "v2.1.0", "cockroach version v2.1 is incompatible", id="2.1 is older than 19.1"),
    ],
)
def test_data_of_a_release_out_of_reach_is_refused(
    make_nodes: MakeNodes, client: Path, standin: None, wrote: str, opens: str, sentence: str
) -> None:
    (node,) = make_nodes(1)
    node.start(version=wrote).until(WAITS)
    assert node.ask("init", client=client).code == 0
    node.until("ready").kill()

    code = node.start(version=opens).wait()

    assert code == 1
    assert sentence.format(store=node.store) in node.printed()


@pytest.mark.parametrize(
    ("wrote", "opens"),
    [
        pytest.param("v25.2.3", "v25.2.9", id="a later patch"),
        pytest.param("v25.2.3", "v25.2.1", id="an earlier patch"),
        pytest.param("v24.3.0", "v25.2.0", id="over an innovation release"),
    ],
)
def test_data_of_a_release_in_reach_is_opened(
    make_nodes: MakeNodes, client: Path, standin: None, wrote: str, opens: str
) -> None:
    (node,) = make_nodes(1)
    node.start(version=wrote).until(WAITS)
    assert node.ask("init", client=client).code == 0
    node.until("ready").kill()

    node.start(version=opens).until("ready")

    assert "restarted pre-existing node" in node.printed()


def test_an_older_binary_is_not_let_into_a_newer_cluster(
    cluster: Sequence[Node], make_nodes: MakeNodes, standin: None
) -> None:
    (node,) = make_nodes(1)
    node.join = [cluster[0].address]

    code = node.start(version="v25.1.0").wait()

    assert code == 1
    assert "incompatible versions" in node.printed()


@pytest.mark.parametrize("method", [wire.JOIN, wire.GOSSIP])
def test_a_client_certificate_does_not_make_a_node(
    cluster: Sequence[Node], client: Path, standin: None, method: str
) -> None:
    given = flags.parse([f"--host={cluster[0].address}", f"--certs-dir={client}"], known=FLAGS)

    with pytest.raises(RemoteError, match="user root is not allowed to perform this RPC"):
        Target(given).ask(method, {}, limit=5)
