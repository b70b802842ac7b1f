"""Contract: SIGHUP takes renewed certificates without a restart, and keeps the old ones when the new are refused."""

import signal
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.cockroach.certificates import LOOPBACK, Authority
from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import Node, initialized
from tests.eventually import eventually

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def reloading(tmp_path_factory: pytest.TempPathFactory, authority: Authority, client: Path) -> Iterator[Node]:
    """A node with certificates of its own."""
    home = tmp_path_factory.mktemp("reloading")
    node = Node(home / "node", certs=authority.node(home / "certs"))
    try:
        initialized([node], client=client)
        yield node
    finally:
        node.kill()


def _serial(node: Node) -> int:
    """Of the certificate that the node serves."""
    pem = ssl.get_server_certificate(("127.0.0.1", node.http_port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def _make_key_readable(folder: Path, _authority: Authority) -> None:
    (folder / "node.key").chmod(0o644)


def _take_another_key(folder: Path, authority: Authority) -> None:
    kept = (folder / "node.crt").read_bytes()
    authority.write(folder, "node", common_name="node", names=LOOPBACK)
    (folder / "node.crt").write_bytes(kept)


def _name_somebody_else(folder: Path, authority: Authority) -> None:
    authority.write(folder, "node", common_name="root", names=LOOPBACK)


def _write_half(folder: Path, _authority: Authority) -> None:
    whole = (folder / "node.crt").read_text()
    (folder / "node.crt").write_text(whole[: len(whole) // 2])


def test_renewed_certificates_are_served_and_dialed_with(
    make_nodes: MakeNodes, client: Path, authority: Authority, tmp_path: Path
) -> None:
    first, second = make_nodes(2)
    for at, node in enumerate((first, second)):
        node.certs = authority.node(tmp_path / f"certs{at}")
    initialized([first, second], client=client)

    renewed = {
        node: authority.write(node.certs, "node", common_name="node", names=LOOPBACK) for node in (first, second)
    }
    for node in renewed:
        node.signal(signal.SIGHUP)

    eventually(lambda: all(_serial(node) == serial for node, serial in renewed.items()))
    assert "reloaded certificates" in first.printed()
    assert second.sql("CREATE DATABASE after_reload", client=client).code == 0, "the nodes still reach each other"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(_make_key_readable, "has permissions -rw-r--r--, exceeds -rwx", id="key others can read"),
        pytest.param(_take_another_key, "key values mismatch", id="key of another certificate"),
        pytest.param(_name_somebody_else, 'expected "node"', id="certificate of somebody else"),
        pytest.param(_write_half, "as PEM", id="half a file"),
    ],
)
def test_refused_certificates_leave_the_old_ones_in_use(
    reloading: Node,
    client: Path,
    authority: Authority,
    spoil: Callable[[Path, Authority], None],
    reason: str,
) -> None:
    served = authority.write(reloading.certs, "node", common_name="node", names=LOOPBACK)
    reloading.signal(signal.SIGHUP)
    eventually(lambda: _serial(reloading) == served)

    spoil(reloading.certs, authority)
    reloading.signal(signal.SIGHUP)

    (line,) = [line for line in reloading.printed_when(reason).splitlines() if reason in line]
    assert "could not reload certificates, the ones before stay in use: " in line
    assert _serial(reloading) == served
    assert reloading.sql("SELECT 1", client=client).code == 0
