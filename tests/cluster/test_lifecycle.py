"""A dev cluster comes up, dies in every way that one can die in, and leaves nothing."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devtools.cluster import Cluster, ClusterError, process
from devtools.cluster.layout import Layout
from devtools.cluster.report import silent
from tests.cluster.halfway import begin_up, kill
from tests.cluster.objects import apply, claim, in_pod, restricted_pod, wait_ready
from tests.cluster.traces import Traces, settings
from tests.eventually import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests here: each must cope with what the one before left in it."""
    path = tmp_path_factory.mktemp("lifecycle") / "state"
    yield path
    Cluster("mortal", state_dir=path, report=silent).down(purge=True)


@pytest.fixture
def mortal(state: Path) -> Cluster:
    """A cluster that is up at the beginning of a test."""
    cluster = Cluster("mortal", state_dir=state, report=silent)
    cluster.up()
    return cluster


@pytest.fixture
def layout(state: Path) -> Layout:
    """Names of the same cluster."""
    return Layout.of("mortal", state=state)


def program(layout: Layout, name: str) -> int:
    """The process of a program of the node, as numbered outside."""
    first = process.first(layout)[0]
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    found = [int(pid) for pid in children if name in Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")]
    return found[0] if found else 0


def test_machine_is_as_before_when_a_cluster_was_up_and_down(state: Path, layout: Layout) -> None:
    before = settings()
    cluster = Cluster("mortal", state_dir=state, report=silent)
    cluster.up()
    traces = Traces.of(layout)
    assert traces.left()
    assert settings() == before

    cluster.down()

    assert traces.left() == []
    assert settings() == before
    assert cluster.status().state == "stopped"


def test_two_clusters_at_once_know_nothing_of_each_other(mortal: Cluster, cluster: Cluster) -> None:
    mortal.kubectl("create", "namespace", "only-here")

    assert mortal.port != cluster.port
    assert "only-here" in mortal.kubectl("get", "namespaces", "-o", "name")
    assert "only-here" not in cluster.kubectl("get", "namespaces", "-o", "name")


def test_pods_and_their_data_are_back_after_down_and_up(mortal: Cluster, probe_archive: Path) -> None:
    mortal.load_image(probe_archive)
    apply(mortal, claim("default", "data"), restricted_pod("default", "keeper", claim_name="data"))
    wait_ready(mortal, "default", "keeper")
    in_pod(mortal, "default", "keeper", "echo kept > /data/file")

    mortal.down()
    mortal.up()

    eventually(lambda: mortal.kubectl("get", "pod", "keeper", "-o", "jsonpath={..restartCount}") == "1")
    wait_ready(mortal, "default", "keeper")
    assert in_pod(mortal, "default", "keeper", "read line < /data/file; echo $line") == "kept\n"
    assert mortal.load_image(probe_archive)[0].was_imported is False


@pytest.mark.parametrize("name", ["kubelet", "kube-apiserver", "containerd"])
def test_killed_program_of_the_node_is_started_again(mortal: Cluster, layout: Layout, name: str) -> None:
    killed = program(layout, name)

    os.kill(killed, signal.SIGKILL)

    eventually(lambda: program(layout, name) not in (0, killed))
    eventually(mortal.is_up)


def test_down_right_after_the_kubelet_was_killed_leaves_nothing(mortal: Cluster, layout: Layout) -> None:
    traces = Traces.of(layout)
    os.kill(program(layout, "kubelet"), signal.SIGKILL)

    mortal.down()

    assert traces.left() == []


@pytest.mark.parametrize("find", [process.first, process.outer], ids=["the first process", "the one that holds it"])
def test_killed_node_takes_everything_with_it_and_comes_up_again(
    mortal: Cluster, layout: Layout, find: Callable[[Layout], list[int]]
) -> None:
    traces = Traces.of(layout)

    os.kill(find(layout)[0], signal.SIGKILL)

    eventually(lambda: not [each for each in traces.left() if not each.startswith("cgroup")])
    assert mortal.status().state == "stopped"
    mortal.up()
    assert mortal.status().state == "up"


def test_up_that_was_killed_half_way_is_carried_on_by_the_next(state: Path, layout: Layout) -> None:
    Cluster("mortal", state_dir=state, report=silent).down()
    kill(begin_up("mortal", state, until="starting, API server"))
    cluster = Cluster("mortal", state_dir=state, report=silent)
    assert cluster.status().state == "starting"
    first = process.first(layout)

    cluster.up()

    assert cluster.status().state == "up"
    assert process.first(layout) == first


def test_down_after_an_up_that_was_killed_half_way_leaves_nothing(state: Path, layout: Layout) -> None:
    cluster = Cluster("mortal", state_dir=state, report=silent)
    cluster.down()
    kill(begin_up("mortal", state, until="starting, API server"))
    traces = Traces.of(layout)

    cluster.down()

    assert traces.left() == []


def test_cluster_outlives_the_one_that_started_it(state: Path) -> None:
    cluster = Cluster("mortal", state_dir=state, report=silent)
    caller = begin_up("mortal", state, until="is up after")
    kill(caller)

    assert cluster.is_up()
    assert "mortal-node" in cluster.kubectl("get", "nodes", "-o", "name")


def test_taken_port_is_refused_by_its_number(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cluster = Cluster("late", state_dir=folder, port=port, report=silent)

        with pytest.raises(ClusterError, match=f"Port {port} of 127.0.0.1 cannot be had"):
            cluster.up()

    assert cluster.status().state == "stopped"
    cluster.down(purge=True)
    assert not folder.exists()
