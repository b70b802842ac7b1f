"""Fixtures of the database node's contract suite.

The suite runs against the stand-in; `--cockroach-binary PATH` points it at a real binary (tests that play another
release are left out then). Every process is ended, also when a test fails.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.cockroach.certificates import Authority
from tests.cockroach.nodes import FAST, Node, initialized, is_standin, use
from tests.cockroach.standings import replicated

MakeNodes = Callable[[int], list[Node]]


def pytest_configure(config: pytest.Config) -> None:
    if binary := config.getoption("--cockroach-binary"):
        use(Path(binary))


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The CA of the cluster."""
    return Authority()


@pytest.fixture(scope="session")
def node_certs(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good node certificate for loopback."""
    return authority.node(tmp_path_factory.mktemp("node-certs"))


@pytest.fixture(scope="session")
def client(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with root's client certificate."""
    return authority.client(tmp_path_factory.mktemp("client-certs"))


@pytest.fixture
def make_nodes(tmp_path: Path, node_certs: Path) -> Iterator[MakeNodes]:
    """Makes nodes that are ended with the test."""
    yield from _maker(tmp_path, node_certs)


@pytest.fixture
def make_fast_nodes(tmp_path: Path, node_certs: Path) -> Iterator[MakeNodes]:
    """The same, of nodes that soon notice the loss of others."""
    yield from _maker(tmp_path, node_certs, flags=FAST)


def _maker(tmp_path: Path, node_certs: Path, *, flags: Sequence[str] = ()) -> Iterator[MakeNodes]:
    made: list[Node] = []

    def make(count: int) -> list[Node]:
        fresh = [Node(tmp_path / f"node{len(made) + at}", certs=node_certs) for at in range(count)]
        for node in fresh:
            node.flags = list(flags)
        made.extend(fresh)
        return fresh

    yield make
    for node in made:
        node.kill()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, node_certs: Path, client: Path) -> Iterator[Sequence[Node]]:
    """Three ready nodes that tests share and leave as they are."""
    home = tmp_path_factory.mktemp("cluster")
    nodes = [Node(home / f"node{at}", certs=node_certs) for at in range(3)]
    try:
        yield replicated(initialized(nodes, client=client))
    finally:
        for node in nodes:
            node.kill()


@pytest.fixture
def standin() -> None:
    """Leave the test out when the suite runs against a real binary."""
    if not is_standin():
        pytest.skip("plays another release, which only the stand-in can")


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory, node_certs: Path, client: Path) -> Iterator[Sequence[Node]]:
    """Three nodes with their replicas, which all tests of a file share and leave serving."""
    home = tmp_path_factory.mktemp("trio")
    nodes = [Node(home / f"node{at}", certs=node_certs) for at in range(3)]
    for node in nodes:
        node.flags = list(FAST)
    try:
        yield replicated(initialized(nodes, client=client))
    finally:
        for node in nodes:
            node.kill()
