"""Processes of the stand-in, forked from one that imported it already: its import is most of what a verb costs.

They live and die as other processes do: signals, exit codes and what they print are their own. That the command itself
does the same is shown in test_contract_init.py and test_binary_option.py.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

TREE = Path(__file__).resolve().parents[2]
_MESSAGE_BYTES = 1 << 16


class Fork:
    """A running process: as much of `subprocess.Popen` as the suite uses."""

    def __init__(self, report: socket.socket) -> None:
        self._report = report
        self.pid = int(report.recv(_MESSAGE_BYTES))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or the signal that ended it as a negative number; None while it runs."""
        if self.returncode is None and select.select([self._report], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(self._report.recv(_MESSAGE_BYTES)))
            self._report.close()
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit code once it ends; raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            select.select([self._report], [], [], timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it now."""
        self.send_signal(signal.SIGKILL)


def fork(args: Sequence[str], *, env: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO) -> Fork:
    """Run a verb of the stand-in."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        files = [stdout.fileno(), stderr.fileno(), theirs.fileno()]
        socket.send_fds(_server()[0], [json.dumps([args, dict(env)]).encode()], files)
    return Fork(ours)


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """How to ask the process that forks, and that process; it ends with this one, and its forks with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", __name__]
        return ours, subprocess.Popen(command, cwd=TREE, stdin=theirs, stdout=subprocess.DEVNULL)


def serve(asked: socket.socket) -> None:
    """Fork for whoever asks, and tell how each fork ended, until nobody is left to ask."""
    running: dict[int, socket.socket] = {}
    waking, woken = socket.socketpair()
    woken.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())
    while True:
        ready, _, _ = select.select([asked, waking], [], [])
        if waking in ready:
            waking.recv(_MESSAGE_BYTES)
            while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with running.pop(ended[0]) as report:
                    report.send(str(ended[1]).encode())
        if asked in ready:
            message, files, _, _ = socket.recv_fds(asked, _MESSAGE_BYTES, 3)
            if not message:
                break
            pid = os.fork()
            if not pid:
                _run(*json.loads(message), files)
            running[pid] = socket.socket(fileno=files.pop())
            running[pid].send(str(pid).encode())
            for file in files:
                os.close(file)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _run(args: list[str], env: dict[str, str], files: list[int]) -> None:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.closerange(3, max(files) + 1)
        os.environ.clear()
        os.environ.update(env)
        from devtools.cockroach.main import main

        code = main(args)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    finally:
        if sys.exc_info()[0]:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    package = importlib.import_module("devtools.cockroach")
    for module in pkgutil.iter_modules(package.__path__, "devtools.cockroach."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()
    serve(socket.socket(fileno=os.dup(0)))
