"""What a node hears of its cluster: nodes' liveness and their descriptors; and how two views merge.

Pure state: no sockets, no clock (callers pass `now`), no disk. A descriptor (address, build, times) is forgotten
after a while, which is why rows of long-dead nodes show NULLs. Each record is written by its node alone and carries a
rising `seq`, so the newer one wins. Not here: which nodes there are (roster.py), exchanging views (gossip.py).
"""

from collections.abc import Collection
from typing import Any

DESCRIPTOR_SECONDS = 7200.0  # the vendor forgets a silent node's descriptor after two hours

Record = dict[str, Any]


class Membership:
    """One node's view of the cluster."""

    def __init__(self) -> None:
        self.liveness: dict[int, Record] = {}
        self.descriptors: dict[int, Record] = {}

    def snapshot(self) -> dict[str, Any]:
        """Everything, for a peer."""
        return {"liveness": list(self.liveness.values()), "descriptors": list(self.descriptors.values())}

    def addresses(self) -> list[str]:
        """Where nodes are."""
        return sorted(record["address"] for record in self.descriptors.values())

    # --- merging

    def merge(self, view: dict[str, Any], *, me: int) -> bool:
        """Take what is newer in a peer's view; true when a node is elsewhere than was known."""
        for record in view["liveness"]:
            _take(self.liveness, record, me=me)
        before = self.addresses()
        for record in view["descriptors"]:
            _take(self.descriptors, record, me=me)
        return self.addresses() != before

    # --- writing

    def heartbeat(self, *, me: int, now: float, until: float | None, draining: bool) -> None:
        """Renew the own liveness record; without a majority (`until` None) only its other fields are written."""
        expiration = self.liveness.get(me, {}).get("expiration", 0.0) if until is None else until
        self.liveness[me] = {"id": me, "seq": now, "expiration": expiration, "draining": draining}

    def forget(self, *, now: float, gone: Collection[int] = ()) -> None:
        """Drop descriptors nobody has renewed for long, and those of nodes that were decommissioned."""
        silent = [
            node
            for node, record in self.descriptors.items()
            if now - record["seq"] > DESCRIPTOR_SECONDS or node in gone
        ]
        for node in silent:
            del self.descriptors[node]

    # --- reading

    def is_live(self, node_id: int, *, now: float) -> bool:
        """Whether a node's liveness has not expired."""
        record = self.liveness.get(node_id)
        return record is not None and record["expiration"] > now

    def is_draining(self, node_id: int) -> bool:
        """Whether a node says that it leaves."""
        return bool(self.liveness.get(node_id, {}).get("draining", False))

    def lowest_live(self, nodes: list[int], *, now: float) -> int:
        """The node that should write: live, not leaving, of the lowest id; 0 when there is none."""
        return min((node for node in nodes if self.is_live(node, now=now) and not self.is_draining(node)), default=0)


def _take(mine: dict[int, Record], record: Record, *, me: int) -> None:
    node_id = int(record["id"])
    if node_id != me and (node_id not in mine or record["seq"] > mine[node_id]["seq"]):
        mine[node_id] = record
