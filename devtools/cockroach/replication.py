"""The journal that a majority acknowledges: who writes it, how entries reach the others, when they count.

The live node of the lowest id writes. To become the writer it claims a term: a majority promises (on disk) to take
nothing of earlier terms any more and shows what it holds; the claimant takes over the fullest journal among them, and
so every entry that was ever acknowledged. Two nodes that both believe to be the lowest cannot both write: entries of
one of them find no majority. Not here: the file (journal.py), what entries mean (catalog.py, roster.py), how a
statement finds the writer (ledger.py).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from devtools.cockroach import log, wire
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.journal import Entry, Journal, entry
from devtools.cockroach.peers import PeerError, Peers
from devtools.cockroach.store import Store

_CALL_SECONDS = 2.0
_PAUSE_SECONDS = 0.05
NOTHING = {"kind": "nothing"}

Address = Callable[[int], str]
Applied = Callable[[Entry], None]


class NotWriterError(RemoteError):
    """This node does not write, or no longer."""

    CODE = "NotWriter"

    def __init__(self) -> None:
        super().__init__("this node does not write the journal", code=self.CODE)


class Replication:
    """One node's part in the journal."""

    def __init__(
        self, store: Store, journal: Journal, peers: Peers, *, address: Address, on_committed: Applied
    ) -> None:
        self.writer = 0  # whom this node last took entries from
        self.committed = 0  # entries up to here are acknowledged by a majority, and applied
        self._store = store
        self._journal = journal
        self._peers = peers
        self._address = address
        self._on_committed = on_committed
        self._term = 0  # the term in which this node writes; 0 when it does not
        self._next: dict[int, int] = {}  # the place from which each other node needs entries
        self._told: dict[int, int] = {}  # what each other node knows to be committed
        self._tasks: set[asyncio.Task[bool]] = set()

    @property
    def is_writer(self) -> bool:
        """Whether this node writes, as far as it knows."""
        return self._term > 0

    @property
    def _me(self) -> int:
        return self._store.node_id

    def found(self, operations: list[dict[str, Any]], *, cluster_id: str, node_id: int) -> None:
        """Make a new cluster, of which this node is the only one; the store says so last."""
        self._journal.cut(0)  # of an init that was cut off before anybody heard of it
        self._journal.append([entry(1, operation) for operation in operations])
        self._store.cluster_id, self._store.node_id = cluster_id, node_id
        self._promise(1)
        self._term, self.writer = 1, node_id
        self._commit(len(self._journal))

    def close(self) -> None:
        """Stop what is under way."""
        for task in self._tasks:
            task.cancel()

    # --- writing

    async def confirm(self) -> None:
        """Wait until a majority has the whole journal, acknowledged just now to this node as the writer.

        Raises:
            NotWriterError: it is not, or was replaced.
        """
        while True:
            term, place = self._term, len(self._journal)
            if not term:
                raise NotWriterError
            if await self._spread(term, place):
                if self._term != term:
                    raise NotWriterError
                self._commit(place)
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def append(self, operation: dict[str, Any], *, id: str) -> None:
        """Write one entry and wait until a majority has it; the caller has confirmed and lets nobody else append."""
        if not self._term:
            raise NotWriterError
        self._journal.append([entry(self._term, operation, id=id)])
        await self.confirm()
        for node in self._others():  # so that they apply it soon
            self._in_background(self._bring(node, self._term, len(self._journal)))

    async def bring(self, node: int) -> bool:
        """Bring one node up to date; whether it is."""
        return bool(self._term) and await self._bring(node, self._term, len(self._journal))

    def lags(self, node: int, *, committed: int) -> bool:
        """Note what a node says to have applied; whether that is less than there is."""
        self._told[node] = committed
        return committed < self.committed

    def behind(self) -> list[int]:
        """The nodes that do not know all that is committed."""
        return [node for node in self._others() if self._told.get(node, 0) < self.committed]

    def step_down(self) -> None:
        """Leave the writing to another node."""
        self._step_down(self._term)

    def _others(self) -> list[int]:
        gone = self._journal.roster.removed()
        return [node for node in self._journal.roster.nodes if node != self._me and node not in gone]

    def _in_background(self, work: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _spread(self, term: int, place: int) -> bool:
        """Send what is missing to every voter; true as soon as a majority has the journal up to a place."""
        voters = self._journal.roster.voters()
        have = 1 if self._me in voters else 0
        pending = {self._in_background(self._bring(node, term, place)) for node in voters if node != self._me}
        while have * 2 <= len(voters) and pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            have += sum(1 for task in done if not task.cancelled() and task.result())
        return have * 2 > len(voters)

    async def _bring(self, node: int, term: int, place: int) -> bool:
        """Send a node what it lacks; true when it acknowledged everything up to a place."""
        while self._term == term:
            before = min(self._next.get(node, place + 1), len(self._journal) + 1) - 1
            committed = self.committed
            message = {
                "term": term,
                "before": [before, self._journal.term_at(before)],
                "entries": self._journal.chunk(before + 1),
                "committed": committed,
            }
            answer = await self._call(node, wire.APPEND, message)
            if answer is None:
                return False
            if answer.get("promised", 0) > term:
                self._step_down(term)
                return False
            have = int(answer["have"])
            self._next[node] = have + 1
            if answer["ok"]:
                self._told[node] = max(self._told.get(node, 0), min(committed, have))
                if have >= place:
                    return True
        return False

    async def _call(self, node: int, method: str, message: dict[str, Any]) -> dict[str, Any] | None:
        where = self._address(node)
        if not where:
            return None
        message = {"cluster_id": self._store.cluster_id, "from": self._me, "to": node, **message}
        try:
            answer: dict[str, Any] = await self._peers.call(where, method, message, limit=_CALL_SECONDS)
        except (PeerError, RemoteError):
            return None
        return answer

    def _step_down(self, term: int) -> None:
        if term and self._term == term:
            self._term = 0
            log.info(f"[n{self._me}] another node writes the journal now")

    def _commit(self, place: int) -> None:
        while self.committed < min(place, len(self._journal)):
            self.committed += 1
            self._on_committed(self._journal[self.committed])

    def _promise(self, term: int) -> None:
        self._store.promised = term
        self._store.save()

    # --- becoming the writer

    async def claim(self) -> bool:
        """Try to become the writer; whether it worked."""
        term = self._store.promised + 1
        self._promise(term)
        self._term = 0
        shown = {self._me: self._journal.last}
        others = self._others()
        answers = await asyncio.gather(*(self._call(node, wire.CLAIM, {"term": term}) for node in others))
        for node, answer in zip(others, answers, strict=True):
            if answer is not None and answer["ok"]:
                shown[node] = (int(answer["last"][0]), int(answer["last"][1]))
            elif answer is not None:
                self._promise(max(self._store.promised, int(answer["promised"])))
        fullest = max(shown, key=lambda node: (shown[node], node == self._me))
        if self._store.promised != term or not self._is_majority(shown):
            return False
        if fullest != self._me and not await self._take_over(fullest, term, last=shown[fullest]):
            return False
        if self._store.promised != term or not self._is_majority(shown):  # the fuller journal may know more nodes
            return False
        self._term, self.writer = term, self._me
        self._next.clear()
        self._told.clear()
        self._journal.append([entry(term, NOTHING)])  # what is older counts with it
        log.info(f"[n{self._me}] writes the journal from term {term} on")
        return True

    def _is_majority(self, nodes: dict[int, tuple[int, int]]) -> bool:
        voters = self._journal.roster.voters()
        return sum(1 for node in voters if node in nodes) * 2 > len(voters)

    async def _take_over(self, node: int, term: int, *, last: tuple[int, int]) -> bool:
        """Take the journal of a node that promised to change it for nobody else."""
        after = min(len(self._journal), last[1])
        while self._journal.last != last:
            answer = await self._call(node, wire.ENTRIES, {"after": after})
            if answer is None or self._store.promised != term:
                return False
            if answer["term"] != self._journal.term_at(after):
                after -= 1
                continue
            if not answer["entries"]:
                return False
            self._journal.cut(after)
            self._journal.append(answer["entries"])
            after = len(self._journal)
        return True

    # --- answering the others

    def claimed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Promise a term to a claimant, once."""
        term = int(message["term"])
        if term <= self._store.promised:
            return {"ok": False, "promised": self._store.promised}
        self._promise(term)
        self._term = 0
        return {"ok": True, "last": self._journal.last}

    def entries(self, message: dict[str, Any]) -> dict[str, Any]:
        """Show entries to a claimant."""
        after = int(message["after"])
        return {"term": self._journal.term_at(after), "entries": self._journal.chunk(after + 1)}

    def appended(self, message: dict[str, Any]) -> dict[str, Any]:
        """Take entries from the writer."""
        term, (before, before_term) = int(message["term"]), message["before"]
        if term < self._store.promised:
            return {"ok": False, "have": len(self._journal), "promised": self._store.promised}
        if term > self._store.promised:
            self._promise(term)
        if self._term != term:
            self._term = 0
        self.writer = int(message["from"])
        if self._journal.term_at(before) != before_term:
            return {"ok": False, "have": max(0, min(len(self._journal), before - 1))}
        fresh = list(message["entries"])
        have = before + len(fresh)
        while fresh and self._journal.term_at(before + 1) == fresh[0]["term"]:
            before += 1
            fresh.pop(0)
        if fresh:
            self._journal.cut(before)
            self._journal.append(fresh)
        self._commit(min(int(message["committed"]), have))
        return {"ok": True, "have": have}
