"""Records histories of runs as JSON, and replays them: `python -m devtools.histories FOLDER ID [ID ...]`.

A stored history is what a released version left behind; code that replays it otherwise would break runs in flight.
And every run must give the same commands again, whatever its workers went through: one that does not stops at the next
restart of its worker, or answers no question after its end. Recording from the tests' own world is
`tests/replay/record.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Replayer, WorkflowRunner

from gateway.connect import DATA_CONVERTER, connect
from gateway.ending import end
from gateway.settings import TemporalSettings
from gateway.takeover import ForgettingRunner
from tokens.interceptor import UpdateTokenInterceptor
from tokens.keyring import KeyRing
from worker import sandbox, workflow_classes


async def record(client: Client, folder: Path, name: str, *, workflow_id: str, run_id: str = "") -> Path:
    """Write one run's history to `<folder>/<name>.json` and return its path."""
    history = await client.get_workflow_handle(workflow_id, run_id=run_id or None).fetch_history()
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    await asyncio.to_thread(path.write_text, history.to_json() + "\n")
    return path


async def record_everything(client: Client, folder: Path) -> None:
    """Write the histories of all runs that Temporal knows."""
    async for run in client.list_workflows():
        await record(client, folder, f"{_named(run.id)}-{run.run_id}", workflow_id=run.id, run_id=run.run_id)


def replayer(ring: KeyRing, *, classes: Sequence[type] = (), runner: WorkflowRunner | None = None) -> Replayer:
    """Return what replays as a worker of production would run; `classes` are known to it too."""
    return Replayer(
        workflows=[*workflow_classes(), *classes],
        data_converter=DATA_CONVERTER,
        interceptors=[UpdateTokenInterceptor(ring)],
        workflow_runner=ForgettingRunner(runner or sandbox(), _nothing_to_forget),
    )


def _nothing_to_forget(run_id: str) -> None:
    """A replay is asked no questions."""
    raise AssertionError(f"run {run_id} was asked while it was replayed")


#: Runs that took the same way, as far as Temporal's list of runs tells: workflow, end, how many events.
Way = tuple[str, str, int]


async def not_replaying(
    client: Client, replays: Replayer, *, query: str = "", known: set[Way] | None = None
) -> list[str]:
    """Replay all runs that a visibility query finds; return those that do other than they did, each with why.

    A run that no worker has begun has nothing to replay, and the SDK would wait for it for ever.

    Args:
        client: Whose namespace is looked through.
        replays: What replays them.
        query: Which runs; all without it.
        known: Ways of ended runs that need no replay any more; those replayed now are added. Without it all replay.
    """

    async def begun() -> AsyncIterator[WorkflowHistory]:
        async for run in client.list_workflows(query):
            way = (run.workflow_type, run.status.name if run.status else "", run.history_length)
            if known is not None and run.close_time is not None:
                if way in known:
                    continue
                known.add(way)
            history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
            if any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in history.events):
                yield history

    async with replays.workflow_replay_iterator(begun()) as results:
        return [
            f"{result.history.workflow_id} of {len(result.history.events)} events: {result.replay_failure}"
            async for result in results
            if result.replay_failure is not None
        ]


def _named(workflow_id: str) -> str:
    return workflow_id.removeprefix("crdb/").replace("/", "-")


async def _record_all(folder: Path, workflow_ids: list[str]) -> None:
    client = await connect(TemporalSettings(), identity="histories")
    for workflow_id in workflow_ids:
        print(await record(client, folder, _named(workflow_id), workflow_id=workflow_id))


def main() -> int:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(prog="devtools.histories", description="Record histories of finished runs.")
    parser.add_argument("folder", type=Path, help="such as tests/replay/histories/2026.11.0")
    parser.add_argument("workflow_ids", nargs="+", metavar="ID", help="such as crdb/dev/crdb/shop/change")
    arguments = parser.parse_args()
    try:
        asyncio.run(_record_all(arguments.folder, arguments.workflow_ids))
    except RPCError as error:
        print(f"not recorded: {error.message}; expected ids of workflows in namespace crdb", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    end(main())
