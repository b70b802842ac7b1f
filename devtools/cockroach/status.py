"""Rows of `node status`: columns by release and by what was asked, computed from the roster and a membership view.

Range and byte counts are a simple picture (a fixed number of ranges, three copies each, moved at once), enough for a
gate that sums them. Not here: printing (rows.py), asking (node.py).
"""

from datetime import UTC, datetime
from typing import Any

from devtools.cockroach import release
from devtools.cockroach.membership import Membership, Record
from devtools.cockroach.roster import ACTIVE, Roster

_BASE = ("id", "address", "sql_address", "build", "started_at", "updated_at", "locality", "is_available", "is_live")
_RANGES = ("replicas_leaders", "replicas_leaseholders", "ranges", "ranges_unavailable", "ranges_underreplicated")
_STATS = ("live_bytes", "key_bytes", "value_bytes", "intent_bytes", "system_bytes")
_DECOMMISSION = ("gossiped_replicas", "is_decommissioning", "membership", "is_draining")

_TOTAL_RANGES = 69  # what a fresh cluster of the vendor's roughly has
_COPIES = 3
_BYTES_PER_RANGE = 65_536


def time_text(at: float | None) -> str | None:
    """An instant as the vendor's client prints it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")


def table(
    view: Membership, roster: Roster, *, parts: list[str], series: str, now: float
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows, one row a node, in order of id."""
    wants = {name: name in parts or "all" in parts for name in ("ranges", "stats", "decommission")}
    columns = [*_BASE]
    if release.position(series) >= release.position("25.4"):
        columns.insert(columns.index("is_available"), "attrs")
    columns += _RANGES if wants["ranges"] else ()
    columns += _STATS if wants["stats"] else ()
    columns += _DECOMMISSION if wants["decommission"] else ()
    rows = []
    for node_id in sorted(roster.nodes):
        facts = _facts(view, roster, node_id, now=now)
        if wants["decommission"] or facts["membership"] == ACTIVE or facts["is_live"]:
            rows.append([facts[name] for name in columns])
    return columns, rows


def _facts(view: Membership, roster: Roster, node_id: int, *, now: float) -> dict[str, Any]:
    membership = roster.nodes[node_id]["membership"]
    described: Record = view.descriptors.get(node_id, {})
    live = view.is_live(node_id, now=now)
    replicas, leases, under, unavailable = _ranges(view, roster, node_id, now=now)
    known = bool(described)
    return {
        "id": node_id,
        "address": described.get("address"),
        "sql_address": described.get("sql_address"),
        "build": described.get("build"),
        "started_at": time_text(described.get("started_at")),
        "updated_at": time_text(described.get("updated_at")),
        "locality": described.get("locality"),
        "attrs": described.get("attrs"),
        "is_available": live,
        "is_live": live,
        "replicas_leaders": leases if known else None,
        "replicas_leaseholders": leases if known else None,
        "ranges": replicas if known else None,
        "ranges_unavailable": unavailable if known else None,
        "ranges_underreplicated": under if known else None,
        "live_bytes": replicas * _BYTES_PER_RANGE if known else None,
        "key_bytes": replicas * 1024 if known else None,
        "value_bytes": replicas * (_BYTES_PER_RANGE - 1024) if known else None,
        "intent_bytes": 0 if known else None,
        "system_bytes": replicas * 128 if known else None,
        "gossiped_replicas": replicas if known else None,
        "is_decommissioning": membership != ACTIVE,
        "membership": membership,
        "is_draining": view.is_draining(node_id),
    }


def ranges(view: Membership, roster: Roster, node_id: int, *, now: float) -> dict[str, int]:
    """The counts of ranges that a node's metrics report."""
    replicas, leases, under, unavailable = _ranges(view, roster, node_id, now=now)
    return {
        "ranges": leases,
        "replicas": replicas,
        "ranges_unavailable": unavailable,
        "ranges_underreplicated": under,
        "replicas_leaders_not_leaseholders": 0,
    }


def _ranges(view: Membership, roster: Roster, node_id: int, *, now: float) -> tuple[int, int, int, int]:
    """Replicas, leases, under-replicated and unavailable ranges that a node would report."""
    holders = [node for node in roster.voters() if roster.nodes[node]["membership"] == ACTIVE]
    live = [node for node in holders if view.is_live(node, now=now)]
    if node_id not in holders:
        return 0, 0, 0, 0
    copies = min(_COPIES, len(holders))
    replicas = _share(_TOTAL_RANGES * copies, holders, node_id)
    if node_id not in live:
        return replicas, 0, 0, 0
    leases = _share(_TOTAL_RANGES, live, node_id)
    has_all = len(holders) >= _COPIES and (len(live) == len(holders))
    imagined = int(view.descriptors.get(node_id, {}).get("imagined_underreplicated", 0))  # by faults.json
    return replicas, leases, (0 if has_all else leases) + imagined, 0


def _share(total: int, among: list[int], node_id: int) -> int:
    whole, rest = divmod(total, len(among))
    return whole + (1 if among.index(node_id) < rest else 0)
