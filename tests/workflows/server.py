"""A real Temporal dev server for the tests of this process, with time skipping allowed per workflow."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory

from devtools.temporal import set_up, temporal_binary

_FLAGS = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "frontend.WorkflowTimeSkippingEnabled=true",
)


@contextmanager
def running_server() -> Iterator[str]:
    """Yield the address of a server of our own, set up as production's is."""
    stack = ExitStack()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = stack.enter_context(TemporaryDirectory(prefix="crdb-temporal-"))
    flags = [word for flag in _FLAGS for word in ("--dynamic-config-value", flag)]
    command = [str(temporal_binary()), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--log-level", "never", "--db-filename", f"{folder}/db", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        address = f"127.0.0.1:{port}"
        asyncio.run(set_up(address))
        yield address
    finally:
        process.kill()
        process.wait()
        stack.close()
