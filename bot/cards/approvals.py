"""The answer of `/crdb approvals`: what is open, how old it is, how it stands, and where to look closer.

Decisions are taken on the cards, or by `/crdb approve` and `deny` with the id that stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from bot.cards.operation import span
from gateway.running import ApprovalTarget

_MARKS = {"pending": "◆", "expired": "○", "decided": "▸", "approved": "▸"}
_STATES = {
    "pending": "waits for a decision",
    "expired": "expired: ask again on its card",
    "decided": "decided, being signed",
    "approved": "approved, being signed",
}
#: So many are listed; the rest are counted.
_ROWS = 20


def approvals_message(
    targets: tuple[ApprovalTarget, ...], *, now: datetime, url: Callable[[ApprovalTarget], str]
) -> Message:
    """Draw the list.

    Args:
        targets: What is open, oldest first.
        now: For the ages.
        url: The run of one, in Temporal's Web UI.
    """
    waiting = sum(target.state == "pending" for target in targets)
    said = _said(len(targets), waiting)
    rows = [_row(target, now, url(target)) for target in targets[:_ROWS]]
    if len(targets) > _ROWS:
        rows.append([b.text(f"… {len(targets) - _ROWS} younger", "italic")])
    drawn = [b.header(said)]
    if rows:
        drawn.append(b.rich(b.lines(rows)))
        drawn.append(b.context("Decide on the card in the cluster's channel, or by `/crdb approve ID`."))
    return Message(text=b.notice(said), blocks=drawn)


def what_is_asked(target: ApprovalTarget) -> str:
    """Say in words what a run asks for, as far as it is known without a worker."""
    if target.question:
        return target.question
    parts = target.workflow_id.split("/")
    if len(parts) == 5 and parts[2] == "csr":
        return f"certificate {parts[3]}"
    return target.workflow_id


def _said(count: int, waiting: int) -> str:
    if not count:
        return "Nothing waits for a decision"
    rest = count - waiting
    return f"{waiting} {'waits' if waiting == 1 else 'wait'} for a decision" + (f", {rest} more open" if rest else "")


def _row(target: ApprovalTarget, now: datetime, url: str) -> list[Json]:
    age = f"  ·  {span(now - target.since)} old" if target.since is not None else ""
    state = _STATES.get(target.state, target.state or "unknown")
    what, cluster = b.one_line(what_is_asked(target)), b.one_line(target.cluster.rpartition("/")[2] or "unknown")
    row = [
        b.text(f"{_MARKS.get(target.state, '·')}  "),
        b.text(b.cut(target.approval_id, 64), "code"),
        b.text("  "),
        b.text(b.cut(what, 120), "bold"),
        b.text(f"  ·  cluster {b.cut(cluster, 80)}{age}"),
        b.text(f"  ·  {b.cut(state, 60)}", "italic"),
    ]
    return [*row, b.text("  "), {"type": "link", "url": url, "text": "in Temporal"}] if url else row
