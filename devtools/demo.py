"""`make demo`: the whole local world on this machine, until Ctrl-C.

Brings up `devtools.stack`, prints where to look and what to type first. Playing it without hands is
`devtools.scenario`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from devtools.cluster import ClusterError, UnsupportedMachineError
from devtools.machine import why_no_cluster
from devtools.stack import Stack
from gateway.ending import end

_CONSOLE_PORT, _UI_PORT = 3900, 8233

_WELCOME = """
Everything runs and is real but for two stand-ins that say so: the chat page is not Slack, the database not CockroachDB.

  chat:        {console}
  Temporal:    {ui}/namespaces/crdb/workflows
  kubectl:     {kubectl} --kubeconfig {kubeconfig} -n crdb get pods,csr
  logs:        {folder}

What to do first: open the chat, and as erin (the engineer) type

  /crdb deploy

Then switch to ada (an approver), read the four cards in the thread and click Approve. erin cannot: she asked.
Ctrl-C takes everything down.
"""


def state_folder(name: str) -> Path:
    """Return the folder of a local world."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "crdb-chatops" / name


async def demo() -> int:
    """Bring up, wait for Ctrl-C, take down."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    stack = Stack(
        state_folder("demo"),
        name="demo",
        say=lambda line: print(line, flush=True),
        console_port=_CONSOLE_PORT,
        ui_port=_UI_PORT,
    )
    up = asyncio.create_task(stack.up())
    end = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({up, end}, return_when=asyncio.FIRST_COMPLETED)
        if up.done():
            up.result()
            print(
                _WELCOME.format(
                    console=stack.console_url,
                    ui=stack.temporal.ui_url,
                    kubectl=stack.cluster.kubectl_path,
                    kubeconfig=stack.cluster.kubeconfig,
                    folder=stack.folder,
                ),
                flush=True,
            )
            await end
        print("taking everything down", flush=True)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)
        await stack.down()
    return 0


def main() -> int:
    """Run the demo; 2 when this machine cannot."""
    why = why_no_cluster()
    if why:
        print(f"make demo: {why}.", file=sys.stderr)
        return 2
    try:
        return asyncio.run(demo())
    except UnsupportedMachineError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 2
    except (ClusterError, RuntimeError, OSError) as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    end(main())
