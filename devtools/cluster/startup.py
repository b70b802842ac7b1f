"""What `Cluster.up` is made of: have a first node, then wait until all can run pods.

Further nodes are `workers.py`'s; the order of the programs inside a node is `node.py`'s, the handle and the lock are
`cluster.py`'s.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from devtools.cluster import addons, cgroups, config, kubeconfig, pki, process
from devtools.cluster.api import Api
from devtools.cluster.build import Built
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import Layout
from devtools.cluster.record import Record, replace
from devtools.cluster.report import Report, elapsed

READY_SECONDS = 180.0
POLL_SECONDS = 0.1
DNS_PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"
DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def begin(layout: Layout, *, built: Built, wanted_port: int | None, nodes: Sequence[Layout], report: Report) -> None:
    """Start the first of `nodes`; whatever there was of an earlier one must be gone.

    Raises:
        ClusterError: The wanted port is taken.
    """
    earlier = Record.read(layout)
    layout.state.mkdir(parents=True, exist_ok=True)
    layout.state.chmod(0o700)
    if earlier is None:  # before anything else is in the folder
        Record(layout.name).write(layout)
    make_folders(layout)
    pki.ensure(layout.pki, nodes=nodes)
    with _listener(wanted_port, last=earlier.port if earlier else None) as listener:
        port: int = listener.getsockname()[1]
        kubeconfig.with_certificate(layout.kubeconfig, server=f"https://127.0.0.1:{port}", pki=layout.pki, pair="admin")
        write_files(layout, built=built, socket_fd=listener.fileno())
        Record(layout.name, port=port, build=built.folder.name, nodes=len(nodes)).write(layout)
        cgroups.make(layout.cgroup)
        process.start(layout, listener=listener)
    report(f'cluster "{layout.name}": starting, API server on 127.0.0.1:{port}, logs in {layout.log}')


def make_folders(layout: Layout) -> None:
    """Have a node's folders, with an empty one for logs."""
    for folder in (layout.conf / "cni", layout.disk, layout.volumes):
        folder.mkdir(parents=True, exist_ok=True)
    if layout.log.exists():
        before = layout.log.with_name("log.before")
        shutil.rmtree(before, ignore_errors=True)
        layout.log.rename(before)
    layout.log.mkdir()


def _listener(wanted: int | None, *, last: int | None) -> socket.socket:
    """The socket that reaches the API server from this machine: on the wanted port, the last one, or a free one."""
    for port in [wanted] if wanted else [last, 0] if last else [0]:
        try:
            return socket.create_server(("127.0.0.1", port), backlog=128)
        except OSError as error:
            if wanted:
                raise ClusterError(
                    f"Port {port} of 127.0.0.1 cannot be had ({error.strerror}); "
                    "name another with --port, or none to get a free one."
                ) from error
    raise ClusterError("No port of 127.0.0.1 can be had.")


def write_files(layout: Layout, *, built: Built, socket_fd: int | None = None) -> None:
    """Write everything that a node's programs read."""
    for name, content in config.files(layout).items():
        replace(layout.conf / name, content)
    for name, (pair, server) in config.kubeconfigs(layout).items():
        kubeconfig.with_certificate(layout.conf / f"{name}.kubeconfig", server=server, pki=layout.pki, pair=pair)
    plan = config.plan(layout, program=built.program, pause_archive=built.pause_archive, socket_fd=socket_fd)
    replace(layout.plan, json.dumps(plan, indent=1))


def finish(layout: Layout, *, port: int, built: Built, nodes: Sequence[Layout], report: Report) -> None:
    """Wait for nodes that were begun, by this process or another, and give them what every cluster holds.

    Raises:
        ClusterError: It did not come up; the message has the end of the log that tells why.
    """
    started = time.monotonic()
    api = Api(port=port, pki=layout.pki)
    _wait(layout, "the API server", api.is_ready, log="kube-apiserver")
    report(f"API server ready after {elapsed(started)}")
    _apply(layout, built=built)
    for node in nodes:
        wait_node(node, api=api)
    began = _beginning(layout)
    _wait(layout, "cluster DNS", lambda: is_pod_ready(api.items(DNS_PODS), since=began), log="kubelet")
    _wait(layout, "an account", lambda: api.get(DEFAULT_ACCOUNT) is not None, log="kube-controller-manager")
    replace(layout.completed, process.identity(process.first(layout)[0]))
    report(f'cluster "{layout.name}" is up after {elapsed(started)}; export KUBECONFIG={layout.kubeconfig}')


def wait_node(node: Layout, *, api: Api) -> None:
    """Wait until a node that was begun can run pods.

    Raises:
        ClusterError: It did not come up; the message has the end of the log that tells why.
    """
    began = _beginning(node)
    _wait(
        node,
        f"the node {node.node}",
        lambda: is_node_ready(api.items("/api/v1/nodes"), name=node.node, since=began),
        log="kubelet",
    )


def _beginning(node: Layout) -> datetime:
    """Of seconds, as Kubernetes' own times are; a node that was taken over began before this process."""
    return datetime.fromtimestamp(node.plan.stat().st_mtime, UTC).replace(microsecond=0)


def _apply(layout: Layout, *, built: Built) -> None:
    """Applying twice changes nothing."""
    objects = {"apiVersion": "v1", "kind": "List", "items": addons.manifests(program=built.program, node=layout.node)}
    kubectl(layout, ["apply", "--server-side", "--force-conflicts", "-f", "-"], built=built, given=json.dumps(objects))


def kubectl(layout: Layout, args: list[str], *, built: Built, given: str | None = None) -> str:
    """Run kubectl as the administrator; `given` is its standard input.

    Raises:
        ClusterError: It failed; its words are in the message.
    """
    if not built.kubectl.exists():
        raise ClusterError(f"There is no {built.kubectl}; `python -m devtools.cluster build` makes it.")
    done = subprocess.run(
        [str(built.kubectl), f"--kubeconfig={layout.kubeconfig}", *args],
        input=given or "",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"`kubectl {' '.join(args)}` exited with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _wait(layout: Layout, what: str, is_there: Callable[[], bool], *, log: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_there():
        if not process.outer(layout):
            raise ClusterError(f"The node {layout.node} ended while it was starting.\n{_tail(layout, 'node')}")
        if time.monotonic() > deadline:
            raise ClusterError(f"No sign of {what} for {READY_SECONDS:.0f} s.\n{_tail(layout, log)}")
        time.sleep(POLL_SECONDS)


def _tail(layout: Layout, log: str) -> str:
    path = layout.log / f"{log}.log"
    lines = path.read_text(errors="replace").splitlines()[-12:] if path.exists() else ["(it is not there)"]
    return "\n".join([f"End of {path}:", *lines])


def is_node_ready(nodes: list[dict[str, Any]], *, name: str, since: datetime) -> bool:
    """Ready by the word of a kubelet that runs now: what an earlier one said is still there after a start."""
    seen = [node for node in nodes if node["metadata"]["name"] == name]
    conditions = [each for node in seen for each in node["status"].get("conditions", [])]
    return any(
        each["type"] == "Ready" and each["status"] == "True" and _instant(each["lastHeartbeatTime"]) >= since
        for each in conditions
    )


def is_pod_ready(pods: list[dict[str, Any]], *, since: datetime) -> bool:
    """Ready in a container that was started now."""
    containers = [each for pod in pods for each in pod["status"].get("containerStatuses", [])]
    return any(
        each["ready"] and _instant(each["state"]["running"]["startedAt"]) >= since
        for each in containers
        if "running" in each["state"]
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
