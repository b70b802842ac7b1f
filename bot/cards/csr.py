"""The answer of `/crdb csr`: the certificate signing requests of a cluster, each with its verdict."""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Message
from operations.crowd import MOST_OPEN
from operations.csr import CsrResult, CsrRow

_MARKS = {"pending": "◆", "approved": "▸", "issued": "✓", "denied": "✗", "failed": "✗"}
#: So many are listed; the rest are counted.
_ROWS = 20


def csr_message(result: CsrResult) -> Message:
    """Draw the list, newest first, as the look gave it."""
    name = result.ref.cluster
    pending = sum(row.state == "pending" for row in result.rows)
    waiting = sum(row.waits_for_place for row in result.rows)
    if not result.rows:
        said = f"{name} has no certificate signing requests"
    else:
        count = len(result.rows)
        said = f"{name}: {count} certificate signing request{'' if count == 1 else 's'}, {pending} pending"
        if waiting:
            said += f", {waiting} of them without a card yet"
    drawn = [
        b.header(said),
        b.context(f"{b.code(str(result.ref), 120)}  ·  as of {b.date(result.taken_at, '{time_secs}')}"),
    ]
    rows = [
        [
            b.text(f"{_MARKS.get(row.state, '·')}  "),
            b.text(b.cut(b.one_line(row.name), 110), "bold"),
            b.text(f"   {_state(row)}  ·  pod {b.cut(b.one_line(row.pod or 'none'), 80)}"),
            b.text(f"  ·  {b.cut(b.one_line(row.summary), 160)}", "italic"),
        ]
        for row in result.rows[:_ROWS]
    ]
    if len(result.rows) > _ROWS:
        rows.append([b.text(f"… {len(result.rows) - _ROWS} older", "italic")])
    if rows:
        drawn.append(b.rich(b.lines(rows)))
    return Message(text=b.notice(said), blocks=drawn)


def _state(row: CsrRow) -> str:
    return f"waits for a place among {MOST_OPEN}" if row.waits_for_place else b.cut(b.one_line(row.state), 20)
