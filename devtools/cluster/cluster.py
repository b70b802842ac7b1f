"""The handle of a dev cluster: start it, end it, ask it, give it images.

What each step is made of is beside this file: `build.py` the programs, `startup.py` the start, `process.py` and
`cgroups.py` the machine's side, `node.py` the node's.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from devtools.cluster import archive, cgroups, config, kubeconfig, machine, process, startup
from devtools.cluster.api import Api
from devtools.cluster.build import Built, build, expected
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import Layout
from devtools.cluster.lock import held
from devtools.cluster.record import Record, check_folder
from devtools.cluster.report import Report, to_stderr

State = Literal["absent", "stopped", "starting", "up"]


@dataclass(frozen=True)
class Status:
    """A look at a cluster."""

    name: str
    state: State
    state_dir: Path
    port: int | None
    kubeconfig: Path | None


@dataclass(frozen=True)
class LoadedImage:
    """An image that the cluster has; `was_imported` is False if it had it before."""

    name: str
    digest: str
    was_imported: bool


class Cluster:
    """One dev cluster, by its name and folder. Nothing is done until a method is called.

    As a context manager it is up inside the block and down (its state kept) after it.
    """

    def __init__(
        self,
        name: str = "dev",
        *,
        state_dir: Path | None = None,
        port: int | None = None,
        report: Report = to_stderr,
    ) -> None:
        self._layout = Layout.of(name, state=state_dir)
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
        """The node's name in Kubernetes."""
        return self._layout.node

    @property
    def state_dir(self) -> Path:
        """The folder that holds everything of the cluster."""
        return self._layout.state

    @property
    def log_dir(self) -> Path:
        """One file for each program of the node."""
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
            try:
                if self._can_take_over(built):
                    self._report(f'cluster "{self.name}": taking over a start that was broken off')
                else:
                    self._end()
                    startup.begin(self._layout, built=built, wanted_port=self._wanted_port, report=self._report)
                startup.finish(self._layout, port=self._known_port(), built=built, report=self._report)
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

    def is_up(self) -> bool:
        """True if a start was carried through, its node lives and the API server answers."""
        return self.status().state == "up"

    def status(self) -> Status:
        """Look at the cluster; changes nothing."""
        return Status(
            name=self.name,
            state=self._state(),
            state_dir=self.state_dir,
            port=self.port,
            kubeconfig=self.kubeconfig if self.kubeconfig.exists() else None,
        )

    def load_image(self, path: Path) -> list[LoadedImage]:
        """Give the cluster the images of an OCI archive that it has not yet, by their content.

        Raises:
            ClusterError: The file is no such archive, or the cluster is not up.
        """
        images = archive.read(path)
        rows = [line.split() for line in self._ctr("images", "ls").splitlines()[1:]]
        present = {row[0]: row[2] for row in rows}
        missing = [image for image in images if present.get(image.name) != image.digest]
        if missing:
            self._ctr("images", "import", "-", given=path)
        return [LoadedImage(image.name, image.digest, was_imported=image in missing) for image in images]

    def exec_node(self, argv: Sequence[str]) -> int:
        """Run a command inside the node, with this process's input and output; its exit code."""
        return subprocess.run([*process.entry(self._layout), *argv], check=False).returncode

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

    def _is_up_already(self) -> bool:
        if not self.is_up():
            return False
        record = Record.read(self._layout)
        if record and record.build != expected().folder.name:
            self._report(f'cluster "{self.name}" runs an earlier build of its programs; down and up change that')
        if record and self._wanted_port not in (None, record.port):
            self._report(f'cluster "{self.name}" is up on port {record.port}; down and up change that')
        return True

    def _can_take_over(self, built: Built) -> bool:
        record = Record.read(self._layout)
        return bool(record and record.build == built.folder.name and self._is_whole())

    def _is_whole(self) -> bool:
        return len(process.outer(self._layout)) == 1 and len(process.first(self._layout)) == 1

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
        if not (is_completed and self.port and self._is_whole()):
            return "starting"
        return "up" if Api(port=self.port, pki=self._layout.pki).is_ready() else "starting"

    def _end(self) -> None:
        self._layout.completed.unlink(missing_ok=True)
        if process.end(self._layout):
            self._report(f'cluster "{self.name}" is down')
        cgroups.remove(self._layout.cgroup)

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

    def _ctr(self, *args: str, given: Path | None = None) -> str:
        command = ["ctr", f"--address={config.CONTAINERD_SOCKET}", "--namespace=k8s.io", *args]
        with (given or Path("/dev/null")).open("rb") as source:
            done = subprocess.run(
                [*process.entry(self._layout), *command], stdin=source, capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise ClusterError(
                f"`{' '.join(command)}` in the node exited with {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout
