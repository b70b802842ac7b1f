"""Processes of the contract suite: nodes and client verbs, of the stand-in or of a real binary, on loopback.

Which program is run is decided before tests are collected (see conftest.py). Certificates are made in certificates.py.
"""

import csv
import io
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from devtools.processes import free_port
from tests.cockroach.forks import TREE, Fork, fork
from tests.eventually import eventually

_STANDIN = [sys.executable, "-m", "devtools.cockroach"]
COMMAND = [*_STANDIN]
PATIENCE_SECONDS = 20.0
#: Notices the loss of a node in two seconds; only the stand-in has such a flag.
FAST = ["--standin-heartbeat=400ms"]


def use(binary: Path) -> None:
    """Run a real binary from now on."""
    COMMAND[:] = [str(binary.resolve())]
    FAST.clear()


def is_standin() -> bool:
    """Whether it is the stand-in that runs."""
    return COMMAND == _STANDIN


def environment(version: str = "") -> dict[str, str]:
    """What the processes see."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | ({"COCKROACH_STANDIN_VERSION": version} if version else {})


@dataclass(frozen=True)
class Answer:
    """What a client verb printed and how it ended."""

    code: int
    out: str
    err: str

    def table(self) -> list[dict[str, str]]:
        """The rows of csv output."""
        assert self.code == 0, self.err
        return list(csv.DictReader(io.StringIO(self.out)))


def _run(args: Sequence[str], *, version: str, stdout: BinaryIO, stderr: BinaryIO) -> Fork | subprocess.Popen[bytes]:
    env = environment(version)
    if is_standin():
        return fork(args, env=env, stdout=stdout, stderr=stderr)
    return subprocess.Popen(
        [*COMMAND, *args], cwd=TREE, env=env, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL
    )


def roach(*args: str, version: str = "", seconds: float = PATIENCE_SECONDS) -> Answer:
    """Run a client verb to its end."""
    with TemporaryFile() as out, TemporaryFile() as err:
        process = _run(args, version=version, stdout=out, stderr=err)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait(seconds)
            error.add_note("".join(("it had printed:\n", _text(out), _text(err))))
            raise
        return Answer(code, _text(out), _text(err))


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()


@dataclass(frozen=True)
class Page:
    """An HTTP answer."""

    status: int
    body: str

    def json(self) -> dict[str, Any]:
        """The body, read as JSON."""
        content: dict[str, Any] = json.loads(self.body)
        return content


class Node:
    """One node: its folders, ports and, while it runs, its process."""

    def __init__(self, home: Path, *, certs: Path) -> None:
        self.home = home
        self.certs = certs
        self.store = home / "store"
        self.port = free_port()
        self.http_port = free_port()
        self.log = home / "log.txt"
        self.join: list[str] = [self.address]
        self.flags: list[str] = []  # of every start
        self._process: Fork | subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *more: str, version: str = "") -> "Node":
        """Start the process; what it prints is appended to its log."""
        self.home.mkdir(parents=True, exist_ok=True)
        args = [
            "start",
            "--logtostderr",
            f"--certs-dir={self.certs}",
            f"--store=path={self.store}",
            f"--listen-addr={self.address}",
            f"--advertise-addr={self.address}",
            f"--http-addr=127.0.0.1:{self.http_port}",
            f"--join={','.join(self.join)}",
            "--cache=64MiB",
            "--max-sql-memory=64MiB",
            *self.flags,
            *more,
        ]
        with self.log.open("ab") as log:
            self._process = _run(args, version=version, stdout=log, stderr=log)
        return self

    def printed(self) -> str:
        """Everything this node printed so far."""
        return self.log.read_text() if self.log.exists() else ""

    def printed_when(self, text: str) -> str:
        """Everything this node printed, once that holds `text`."""
        eventually(lambda: text in self.printed())
        return self.printed()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit code, once it ends by itself."""
        assert self._process is not None
        return self._process.wait(seconds)

    def sql(self, *statements: str, client: Path, form: str = "csv", flags: Sequence[str] = ()) -> Answer:
        """Run statements as root."""
        return self.ask("sql", f"--format={form}", *flags, *(f"--execute={text}" for text in statements), client=client)

    def kill(self) -> None:
        """End it now, without a drain; harmless when it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)

    def get(self, path: str, *, scheme: str = "https") -> Page:
        """Ask the HTTP port; status 0 when nobody listens."""
        connection = self._connection(scheme)
        try:
            connection.request("GET", path)
        except OSError:
            connection.close()
            return Page(0, "")
        with closing(connection), connection.getresponse() as answer:
            return Page(answer.status, answer.getheader("Location") or answer.read().decode())

    def _connection(self, scheme: str) -> HTTPConnection:
        if scheme == "http":
            return HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        context = ssl.create_default_context(cafile=str(self.certs / "ca.crt"))
        return HTTPSConnection("127.0.0.1", self.http_port, timeout=5, context=context)

    def readiness(self) -> str:
        """`ready`, or the reason why not; empty when nobody listens."""
        page = self.get("/health?ready=1")
        if page.status == 200:
            return "ready"
        return str(page.json()["error"]) if page.status == 503 else ""

    def until(self, readiness: str) -> "Node":
        """Wait until the health page says so; a node that has ended never will."""

        def is_so() -> bool:
            assert self._process is None or self._process.poll() is None, f"it has ended:\n{self.printed()}"
            return self.readiness() == readiness

        eventually(is_so)
        return self

    def ask(self, *args: str, client: Path, version: str = "", seconds: float = PATIENCE_SECONDS) -> Answer:
        """Run a client verb against this node."""
        return roach(*args, f"--certs-dir={client}", f"--host={self.address}", version=version, seconds=seconds)


WAITS = "node is waiting for cluster initialization"


def started(nodes: Sequence[Node]) -> Sequence[Node]:
    """Start nodes that join each other, and wait until each waits for init."""
    for node in nodes:
        node.join = [other.address for other in nodes]
        node.start()
    for node in nodes:
        node.until(WAITS)
    return nodes


def initialized(nodes: Sequence[Node], *, client: Path) -> Sequence[Node]:
    """Start nodes, initialize the first, and wait until all are ready."""
    started(nodes)
    answer = nodes[0].ask("init", client=client)
    assert answer.code == 0, answer.err
    for node in nodes:
        node.until("ready")
    return nodes
