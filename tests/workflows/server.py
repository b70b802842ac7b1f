"""A real Temporal dev server for the tests of this process, with time skipping allowed per workflow.

It keeps everything in memory, runs on one processor and collects its garbage seldom: that takes a third of what a
database file, two processors and Go's default do.
The fixture for tests is `temporal_address` in tests/conftest.py.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from devtools.processes import free_port
from devtools.temporal import set_up, temporal_binary

_FLAGS = (
    "matching.numTaskqueueReadPartitions=1",  # instead of four, each with managers and leases of its own
    "matching.numTaskqueueWritePartitions=1",
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    'history.timerProcessorMaxTimeShift="10ms"',  # a timer that is due runs then, not a second later
    "frontend.WorkflowTimeSkippingEnabled=true",
)


@contextmanager
def running_server() -> Iterator[str]:
    """Yield the address of a server of our own, set up as production's is."""
    port = free_port()
    flags = [word for flag in _FLAGS for word in ("--dynamic-config-value", flag)]
    command = [str(temporal_binary()), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--log-level", "never", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "GOMAXPROCS": "1", "GOGC": "400", "GODEBUG": "adaptivestackstart=1"},
    )
    try:
        address = f"127.0.0.1:{port}"
        asyncio.run(set_up(address))
        yield address
    finally:
        process.kill()
        process.wait()
