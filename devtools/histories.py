"""Records histories of finished runs as JSON, for the replay tests: `python -m devtools.histories FOLDER ID [ID ...]`.

A stored history is what a released version left behind; code that replays it otherwise would break runs in flight.
Recording from the tests' own world is `tests/replay/record.py`; replaying is `tests/replay`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from gateway.connect import connect
from gateway.ending import end
from gateway.settings import TemporalSettings


async def record(client: Client, folder: Path, name: str, *, workflow_id: str, run_id: str = "") -> Path:
    """Write one run's history to `<folder>/<name>.json` and return its path."""
    history = await client.get_workflow_handle(workflow_id, run_id=run_id or None).fetch_history()
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    await asyncio.to_thread(path.write_text, history.to_json() + "\n")
    return path


async def _record_all(folder: Path, workflow_ids: list[str]) -> None:
    client = await connect(TemporalSettings(), identity="histories")
    for workflow_id in workflow_ids:
        name = workflow_id.removeprefix("crdb/").replace("/", "-")
        print(await record(client, folder, name, workflow_id=workflow_id))


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
