"""What a node answers to decommission, recommission and drain: membership by the journal, replicas, its own draining.

Membership and replicas are asked of the node that writes, so every node answers the same. Not here: the client's loop
(decommission.py, drain.py), who moves replicas (rebalancer.py), the transitions that are allowed (roster.py).
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from devtools.cockroach import allocator, wire
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.faults import Faults
from devtools.cockroach.gossip import Gossip
from devtools.cockroach.journal import Journal
from devtools.cockroach.ledger import REPLICAS, Ledger
from devtools.cockroach.peers import PeerError, Peers
from devtools.cockroach.phase import DRAINING, SERVING, Life
from devtools.cockroach.placement import Placement
from devtools.cockroach.rebalancer import Rebalancer
from devtools.cockroach.roster import ACTIVE, DECOMMISSIONED, MEMBERSHIP
from devtools.cockroach.store import Store

_DRAIN_CALL_SECONDS = 5.0
_LAST_WORD_SECONDS = 0.2  # for the answer to reach its caller
_WORK_SECONDS = 1.0  # how much of a drain one call does


class Admin:
    """The methods of one node that change how nodes take part."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        peers: Peers,
        *,
        gossip: Gossip,
        ledger: Ledger,
        rebalancer: Rebalancer,
        life: Life,
        faults: Faults,
        terminate: Callable[[], None],
        spread: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._journal = journal
        self._peers = peers
        self._gossip = gossip
        self._ledger = ledger
        self._rebalancer = rebalancer
        self._life = life
        self._faults = faults
        self._terminate = terminate
        self._spread = spread  # lets the other nodes know how this one stands
        self._drained: tuple[float, int] | None = None  # when draining began, and how much there was to do

    # --- membership

    async def decommission(self, params: dict[str, Any]) -> dict[str, Any]:
        """Give nodes a membership; returns how they stand then.

        Of nodes decommissioned for good it returns nothing, as the vendor's: this node may be one of them, and nobody
        would tell it how they stand.
        """
        nodes = [int(node) for node in params["nodes"]]
        await self.standing({"nodes": nodes})  # all are known, or none is touched
        for node in nodes:
            await self._ledger.write({"kind": MEMBERSHIP, "id": node, "to": str(params["to"]), "at": time.time()})
        if params["to"] == DECOMMISSIONED:
            return {"status": [], "nodes": {}, "local": self._store.node_id}
        return await self.standing({"nodes": nodes, "report": params.get("report", 0)})

    async def standing(self, params: dict[str, Any]) -> dict[str, Any]:
        """How nodes stand: alive, replicas, membership, draining; and some replicas by id when asked."""
        placement, membership = await self._agreed()
        view, now = self._gossip.view, time.time()
        rows = []
        for node in (int(node) for node in params["nodes"]):
            if node not in membership:
                raise RemoteError("node does not exist", code="NotFound")
            held = placement.held(node)
            rows.append(
                {
                    "id": node,
                    "is_live": view.is_live(node, now=now),
                    "replicas": len(held),
                    "membership": membership[node],
                    "is_draining": view.is_draining(node),
                    "reported": [[at, number] for number, at in sorted(held.items())][: int(params.get("report", 0))],
                }
            )
        known = {
            str(node): {"membership": is_, "is_live": view.is_live(node, now=now)} for node, is_ in membership.items()
        }
        return {"status": rows, "nodes": known, "local": self._store.node_id}

    async def check(self, params: dict[str, Any]) -> dict[str, Any]:
        """Whether replicas could leave nodes."""
        targets = [int(node) for node in params["nodes"]]
        placement, membership = await self._agreed()
        errors = allocator.blocked(
            placement,
            self._rebalancer.nodes(),
            targets=targets,
            copies=self._ledger.catalog.copies,
            strict=bool(params["strict"]),
        )
        checked = []
        for node in targets:
            readiness = "allocation errors" if errors[node] else "ready"
            if node not in membership:
                readiness = "unknown"
            elif membership[node] == DECOMMISSIONED:
                readiness = "already decommissioned"
            checked.append({"id": node, "readiness": readiness, "errors": errors[node]})
        return {"nodes": checked}

    async def _agreed(self) -> tuple[Placement, dict[int, str]]:
        answer = await self._ledger.query({"kind": REPLICAS})
        return Placement.from_wire(answer["ranges"]), {int(node): is_ for node, is_ in answer["membership"].items()}

    def is_active(self) -> bool:
        """Whether this node is to stay, as far as it knows."""
        facts = self._journal.roster.nodes.get(self._store.node_id)
        return facts is None or facts["membership"] == ACTIVE

    # --- draining

    async def drain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Do some of the draining of a node, by way of that node; what remained before."""
        node = int(params["node"]) or self._store.node_id
        if node != self._store.node_id:
            return await self._forward(node, params)
        if params.get("shutdown"):
            asyncio.get_running_loop().call_later(_LAST_WORD_SECONDS, self._terminate)
            return {"remaining": 0}
        remaining, left = await self._remaining()
        await asyncio.sleep(min(left, _WORK_SECONDS))
        return {"remaining": remaining}

    async def _remaining(self) -> tuple[int, float]:
        now, seconds = time.monotonic(), self._faults.now().drain_seconds
        if self._drained is None:
            leases = self._leases()
            self._drained = (now, max(1, leases))
            if self._life.phase == SERVING:
                self._life.phase = DRAINING
            await self._spread()
            return max(1, leases), seconds
        began, work = self._drained
        left = max(0.0, began + seconds - now)
        return (math.ceil(work * left / seconds) if left else 0), left

    def _leases(self) -> int:
        view, now = self._gossip.view, time.time()
        live = [node for node in view.liveness if view.is_live(node, now=now)]
        counts = self._ledger.placement.counts(
            self._store.node_id, live=live, draining=(), copies=self._ledger.catalog.copies
        )
        return counts.leases

    async def _forward(self, node: int, params: dict[str, Any]) -> dict[str, Any]:
        where = self._gossip.address_of(node) if node in self._gossip.view.descriptors else ""
        if not where:
            raise RemoteError(f"unable to look up descriptor for n{node}")
        try:
            answer: dict[str, Any] = await self._peers.call(where, wire.DRAIN, params, limit=_DRAIN_CALL_SECONDS)
        except PeerError as error:
            raise RemoteError(f"failed to connect to n{node} at {where}: {error}", code="Unavailable") from error
        return answer
