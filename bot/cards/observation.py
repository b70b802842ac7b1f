"""The card of an upgrade that is not final: since when, what runs, what is not well, who was reminded, both ways on.

When it is drawn is the workflow's (`observe`); what its buttons start are the changes `finalize` and `rollback`.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from bot.cards.operation import OPEN
from domain.releases import series_of
from operations.observe import ObserveState, ObserveStatus

FINALIZE = "finalize"
ROLL_BACK = "roll_back"

_FACES: dict[ObserveState, str] = {
    "observed": "🔵", "due": "🟡", "final": "🟢", "rolled-back": "⚪", "gone": "⚪", "stopped": "⚪",
}  # fmt: skip
_TITLES: dict[ObserveState, str] = {
    "observed": "{cluster} runs {version}, which is not final",
    "due": "{cluster} runs {version}: make it final or roll it back",
    "final": "{version} of {cluster} is final",
    "rolled-back": "{version} of {cluster} was rolled back",
    "gone": "{version} of {cluster} is gone with its cluster",
    "stopped": "{version} of {cluster} is not observed any more",
}
#: So many notices are shown; the rest are counted.
_NOTICES = 8


def observation_message(status: ObserveStatus, *, url: str = "") -> Message:
    """Draw the card; once it is over it shrinks to how it ended."""
    title = _TITLES[status.state].format(cluster=status.ref.cluster, version=status.version)
    drawn: list[Json] = [b.header(f"{_FACES[status.state]} {title}"), _times(status)]
    if status.is_over:
        drawn.append(b.rich(b.line(b.text(b.cut(f"{b.one_line(status.sentence)}.", 900)))))
    else:
        drawn += [_runs(status), *_well(status), _ways(status)]
        if status.reminded_at is not None:
            who = " ".join(_named(one) for one in status.reminded[:10])
            drawn.append(b.context(f"Reminded {b.date(status.reminded_at)}{': ' if who else ''}{who}"))
    drawn += _buttons(status, url)
    told = status.sentence or f"/crdb finalize makes it final, /crdb rollback returns to {status.before}"
    return Message(text=b.cut(b.notice(f"{title}: {told}."), b.FALLBACK), blocks=drawn)


def _times(status: ObserveStatus) -> Json:
    said = "its time was over" if status.state == "due" else "observed until"
    said = "" if status.is_over else f"  ·  {said} {b.date(status.until)}"
    return b.context(f"on all nodes since {b.date(status.since)}{said}  ·  {b.code(str(status.ref), 80)}")


def _runs(status: ObserveStatus) -> Json:
    seen = status.seen
    builds = ", ".join(b.code(one, 40) for one in seen.builds[:5]) or "not known"
    active = b.code(seen.active, 60) if seen.active else "not known"
    return b.fields([("Nodes run", builds), ("Active version", active)])


def _well(status: ObserveStatus) -> list[Json]:
    notices = status.seen.notices
    if not notices:
        return [b.rich(b.line(b.text("✓  All nodes live, every range has its copies.")))]
    rows = [[b.text("⚠  "), b.text(b.cut(b.one_line(one), 200), "bold")] for one in notices[:_NOTICES]]
    if len(notices) > _NOTICES:
        rows.append([b.text(f"… {len(notices) - _NOTICES} more", "italic")])
    since = [b.context(f"seen so since {b.date(status.noticed_at)}")] if status.noticed_at is not None else []
    return [b.rich(b.lines(rows)), *since]


def _ways(status: ObserveStatus) -> Json:
    target = series_of(status.version)
    rows = [
        [b.text("Finalize: ", "bold"), b.text(f"people decide, then the database migrates to {target}, for good.")],
        [b.text("Roll back: ", "bold"), b.text(f"the nodes return to {status.before}, one at a time.")],
        [b.text("Until one of both is done, no scale and no other upgrade can begin.")],
    ]
    return b.rich(b.listed(rows))


def _named(one: str) -> str:
    """Name a group or a person without a ping: the reminder itself has mentioned them."""
    return f"<!subteam^{one}>" if one.startswith("S") and one.isalnum() else b.mention(one)


def _buttons(status: ObserveStatus, url: str) -> list[Json]:
    value = b.button_value(workflow_id=status.workflow_id, run_id=status.run_id)
    finalize = back = None
    if not status.is_over:
        finalize = b.button(
            "Finalize…",
            action=FINALIZE,
            value=value,
            style="" if status.seen.notices else "primary",
            ask=b.confirm(
                f"Ask to make {status.version} final?",
                said="All nodes are checked, then people decide on a card. Nothing becomes final by this click.",
                yes="Ask",
            ),
        )
        back = b.button(
            "Roll back",
            action=ROLL_BACK,
            value=value,
            ask=b.confirm(
                f"Roll {status.ref.cluster} back to {status.before}?",
                said=f"Every node restarts on {status.before}, one at a time, each only while all others are well.",
                yes="Roll back",
                style="danger",
            ),
        )
    link = b.link_button("Open in Temporal", action=OPEN, url=url, value=value) if url and not status.is_over else None
    return b.actions(finalize, back, link)
