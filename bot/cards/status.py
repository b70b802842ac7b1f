"""The answer of `/crdb status`: the cluster as it is now, in parts, each a value or the reason why it is missing.

What is looked at is an activity's; asking for it is `bot.requests`.
"""

from __future__ import annotations

from datetime import datetime

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from operations.status import NodeRow, Part, StatusResult

#: Nodes are listed up to this many characters, far below what Slack takes of a message; the rest are counted.
_NODES = 7500
#: One line of a node.
_LINE = 170
#: Members without a pod, and lines of drift or volumes, that are listed.
_FEW = 5
#: A certificate that ends within this many days is marked: time for a rotation that people plan.
_SOON_DAYS = 30
_SHARED = {"image": "all run image ", "address": "each at POD"}


def status_message(result: StatusResult, *, running: str = "", url: str = "") -> Message:
    """Draw a status.

    Args:
        result: What the look saw.
        running: One sentence about the operation that runs now, if one does.
        url: Where that is to be looked at.
    """
    name, rows = result.ref.cluster, [node for node in result.nodes if node.pod]
    if not result.is_deployed:
        said, face = f"{name} is not deployed", "⚪"
    else:
        said = f"{name}: {result.ready} of {result.wanted} nodes ready"
        face = "🟢" if _is_well(result) else "🟡"
    drawn = [b.header(f"{face} {said}"), b.context(_as_of(result))]
    if not result.is_deployed:
        drawn.append(b.rich(b.line(b.text(f"Type /crdb deploy {name} to make it."))))
    if rows:
        drawn.append(b.rich(b.lines(_nodes(rows, result))))
    notes = [*_database(result), *_certificates(result), *_volumes(result), *_drift(result)]
    if running:
        link = [b.text("  "), b.link(url, "Look at it")] if url.startswith("http") else []
        notes.append([b.text("Running now: ", "bold"), b.text(b.cut(running, 300)), *link])
    elif result.is_deployed:
        notes.append([b.text("Running now: ", "bold"), b.text("nothing")])
    if notes:
        drawn.append(b.rich(b.listed(notes)))
    return Message(text=b.notice(said), blocks=drawn)


def _is_well(result: StatusResult) -> bool:
    ranges = result.ranges
    is_whole = result.ready == result.wanted and not result.drift
    return is_whole and not (ranges and (ranges.unavailable or ranges.under_replicated)) and not _dead(result)


def _dead(result: StatusResult) -> list[NodeRow]:
    return [node for node in result.nodes if node.is_live is False and node.membership != "decommissioned"]


def _as_of(result: StatusResult) -> str:
    """Say of when each part is; a part without figures has its reason further down."""
    facts = [b.code(str(result.ref), 120)]
    if result.version:
        facts.append(f"CockroachDB {b.escape(b.cut(result.version, 40))}")
    parts = result.parts or (Part(name="pods and volumes", at=result.taken_at),)
    facts += [_age(part) for part in parts if part.at is not None]
    return "  ·  ".join(facts)


def _age(part: Part) -> str:
    assert part.at is not None
    said = f"{b.escape(b.cut(part.name, 40))} as of {b.date(part.at, '{time_secs}')}"
    if part.oldest is not None:
        seconds = max(0, round((part.at - part.oldest).total_seconds()))
        said += f", its nodes' own figures up to {seconds} s older"
    return said


# --- nodes


def _nodes(rows: list[NodeRow], result: StatusResult) -> list[list[Json]]:
    shared, drawn, length = _shared(rows), list[list[Json]](), 0
    for number, node in enumerate(rows):
        lines = _node(node, result, shared=shared)
        length += sum(len(element["text"]) for line in lines for element in line)
        if length > _NODES:
            drawn.append([b.text(f"… {len(rows) - number} more", "italic")])
            break
        drawn += lines
    for name, said in shared.items():
        drawn.append([b.text(b.cut(f"{_SHARED[name]}{b.one_line(said)}", _LINE), "italic")])
    return drawn


def _suffix(node: NodeRow) -> str:
    return node.address.removeprefix(node.pod) if node.address.startswith(node.pod) else node.address


