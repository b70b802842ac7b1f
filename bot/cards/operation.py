"""The root message of an operation: what it is, who asked, how far it is, what it made or why it stopped.

Which steps there are is the workflow's; here is only how they look.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from operations.messages import OperationState, OperationStatus, Pause, Step, StepState

CANCEL = "cancel"
PAUSE = "pause"
RESUME = "resume"
REVIEW = "review"
ASK_AGAIN = "ask_again"
OPEN = "open_temporal"

#: State of the whole, seen from the channel list.
FACES: dict[OperationState, tuple[str, str]] = {
    "running": ("🔵", "running"),
    "person": ("🟡", "waits for a person"),
    "done": ("🟢", "done"),
    "nothing": ("🟢", "nothing to do"),
    "failed": ("🔴", "failed"),
    "cancelled": ("⚪", "cancelled"),
    "plan": ("📋", "plan only"),
}
_MARKS: dict[StepState, str] = {"todo": "○", "running": "▸", "person": "◆", "done": "✓", "skipped": "–", "failed": "✗"}
_OPEN: tuple[OperationState, ...] = ("running", "person")
#: More lines than this are folded, the finished ones first.
_STEPS = 12
_BAR = 20
#: One request that waits has its card; from here on there is a button for all of them.
SEVERAL = 2


def operation_message(status: OperationStatus, *, url: str, waiting: int = 0) -> Message:
    """Draw the root message.

    Args:
        status: State of the operation.
        url: The run in Temporal's Web UI.
        waiting: How many certificate requests of the cluster wait for a person.
    """
    face, word = FACES[status.state]
    drawn: list[Json] = [b.header(f"{face} {status.headline}"), _who(status, word)]
    if status.pause is not None and is_open(status):
        drawn.append(_pause(status.pause))
    if status.state not in ("plan", "nothing") and status.steps:
        drawn += [b.mrkdwn(_bar(status)), b.rich(b.lines(_step_lines(status)))]
    if status.problem is not None:
        drawn.append(_problem(status))
    if status.plan and status.state not in ("done", "failed", "cancelled"):
        drawn += _plan(status)
    if status.facts:
        drawn.append(b.rich(b.listed(b.spans(b.cut(fact, 200)) for fact in status.facts[:10])))
    drawn += _buttons(status, url, waiting)
    said = f"{word}: {status.headline}"
    if status.problem is not None:
        said += f" — {status.problem.message}"
    return Message(text=b.cut(b.notice(said), b.FALLBACK), blocks=drawn)


def _who(status: OperationStatus, word: str) -> Json:
    parts = [
        f"{word}",
        f"asked by {b.mention(status.requester.id)} {b.date(status.started_at)}",
        b.code(str(status.ref), 80),
        f"run {b.code(status.run_id[:8])}",
    ]
    return b.context("  ·  ".join(parts))


def _pause(pause: Pause) -> Json:
    who, since = b.mention(pause.by.id), b.date(pause.at)
    if not pause.before:
        return b.mrkdwn(f"⏸ Pausing, as {who} asked {since}: it holds before the next node")
    end = f". If nobody resumes it, it stops where it is {b.date(pause.until)}" if pause.until else ""
    return b.mrkdwn(f"⏸ *Paused* by {who} since {since}; will go on with {b.code(pause.before, 100)}{end}")


def _bar(status: OperationStatus) -> str:
    total = len(status.steps)
    ended = sum(step.state in ("done", "skipped") for step in status.steps)
    full = round(_BAR * ended / total)
    now = next((s for s in status.steps if s.state in ("running", "person", "failed")), None)
    parts = [f"`{'█' * full}{'░' * (_BAR - full)}`  {ended} of {total}"]
    if now is not None:
        parts.append(b.escape(b.cut(now.title, 80)))
    if status.ended_at is not None:
        parts.append(span(status.ended_at - status.started_at))
    return "  ·  ".join(parts)


def span(value: timedelta) -> str:
    """Say how long, in the two largest units."""
    seconds = max(int(value.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s" if seconds < 600 else f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _step_lines(status: OperationStatus) -> list[list[Json]]:
    steps = list(status.steps)
    rows: list[list[Json]] = []
    over = len(steps) - _STEPS
    if over > 0:
        ended = [s for s in steps if s.state in ("done", "skipped")][:over]
        if ended:
            rows.append([b.text(f"… {len(ended)} more done", "italic")])
        steps = [s for s in steps if s not in ended]
        hidden, steps = steps[_STEPS:], steps[:_STEPS]
        rows += [_step_line(step) for step in steps]
        return [*rows, [b.text(f"… {len(hidden)} more to do", "italic")]] if hidden else rows
    return [_step_line(step) for step in steps]


def _step_line(step: Step) -> list[Json]:
    row = [b.text(f"{_MARKS[step.state]}  ")]
    is_now = step.state in ("running", "person", "failed")
    row.append(b.text(b.cut(b.one_line(step.title), 100), *(("bold",) if is_now else ())))
    took = _took(step.started_at, step.ended_at)
    said = "  ·  ".join(part for part in (b.cut(b.one_line(step.detail), 300 if is_now else 100), took) if part)
    if said:
        row.append(b.text(f"   {said}", "italic"))
    return row


def _took(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None or end - start < timedelta(seconds=1):
        return ""
    return span(end - start)


def _problem(status: OperationStatus) -> Json:
    assert status.problem is not None
    problem = status.problem
    rows = [[b.text("✗ ", "bold"), b.text(b.cut(problem.message, 1200))]]
    if problem.hint:
        rows.append([b.text("What to do: ", "bold"), *b.spans(b.cut(problem.hint, 600))])
    rows.append([b.text("code "), b.text(b.cut(problem.code, 80), "code")])
    return b.rich({"type": "rich_text_quote", "elements": b.lines(rows)["elements"]})


def _plan(status: OperationStatus) -> list[Json]:
    plan = [b.one_line(entry) for entry in status.plan[:15]]
    if status.state in ("plan", "nothing"):
        rows = [[b.text(b.cut(entry, 400))] for entry in plan]
        return [b.rich(b.line(b.text("Plan", "bold")), b.listed(rows, is_ordered=True))]
    numbered = "\n".join(f"{i}. {b.cut(entry, 120)}" for i, entry in enumerate(plan, start=1))
    return [b.small(f"Plan\n{numbered}")]


def is_open(status: OperationStatus) -> bool:
    """Whether the operation still runs."""
    return status.state in _OPEN


def _buttons(status: OperationStatus, url: str, waiting: int) -> list[Json]:
    value = b.button_value(workflow_id=status.workflow_id, run_id=status.run_id)
    review = again = cancel = hold = None
    if is_open(status):
        if waiting >= SEVERAL:
            review = b.button(f"Review {waiting} requests", action=REVIEW, value=value, style="primary")
        if status.pause is not None:
            hold = b.button("Resume", action=RESUME, value=value, style="primary")
        elif status.may_pause:
            hold = b.button("Pause", action=PAUSE, value=value)
        if status.may_cancel:
            cancel = b.button(
                "Cancel",
                action=CANCEL,
                value=value,
                ask=b.confirm(
                    f"Cancel {status.operation}?",
                    said=f"{status.operation} of {status.ref.cluster} stops before its next step. "
                    "What exists stays; the same command goes on from there.",
                    yes="Cancel it",
                    style="danger",
                ),
            )
        if status.may_ask_again:
            again = b.button("Ask again", action=ASK_AGAIN, value=value, style="primary")
    link = b.link_button("Open in Temporal", action=OPEN, url=url, value=value) if url else None
    return b.actions(review, again, hold, cancel, link)
