"""A dev cluster of three nodes: pods and volumes spread over them, one killed and started again, one drained.

The tests share one cluster and run in their order: the last ones end it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from devtools.cluster import Cluster, ClusterError, archive, process
from devtools.cluster.layout import DNS_ADDRESS, Layout
from devtools.cluster.report import silent
from tests.cluster.halfway import begin_up, kill
from tests.cluster.objects import apply, in_pod, spread_set, wait_ready
from tests.cluster.traces import Traces, settings
from tests.eventually import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

PODS = ("db-0", "db-1", "db-2")
ASK_DNS = """
import socket, sys
name = b"".join(bytes([len(label)]) + label for label in sys.argv[1].encode().split(b".")) + b"\\0"
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(10)
asked.sendto(b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\1\\0\\1", (sys.argv[2], 53))
print(socket.inet_ntoa(asked.recv(512)[-4:]))
"""
SERVE = """
import socket
with socket.create_server(("", 8000)) as server:
    print("listens", flush=True)
    while True:
        connection, peer = server.accept()
        connection.sendall(f"hello {peer[0]}".encode())
        connection.close()
"""
CALL = "import socket, sys; print(socket.create_connection((sys.argv[1], 8000), timeout=10).recv(99).decode())"
# Runs what follows in the network of the pod that has the address $0.
AS_POD = (
    'for net in /run/netns/*; do if nsenter --net="$net" ip -o -4 addr | grep -q " $0/"; then '
    'exec nsenter --net="$net" "$@"; fi; done; exit 9'
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cluster's folder."""
    path = tmp_path_factory.mktemp("nodes") / "state"
    yield path
    Cluster("trio", state_dir=path, report=silent).down(purge=True)


@pytest.fixture(scope="module")
def layout(state: Path) -> Layout:
    """Names of the cluster."""
    return Layout.of("trio", state=state)


@pytest.fixture(scope="module")
def machine_before() -> dict[str, str]:
    """What is the machine's alone, before there is a cluster."""
    return settings()


@pytest.fixture(scope="module")
def pair(state: Path, machine_before: dict[str, str], probe_archive: Path) -> Cluster:
    """The cluster as it begins: of two nodes, with a set of three pods that do not share one."""
    assert machine_before
    cluster = Cluster("trio", state_dir=state, nodes=2, report=silent)
    cluster.up()
    cluster.load_image(probe_archive)
    apply(cluster, *spread_set("default", "db", replicas=3))
    return cluster


@pytest.fixture(scope="module")
def trio(pair: Cluster, state: Path, layout: Layout) -> Cluster:
    """The cluster with a third node that joined while two ran, so that there is room for all pods."""
    before = process.first(layout)
    cluster = Cluster("trio", state_dir=state, nodes=3, report=silent)
    cluster.up()
    assert process.first(layout) == before
    for pod in PODS:
        wait_ready(cluster, "default", pod)
    return cluster


def node_of(cluster: Cluster, pod: str) -> str:
    return cluster.kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")


def address_of(cluster: Cluster, pod: str) -> str:
    return cluster.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}")


def on_node(cluster: Cluster, number: int) -> str:
    """The pod of the set that is on a node."""
    return next(pod for pod in PODS if node_of(cluster, pod) == cluster.node_names[number - 1])


def is_node_ready(cluster: Cluster, name: str) -> bool:
    wanted = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    return cluster.kubectl("get", "node", name, "-o", wanted) == "True"


def restarts(cluster: Cluster, pod: str) -> str:
    return cluster.kubectl("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount}")


def in_node(layout: Layout, *argv: str) -> list[str]:
    """Command that runs Python of this machine inside a node, in a pod's network if an address comes first."""
    python = [sys.executable, "-I", "-S", "-c"]
    if argv[0][0].isdigit():
        return [*process.entry(layout), "/bin/sh", "-c", AS_POD, argv[0], *python, *argv[1:]]
    return [*process.entry(layout), *python, *argv]


