"""Which nodes there are, by the journal: their ids, stores, first addresses, and whose acknowledgement counts.

A node is admitted first and counted for a majority once it holds the whole journal. An entry counts here as soon as it
is in the journal, acknowledged or not: that is what keeps two majorities overlapping while nodes come. Not here:
whether a node lives (membership.py), the rest of what the journal says (catalog.py).
"""

from typing import Any

from devtools.cockroach.catalog import Operation

ACTIVE, DECOMMISSIONED = "active", "decommissioned"
ADMIT, PROMOTE = "admit", "promote"
Node = dict[str, Any]


class Roster:
    """The nodes by id."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}

    def knows(self, operation: Operation) -> bool:
        """Whether an operation is for the roster."""
        return operation["kind"] in (ADMIT, PROMOTE)

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
        else:
            self.nodes[node_id]["counts"] = True

    def of_store(self, store_id: str) -> Node | None:
        """The node that a store was admitted as."""
        return next((node for node in self.nodes.values() if node["store_id"] == store_id), None)

    def next_id(self) -> int:
        """An id that nobody had."""
        return max(self.nodes, default=0) + 1

    def voters(self) -> list[int]:
        """The nodes that a majority is counted over."""
        return sorted(
            node for node, facts in self.nodes.items() if facts["counts"] and facts["membership"] != DECOMMISSIONED
        )

    def newcomers(self) -> list[int]:
        """The nodes that do not count yet."""
        return sorted(node for node, facts in self.nodes.items() if not facts["counts"])
