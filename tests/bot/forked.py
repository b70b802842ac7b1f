"""The bot's process, forked instead of started: `bot.__main__.main` to its end, with an environment of its own.

Importing the bot takes more than a second, which a test that kills and starts it pays again and again. That
`python -m bot` does the same is shown in test_process.py.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from bot.__main__ import main
from gateway.ending import end
from tests.forks import FORKS

_ROOT = Path(__file__).parents[2]


class Forked:
    """A running bot: as much of `asyncio.subprocess.Process` as tests use."""

    def __init__(self, process: BaseProcess, stderr: asyncio.StreamReader) -> None:
        self._process, self.stderr = process, stderr

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        await asyncio.to_thread(self._process.join)
        assert self._process.exitcode is not None
        return self._process.exitcode


def _run(env: dict[str, str], stderr: Connection) -> None:
    os.chdir(_ROOT)
    os.dup2(stderr.fileno(), 2)
    os.environ.clear()
    os.environ.update(env)
    end(main())


@asynccontextmanager
async def forked_bot(env: dict[str, str]) -> AsyncIterator[Forked]:
    """Run the bot until it ends or is left, then kill it."""
    reading, writing = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_run, args=(env, writing), daemon=True)
    await asyncio.to_thread(process.start)
    writing.close()
    stderr = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stderr), os.fdopen(os.dup(reading.fileno()), "rb")
    )
    reading.close()
    forked = Forked(process, stderr)
    try:
        yield forked
    finally:
        if forked.returncode is None:
            forked.kill()
        await forked.wait()
        transport.close()
