"""The journal between nodes, with everything that goes wrong: lost messages, restarts, two that want to write.

Real parts over a network that loses what it is told to; the files are real as well.
"""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from devtools.cockroach import wire
from devtools.cockroach.journal import Entry, Journal, entry
from devtools.cockroach.peers import PeerError
from devtools.cockroach.replication import NotWriterError, Replication
from devtools.cockroach.store import Store

BINARY = "v25.2.3"


class Network:
    """Carries messages between nodes, unless told to lose them."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.cut: set[frozenset[str]] = set()
        self.lossy: random.Random | None = None

    async def carry(self, source: str, where: str, method: str, message: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        if frozenset((source, where)) in self.cut or where not in self.nodes or self._lost():
            raise PeerError("lost")
        replication = self.nodes[where].replication
        answers = {
            wire.CLAIM: replication.claimed,
            wire.ENTRIES: replication.entries,
            wire.APPEND: replication.appended,
        }
        answer = answers[method](message)
        await asyncio.sleep(0)
        if self._lost():  # it was done, but nobody hears of it
            raise PeerError("lost")
        return answer

    def _lost(self) -> bool:
        return self.lossy is not None and self.lossy.random() < 0.15


class Line:
    """What a node dials with."""

    def __init__(self, network: Network, me: str) -> None:
        self._network = network
        self._me = me

    async def call(self, where: str, method: str, params: dict[str, Any], *, limit: float) -> Any:
        return await asyncio.wait_for(self._network.carry(self._me, where, method, params), limit)


class Node:
    """One node's part, started from what is on disk."""

    def __init__(self, network: Network, folder: Path, node_id: int, *, members: int) -> None:
        self.committed: list[Entry] = []
        self.name = str(node_id)
        store = Store(str(folder))
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "STANDIN-STORE.json").exists():
            store._read(str(folder / "STANDIN-STORE.json"))
        store.cluster_id, store.node_id = "c", node_id
        self.journal = Journal(str(folder))
        self.journal.open()
        if not self.journal:
            self.journal.append(_members(members))
        line: Any = Line(network, self.name)
        self.replication = Replication(store, self.journal, line, address=str, on_committed=self.committed.append)
        network.nodes[self.name] = self

    async def write(self, name: str) -> None:
        await self.replication.confirm()
        await self.replication.append({"kind": "set", "name": name}, id=name)

    async def remove(self, node_id: int) -> None:
        await self.replication.confirm()
        await self.replication.append({"kind": "membership", "id": node_id, "to": "decommissioned", "at": 0}, id="")

    @property
    def names(self) -> list[str]:
        return [str(one["id"]) for one in self.committed if one["id"]]


def _members(count: int) -> list[Entry]:
    found = []
    for node in range(1, count + 1):
        found.append(entry(0, {"kind": "admit", "id": node, "store_id": f"s{node}", "address": str(node)}))
        found.append(entry(0, {"kind": "promote", "id": node}))
    return found


def _cluster(folder: Path, count: int = 3) -> tuple[Network, list[Node]]:
    network = Network()
    return network, [Node(network, folder / str(node), node, members=count) for node in range(1, count + 1)]


async def _within(seconds: float, work: Any) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await work
    except (TimeoutError, NotWriterError):
        return False
    return True


async def test_what_a_majority_has_is_everywhere(tmp_path: Path) -> None:
    network, (first, second, third) = _cluster(tmp_path)
    network.cut = {frozenset("13")}

    assert await first.replication.claim()
    await first.write("a")
    network.cut = set()
    assert await first.replication.bring(3)

    assert first.names == third.names == ["a"]
    assert second.journal.last == third.journal.last == first.journal.last


async def test_without_a_majority_nothing_is_appended(tmp_path: Path) -> None:
    network, (first, *_) = _cluster(tmp_path)
    assert await first.replication.claim()
    await first.write("a")
    place = len(first.journal)
    network.cut = {frozenset("12"), frozenset("13")}

    assert not await _within(0.3, first.write("b"))

    assert len(first.journal) == place


async def test_of_two_nodes_that_both_want_to_write_one_does(tmp_path: Path) -> None:
    network, (first, second, third) = _cluster(tmp_path)
    assert await first.replication.claim()
    await first.write("a")
    network.cut = {frozenset("12"), frozenset("13")}
    assert await second.replication.claim()

    writes = [await _within(0.3, node.write(name)) for node, name in ((first, "b"), (second, "c"))]
    network.cut = set()
    late = await _within(0.3, first.write("d"))

    assert writes == [False, True]
    assert not late, "the others promised not to take from it any more"
    assert second.names == ["a", "c"]
    assert not first.replication.is_writer
    assert third.names[:1] == ["a"]


