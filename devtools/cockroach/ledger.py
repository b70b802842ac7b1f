"""The cluster's agreed state as one node sees it: what the journal adds up to, and the way of a command to the writer.

A query or an operation goes to the node that writes the journal, which confirms with a majority before it answers or
appends; so every statement sees all that were acknowledged before it. Without a majority it waits, and nothing is
written. Admits nodes, and counts them once they hold the journal. Not here: terms and acknowledgements
(replication.py), the meaning of operations (catalog.py), liveness (gossip.py).
"""

import asyncio
import contextlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from devtools.cockroach import queries, release, wire
from devtools.cockroach.catalog import UPGRADE, Answer, Catalog, Operation
from devtools.cockroach.config import Config
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.gossip import Gossip
from devtools.cockroach.journal import Entry, Journal
from devtools.cockroach.peers import PeerError, Peers
from devtools.cockroach.phase import REMOVED, Life
from devtools.cockroach.placement import Placement
from devtools.cockroach.replication import NOTHING, NotWriterError, Replication
from devtools.cockroach.roster import ADMIT, DECOMMISSIONED, MEMBERSHIP, PROMOTE, is_change
from devtools.cockroach.settings import VERSION
from devtools.cockroach.statements import QUERY, WRITE
from devtools.cockroach.store import Store

JOURNAL_BYTES = 32 * 1024 * 1024  # it is kept whole, in memory too
_CALL_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_TEND_SECONDS = 1.0
_REMEMBERED = 1024
REPLICAS = "replicas"  # the query for every node's membership and every replica


