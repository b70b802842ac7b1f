"""What the database says of its nodes, and whether that is good enough to go on.

Rows of `node status` are read by their column names; a node is found by its address, never by its id, which follows
the order of joining and not the pods'. Columns of a dead node may be empty. Asking is `activities.clients.roach`; what
follows from it is decided by `domain.scale`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from domain.model import STATEFULSET, NodeRef

Membership = Literal["active", "decommissioning", "decommissioned"]

_HOST = re.compile(rf"{re.escape(STATEFULSET)}-([0-9]{{1,4}})(?:[.:]|$)")
_BUILD = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})")
_REPLICAS = re.compile(r"num_replicas\s*=\s*([0-9]{1,3})")
#: Ranges of the database itself: their five copies are lowered by itself where there are fewer nodes.
_OWN_RANGES = ("RANGE meta", "RANGE system", "RANGE liveness", "RANGE timeseries", "RANGE tenants", "DATABASE system")
#: Pre-checks, and a dry run of a decommission, came with this release.
_CHECKED = (23, 1)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class NodeStatus(_Value):
    """One row of `node status --all`. What is NULL there is "" or None here; its figures are of `updated_at`.

    `noted_at` is the ordinal whose volume holds this node's id: the address of a decommissioned node is forgotten.
    """

    id: int
    address: str = ""
    build: str = ""
    is_live: bool = False
    membership: Membership = "active"
    is_draining: bool = False
    replicas: int | None = None
    under_replicated: int = 0
    unavailable: int = 0
    updated_at: datetime | None = None
    noted_at: int | None = None

    @property
    def ordinal(self) -> int | None:
        """Ordinal of its pod, by its address or its volume; None when neither is known."""
        match = _HOST.match(self.address)
        return int(match[1]) if match else self.noted_at

    @property
    def is_member(self) -> bool:
        """Whether it still belongs to the cluster: anything but decommissioned."""
        return self.membership != "decommissioned"

    @property
    def is_dead(self) -> bool:
        """Whether it belongs to the cluster and does not live."""
        return self.is_member and not self.is_live

    def name(self) -> str:
        """Say which node: its id and where it is."""
        place = "pod unknown" if self.ordinal is None else NodeRef(ordinal=self.ordinal).pod
        return f"n{self.id} ({place})"


def node_status(row: Mapping[str, str]) -> NodeStatus:
    """Read one row by its column names; columns that a release does not have count as not known."""
    known: dict[str, Membership] = {name: name for name in get_args(Membership)}
    older: Membership = "decommissioning" if row.get("is_decommissioning") == "true" else "active"
    return NodeStatus(
        id=int(row["id"]),
        address=row.get("address", ""),
        build=row.get("build", ""),
        is_live=row.get("is_live") == "true",
        membership=known.get(row.get("membership", ""), older),
        is_draining=row.get("is_draining") == "true",
        replicas=_number(row.get("gossiped_replicas", "")),
        under_replicated=_number(row.get("ranges_underreplicated", "")) or 0,
        unavailable=_number(row.get("ranges_unavailable", "")) or 0,
        updated_at=_instant(row.get("updated_at", "")),
    )


def node_statuses(rows: Iterable[Mapping[str, str]]) -> tuple[NodeStatus, ...]:
    """Read all rows, in the order of ids."""
    return tuple(sorted((node_status(row) for row in rows), key=lambda node: node.id))


def _instant(text: str) -> datetime | None:
    """Read when a node last said its figures; releases write the zone as +00:00 or as +0000 UTC, or leave it out."""
    try:
        at = datetime.fromisoformat(text.removesuffix(" UTC").replace(" +", "+"))
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def places(nodes: Iterable[NodeStatus]) -> dict[int, NodeStatus]:
    """Return the node of each ordinal: of several with one address the live one, then one that is still a member."""
    found: dict[int, NodeStatus] = {}
    for node in sorted(nodes, key=lambda n: (n.is_live, n.is_member, n.id)):
        if node.ordinal is not None:
            found[node.ordinal] = node
    return found


def ghosts(nodes: Iterable[NodeStatus]) -> tuple[NodeStatus, ...]:
    """Return dead members that no pod can bring back: their address is not known, or another node has it now."""
    nodes = tuple(nodes)
    here = {node.id for node in places(nodes).values()}
    return tuple(node for node in nodes if node.is_dead and node.id not in here)


def has_checks(build: str) -> bool:
    """Whether a release checks before it decommissions, and can do so on trial."""
    match = _BUILD.match(build)
    return match is not None and (int(match[1]), int(match[2])) >= _CHECKED


def replication_factor(rows: Iterable[Mapping[str, str]]) -> int | None:
    """Return the most copies that any data of people asks for, by `SHOW ALL ZONE CONFIGURATIONS`; None: not said."""
    most: int | None = None
    for row in rows:
        target = row.get("target") or row.get("zone_name") or ""
        match = _REPLICAS.search(row.get("raw_config_sql") or row.get("config_sql") or "")
        if match and not target.startswith(_OWN_RANGES):
            most = max(most or 0, int(match[1]))
    return most


def fewest_copies(rows: Iterable[Mapping[str, str]]) -> int | None:
    """Return the fewest copies that any zone asks for, the database's own among them; None: not said."""
    found = (_REPLICAS.search(row.get("raw_config_sql") or row.get("config_sql") or "") for row in rows)
    return min((int(match[1]) for match in found if match), default=None)


