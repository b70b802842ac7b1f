"""A real Temporal dev server for tests, with time skipping allowed per workflow.

It keeps everything in memory and collects its garbage seldom; on one processor that takes a third of what a database
file, two processors and Go's default do. Processes of tests that run side by side share one, on two processors and each
in a namespace of its own: an eighth less than one for each (128 against 147 CPU-seconds for the tests of workflows).
The fixture for tests is `temporal` in tests/conftest.py.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from devtools.processes import free_port
from devtools.temporal import temporal_binary
from gateway.settings import TemporalSettings
from gateway.setup import set_up

_FLAGS = (
    "matching.numTaskqueueReadPartitions=1",  # instead of four, each with managers and leases of its own
    "matching.numTaskqueueWritePartitions=1",
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    'history.timerProcessorMaxTimeShift="10ms"',  # a timer that is due runs then, not a second later
    "frontend.WorkflowTimeSkippingEnabled=true",
)


@contextmanager
def running_server() -> Iterator[TemporalSettings]:
    """Yield where a server of our own is, set up as production's is."""
    with started_server() as address:
        settings = TemporalSettings(address=address)
        asyncio.run(set_up(settings, seconds=30))
        yield settings


@contextmanager
def started_server(*, processors: int = 1) -> Iterator[str]:
    """Yield the address of a server that is coming up; who needs it waits for it by `gateway.setup.set_up`."""
    port = free_port()
    flags = [word for flag in _FLAGS for word in ("--dynamic-config-value", flag)]
    command = [str(temporal_binary()), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--log-level", "never", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "GOMAXPROCS": str(processors), "GOGC": "400", "GODEBUG": "adaptivestackstart=1"},
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
