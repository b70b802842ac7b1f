"""Child processes of the local world: started with a log, waited for by a health page, stopped, or killed as a test.

Only what was started here is ever stopped, by its pid.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import aiohttp

#: Below the range from which the kernel takes ports of outgoing connections, so that none of those gets there first.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """Return a port of loopback that nobody listens on now and that was not returned before."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - not a secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class Child:
    """One process of ours, which may be started again after it ended.

    Args:
        name: For messages and the log's file name.
        arguments: Program and arguments.
        environment: What it gets beside PATH and HOME; nothing else of the caller's environment.
        folder: Where its log goes.
        ready_url: Answers 200 once it serves.
    """

    def __init__(
        self, name: str, arguments: list[str], environment: dict[str, str], *, folder: Path, ready_url: str
    ) -> None:
        self.name, self._arguments, self._environment = name, arguments, environment
        self.log = folder / f"{name}.log"
        self._ready_url = ready_url
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; `wait_ready` says when it serves."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                env=kept | {"PYTHONUNBUFFERED": "1"} | self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    async def wait_ready(self, *, seconds: float = 60) -> None:
        """Wait until it serves.

        Raises:
            RuntimeError: It ended, or did not serve in time; the end of its log is in the message.
        """
        deadline = time.monotonic() + seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            while True:
                if not self.is_running:
                    raise RuntimeError(f"{self.name} ended while it started:\n{self.tail()}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(self._ready_url) as answer:
                        if answer.status == 200:
                            return
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} did not serve within {seconds:.0f} s:\n{self.tail()}")
                await asyncio.sleep(0.1)

    def stop(self, *, seconds: float = 15) -> None:
        """Ask it to end, wait, and end it by force when it does not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Let it answer nothing from here on, without a word, as behind a broken network."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was paused."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
