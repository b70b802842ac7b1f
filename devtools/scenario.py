"""`make scenario NAME=x`: plays a story without hands on a world of its own, and says whether it went as it must.

The stories are in `devtools/scenarios`, one file each. A story that is played over both transports has one Kubernetes
for both, and everything else anew. The last line is `scenario x: passed` or `scenario x: failed`; everything is taken
down either way, and the logs are kept when it failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from devtools.cluster import Cluster, ClusterError
from devtools.cluster.layout import MAX_NODES
from devtools.demo import state_folder
from devtools.histories import not_replaying, record_everything, replayer
from devtools.machine import why_no_cluster
from devtools.scenarios.driver import CLIENT_POD, NODES, Driver, Options
from devtools.scenarios.story import BOTH, Story, stories
from devtools.scenarios.told import Told
from devtools.stack import REF, Stack, Transport
from gateway.ending import end

#: Of a log line, shown where a story failed; the whole line is in the file.
_WIDTH = 300


class Player:
    """Plays one story.

    Args:
        name: The story's.
        story: What is played.
        folder: For everything of this run; it stays when the story fails.
        options: Of the command line.
    """

    def __init__(self, name: str, story: Story, *, folder: Path, options: Options) -> None:
        self._name, self._story, self._folder, self._options = name, story, folder, options
        self._begun = time.monotonic()
        self._told = Told(self._begun)

    async def play(self, transports: tuple[Transport, ...]) -> bool:
        """Play it over each transport, until it fails over one; True when it passed over all."""
        told = self._told
        # As Ctrl-C does: whoever gives a scenario a time shall find nothing left behind either.
        if (own := asyncio.current_task()) is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
        cluster = Cluster(
            f"sc{os.getpid()}",
            state_dir=self._folder / "cluster",
            nodes=max(self._story.nodes, self._options.nodes),
            report=lambda line: told.progress(f"  {line}"),
        )
        passed = False
        try:
            told.say("Kubernetes: starting (the first time it is built, about ten minutes)")
            await asyncio.to_thread(cluster.up)
            for transport in transports:
                await self._over(transport, cluster)
            passed = True
        except Exception:  # noqa: BLE001 - whatever went wrong is what this reports
            traceback.print_exc()
        finally:
            await asyncio.to_thread(cluster.down, purge=True)
        if passed:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            print(f"logs: {self._folder}")
        return passed

    async def _over(self, transport: Transport, cluster: Cluster) -> None:
        begun = time.monotonic()
        stack = Stack(
            self._folder / transport,
            name=f"sc{os.getpid()}",
            say=self._told.progress,
            settings=self._story.settings,
            transport=transport,
            cluster=cluster,
            versions=self._story.versions,
            begun=self._begun,
        )
        try:
            await stack.up()
            driver = await Driver.of(stack, options=self._options)
            counts = await self._story.play(driver, self._told)
            unsteady = await not_replaying(driver.client, replayer(stack.ring))
            self._told.check("every run gives the same commands when it is replayed", not unsteady, found=unsteady)
        except BaseException:
            for child in stack.children.values():
                lines = [line[:_WIDTH] for line in child.tail(6).splitlines()]
                print("\n".join([f"--- end of {child.log}", *lines]))
            await asyncio.to_thread(_keep, stack)
            with suppress(Exception):  # the first failure is what is reported
                await record_everything(await stack.client(), stack.folder / "histories")
            raise
        finally:
            await stack.down()
        seconds = time.monotonic() - begun
        said = ", ".join(f"{value} {what}" for what, value in counts.items())
        print(f"scenario {self._name} over {transport}: passed in {seconds:.0f} s: {said}", flush=True)


def _keep(stack: Stack) -> None:
    """Write beside the logs what the cluster held, since it is gone in a moment."""
    looks = {
        "objects": ("get", "pods,pvc,csr,events", "-A", "-o", "wide"),
        "csr": ("get", "csr", "-o", "yaml"),
        **{f"pod-{pod}": ("-n", REF.namespace, "logs", pod, "--all-containers") for pod in (*NODES, CLIENT_POD)},
    }
    for name, arguments in looks.items():
        try:
            said = stack.cluster.kubectl(*arguments)
        except ClusterError as error:
            said = str(error)
        (stack.folder / f"kubectl-{name}.txt").write_text(said)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make scenario NAME=…", description="Plays a scenario without hands.")
    parser.add_argument("name", nargs="?", default="", help="the scenario")
    parser.add_argument(
        "--transport", choices=(*BOTH, "both"), help="how Slack reaches the bot (default: as the scenario says)"
    )
    parser.add_argument(
        "--slack-away",
        type=float,
        default=Options().slack_away,
        metavar="SECONDS",
        help="faults: how long Slack answers nothing (default %(default)s)",
    )
    parser.add_argument(
        "--nodes",
        type=int,
        choices=range(1, MAX_NODES + 1),
        default=Options().nodes,
        metavar="N",
        help="nodes of Kubernetes; at least those that the scenario needs (default %(default)s)",
    )
    return parser


def main(arguments: list[str]) -> int:
    """Play the named scenario; 0 passed, 1 failed, 2 no such scenario or machine."""
    given = _parser().parse_args(arguments)
    known = stories()
    if given.name not in known:
        print(f"found scenario {given.name or 'none'}, expected one of the following, as in make scenario NAME=deploy")
        for name, (_, summary) in known.items():
            print(f"  {name:<19} {summary}")
        return 2
    why = why_no_cluster()
    if why:
        print(f"make scenario: {why}.", file=sys.stderr)
        return 2
    story, _ = known[given.name]
    transports = {None: story.transports, "both": BOTH}.get(given.transport, (given.transport,))
    folder = state_folder(f"scenario-{given.name}-{os.getpid()}")
    player = Player(given.name, story, folder=folder, options=Options(slack_away=given.slack_away, nodes=given.nodes))
    try:
        passed = asyncio.run(player.play(transports))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped from outside; everything was taken down")
        passed = False
    print(f"scenario {given.name}: {'passed' if passed else 'failed'}", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    end(main(sys.argv[1:]))