def _shared(rows: list[NodeRow]) -> dict[str, str]:
    """Return what all nodes have in common of which it is known; it is said once below them."""
    images, suffixes = {node.image for node in rows if node.image}, {_suffix(node) for node in rows if node.address}
    found = {"image": images, "address": suffixes}
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def _node(node: NodeRow, result: StatusResult, *, shared: dict[str, str]) -> list[list[Json]]:
    is_good = node.is_ready and node.is_live is not False
    first = [f"n{node.node_id}" if node.node_id else "", "ready" if node.is_ready else node.phase]
    if node.is_live is not None:
        first.append("live" if node.is_live else "not live")
    first += [node.membership if node.membership not in ("", "active") else "", "draining" if node.is_draining else ""]
    first += [node.build or ("" if node.is_live is None else "build not known")]
    second = [f"{node.replicas} replicas" if node.replicas is not None else ""]
    second += [f"volume {node.volume}" if node.volume else "", _certificate(node, result.taken_at)]
    second += [f"{node.restarts} restarts" if node.restarts else "", _unlike(node, shared)]
    lines = [
        [b.text("✓  " if is_good else "▸  "), b.text(b.cut(b.one_line(node.pod), 80), "bold"), b.text(_joined(first))]
    ]
    if said := _joined(second).strip():
        lines.append([b.text(f"      {said}")])
    if node.trouble:
        lines.append([b.text(f"      {b.cut(b.one_line(node.trouble), _LINE)}", "italic")])
    return lines


def _joined(facts: list[str]) -> str:
    said = "  ·  ".join(b.cut(b.one_line(fact), 80) for fact in facts if fact)
    return f"   {b.cut(said, _LINE)}" if said else " "


def _unlike(node: NodeRow, shared: dict[str, str]) -> str:
    """Say what this node does not share with the others."""
    image = f"image {node.image}" if node.image and "image" not in shared else ""
    address = f"at {node.address}" if node.address and "address" not in shared else ""
    return "  ·  ".join(part for part in (image, address) if part)


def _certificate(node: NodeRow, now: datetime) -> str:
    if node.certificate_until is None:
        return f"certificate {node.certificate}" if node.certificate else ""
    source = "" if node.certificate_by == "node" else ", as issued"
    return f"certificate {_days(node.certificate_until, now)}{source}"


def _days(until: datetime, now: datetime) -> str:
    days = (until - now).days
    if days < 0:
        return f"⚠ ended on {until:%Y-%m-%d}"
    return f"{'⚠ ' if days < _SOON_DAYS else ''}{days} days left"


# --- notes


def _database(result: StatusResult) -> list[list[Json]]:
    notes: list[list[Json]] = []
    if result.database:
        notes.append([b.text("Database: ", "bold"), b.text(b.cut(b.one_line(result.database), 300))])
    if result.ranges is not None:
        few, lost = result.ranges.under_replicated, result.ranges.unavailable
        notes.append([b.text("Ranges: ", "bold"), b.text(f"{few} under-replicated, {lost} unavailable")])
    elif result.database:
        notes.append([b.text("Ranges: ", "bold"), b.text("not known, for the same reason")])
    strays = [node for node in result.nodes if not node.pod]
    for node in strays[:_FEW]:
        where = f", last at {b.cut(b.one_line(node.address), 90)}" if node.address else ""
        said = f"n{node.node_id}, {'live' if node.is_live else 'dead'}, {node.membership}{where}"
        notes.append([b.text("Without a pod: ", "bold"), b.text(b.cut(said, _LINE))])
    if len(strays) > _FEW:
        notes.append([b.text(f"… {len(strays) - _FEW} more nodes without a pod", "italic")])
    return notes


def _certificates(result: StatusResult) -> list[list[Json]]:
    now, notes = result.taken_at, list[list[Json]]()
    ends = [f"CA {_days(result.authority_until, now)}"] if result.authority_until else []
    if result.client:
        until = f", certificate {_days(result.client_until, now)}" if result.client_until else ""
        ends.append(f"client pod {b.cut(b.one_line(result.client), 100)}{until}")
    if ends:
        notes.append([b.text("Certificates: ", "bold"), b.text("  ·  ".join(ends))])
    silence = next((part.reason for part in result.parts if part.name == "certificates"), "")
    if silence and silence != result.database:
        notes.append([b.text("Days left: ", "bold"), b.text(b.cut(b.one_line(silence), 300))])
    if result.pending_csrs:
        wait = "request waits" if result.pending_csrs == 1 else "requests wait"
        said = f"{result.pending_csrs} certificate {wait} for a decision: /crdb csr {result.ref.cluster}"
        notes.append([b.text(said)])
    return notes


def _volumes(result: StatusResult) -> list[list[Json]]:
    left = result.leftover_volumes
    if not left:
        return []
    said = ", ".join(b.one_line(name) for name in left[:_FEW]) + (f" and {len(left) - _FEW} more" * (len(left) > _FEW))
    return [[b.text("Volumes without a pod: ", "bold"), b.text(b.cut(said, 400))]]


def _drift(result: StatusResult) -> list[list[Json]]:
    title = "Differs from the recorded spec: "
    return [[b.text(title, "bold"), b.text(b.cut(b.one_line(d), 200))] for d in result.drift[:_FEW]]