class Ledger:
    """One node's share of the agreed state."""

    def __init__(
        self,
        config: Config,
        store: Store,
        journal: Journal,
        peers: Peers,
        *,
        gossip: Gossip,
        life: Life,
        on_applied: Callable[[float], None],
        on_outdated: Callable[[str], None],
    ) -> None:
        self.catalog = Catalog()
        self.placement = Placement()
        self.removed: dict[int, float] = {}  # nodes decommissioned for good, and when
        self._config = config
        self._store = store
        self._journal = journal
        self._peers = peers
        self._gossip = gossip
        self._life = life
        self._on_applied = on_applied  # told how long it took
        self._on_outdated = on_outdated  # told that this binary is too old for the active version
        self._answers: OrderedDict[str, Answer] = OrderedDict()  # of commands already written, by their id
        self._writing = asyncio.Lock()
        self._awake = asyncio.Event()
        self.replication = Replication(store, journal, peers, address=gossip.address_of, on_committed=self._committed)

    # --- life

    def found(self) -> None:
        """Make a cluster of this node alone."""
        admit = {"kind": ADMIT, "id": 1, "store_id": self._store.store_id, "address": self._config.advertise}
        version = {"kind": UPGRADE, "value": release.series_of(self._config.build)}
        self.replication.found([admit, {"kind": PROMOTE, "id": 1}, version], cluster_id=str(uuid.uuid4()), node_id=1)

    @property
    def is_settled(self) -> bool:
        """Whether this node counts and was told what is agreed."""
        return self.replication.committed > 0 and self._store.node_id in self._journal.roster.voters()

    def wake(self) -> None:
        """Something changed that may need this node's care."""
        self._awake.set()

    def heard(self, node: int, *, committed: int) -> None:
        """A peer said how far it is."""
        if self.replication.lags(node, committed=committed) and self.replication.is_writer:
            self.wake()

    async def run(self) -> None:
        """Write when it is this node's turn, and bring the others up to date, until cancelled."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):  # not wait_for, which may swallow a cancel
                    async with asyncio.timeout(_TEND_SECONDS):
                        await self._awake.wait()
                self._awake.clear()
                with contextlib.suppress(NotWriterError, TimeoutError):
                    await self._tend()
        finally:
            self.replication.close()

    async def _tend(self) -> None:
        if not self._store.cluster_id:
            return
        if not (self.replication.is_writer or (self._gossip.should_write() and await self._claim())):
            return
        if self.replication.committed < len(self._journal):
            async with asyncio.timeout(_CALL_SECONDS), self._writing:
                await self.replication.confirm()
        if self._store.node_id in self.removed:
            self.replication.step_down()
            return
        newcomers = self._journal.roster.newcomers()
        nodes = sorted({*self.replication.behind(), *newcomers})
        done = await asyncio.gather(*(self.replication.bring(node) for node in nodes))
        for node, is_done in zip(nodes, done, strict=True):
            if is_done and node in newcomers:
                async with asyncio.timeout(_CALL_SECONDS):
                    await self.command({"kind": WRITE, "id": uuid.uuid4().hex, "what": {"kind": PROMOTE, "id": node}})

    async def _claim(self) -> bool:
        """Try twice: the first may only tell which terms are taken."""
        return await self.replication.claim() or await self.replication.claim()

    # --- commands

    async def query(self, what: dict[str, Any]) -> Answer:
        """Ask what is agreed."""
        return await self._submit(QUERY, what)

    async def write(self, operation: Operation) -> Answer:
        """Have an operation agreed on."""
        return await self._submit(WRITE, operation)

    async def _submit(self, kind: str, what: dict[str, Any]) -> Answer:
        """Bring a command to the writer, again and again until somebody answers; done once however often it came.

        Raises:
            RemoteError: it is refused, or this node was decommissioned meanwhile, and nobody answers it any more.
        """
        message = {"cluster_id": self._store.cluster_id, "id": uuid.uuid4().hex, "kind": kind, "what": what}
        while True:
            answer = await self._try(message)
            if answer is not None:
                return answer
            if self._life.phase == REMOVED:
                raise RemoteError(self._life.farewell, code="PermissionDenied")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _try(self, message: dict[str, Any]) -> Answer | None:
        me = self._store.node_id
        writer = me if self.replication.is_writer else self._gossip.writer(last=self.replication.writer)
        where = self._gossip.address_of(writer)
        try:
            if writer == me:
                return await self.command(message)
            if not where:
                return None
            answer: Answer = await self._peers.call(where, wire.COMMAND, {**message, "to": writer}, limit=_CALL_SECONDS)
        except PeerError:
            return None
        except RemoteError as error:
            if error.code in (NotWriterError.CODE, "Unavailable") or error.message.startswith("client cluster ID"):
                return None
            raise
        return answer

    async def command(self, message: dict[str, Any]) -> Answer:
        """Answer a command as the writer.

        Raises:
            NotWriterError: this node is not.
            RemoteError: the command is refused.
        """
        async with self._writing:  # one at a time, so that each is judged by all that came before
            await self.replication.confirm()
            if message["kind"] == QUERY and message["what"]["kind"] == REPLICAS:
                return self._replicas()
            if message["kind"] == QUERY:
                return queries.answer(self.catalog, message["what"])
            return await self._write(message["what"], id=str(message["id"]))

    async def act(self, decide: Callable[[], Operation | None]) -> None:
        """Do what is right once nobody else writes, if anything is; for the writer."""
        async with asyncio.timeout(_CALL_SECONDS), self._writing:
            await self.replication.confirm()
            if operation := decide():
                await self.replication.append(operation, id="")

    def _replicas(self) -> Answer:
        nodes = {str(node): facts["membership"] for node, facts in self._journal.roster.nodes.items()}
        return {"membership": nodes, "ranges": self.placement.to_wire()}

    async def _write(self, operation: Operation, *, id: str) -> Answer:
        if id in self._answers:
            return self._answers[id]
        if operation["kind"] == ADMIT:
            self._check_version(operation["series"])
            known = self._journal.roster.of_store(operation["store_id"])
            if known is not None:
                return {"node_id": known["id"]}
            operation = {**operation, "id": self._journal.roster.next_id(wanted=int(operation["wanted"]))}
        elif operation["kind"] == MEMBERSHIP:
            node = self._journal.roster.nodes.get(int(operation["id"]))
            if node is None:
                raise RemoteError("node does not exist", code="NotFound")
            if not is_change(node, operation["to"]):
                return {}
        elif self.catalog.knows(operation):
            answer, act = self.catalog.change(operation)
            if act is None:
                return answer
            if self._journal.bytes > JOURNAL_BYTES:
                raise RemoteError(
                    f"the stand-in's journal holds {JOURNAL_BYTES} bytes, and takes no more", sqlstate="53100"
                )
        await self.replication.append(operation, id=id)
        return self._answers[id]

    def _check_version(self, series: str) -> None:
        active = self.catalog.settings[VERSION]
        if release.is_outdated(series, by=active):
            raise RemoteError(_outdated(series, active), code="PermissionDenied")
        if release.is_ahead(series, of=active):
            raise RemoteError(
                f"active cluster version {active} is too old for binary version {series}: incompatible versions",
                code="PermissionDenied",
            )

    def _committed(self, entry: Entry) -> None:
        """Apply what a majority has."""
        operation, began = entry["op"], time.perf_counter()
        answer: Answer = {}
        if operation["kind"] in (ADMIT, PROMOTE):
            answer = {"node_id": operation["id"]}
        elif operation["kind"] == MEMBERSHIP:
            if operation["to"] == DECOMMISSIONED:
                self.removed[int(operation["id"])] = float(operation["at"])
        elif self.placement.knows(operation):
            self.placement.apply(operation)
        elif operation != NOTHING:
            answer = self.catalog.apply(operation)
        if operation["kind"] == UPGRADE:
            self._upgraded(operation["value"])
        if entry["id"]:
            self._answers[entry["id"]] = answer
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        self._on_applied(time.perf_counter() - began)

    def _upgraded(self, version: str) -> None:
        """Note the active version where the next start finds it; the past, read again, does not take it back."""
        if release.progress(version) > release.progress(self._store.version):
            self._store.version = version
            self._store.save()
        series = release.series_of(self._config.build)
        if release.is_outdated(series, by=version):
            self._on_outdated(_outdated(series, version))


def _outdated(series: str, active: str) -> str:
    return f"binary version {series} less than active cluster version {active}: incompatible versions"
