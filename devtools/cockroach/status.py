"""Rows of `node status`: columns by release and by what was asked, computed from the state that the nodes agree on.

Bytes are a simple picture of the replica counts. Not here: printing (rows.py), asking (node.py), where replicas are
(placement.py).
"""

import time
from datetime import UTC, datetime
from typing import Any

from devtools.cockroach import queries, release
from devtools.cockroach.catalog import Answer
from devtools.cockroach.membership import Membership, Record
from devtools.cockroach.placement import Counts, Placement, needed
from devtools.cockroach.roster import ACTIVE, DECOMMISSIONED, Roster

_OLDEST = ("id", "address", "build", "started_at", "updated_at", "is_available", "is_live")
_BASE = ("id", "address", "sql_address", "build", "started_at", "updated_at", "locality", "is_available", "is_live")
_RANGES = ("replicas_leaders", "replicas_leaseholders", "ranges", "ranges_unavailable", "ranges_underreplicated")
_STATS = ("live_bytes", "key_bytes", "value_bytes", "intent_bytes", "system_bytes")
_DECOMMISSION = ("gossiped_replicas", "is_decommissioning", "membership", "is_draining")
_LAYOUTS = {"older": "25.2", "newer": "25.4", "unknown": "25.4"}

_BYTES_PER_RANGE = 65_536


class State:
    """What a node knows of all nodes at one instant."""

    def __init__(self, view: Membership, roster: Roster, placement: Placement, *, copies: int) -> None:
        self.view = view
        self.roster = roster
        self._placement = placement
        active = sum(1 for facts in roster.nodes.values() if facts["membership"] == ACTIVE)
        self._copies = needed(copies, active)
        self._now = time.time()
        self.live = [node for node in roster.nodes if view.is_live(node, now=self._now)]
        self._draining = [node for node in roster.nodes if view.is_draining(node)]

    def counts(self, node: int) -> Counts:
        """What a node reports of its ranges."""
        found = self._placement.counts(node, live=self.live, draining=self._draining, copies=self._copies)
        if node in self.live:
            described = self.view.descriptors.get(node, {})
            faults = described.get("faults", {})
            found.underreplicated += int(faults.get("underreplicated_ranges", 0))
            if described.get("is_restart") and self._now - described["started_at"] < faults.get("catch_up_seconds", 0):
                found.underreplicated += found.replicas
        return found


def time_text(at: float | None) -> str | None:
    """An instant as the vendor's client prints it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")


def table(state: State, *, parts: list[str], layout: str) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows, one row a node, in order of id.

    Args:
        state: the nodes.
        parts: which groups of columns are asked for.
        layout: a release's series, or one of the layouts that a fault asks for.
    """
    wants = {name: name in parts or "all" in parts for name in ("ranges", "stats", "decommission")}
    position = release.position(_LAYOUTS.get(layout, layout))
    columns = [*(_OLDEST if position < release.position("19.2") else _BASE)]
    if position >= release.position("25.4"):
        columns.insert(columns.index("is_available"), "attrs")
    if layout == "unknown":
        columns.insert(1, "standin_note")
    columns += _RANGES if wants["ranges"] else ()
    columns += _STATS if wants["stats"] else ()
    if wants["decommission"]:
        columns += [name for name in _DECOMMISSION if name != "membership" or position >= release.position("20.2")]
    rows = []
    for node_id in sorted(state.roster.nodes):
        facts = _facts(state, node_id)
        if wants["decommission"] or facts["membership"] == ACTIVE or facts["is_live"]:
            rows.append([facts[name] for name in columns])
    return columns, rows


def _facts(state: State, node_id: int) -> dict[str, Any]:
    membership = state.roster.nodes[node_id]["membership"]
    described: Record = state.view.descriptors.get(node_id, {}) if membership != DECOMMISSIONED else {}
    live = node_id in state.live
    counts = state.counts(node_id)
    replicas = counts.replicas
    known = bool(described)
    return {
        "id": node_id,
        "standin_note": "a column nobody documented, with a comma",
        "address": described.get("address"),
        "sql_address": described.get("sql_address"),
        "build": described.get("build"),
        "started_at": time_text(described.get("started_at")),
        "updated_at": time_text(described.get("updated_at")),
        "locality": described.get("locality"),
        "attrs": described.get("attrs"),
        "is_available": live,
        "is_live": live,
        "replicas_leaders": counts.leases if known else None,
        "replicas_leaseholders": counts.leases if known else None,
        "ranges": replicas if known else None,
        "ranges_unavailable": counts.unavailable if known else None,
        "ranges_underreplicated": counts.underreplicated if known else None,
        "live_bytes": replicas * _BYTES_PER_RANGE if known else None,
        "key_bytes": replicas * 1024 if known else None,
        "value_bytes": replicas * (_BYTES_PER_RANGE - 1024) if known else None,
        "intent_bytes": 0 if known else None,
        "system_bytes": replicas * 128 if known else None,
        "gossiped_replicas": (replicas if live else 0) if known else None,  # 0 tells nothing of a dead node
        "is_decommissioning": membership != ACTIVE,
        "membership": membership,
        "is_draining": state.view.is_draining(node_id),
    }


def ranges(state: State, node_id: int) -> dict[str, int]:
    """The counts of ranges that a node's metrics report."""
    counts = state.counts(node_id)
    return {
        "ranges": counts.leases,
        "replicas": counts.replicas,
        "replicas_leaders": counts.leases,
        "replicas_leaseholders": counts.leases,
        "ranges_unavailable": counts.unavailable,
        "ranges_underreplicated": counts.underreplicated,
        "replicas_leaders_not_leaseholders": 0,
    }


def store_sums(state: State, sums: list[list[str]]) -> Answer:
    """Sums of metrics over all stores, as crdb_internal.kv_store_status has them; NULL for a metric nobody reports.

    Args:
        state: the nodes.
        sums: for each sum the metric, with dots as the vendor names it, and the column's name.
    """
    stores = [
        {name.replace("ranges_", "ranges.").replace("replicas_", "replicas."): value for name, value in counts.items()}
        for counts in (ranges(state, node) for node in state.roster.nodes if node in state.view.descriptors)
    ]
    found = [
        sum(store[metric] for store in stores) if stores and metric in stores[0] else None for metric, _name in sums
    ]
    return queries.rows([name for _metric, name in sums], [found], numeric=list(range(len(sums))))
