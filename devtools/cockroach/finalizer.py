"""Makes an upgrade final, on the node that writes the journal: the active version moves to the release that all run.

It begins by itself when every node that was not decommissioned lives, is to stay and runs a newer release, and nothing
preserves the downgrade; it passes values in between, each of them agreed on, and stays where it is while something is
in its way again. What that is stands in the log of the node that writes. Not here: the order of releases and of the
values in between (release.py), the settings (catalog.py), whose data a release opens (store.py).
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

from devtools.cockroach import log, release
from devtools.cockroach.catalog import UPGRADE, Operation
from devtools.cockroach.config import Config
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.gossip import Gossip
from devtools.cockroach.journal import Journal
from devtools.cockroach.ledger import Ledger
from devtools.cockroach.roster import DECOMMISSIONED, DECOMMISSIONING
from devtools.cockroach.settings import PRESERVE, VERSION

FINALIZE_SECONDS = 2.0  # the vendor's takes minutes to hours
_TICK_SECONDS = 0.1

#: A node's membership, whether it lives, and the version that it runs.
Runs = tuple[str, bool, str]


def held_by(nodes: Mapping[int, Runs], *, to: str) -> str:
    """Why the active version cannot become a series yet, as far as the nodes are concerned; empty when it can."""
    for node, (membership, is_live, build) in sorted(nodes.items()):
        if membership == DECOMMISSIONED:
            continue
        if membership == DECOMMISSIONING:
            return f"n{node} is still decommissioning"
        if not is_live:
            return f"n{node} required, but unavailable"
        if release.series_of(build) != to:
            return f"not all nodes are running {to} yet: n{node} runs {build}"
    return ""


class Finalizer:
    """One node's part in making an upgrade final; it acts while that node writes."""

    def __init__(self, config: Config, journal: Journal, *, gossip: Gossip, ledger: Ledger) -> None:
        self._series = release.series_of(config.build)
        self._journal = journal
        self._gossip = gossip
        self._ledger = ledger
        self._said = ""

    async def run(self) -> None:
        """Move the active version until cancelled."""
        since = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if not (self._ledger.replication.is_writer and self._may_move()):
                since = time.monotonic()
                continue
            seconds = float(self._gossip.told("finalize_seconds", default=FINALIZE_SECONDS))
            if time.monotonic() - since >= seconds / (release.STEPS + 1):
                since = time.monotonic()
                with contextlib.suppress(RemoteError, TimeoutError):
                    await self._ledger.act(self._next)

    def _next(self) -> Operation | None:
        """The next value of the active version, if it may have one now."""
        if not self._may_move():
            return None
        value = release.after(self._ledger.catalog.settings[VERSION], to=self._series)
        log.info(f"migration-mgr: stepping through {value}")
        return {"kind": UPGRADE, "value": value}

    def _may_move(self) -> bool:
        active = self._ledger.catalog.settings[VERSION]
        if active in ("", self._series):
            return False
        why = held_by(self._nodes(), to=self._series)
        if self._ledger.catalog.settings[PRESERVE] == active:
            why = f"{PRESERVE} is {active}"
        why = why or str(self._gossip.told("finalize_stuck", default=""))
        if why and why != self._said:
            log.warning(f"error when finalizing cluster version upgrade: set-version: {why}")
        self._said = why
        return not why

    def _nodes(self) -> dict[int, Runs]:
        view, now = self._gossip.view, time.time()
        return {
            node: (
                facts["membership"],
                view.is_live(node, now=now) and not view.is_draining(node),
                str(view.descriptors.get(node, {}).get("build", "")),
            )
            for node, facts in self._journal.roster.nodes.items()
        }