def said(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def answers(argv: list[str]) -> bool:
    return said(argv).startswith("hello ")


def test_two_nodes_have_no_room_for_a_third_pod(pair: Cluster) -> None:
    def scheduled() -> list[str]:
        names = pair.kubectl("get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].spec.nodeName}")
        return sorted(names.split())

    eventually(lambda: len(scheduled()) == 2)

    assert scheduled() == ["trio-node", "trio-node-2"]


def test_pods_are_spread_and_each_volume_stays_on_its_node(trio: Cluster, state: Path) -> None:
    nodes = {pod: node_of(trio, pod) for pod in PODS}
    volumes = {
        each["spec"]["claimRef"]["name"]: each for each in json.loads(trio.kubectl("get", "pv", "-o", "json"))["items"]
    }

    assert set(nodes.values()) == set(trio.node_names) == {"trio-node", "trio-node-2", "trio-node-3"}
    for pod, node in nodes.items():
        spec = volumes[f"data-{pod}"]["spec"]
        (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert term["matchExpressions"][0]["values"] == [node]
        assert Path(spec["local"]["path"]).parent == state / "volumes"


def test_commands_and_logs_reach_pods_of_every_node(trio: Cluster) -> None:
    for pod in PODS:
        in_pod(trio, "default", pod, f"echo {pod} > /data/name")

        assert in_pod(trio, "default", pod, "read line < /data/name; echo $line") == f"{pod}\n"
        assert trio.kubectl("logs", pod) == "started\n"


def test_names_are_known_on_every_node(trio: Cluster, layout: Layout) -> None:
    name = "db-1.db.default.svc.cluster.local"

    for number in (1, 2, 3):
        asked = in_node(layout.at(number), ASK_DNS, name, DNS_ADDRESS)
        assert said(asked) == address_of(trio, "db-1")


def test_pods_reach_each_other_and_services_across_nodes(trio: Cluster, layout: Layout) -> None:
    addresses = {number: address_of(trio, on_node(trio, number)) for number in (1, 2, 3)}
    label = ["label", "pod", on_node(trio, 3), "serves=yes", "--overwrite"]
    trio.kubectl(*label)
    service = trio.kubectl("get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}")
    with subprocess.Popen(in_node(layout.at(3), addresses[3], SERVE), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == "listens\n"
        try:
            for number in (1, 2):
                direct = in_node(layout.at(number), addresses[number], CALL, addresses[3])
                assert said(direct) == f"hello {addresses[number]}"
            for number in (1, 2, 3):
                by_service = in_node(layout.at(number), addresses[number], CALL, service)
                eventually(partial(answers, by_service))  # a Service's rules follow its pods shortly
        finally:
            os.kill(server.pid, signal.SIGKILL)


def test_first_node_is_not_killed_by_itself(trio: Cluster) -> None:
    with pytest.raises(ClusterError, match="which has the control plane, can: 2, 3"):
        trio.kill_node(1)

    assert trio.is_up()


def test_cluster_does_not_lose_nodes_by_coming_up(trio: Cluster, state: Path) -> None:
    with pytest.raises(ClusterError, match="has 3 nodes, with volumes on each"):
        Cluster("trio", state_dir=state, nodes=1, report=silent).up()

    assert trio.is_up()


def test_killed_node_takes_its_pods_and_brings_them_back_with_their_data(
    trio: Cluster, layout: Layout, tmp_path: Path
) -> None:
    pod, name = on_node(trio, 2), trio.node_names[1]
    uid = trio.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
    path = tmp_path / "late.tar"
    archive.write(path, name="local.invalid/late:1", files={"/a": (b"late", 0o644)}, entrypoint=["/a"])

    trio.kill_node(2)

    assert [node.is_running for node in trio.status().nodes] == [True, False, True]
    assert not process.first(layout.at(2))
    assert trio.load_image(path)[0].was_imported
    eventually(lambda: not is_node_ready(trio, name), seconds=40)

    trio.start_node(2)

    assert trio.status().nodes[1].is_running
    assert is_node_ready(trio, name)
    eventually(lambda: restarts(trio, pod) == "1")
    wait_ready(trio, "default", pod)
    assert trio.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}") == uid
    assert in_pod(trio, "default", pod, "read line < /data/name; echo $line") == f"{pod}\n"
    assert trio.load_image(path)[0].was_imported is False


def test_drained_node_gives_its_pod_away_only_as_far_as_the_budget_allows(trio: Cluster) -> None:
    pod, kept = on_node(trio, 3), on_node(trio, 2)

    trio.kubectl("drain", "trio-node-3", "--timeout=30s")

    phase = ["get", "pod", pod, "--ignore-not-found", "-o", "jsonpath={.status.phase}"]
    eventually(lambda: trio.kubectl(*phase) == "Pending")
    with pytest.raises(ClusterError, match="would violate the pod's disruption budget"):
        trio.kubectl("drain", "trio-node-2", "--timeout=2s")
    assert node_of(trio, kept) == "trio-node-2"
    trio.kubectl("uncordon", "trio-node-2", "trio-node-3")
    wait_ready(trio, "default", pod)
    assert node_of(trio, pod) == "trio-node-3"
    assert in_pod(trio, "default", pod, "read line < /data/name; echo $line") == f"{pod}\n"


def test_names_outlive_the_drain_of_the_first_node(trio: Cluster, layout: Layout) -> None:
    trio.kubectl("drain", "trio-node", "--pod-selector=k8s-app=kube-dns", "--timeout=60s")

    asked = in_node(layout.at(2), ASK_DNS, "kubernetes.default.svc.cluster.local", DNS_ADDRESS)
    eventually(lambda: said(asked) == "10.232.0.1", seconds=40)
    trio.kubectl("uncordon", "trio-node")


def test_up_starts_the_node_that_died(trio: Cluster, layout: Layout) -> None:
    os.kill(process.outer(layout.at(3))[0], signal.SIGKILL)
    eventually(lambda: not process.first(layout.at(3)))

    trio.up()

    assert process.is_whole(layout.at(3))
    assert is_node_ready(trio, "trio-node-3")


def test_down_after_a_node_was_killed_leaves_nothing(
    trio: Cluster, layout: Layout, machine_before: dict[str, str]
) -> None:
    traces = Traces.of(layout)
    os.kill(process.first(layout.at(2))[0], signal.SIGKILL)

    trio.down()

    assert traces.left() == []
    assert settings() == machine_before
    assert trio.status().state == "stopped"


def test_up_that_was_killed_half_way_is_carried_on_with_all_nodes(trio: Cluster, layout: Layout, state: Path) -> None:
    kill(begin_up("trio", state, until="starting the node trio-node-2"))
    first = process.first(layout)
    assert trio.status().state == "starting"

    Cluster("trio", state_dir=state, report=silent).up()

    assert process.first(layout) == first
    assert all(node.is_running for node in trio.status().nodes)
    assert all(is_node_ready(trio, name) for name in trio.node_names)


def test_down_after_the_control_planes_node_was_killed_leaves_nothing(
    trio: Cluster, layout: Layout, machine_before: dict[str, str]
) -> None:
    traces = Traces.of(layout)
    os.kill(process.first(layout)[0], signal.SIGKILL)
    eventually(lambda: trio.status().state == "stopped")
    assert process.first(layout.at(2))

    trio.down()

    assert traces.left() == []
    assert settings() == machine_before
