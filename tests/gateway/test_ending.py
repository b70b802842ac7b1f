"""A process that spoke to Temporal comes to an end, also where the SDK's worker does not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import worker
from tests.architecture.source_tree import ROOT

_WAITS_FOR_EVER = """
import asyncio, sys
from gateway.ending import end_within
from gateway.logs import configure_logs

async def main():
    end_within(0.1)
    await asyncio.Event().wait()

configure_logs()
asyncio.run(main())
"""


@pytest.mark.processes
def test_a_process_that_does_not_come_to_its_end_is_ended_and_says_so() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WAITS_FOR_EVER], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )

    assert ended.returncode == 1
    assert "process did not stop in time" in ended.stdout + ended.stderr


class _Worker:
    """A worker that stops when it is let."""

    def __init__(self) -> None:
        self.runs, self.may_stop = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> None:
        self.runs.set()

    async def __aexit__(self, *_: object) -> None:
        await self.may_stop.wait()


async def test_a_worker_that_is_told_to_stop_is_given_less_time_than_compose_gives_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stops, given = _Worker(), asyncio.Queue[float]()
    (tmp_path / "ring").touch()

    @asynccontextmanager
    async def wired(*_: object) -> AsyncIterator[list[Any]]:
        yield [stops]

    async def nothing(*_: object, **__: object) -> None:
        return None

    settings = SimpleNamespace(site="seoul", key_ring_file=tmp_path / "ring", health_port=0)
    monkeypatch.setattr(worker, "WorkerSettings", lambda: settings)
    monkeypatch.setattr(worker, "_configuration", lambda _: None)
    monkeypatch.setattr(worker.KeyRing, "parse", lambda _: None)
    monkeypatch.setattr(worker, "connect", nothing)
    monkeypatch.setattr(worker, "check_set_up", nothing)
    monkeypatch.setattr(worker, "ops_worker", wired)
    monkeypatch.setattr(worker, "end_within", given.put_nowait)
    running = asyncio.create_task(worker.run("ops"))
    await stops.runs.wait()

    os.kill(os.getpid(), signal.SIGTERM)

    assert await given.get() == 25
    stops.may_stop.set()
    await running
