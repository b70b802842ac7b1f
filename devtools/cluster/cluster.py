"""The handle of a dev cluster: start it, end it, kill one of its nodes, ask it, give it images.

What each step is made of is beside this file: `build.py` the programs, `startup.py` the start, `workers.py` the nodes
beside the first, `process.py` and `cgroups.py` the machine's side, `node.py` the node's.
"""

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from devtools.cluster import archive, cgroups, images, kubeconfig, machine, pki, process, startup, workers
from devtools.cluster.api import Api
from devtools.cluster.build import Built, build, expected
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import MAX_NODES, Layout
from devtools.cluster.lock import held
from devtools.cluster.record import Record, check_folder
from devtools.cluster.report import Report, to_stderr
from devtools.cluster.status import LoadedImage, NodeStatus, State, Status


class Cluster:
    """One dev cluster, by its name and folder. Nothing is done until a method is called.

    As a context manager it is up inside the block and down (its state kept) after it.

    Args:
        name: The cluster's name.
        state_dir: Its folder, if not the usual one.
        port: The API server's on 127.0.0.1; None takes the last one or a free one.
        nodes: How many; None takes as many as it has, a new cluster one. Nodes are numbered from 1, which has the
            control plane. More than there are join, also while it is up; to have less, purge it.
        report: Gets one line of progress at a time.
    """

    def __init__(
        self,
        name: str = "dev",
        *,
        state_dir: Path | None = None,
        port: int | None = None,
        nodes: int | None = None,
        report: Report = to_stderr,
    ) -> None:
        self._layout = Layout.of(name, state=state_dir)
        if nodes is not None and not 1 <= nodes <= MAX_NODES:
            raise ClusterError(f"A cluster cannot have {nodes} nodes: 1 to {MAX_NODES} are expected, for example 3.")
        self._wanted_nodes = nodes
        self._wanted_port = port
        self._report = report

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self._layout.name

    @property
    def node_name(self) -> str:
        """The first node's name in Kubernetes."""
        return self._layout.node

    @property
    def node_names(self) -> tuple[str, ...]:
        """All nodes' names in Kubernetes, the first first."""
        return tuple(node.node for node in self._nodes())

    @property
    def state_dir(self) -> Path:
        """The folder that holds everything of the cluster."""
        return self._layout.state

    @property
    def log_dir(self) -> Path:
        """One file for each program of the first node; those of others are in `nodes/N/log` of the cluster's folder."""
        return self._layout.log

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; there once the cluster was up."""
        return self._layout.kubeconfig

    @property
    def port(self) -> int | None:
        """The API server's port on 127.0.0.1, of this or the last time that the cluster was up."""
        record = Record.read(self._layout)
        return record.port if record else None

    @property
    def server(self) -> str:
        """The API server's address for this machine."""
        return f"https://127.0.0.1:{self._known_port()}"

    @property
    def kubectl_path(self) -> Path:
        """A kubectl of the cluster's version."""
        return self._built().kubectl

    def up(self) -> None:
        """Start the cluster and wait until pods can be run; does nothing if it is up.

        Raises:
            UnsupportedMachineError: This machine cannot run it.
            ClusterError: It did not come up; the message has the end of the log that tells why.
        """
        machine.check()
        check_folder(self._layout)
        if self._is_up_already():
            return
        machine.ensure_packages(self._report)
        built = build(report=self._report)
        with held(self._layout.lock, report=self._report):
            if self._is_up_already():  # by the one that we waited for
                return
            self._refuse_fewer_nodes()
            if self.is_up():  # but for some of its nodes
                self._add_nodes()
                return
            nodes = self._nodes()
            try:
                if self._can_take_over(built):
                    self._report(f'cluster "{self.name}": taking over a start that was broken off')
                else:
                    self._end()
                    startup.begin(
                        self._layout, built=built, wanted_port=self._wanted_port, nodes=nodes, report=self._report
                    )
                for node in nodes[1:]:
                    workers.begin(node, first=self._layout, built=built, report=self._report)
                startup.finish(self._layout, port=self._known_port(), built=built, nodes=nodes, report=self._report)
                for node in nodes[1:]:
                    workers.equip(node, first=self._layout)
            except BaseException:
                self._end()
                raise

    def down(self, *, purge: bool = False) -> None:
        """End the cluster whatever state it is in; `purge` forgets everything it held."""
        machine.check()
        if not self._layout.state.exists():
            self._end()
            return
        check_folder(self._layout)
        with held(self._layout.lock, report=self._report):
            self._end()
            if purge:
                self._purge()

    def kill_node(self, number: int) -> None:
        """End a node at once, as a machine that loses its power; its state stays for `start_node`.

        Raises:
            ClusterError: There is no such node, or it has the control plane.
        """
        node = self._worker(number)
        with held(self._layout.lock, report=self._report):
            if workers.end(node):
                self._report(f'cluster "{self.name}": the node {node.node} is killed')

    def start_node(self, number: int) -> None:
        """Start a node that was killed and wait until it can run pods; does nothing if it runs.

        Raises:
            ClusterError: There is no such node, the cluster is not up, or the node did not come up.
        """
        node = self._worker(number)
        with held(self._layout.lock, report=self._report):
            if not self.is_up():
                raise ClusterError(f'The cluster "{self.name}" is not up; `python -m devtools.cluster up` starts it.')
            self._start_nodes([node])

    def is_up(self) -> bool:
        """True if a start was carried through, its first node lives and the API server answers."""
        return self.status().state == "up"

    def status(self) -> Status:
        """Look at the cluster; changes nothing."""
        return Status(
            name=self.name,
            state=self._state(),
            state_dir=self.state_dir,
            port=self.port,
            kubeconfig=self.kubeconfig if self.kubeconfig.exists() else None,
            nodes=tuple(
                NodeStatus(node.number, node.node, is_running=process.is_whole(node)) for node in self._known_nodes()
            ),
        )

    def load_image(self, path: Path) -> list[LoadedImage]:
        """Give every node the images of an OCI archive that it has not yet, by their content.

        A node that does not run gets them when it is started.

        Raises:
            ClusterError: The file is no such archive, or the cluster is not up.
        """
        wanted = {image.name: image.digest for image in archive.read(path)}
        first, *others = self._known_nodes()
        running = [first, *(node for node in others if process.is_whole(node))]

        def load(node: Layout) -> list[str]:
            missing = images.missing(node, wanted=wanted)
            if missing:
                images.load(node, path)
            return missing

        with ThreadPoolExecutor(len(running)) as pool:
            missing = {name for names in pool.map(load, running) for name in names}
        return [LoadedImage(name, digest, was_imported=name in missing) for name, digest in wanted.items()]

    def exec_node(self, argv: Sequence[str], *, number: int = 1) -> int:
        """Run a command inside a node, with this process's input and output; its exit code."""
        return subprocess.run([*process.entry(self._layout.at(number)), *argv], check=False).returncode

    def exec_kubectl(self, argv: Sequence[str]) -> int:
        """Run kubectl as the administrator with this process's input and output; its exit code."""
        command = [str(self.kubectl_path), f"--kubeconfig={self.kubeconfig}", *argv]
        return subprocess.run(command, check=False).returncode

    def kubectl(self, *args: str, given: str | None = None) -> str:
        """Run kubectl as the administrator; `given` is its standard input.

        Raises:
            ClusterError: It failed; its words are in the message.
        """
        return startup.kubectl(self._layout, list(args), built=self._built(), given=given)

    def service_account_kubeconfig(
        self, namespace: str, name: str, path: Path, *, lifetime: timedelta = timedelta(hours=24)
    ) -> Path:
        """Write a kubeconfig with a fresh token of a ServiceAccount; readable by its owner alone.

        Raises:
            ClusterError: There is no such ServiceAccount, or the cluster is not up.
        """
        seconds = round(lifetime.total_seconds())
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", f"--duration={seconds}s").strip()
        kubeconfig.with_token(
            path, server=self.server, pki=self._layout.pki, user_name=name, token=token, namespace=namespace
        )
        return path

    def _known_nodes(self) -> list[Layout]:
        record = Record.read(self._layout)
        return self._layout.all()[: record.nodes if record else 1]

    def _nodes(self) -> list[Layout]:
        return self._layout.all()[: self._wanted_nodes] if self._wanted_nodes else self._known_nodes()

    def _worker(self, number: int) -> Layout:
        known = self._known_nodes()
        if not 1 < number <= len(known):
            others = ", ".join(str(node.number) for node in known[1:]) or "none: `up --nodes 3` makes two"
            raise ClusterError(
                f'Node {number} of the cluster "{self.name}" cannot be killed or started by itself; '
                f"those beside the first, which has the control plane, can: {others}."
            )
        return known[number - 1]

    def _refuse_fewer_nodes(self) -> None:
        if self._wanted_nodes and self._wanted_nodes < (has := len(self._known_nodes())):
            raise ClusterError(
                f'The cluster "{self.name}" has {has} nodes, with volumes on each; `down --purge` before '
                f"`up --nodes {self._wanted_nodes}` makes a new one."
            )

    def _add_nodes(self) -> None:
        nodes = self._nodes()
        pki.ensure(self._layout.pki, nodes=nodes)
        record = Record.read(self._layout)
        assert record
        replace(record, nodes=len(nodes)).write(self._layout)
        self._start_nodes(nodes[1:])

    def _start_nodes(self, nodes: Sequence[Layout]) -> None:
        starting = [node for node in nodes if not process.is_whole(node)]
        for node in starting:
            workers.begin(node, first=self._layout, built=self._built(), report=self._report)
        for node in starting:
            startup.wait_node(node, api=Api(port=self._known_port(), pki=self._layout.pki))
            workers.equip(node, first=self._layout)
            self._report(f'cluster "{self.name}": the node {node.node} is up')

    def _is_up_already(self) -> bool:
        nodes = self._nodes()
        if not self.is_up() or len(nodes) != len(self._known_nodes()):
            return False
        if not all(process.is_whole(node) for node in nodes[1:]):
            return False
        record = Record.read(self._layout)
        if record and record.build != expected().folder.name:
            self._report(f'cluster "{self.name}" runs an earlier build of its programs; down and up change that')
        if record and self._wanted_port not in (None, record.port):
            self._report(f'cluster "{self.name}" is up on port {record.port}; down and up change that')
        return True

    def _can_take_over(self, built: Built) -> bool:
        record = Record.read(self._layout)
        return bool(
            record
            and (record.build, record.nodes) == (built.folder.name, len(self._nodes()))
            and process.is_whole(self._layout)
        )

    def _state(self) -> State:
        first = process.first(self._layout)
        if not first and process.outer(self._layout):
            return "starting"
        if not first:
            return "stopped" if self._layout.marker.exists() else "absent"
        try:
            is_completed = self._layout.completed.read_text() == process.identity(first[0])
        except OSError:
            return "starting"
        if not (is_completed and self.port and process.is_whole(self._layout)):
            return "starting"
        return "up" if Api(port=self.port, pki=self._layout.pki).is_ready() else "starting"

    def _end(self) -> None:
        self._layout.completed.unlink(missing_ok=True)
        nodes = self._layout.all()
        if process.end(nodes):
            self._report(f'cluster "{self.name}" is down')
        for node in nodes:
            cgroups.remove(node.cgroup)

    def _purge(self) -> None:
        for path in self._layout.state.iterdir():
            if path in (self._layout.marker, self._layout.lock):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        self._layout.marker.unlink(missing_ok=True)  # last, so that a purge that is broken off can be repeated
        self._layout.lock.unlink()
        self._layout.state.rmdir()

    def _known_port(self) -> int:
        if (port := self.port) is None:
            raise ClusterError(f'The cluster "{self.name}" was never up; `python -m devtools.cluster up` starts it.')
        return port

    def _built(self) -> Built:
        record = Record.read(self._layout)
        built = expected()
        return Built(built.folder.with_name(record.build)) if record and record.build else built
