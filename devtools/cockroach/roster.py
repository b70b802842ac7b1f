"""Which nodes there are, by the journal: their ids, stores, first addresses, membership, whose acknowledgement counts.

A node is admitted first and counted for a majority once it holds the whole journal. An entry counts here as soon as it
is in the journal, acknowledged or not: that is what keeps two majorities overlapping while nodes come. Not here:
whether a node lives (membership.py), the rest of what the journal says (catalog.py).
"""

from datetime import UTC, datetime
from typing import Any

from devtools.cockroach.catalog import Operation
from devtools.cockroach.failure import RemoteError

ACTIVE, DECOMMISSIONING, DECOMMISSIONED = "active", "decommissioning", "decommissioned"
ADMIT, PROMOTE, MEMBERSHIP = "admit", "promote", "membership"
Node = dict[str, Any]


class Roster:
    """The nodes by id."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}

    def knows(self, operation: Operation) -> bool:
        """Whether an operation is for the roster."""
        return operation["kind"] in (ADMIT, PROMOTE, MEMBERSHIP)

    def apply(self, operation: Operation) -> None:
        """Take an entry of the journal."""
        node_id = int(operation["id"])
        if operation["kind"] == ADMIT:
            self.nodes[node_id] = {
                "id": node_id,
                "store_id": operation["store_id"],
                "address": operation["address"],
                "counts": False,
                "membership": ACTIVE,
            }
        elif operation["kind"] == PROMOTE:
            self.nodes[node_id]["counts"] = True
        else:
            self.nodes[node_id] |= {"membership": operation["to"], "since": operation["at"]}

    def of_store(self, store_id: str) -> Node | None:
        """The node that a store was admitted as."""
        return next((node for node in self.nodes.values() if node["store_id"] == store_id), None)

    def next_id(self, *, wanted: int = 0) -> int:
        """An id that nobody had: the wanted one, if nobody had that."""
        return wanted if wanted > 0 and wanted not in self.nodes else max(self.nodes, default=0) + 1

    def removed(self) -> list[int]:
        """The nodes that were decommissioned, for good."""
        return sorted(node for node, facts in self.nodes.items() if facts["membership"] == DECOMMISSIONED)

    def voters(self) -> list[int]:
        """The nodes that a majority is counted over."""
        return sorted(
            node for node, facts in self.nodes.items() if facts["counts"] and facts["membership"] != DECOMMISSIONED
        )

    def newcomers(self) -> list[int]:
        """The nodes that do not count yet."""
        return sorted(
            node for node, facts in self.nodes.items() if not facts["counts"] and facts["membership"] != DECOMMISSIONED
        )


def is_change(node: Node, to: str) -> bool:
    """Whether a node's membership would change.

    Raises:
        RemoteError: it may not, as the vendor words it.
    """
    now = node["membership"]
    if now == to or (now, to) == (DECOMMISSIONED, DECOMMISSIONING):
        return False
    if now != DECOMMISSIONING and to == ACTIVE:
        raise RemoteError(
            f"can only recommission a decommissioning node; n{node['id']} found to be {now}", code="FailedPrecondition"
        )
    if now != DECOMMISSIONING and to == DECOMMISSIONED:
        raise RemoteError(
            f"can only fully decommission an already decommissioning node; n{node['id']} found to be {now}",
            code="FailedPrecondition",
        )
    return True


def farewell(node_id: int, *, at: float) -> str:
    """What is said to a node that was decommissioned at an instant, and by it."""
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
    return f"n{node_id} was permanently removed from the cluster at {when}; it is not allowed to rejoin the cluster"
