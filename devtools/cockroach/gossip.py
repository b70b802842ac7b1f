"""Exchange of views between nodes, the count of a majority by recent contact, and admission of new nodes.

Every second a node sends its view to every address it knows and takes theirs. A node that was in contact with a
majority lately renews its own liveness. Ids are given out by the live node with the lowest id, after a majority took
the new record. Not here: the view itself (membership.py), states and verbs (server.py).
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from devtools.cockroach import log, release, wire
from devtools.cockroach.config import Config
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.membership import Membership, Record
from devtools.cockroach.peers import PeerError, Peers
from devtools.cockroach.store import Store

CONTACT_SECONDS = 2.5  # a contact this old no longer counts towards a majority
_CALL_SECONDS = 2.0
_ADMIT_SECONDS = 5.0
_REFRESH_SECONDS = 10.0  # how often updated_at moves, as with the vendor's

Foreign = Callable[[str], None]


class Gossip:
    """One node's exchange with the others."""

    def __init__(self, config: Config, store: Store, peers: Peers, *, on_foreign: Foreign) -> None:
        self.view = Membership()
        self.view.restore(store.known)
        self._config = config
        self._store = store
        self._peers = peers
        self._on_foreign = on_foreign
        self._contacts: dict[int, float] = {}
        self._unreachable: dict[str, str] = {}
        self._remembered: list[str] = list(store.known.get("addresses", []))
        self._admitting = asyncio.Lock()
        self._started_at = time.time()

    @property
    def active_version(self) -> str:
        """The version the cluster as a whole runs at."""
        return self.view.setting("version", default=release.series_of(self._config.build))

    def save(self) -> None:
        """Write the durable part to the store."""
        self._store.known = self.view.durable()
        self._store.version = self.active_version if self._store.cluster_id else ""
        self._store.save(binary=self._config.build)

    def addresses(self) -> list[str]:
        """Every address worth a try, but the own."""
        known = (record["address"] for node, record in self.view.descriptors.items() if node != self._store.node_id)
        found = dict.fromkeys([*self._config.join, *known, *self._remembered])
        return [where for where in found if where != self._config.advertise]

    # --- majority and liveness

    def has_majority(self) -> bool:
        """Whether a majority of the known nodes, this one among them, was in contact lately."""
        me, now = self._store.node_id, time.monotonic()
        voters = self.view.voters() or [me]
        near = sum(1 for node in voters if node == me or now - self._contacts.get(node, -1e9) < CONTACT_SECONDS)
        return near * 2 > len(voters)

    def is_live(self) -> bool:
        """Whether this node's own liveness holds."""
        return self.view.is_live(self._store.node_id, now=time.time())

    def beat(self, *, draining: bool) -> None:
        """Renew the own records."""
        now, me = time.time(), self._store.node_id
        self.view.heartbeat(me=me, now=now, extend=self.has_majority(), draining=draining)
        before = self.view.descriptors.get(me)
        fresh = before is not None and now - before["updated_at"] < _REFRESH_SECONDS
        self.view.descriptors[me] = {
            "id": me,
            "seq": now,
            "address": self._config.advertise,
            "sql_address": self._config.advertise,
            "build": self._config.build,
            "started_at": self._started_at,
            "updated_at": before["updated_at"] if before is not None and fresh else now,
            "locality": self._config.locality,
            "attrs": self._config.attrs,
        }
        self.view.forget(now=now)

    # --- exchange

    async def round(self, *, draining: bool = False) -> None:
        """Renew, exchange with every address, renew by what was learned."""
        self.beat(draining=draining)
        await asyncio.gather(*(self._exchange(where) for where in self.addresses()))
        self.beat(draining=draining)

    async def _exchange(self, where: str) -> None:
        try:
            answer = await self._peers.call(where, wire.GOSSIP, self._message(), limit=_CALL_SECONDS)
        except PeerError as error:
            self._note(where, f"unable to connect to {where}, will retry: {error}")
        except RemoteError as error:
            if error.code == "FailedPrecondition":
                self._on_foreign(error.detail)
            elif "waiting for init" not in error.message:
                self._note(where, f"gossip with {where} refused: {error.message}")
        else:
            self._unreachable.pop(where, None)
            self._take(answer)

    def _note(self, where: str, text: str) -> None:
        """Log a trouble once, not every second."""
        if self._unreachable.get(where) != text:
            self._unreachable[where] = text
            log.warning(text)

    def _message(self, **more: Any) -> dict[str, Any]:
        return {
            "cluster_id": self._store.cluster_id,
            "from": self._store.node_id,
            "view": self.view.snapshot(),
            **more,
        }

    def _take(self, message: dict[str, Any]) -> None:
        self._contacts[int(message["from"])] = time.monotonic()
        if self.view.merge(message["view"], me=self._store.node_id):
            self.save()

    async def received(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a peer's exchange; the caller made sure that this node has a cluster."""
        if message["cluster_id"] != self._store.cluster_id:
            raise RemoteError(
                f"client cluster ID {message['cluster_id']!r} doesn't match server cluster ID "
                f"{self._store.cluster_id!r}",
                code="FailedPrecondition",
                detail=self._store.cluster_id,
            )
        proposal: Record | None = message.get("proposal")
        if proposal is not None:
            if self.view.conflicts(proposal):
                return {"refused": True}
            self.view.liveness.setdefault(int(proposal["id"]), proposal)
            self.save()
        self._take(message)
        return self._message()

    # --- admission

    async def joined(self, params: dict[str, Any]) -> dict[str, Any]:
        """Admit a joining node, or pass it on to the node that gives out ids."""
        self._check_version(str(params["series"]))
        first = self.view.lowest_live(now=time.time())
        if first not in (0, self._store.node_id) and not params.get("forwarded"):
            described = self.view.descriptors.get(first)
            if described is not None:
                try:
                    answer: dict[str, Any] = await self._peers.call(
                        described["address"], wire.JOIN, {**params, "forwarded": True}, limit=_ADMIT_SECONDS + 1
                    )
                except PeerError as error:
                    raise RemoteError(f"node n{first} gives out ids: {error}", code="Unavailable") from error
                return answer
        record = await self._admit(str(params["store_id"]))
        return {
            "cluster_id": self._store.cluster_id,
            "node_id": record["id"],
            "view": self.view.snapshot(),
        }

    def _check_version(self, series: str) -> None:
        active = self.active_version
        if release.position(series) < release.position(active):
            raise RemoteError(
                f"binary version {series} less than active cluster version {active}: incompatible versions",
                code="PermissionDenied",
            )
        if release.position(release.oldest_readable(series)) > release.position(active):
            raise RemoteError(
                f"active cluster version {active} is too old for binary version {series}: incompatible versions",
                code="PermissionDenied",
            )

    async def _admit(self, store_id: str) -> Record:
        async with self._admitting:
            ends_at, above = time.monotonic() + _ADMIT_SECONDS, 0
            while True:
                record = self.view.admit(store_id, above=above)
                if int(record["id"]) in self.view.liveness:
                    return record
                others = [node for node in self.view.voters() if node != self._store.node_id]
                votes = await self._propose(record, others)
                if None in votes:
                    above = int(record["id"])  # another store has that id in somebody's view
                elif (1 + sum(1 for vote in votes if vote)) * 2 > len(others) + 1:
                    self.view.liveness[int(record["id"])] = record
                    self.save()
                    return record
                if time.monotonic() > ends_at:
                    raise RemoteError("no majority of nodes took the new node's record", code="Unavailable")
                await asyncio.sleep(0.1)

    async def _propose(self, record: Record, others: Iterable[int]) -> list[bool | None]:
        """Each node's vote: taken, not reached, or (None) refused."""

        async def ask(node: int) -> bool | None:
            described = self.view.descriptors.get(node)
            if described is None:
                return False
            try:
                answer = await self._peers.call(
                    described["address"], wire.GOSSIP, self._message(proposal=record), limit=_CALL_SECONDS
                )
            except (PeerError, RemoteError):
                return False
            return None if answer.get("refused") else True

        return list(await asyncio.gather(*(ask(node) for node in others)))
