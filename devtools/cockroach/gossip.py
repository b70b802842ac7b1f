"""Exchange of views between nodes, and what follows from contact: a majority, liveness, whose turn it is to write.

Every second a node sends its view to every address it knows and takes theirs. A node that was in contact with a
majority lately renews its own liveness. Not here: the view itself (membership.py), what nodes agree on (ledger.py),
states and verbs (server.py).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from devtools.cockroach import log, wire
from devtools.cockroach.config import Config
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.journal import Journal
from devtools.cockroach.membership import Membership
from devtools.cockroach.peers import PeerError, Peers
from devtools.cockroach.store import Store

_CONTACT_BEATS = 2.5  # a contact this many heartbeats ago no longer counts towards a majority
_EXPIRY_BEATS = 4.5  # how many heartbeats long one of them keeps a node live
_CALL_SECONDS = 2.0
_REFRESH_SECONDS = 10.0  # how often updated_at moves, as with the vendor's

Said = Callable[[str], None]


class Gossip:
    """One node's exchange with the others."""

    def __init__(
        self, config: Config, store: Store, journal: Journal, peers: Peers, *, on_foreign: Said, on_removed: Said
    ) -> None:
        self.view = Membership()
        self.on_heard: Callable[[dict[str, Any]], None] = lambda _message: None
        self.more: Callable[[], dict[str, Any]] = dict  # what else a message tells
        self.faults: Callable[[], dict[str, Any]] = dict  # those that other nodes have to know
        self.round_trips: Callable[[float], None] = lambda _seconds: None
        self._config = config
        self._store = store
        self._journal = journal
        self._peers = peers
        self._on_foreign = on_foreign
        self._on_removed = on_removed
        self._contacts: dict[int, float] = {}
        self._offsets: dict[int, float] = {}
        self._unreachable: dict[str, str] = {}
        self._started_at = time.time()

    # --- who is where

    def addresses(self) -> list[str]:
        """Every address worth a try, but the own."""
        known = (record["address"] for node, record in self.view.descriptors.items() if node != self._store.node_id)
        found = dict.fromkeys([*self._config.join, *known, *self._store.addresses])
        return [where for where in found if where != self._config.advertise]

    def address_of(self, node: int) -> str:
        """Where a node was last heard of, or where it was when it was admitted; empty when it is unknown."""
        known = self.view.descriptors.get(node) or self._journal.roster.nodes.get(node)
        return "" if known is None else str(known["address"])

    @property
    def clock_offset(self) -> float:
        """How far the others' clocks are ahead, in seconds, on average."""
        return sum(self._offsets.values()) / len(self._offsets) if self._offsets else 0.0

    # --- majority and liveness

    def has_majority(self) -> bool:
        """Whether a majority of the nodes that count, this one among them, was in contact lately."""
        me, now = self._store.node_id, time.monotonic()
        voters, limit = self._journal.roster.voters() or [me], _CONTACT_BEATS * self._config.heartbeat
        near = sum(1 for node in voters if node == me or now - self._contacts.get(node, -1e9) < limit)
        return near * 2 > len(voters)

    def is_live(self) -> bool:
        """Whether this node's own liveness holds."""
        return self.view.is_live(self._store.node_id, now=time.time())

    def lowest_live(self) -> int:
        """The node whose turn it is to write; 0 when there is none."""
        return self.view.lowest_live(self._journal.roster.voters(), now=time.time())

    def should_write(self) -> bool:
        """Whether it is this node's turn to write."""
        return self.is_live() and self.has_majority() and self.lowest_live() == self._store.node_id

    def writer(self, *, last: int) -> int:
        """Who is to be asked to write: whoever wrote last as long as it lives, else the one whose turn it is."""
        can = last in self._journal.roster.voters() and self.view.is_live(last, now=time.time())
        return last if can else self.lowest_live()

    def told(self, fault: str, *, default: Any) -> Any:
        """A fault of the whole cluster, from the live node of the lowest id whose file names it."""
        now, me = time.time(), self._store.node_id
        told = {node: record.get("faults", {}) for node, record in self.view.descriptors.items()} | {me: self.faults()}
        for node, faults in sorted(told.items()):
            if fault in faults and (node == me or self.view.is_live(node, now=now)):
                return faults[fault]
        return default

    def beat(self, *, draining: bool) -> None:
        """Renew the own records."""
        now, me = time.time(), self._store.node_id
        until = now + _EXPIRY_BEATS * self._config.heartbeat if self.has_majority() else None
        self.view.heartbeat(me=me, now=now, until=until, draining=draining)
        before = self.view.descriptors.get(me)
        fresh = before is not None and now - before["updated_at"] < _REFRESH_SECONDS
        self.view.descriptors[me] = {
            "id": me,
            "seq": now,
            "address": self._config.advertise,
            "sql_address": self._config.advertise,
            "build": self._config.build,
            "started_at": self._started_at,
            "is_restart": self._store.was_initialized,
            "updated_at": before["updated_at"] if before is not None and fresh else now,
            "locality": self._config.locality,
            "attrs": self._config.attrs,
            "faults": self.faults(),
        }
        self.view.forget(now=now, gone=self._journal.roster.removed())

    # --- exchange

    async def round(self, *, draining: bool = False) -> None:
        """Renew, exchange with every address, renew by what was learned."""
        self.beat(draining=draining)
        await asyncio.gather(*(self._exchange(where) for where in self.addresses()))
        self.beat(draining=draining)

    async def _exchange(self, where: str) -> None:
        began, began_at = time.perf_counter(), time.time()
        try:
            answer = await self._peers.call(where, wire.GOSSIP, self._message(), limit=_CALL_SECONDS)
        except PeerError as error:
            self._note(where, f"unable to connect to {where}, will retry: {error}")
        except RemoteError as error:
            if error.code == "FailedPrecondition":
                self._on_foreign(error.detail)
            elif error.message.startswith(f"n{self._store.node_id} was permanently removed"):
                self._on_removed(error.message)
            elif "waiting for init" not in error.message:
                self._note(where, f"gossip with {where} refused: {error.message}")
        else:
            took = time.perf_counter() - began
            self.round_trips(took)
            self._offsets[int(answer["from"])] = answer["now"] - (began_at + took / 2)
            self._unreachable.pop(where, None)
            self._take(answer)

    def _note(self, where: str, text: str) -> None:
        """Log a trouble once, not every second."""
        if self._unreachable.get(where) != text:
            self._unreachable[where] = text
            log.warning(text)

    def _message(self) -> dict[str, Any]:
        return {
            "cluster_id": self._store.cluster_id,
            "from": self._store.node_id,
            "now": time.time(),
            "view": self.view.snapshot(),
            **self.more(),
        }

    def _take(self, message: dict[str, Any]) -> None:
        self._contacts[int(message["from"])] = time.monotonic()
        if self.view.merge(message["view"], me=self._store.node_id):
            self._store.addresses = self.view.addresses()
            self._store.save()
        self.on_heard(message)

    async def received(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a peer's exchange; the caller made sure that both are of one cluster."""
        self._take(message)
        return self._message()
