"""The answer of `/crdb status`: the cluster as it is now, in parts, each a value or the reason why it is missing.

What is looked at is an activity's; asking for it is `bot.work`.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from operations.status import NodeRow, StatusResult

#: So many nodes are listed; the rest are counted.
_NODES = 20


def status_message(result: StatusResult, *, running: str = "") -> Message:
    """Draw a status.

    Args:
        result: What the look saw.
        running: One sentence about the operation that runs now, if one does.
    """
    name = result.ref.cluster
    if not result.is_deployed:
        said = f"{name} is not deployed"
        drawn = [b.header(f"⚪ {said}"), b.rich(b.line(b.text(f"Type /crdb deploy {name} to make it.")))]
    else:
        is_whole = result.ready == result.wanted
        said = f"{name}: {result.ready} of {result.wanted} nodes ready"
        drawn = [b.header(f"{'🟢' if is_whole else '🟡'} {said}")]
    facts = [b.code(str(result.ref), 120), f"as of {b.date(result.taken_at, '{time_secs}')}"]
    if result.version:
        facts.insert(1, f"CockroachDB {b.escape(b.cut(result.version, 40))}")
    drawn.append(b.context("  ·  ".join(facts)))
    if result.nodes:
        rows = [_node(node, result.version) for node in result.nodes[:_NODES]]
        if len(result.nodes) > _NODES:
            rows.append([b.text(f"… {len(result.nodes) - _NODES} more", "italic")])
        drawn.append(b.rich(b.lines(rows)))
    notes: list[list[Json]] = []
    if result.database:
        notes.append([b.text("Database: ", "bold"), b.text(b.cut(result.database, 500))])
    if result.pending_csrs:
        count = result.pending_csrs
        wait = "request waits" if count == 1 else "requests wait"
        notes.append([b.text(f"{count} certificate {wait} for a decision: /crdb csr {name}")])
    notes += [[b.text("Differs from the recorded spec: ", "bold"), b.text(b.cut(d, 300))] for d in result.drift[:8]]
    if running:
        notes.append([b.text("Running now: ", "bold"), b.text(b.cut(running, 300))])
    if notes:
        drawn.append(b.rich(b.listed(notes)))
    return Message(text=b.notice(said), blocks=drawn)


def _node(node: NodeRow, version: str) -> list[Json]:
    row = [b.text("✓  " if node.is_ready else "▸  "), b.text(b.cut(b.one_line(node.pod), 80), "bold")]
    facts = [node.phase if not node.is_ready else "ready"]
    if node.node_id:
        facts.append(f"node {node.node_id}")
    if node.is_live is not None:
        facts.append("live" if node.is_live else "not live")
    if node.build and node.build != version:
        facts.append(node.build)
    if node.volume:
        facts.append(f"volume {node.volume}")
    if node.certificate:
        facts.append(f"certificate {node.certificate}")
    if node.restarts:
        facts.append(f"{node.restarts} restarts")
    row.append(b.text("   " + "  ·  ".join(b.cut(b.one_line(fact), 80) for fact in facts)))
    return row
