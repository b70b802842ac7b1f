"""Where the replicas of the simulated ranges are, by the journal, and what each node counts of them.

There is no data: a range is a number and a replica a place it has on a node. A fresh cluster has all ranges on its
first node. The same moves in the same order give the same placement on every node. Leases are not written down: the
live holders share them. Not here: which moves are made (allocator.py), when (rebalancer.py).
"""

from collections.abc import Collection
from typing import Any

from devtools.cockroach.catalog import Operation

RANGES = 69  # what a fresh cluster of the vendor's roughly has
PLACE = "place"
_FIRST_NODE = 1
_LEAST_COPIES = 3

#: Range, the node that gives its replica up (0 for none), the node that takes one (0 for none).
Move = tuple[int, int, int]


def needed(copies: int, members: int) -> int:
    """How many replicas a range is to have: fewer in a small cluster, an odd number, never below three."""
    fewer = min(copies, members)
    if fewer == copies:
        return copies
    return min(copies, max(_LEAST_COPIES, fewer - (fewer % 2 == 0)))


class Counts:
    """What one node reports of its ranges."""

    def __init__(self) -> None:
        self.replicas = 0
        self.leases = 0
        self.underreplicated = 0
        self.unavailable = 0


class Placement:
    """The replicas: for each range its nodes, in the order of their coming, and the replica's id on each."""

    def __init__(self, ranges: dict[int, dict[int, int]] | None = None) -> None:
        self.ranges = ranges or {number: {_FIRST_NODE: 1} for number in range(1, RANGES + 1)}
        self._next_replica = dict.fromkeys(self.ranges, 2)

    def knows(self, operation: Operation) -> bool:
        """Whether an operation is for the placement."""
        return bool(operation["kind"] == PLACE)

    def apply(self, operation: Operation) -> None:
        """Make the moves of one entry of the journal."""
        for number, source, target in operation["moves"]:
            holders = self.ranges[number]
            holders.pop(source, None)
            if target and target not in holders:
                holders[target] = self._next_replica[number]
                self._next_replica[number] += 1

    def held(self, node: int) -> dict[int, int]:
        """The ranges of which a node has a replica, with the replica's id."""
        return {number: holders[node] for number, holders in self.ranges.items() if node in holders}

    def to_wire(self) -> dict[str, dict[str, int]]:
        """Everything, as JSON can hold it."""
        return {str(number): {str(node): at for node, at in held.items()} for number, held in self.ranges.items()}

    @classmethod
    def from_wire(cls, given: dict[str, dict[str, int]]) -> "Placement":
        """What `to_wire` wrote; good for reading alone."""
        return cls({int(number): {int(node): at for node, at in held.items()} for number, held in given.items()})

    def counts(self, node: int, *, live: Collection[int], draining: Collection[int], copies: int) -> Counts:
        """What a node reports; a node that does not live reports what it had, and no lease.

        Args:
            node: whose counts.
            live: the nodes that live.
            draining: those that give their leases away.
            copies: how many replicas a range is to have.
        """
        found = Counts()
        for number, holders in self.ranges.items():
            if node not in holders:
                continue
            found.replicas += 1
            alive = [holder for holder in holders if holder in live]
            if node not in alive:
                continue
            if len(alive) * 2 <= len(holders):
                found.unavailable += node == alive[0]
                found.underreplicated += node == alive[0]
                continue
            staying = [holder for holder in alive if holder not in draining] or alive
            if node == staying[number % len(staying)]:
                found.leases += 1
                found.underreplicated += len(alive) < copies
        return found


def place(moves: list[Move]) -> dict[str, Any]:
    """The operation that makes moves."""
    return {"kind": PLACE, "moves": [list(move) for move in moves]}
