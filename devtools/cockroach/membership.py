"""What a node knows of its cluster: nodes' liveness, their descriptors, cluster settings; and how two views merge.

Pure state: no sockets, no clock (callers pass `now`). Liveness outlives restarts; a descriptor (address, build, times)
is only known by gossip and forgotten after a while, which is why rows of long-dead nodes show NULLs. Each record is
written by its node alone and carries a rising `seq`, so the newer one wins. Not here: exchanging views (gossip.py).
"""

from typing import Any

EXPIRY_SECONDS = 4.5  # how long one heartbeat keeps a node live (the vendor: a few seconds)
DESCRIPTOR_SECONDS = 7200.0  # the vendor forgets a silent node's descriptor after two hours
ACTIVE = "active"

Record = dict[str, Any]


class Membership:
    """One node's view of the cluster."""

    def __init__(self) -> None:
        self.liveness: dict[int, Record] = {}
        self.descriptors: dict[int, Record] = {}
        self.settings: dict[str, Record] = {}

    # --- views

    def snapshot(self) -> dict[str, Any]:
        """Everything, for a peer."""
        return {
            "liveness": list(self.liveness.values()),
            "descriptors": list(self.descriptors.values()),
            "settings": self.settings,
        }

    def durable(self) -> dict[str, Any]:
        """What the store keeps: liveness, settings, and addresses to find the others by."""
        return {
            "liveness": list(self.liveness.values()),
            "settings": self.settings,
            "addresses": sorted(record["address"] for record in self.descriptors.values()),
        }

    def restore(self, known: dict[str, Any]) -> None:
        """Take up what the store kept."""
        self.liveness = {int(record["id"]): record for record in known.get("liveness", [])}
        self.settings = dict(known.get("settings", {}))

    # --- merging

    def merge(self, view: dict[str, Any], *, me: int) -> bool:
        """Take what is newer in a peer's view; true when something durable changed."""
        changed = False
        for record in view["liveness"]:
            changed |= self._merge_liveness(record, me=me)
        for record in view["descriptors"]:
            node_id = int(record["id"])
            mine = self.descriptors.get(node_id)
            if node_id != me and (mine is None or record["seq"] > mine["seq"]):
                changed |= mine is None or mine["address"] != record["address"]
                self.descriptors[node_id] = record
        for name, record in view["settings"].items():
            changed |= self._merge_setting(name, record)
        return changed

    def _merge_liveness(self, record: Record, *, me: int) -> bool:
        node_id = int(record["id"])
        mine = self.liveness.get(node_id)
        if mine is None:
            self.liveness[node_id] = record
            return True
        if node_id == me or record["store_id"] != mine["store_id"] or record["seq"] <= mine["seq"]:
            return False
        self.liveness[node_id] = record
        return bool(mine["membership"] != record["membership"])

    def _merge_setting(self, name: str, record: Record) -> bool:
        mine = self.settings.get(name)
        if mine is not None and (record["counter"], record["by"]) <= (mine["counter"], mine["by"]):
            return False
        self.settings[name] = record
        return True

    def conflicts(self, record: Record) -> bool:
        """Whether this view already gave the record's id to another store."""
        mine = self.liveness.get(int(record["id"]))
        return mine is not None and mine["store_id"] != record["store_id"]

    # --- writing

    def heartbeat(self, *, me: int, now: float, extend: bool, draining: bool) -> None:
        """Renew the own liveness record; without a majority only its other fields are written."""
        record = dict(self.liveness[me])
        record["seq"] = now
        record["draining"] = draining
        if extend:
            record["expiration"] = now + EXPIRY_SECONDS
        self.liveness[me] = record

    def set(self, name: str, value: str, *, by: int) -> None:
        """Write a cluster setting; an empty value is the default."""
        counter = int(self.settings.get(name, {}).get("counter", 0)) + 1
        self.settings[name] = {"value": value, "counter": counter, "by": by}

    def admit(self, store_id: str, *, above: int = 0) -> Record:
        """The record of a joining store: the one it was given before, or a new one with the next free id."""
        for record in self.liveness.values():
            if record["store_id"] == store_id:
                return record
        node_id = max([above, *self.liveness], default=0) + 1
        return {
            "id": node_id,
            "store_id": store_id,
            "seq": 0.0,
            "expiration": 0.0,
            "draining": False,
            "membership": ACTIVE,
        }

    def forget(self, *, now: float) -> None:
        """Drop descriptors nobody has renewed for long."""
        silent = [node for node, record in self.descriptors.items() if now - record["seq"] > DESCRIPTOR_SECONDS]
        for node in silent:
            del self.descriptors[node]

    # --- reading

    def setting(self, name: str, *, default: str = "") -> str:
        """A cluster setting's value."""
        return str(self.settings.get(name, {}).get("value", default))

    def is_live(self, node_id: int, *, now: float) -> bool:
        """Whether a node's liveness has not expired."""
        record = self.liveness.get(node_id)
        return record is not None and record["expiration"] > now

    def voters(self) -> list[int]:
        """The nodes a majority is counted over: admitted, heard of at least once, not decommissioned."""
        return sorted(
            node
            for node, record in self.liveness.items()
            if record["membership"] != "decommissioned" and record["seq"] > 0
        )

    def lowest_live(self, *, now: float) -> int:
        """The node that gives out ids; 0 when none is live."""
        return min((node for node in self.voters() if self.is_live(node, now=now)), default=0)
