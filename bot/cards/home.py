"""The App Home: which roles a person holds, and what waits for a decision.

Decisions are taken on the cards themselves; here is only where they are.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.approvals import what_is_asked
from bot.cards.blocks import Json
from domain.configuration import RoleName
from gateway.running import ApprovalTarget


def home_view(*, roles: list[RoleName], pending: tuple[ApprovalTarget, ...], problem: str = "") -> Json:
    """Draw a person's home."""
    drawn: list[Json] = [
        b.header("CockroachDB on Kubernetes"),
        b.rich(b.line(b.text("Your roles: ", "bold"), b.text(", ".join(roles) or "none"))),
        b.divider(),
        b.header("Waiting for a decision"),
    ]
    if problem:
        drawn.append(b.rich(b.line(b.text(problem))))
    elif not pending:
        drawn.append(b.rich(b.line(b.text("Nothing waits."))))
    rows = [
        [
            b.text(b.cut(b.one_line(what_is_asked(target)), 120)),
            b.text(f"   cluster {b.cut(target.cluster or '?', 80)}, approval id "),
            b.text(b.cut(target.approval_id or "-", 64), "code"),
        ]
        for target in pending[:8]
    ]
    if rows:
        drawn.append(b.rich(b.listed(rows)))
    drawn.append(b.context("Cards stand in each cluster's channel. `/crdb help` lists what can be asked for."))
    return {"type": "home", "blocks": drawn}