async def test_the_next_writer_takes_over_what_was_acknowledged(tmp_path: Path) -> None:
    network, (first, second, _) = _cluster(tmp_path)
    network.cut = {frozenset("12"), frozenset("23")}
    assert await first.replication.claim()
    await first.write("a")  # on 1 and 3; 2 knows nothing of it
    network.cut = {frozenset("12"), frozenset("13")}

    assert not await second.replication.claim(), "it did not know of the term that the third had promised"
    assert await second.replication.claim()
    await second.write("b")

    assert second.names == ["a", "b"]


async def test_an_entry_that_found_no_majority_is_replaced(tmp_path: Path) -> None:
    network, (first, second, _) = _cluster(tmp_path)
    assert await first.replication.claim()
    await first.write("a")
    network.cut = {frozenset("12"), frozenset("13")}
    assert not await _within(0.3, first.replication.append({"kind": "set", "name": "lost"}, id="lost"))
    assert await second.replication.claim()
    await second.write("b")

    network.cut = set()
    assert await second.replication.bring(1)

    assert first.names == second.names == ["a", "b"]
    assert "lost" not in [first.journal[place]["id"] for place in range(1, len(first.journal) + 1)]


async def test_a_node_that_is_removed_counts_no_more_and_the_writer_can_be_it(tmp_path: Path) -> None:
    network, (first, second, third, fourth) = _cluster(tmp_path, 4)
    assert await first.replication.claim()
    await first.write("a")
    await first.remove(1)
    first.replication.step_down()

    network.cut = {frozenset("12"), frozenset("13"), frozenset("14"), frozenset("24"), frozenset("34")}
    assert await second.replication.claim() or await second.replication.claim()
    await second.write("b")  # two of three
    network.cut |= {frozenset("23")}

    assert not await _within(0.3, second.write("c"))
    assert second.names == ["a", "b"]
    assert second.journal.roster.voters() == [2, 3, 4]
    assert not third.replication.is_writer
    assert fourth.names in ([], ["a"])


async def test_a_promise_outlives_a_restart(tmp_path: Path) -> None:
    network, (first, second, _) = _cluster(tmp_path)
    assert await first.replication.claim()
    assert await second.replication.claim()

    again = Node(network, tmp_path / "3", 3, members=3)
    refusal = again.replication.appended({"term": 1, "from": 1, "before": [6, 0], "entries": [], "committed": 6})

    assert refusal["ok"] is False
    assert refusal["promised"] == 2


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_goes_wrong_nothing_acknowledged_is_lost_or_reordered(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    network, nodes = _cluster(tmp_path, chance.choice([3, 4, 5]))
    assert await nodes[-1].replication.claim()
    await nodes[-1].write("start")
    acknowledged = ["start"]
    network.lossy = chance
    for step in range(50):
        at = chance.randrange(len(nodes))
        actions = ["claim", "write", "write", "write", "write", "cut", "heal", "heal", "restart", "remove"]
        action = chance.choice(actions)
        if action == "claim":
            await _within(0.2, nodes[at].replication.claim())
        elif action == "write":
            if not any(node.replication.is_writer for node in nodes):
                await _within(0.2, nodes[at].replication.claim())
            for node in nodes:
                name = f"{step}-{node.name}"
                if node.replication.is_writer and await _within(0.06, node.write(name)):
                    acknowledged.append(name)
        elif action == "cut":
            network.cut = {
                frozenset((one.name, other.name)) for one in nodes for other in nodes if chance.random() < 0.25
            }
        elif action == "heal":
            network.cut = set()
        elif action == "remove":
            for node in nodes:
                if node.replication.is_writer and at and len(node.journal.roster.voters()) > 3:
                    await _within(0.06, node.remove(at + 1))
        else:
            nodes[at].replication.close()
            nodes[at] = Node(network, tmp_path / nodes[at].name, int(nodes[at].name), members=len(nodes))
    network.cut, network.lossy = set(), None
    while not await nodes[0].replication.claim():
        pass
    await nodes[0].write("end")
    for node in nodes[1:]:
        assert await nodes[0].replication.bring(int(node.name))

    assert [name for name in nodes[0].names if name in set(acknowledged)] == acknowledged
    assert all(node.committed == nodes[0].committed for node in nodes)
