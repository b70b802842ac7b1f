"""Moves replicas while time passes, on the node that writes the journal; and what each node is to its replicas.

The rate and the time after which a lost node counts as dead are a cluster's, from whichever live node's faults.json
names them. Not here: which moves (allocator.py), the state (placement.py), faults themselves (faults.py).
"""

import asyncio
import contextlib
import functools
import time

from devtools.cockroach import allocator, placement
from devtools.cockroach.allocator import DEAD, KEEPS, LEAVING, UP, Nodes
from devtools.cockroach.catalog import Operation
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.gossip import Gossip
from devtools.cockroach.journal import Journal
from devtools.cockroach.ledger import Ledger
from devtools.cockroach.roster import ACTIVE, DECOMMISSIONED

MOVES_PER_SECOND = 100.0
SECONDS_UNTIL_STORE_DEAD = 300.0  # the vendor's server.time_until_store_dead
_TICK_SECONDS = 0.25


class Rebalancer:
    """One node's part in moving replicas; it acts while that node writes."""

    def __init__(self, journal: Journal, *, gossip: Gossip, ledger: Ledger) -> None:
        self._journal = journal
        self._gossip = gossip
        self._ledger = ledger
        self._lost_since: dict[int, float] = {}  # nodes of which nothing was heard since this process began

    async def run(self) -> None:
        """Move until cancelled."""
        owed, at = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            was, at = at, time.monotonic()
            rate = float(self._gossip.told("moves_per_second", default=MOVES_PER_SECOND))
            owed = min(owed + rate * (at - was), max(1.0, rate * 2 * _TICK_SECONDS))  # an idle cluster saves nothing up
            if not self._ledger.replication.is_writer:
                continue
            nodes = self.nodes()
            if owed >= 1 and (moves := self._moves(nodes, most=int(owed))):
                owed -= len(moves)
                with contextlib.suppress(RemoteError, TimeoutError):
                    await self._ledger.act(functools.partial(self._placed, nodes, most=len(moves)))

    def _placed(self, nodes: Nodes, *, most: int) -> Operation | None:
        found = self._moves(nodes, most=most)
        return placement.place(found) if found else None

    def _moves(self, nodes: Nodes, *, most: int) -> list[placement.Move]:
        return allocator.moves(self._ledger.placement, nodes, copies=self._ledger.catalog.copies, most=most)

    def nodes(self) -> Nodes:
        """The nodes as they stand now."""
        now, view = time.time(), self._gossip.view
        patience = float(self._gossip.told("seconds_until_store_dead", default=SECONDS_UNTIL_STORE_DEAD))
        standing: dict[int, str] = {}
        live: set[int] = set()
        for node, facts in self._journal.roster.nodes.items():
            if facts["membership"] == DECOMMISSIONED:
                continue
            if view.is_live(node, now=now):
                live.add(node)
                self._lost_since.pop(node, None)
            else:
                expired = view.liveness.get(node, {}).get("expiration", 0.0)
                self._lost_since.setdefault(node, expired or now)
            if facts["membership"] != ACTIVE:
                standing[node] = LEAVING
            elif node in live:
                standing[node] = KEEPS if view.is_draining(node) or not facts["counts"] else UP
            else:
                standing[node] = DEAD if now - self._lost_since[node] > patience else KEEPS
        stuck = {
            node: int(record.get("faults", {}).get("stuck_replicas", 0)) for node, record in view.descriptors.items()
        }
        return Nodes(standing, live=live, stuck=stuck)
