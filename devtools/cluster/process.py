"""A node's processes as the machine sees them: open the namespaces, find the node again, enter it, end it.

There is no file with process ids: a node is found by its command line, so that whatever was killed in
whatever moment, what is left is found.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import Layout

PROGRAM = Path(__file__).with_name("node.py")
UNSHARE = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child=KILL"]


def command(layout: Layout) -> list[str]:
    """The node's first process, whose last argument tells clusters and their nodes apart."""
    return [sys.executable, "-I", "-S", str(PROGRAM), str(layout.root)]


def start(layout: Layout, *, listener: socket.socket | None = None) -> None:
    """Start the node, tied to nobody: it goes on when the caller ends."""
    with (layout.log / "node.log").open("ab") as log:
        # Through a shell that ends at once, so that the node is no child of the caller's.
        subprocess.run(
            ["sh", "-c", '"$@" & exit 0', "sh", *UNSHARE, *command(layout)],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            start_new_session=True,
            pass_fds=[listener.fileno()] if listener else [],
        )


def outer(layout: Layout) -> list[int]:
    """Processes that hold the node's namespaces open from outside, or are about to (one, if all is well)."""
    return [each.pid for each in _found([layout]) if each.is_outer]


def first(layout: Layout) -> list[int]:
    """The node's first process, as numbered outside (one, if all is well)."""
    return [each.pid for each in _found([layout]) if not each.is_outer]


def is_whole(layout: Layout) -> bool:
    """True if the node runs as it should."""
    return sorted(each.is_outer for each in _found([layout])) == [False, True]


@dataclass(frozen=True)
class _Found:
    pid: int
    root: str
    is_outer: bool


def _found(nodes: Sequence[Layout]) -> list[_Found]:
    """All nodes' processes as `first` and `outer` tell of them, in one look."""
    roots = {str(node.root) for node in nodes}
    found = [
        _Found(pid, argv[-1], is_outer=argv[0] in ("sh", UNSHARE[0]))
        for pid, argv in _commands()
        if len(argv) > 1 and argv[-1] in roots and Path(argv[-2]).name == PROGRAM.name
    ]
    # What a first process has just forked has its command line until it becomes the program that it shall be.
    inner = {each.pid for each in found if not each.is_outer}
    return [each for each in found if each.is_outer or _parent(each.pid) not in inner]


def _commands() -> Iterator[tuple[int, list[str]]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                raw = Path(entry.path, "cmdline").read_bytes()
            except OSError:  # ended meanwhile
                continue
            yield int(entry.name), raw.decode(errors="replace").rstrip("\0").split("\0")


def identity(pid: int) -> str:
    """Tells this process from a later one with the same number."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{pid}/{_stat(pid)[19]}"


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent(pid: int) -> int | None:
    try:
        return int(_stat(pid)[1])
    except OSError:  # ended meanwhile
        return None


def _is_over(pid: int, *, known_as: str) -> bool:
    try:
        return identity(pid) != known_as or _stat(pid)[0] == "Z"
    except OSError:
        return True


def entry(layout: Layout) -> list[str]:
    """Command prefix that runs what follows inside the node.

    Raises:
        ClusterError: There is no node.
    """
    pids = first(layout)
    if not pids:
        what = f'The cluster "{layout.name}"' if layout.is_first else f'The node "{layout.node}"'
        raise ClusterError(f"{what} is not up; `python -m devtools.cluster up` starts it.")
    return ["nsenter", f"--target={pids[0]}", "--mount", "--net", "--pid", "--uts", "--ipc", "--"]


def end(nodes: Sequence[Layout], *, patience_seconds: float = 30) -> bool:
    """End nodes at once, and with each everything that runs in it; True if there was one.

    Raises:
        ClusterError: They did not end in time.
    """
    deadline = time.monotonic() + patience_seconds
    ending: dict[int, str] = {}
    while True:
        found = _found(nodes)
        inside = {each.root for each in found if not each.is_outer}
        # Inside first: the one outside then collects it and ends by itself.
        for pid in [each.pid for each in found if not (each.is_outer and each.root in inside)]:
            try:
                ending[pid] = identity(pid)
                os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue
        # The first process is over only when the kernel has ended and collected all others in its namespace; by
        # then it has long lost its command line, so it is remembered by its number.
        if all(_is_over(pid, known_as=known_as) for pid, known_as in ending.items()):
            return bool(ending)
        if time.monotonic() > deadline:
            raise ClusterError(f"Processes {sorted(ending)} of the cluster {nodes[0].name!r} do not end.")
        time.sleep(0.02)