def ranges_trouble(nodes: Iterable[NodeStatus]) -> tuple[str, ...]:
    """Say what is wrong with the copies of ranges, as the members report it; nothing when all is well."""
    members = [node for node in nodes if node.is_member]
    lost, few = sum(n.unavailable for n in members), sum(n.under_replicated for n in members)
    said = [f"{lost} ranges unavailable"] if lost else []
    return (*said, *([f"{few} ranges under-replicated"] if few else []))


def waits(nodes: Iterable[NodeStatus], *, ordinals: Iterable[int], leaving: Iterable[int] = ()) -> tuple[str, ...]:
    """Say what keeps a cluster from being healthy; nothing when it is.

    Args:
        nodes: What the database says.
        ordinals: Pods whose nodes have to be live, active members.
        leaving: Ids of nodes that leave; that they are dead holds nothing up, and what is under-replicated by it
            is mended by their leaving.
    """
    nodes, away = tuple(nodes), set(leaving)
    where, said = places(nodes), list[str]()
    for ordinal in ordinals:
        node = where.get(ordinal)
        pod = NodeRef(ordinal=ordinal).pod
        if node is None:
            said.append(f"{pod} has not joined")
        elif node.id not in away and not node.is_live:
            said.append(f"{node.name()} does not live")
        elif node.id not in away and node.membership != "active":
            said.append(f"{node.name()} is {node.membership}")
    has_dead = any(node.is_dead for node in nodes if node.id in away)
    said += [one for one in ranges_trouble(nodes) if not (has_dead and "under" in one)]
    return tuple(said)


class Moving(_Value):
    """How far the replicas of leaving nodes are: left of how many, how fast, how long still."""

    left: int
    total: int
    per_minute: float | None = None
    minutes: float | None = None

    def sentence(self) -> str:
        """Say it with a bar, for the card."""
        width = 12
        done = self.total - self.left
        full = width if not self.total else round(width * done / self.total)
        said = f"{'█' * full}{'░' * (width - full)} {done} of {self.total} replicas moved"
        if self.per_minute:
            said += f", {self.per_minute:.0f} a minute"
        if self.minutes is not None and self.left:
            said += f", about {max(self.minutes, 1):.0f} min left"
        return said


def moving(*, left: int, total: int, seconds: float) -> Moving:
    """Estimate from what has moved since the start."""
    done = total - left
    if done <= 0 or seconds < 5:
        return Moving(left=left, total=max(total, left))
    rate = done / seconds * 60
    return Moving(left=left, total=total, per_minute=rate, minutes=left / rate)
