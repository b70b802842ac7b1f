"""Modals of "Review 3 requests": every open request of a cluster with what it is worth, and what came of those ticked.

A tick box's value names approval id, fingerprint and run of what was shown; what is decided on them is `bot.review`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bot.cards import blocks as b
from bot.cards.blocks import Json
from bot.cards.evidence import short, whose_of
from operations.certify import CertifyStatus

CALLBACK = "review"
BLOCK = "review-"
TICKS = "requests"
#: Slack's limits for tick boxes.
GROUP, LABEL, PICK = 10, 75, 150
#: What a name that is cut keeps of its end.
_ENDING = 12
#: So many are listed; a cluster has at most twenty open requests.
_MOST = 40
_TITLE = "Review requests"
_OPEN_OTHERWISE = {
    "reading": "is still being read",
    "expired": "expired: ask again on its card",
    "decided": "decided already, being signed",
    "approved": "approved already, being signed",
}
_OBJECTIONS = {
    "approval.four-eyes": "you asked for it: somebody else must decide",
    "approval.twice": "you approved it already: a second person is needed",
    "role.missing": "wants another role than yours",
    "approvers.unreadable": "the approver list cannot be read right now",
}

Came = Literal["waits", "approved", "changed", "refused", "already", "unrecorded"]
_WORDS: dict[Came, tuple[str, str]] = {
    "waits": ("…", "being sent"),
    "approved": ("✓", "approved"),
    "changed": ("–", "skipped"),
    "refused": ("✗", "refused"),
    "already": ("–", "already decided"),
    "unrecorded": ("⚠", "not recorded"),
}


@dataclass(frozen=True)
class Pick:
    """What a tick box stands for: exactly what was shown beside it."""

    approval_id: str
    fingerprint: str
    run_id: str

    def value(self) -> str:
        """Return the value of its tick box."""
        return f"{self.approval_id}:{self.fingerprint}:{self.run_id}"

    @classmethod
    def parse(cls, value: str) -> Pick | None:
        """Read the value of a tick box; None when it is none of ours."""
        parts = value.split(":")
        return cls(*parts) if len(parts) == 3 and all(parts) else None


@dataclass(frozen=True)
class Row:
    """One open request as it is listed.

    `blocked` says why nobody can tick it; `objection` is the code of why this person's tick would be refused.
    """

    name: str
    pick: Pick
    sum: str
    blocked: str = ""
    objection: str = ""

    @property
    def label(self) -> str:
        """Whose certificate it is, and under which fingerprint: fits into a tick box."""
        fingerprint, name = short(self.pick.fingerprint), b.one_line(self.name)
        room = LABEL - len(fingerprint) - 3
        if len(name) > room:  # pods differ by their ends
            name = f"{name[: room - _ENDING - 1]}…{name[-_ENDING:]}"
        return f"{name}   {fingerprint}"


@dataclass(frozen=True)
class Result:
    """What came of one ticked request; `code`: of the error that kept it from being approved."""

    label: str
    came: Came = "waits"
    said: str = ""
    code: str = ""

    def line(self) -> str:
        """Say it."""
        words = _WORDS[self.came][1]
        return f"{words}: {self.said}" if self.said else words


def row_of(status: CertifyStatus, *, objection: str = "") -> Row:
    """Say what an open request is worth.

    Args:
        status: What its workflow says now.
        objection: Code of what keeps this person from approving it.
    """
    verdict = status.verdict
    fingerprint = verdict.fingerprint if verdict else ""
    pick = Pick(status.approval_id, fingerprint, status.run_id)
    blocked = ""
    if status.state != "pending":
        blocked = _OPEN_OTHERWISE.get(status.state, f"is {status.state} already")
    elif verdict is None or len(pick.value()) > PICK or Pick.parse(pick.value()) is None:
        blocked = "cannot be judged here: see its card"
    elif not verdict.is_approvable:
        blocked = verdict.summary()
    found = verdict.summary() if verdict else ""
    if verdict and verdict.looks and not verdict.failed:
        found += ": " + ", ".join(check.title for check in verdict.looks)
    if status.approvals_wanted > 1:
        approvals = sum(record.verb == "approve" for record in status.decisions)
        found = f"{approvals} of {status.approvals_wanted} approvals · {found}"
    return Row(whose_of(status), pick, found, blocked, objection)


def silent_row(name: str, pick: Pick) -> Row:
    """List a request whose workflow does not answer: without its evidence nobody shall approve it."""
    return Row(name, pick, "", "no worker answers for it right now")


def loading_view() -> Json:
    """The modal that opens at once and is filled when the workflows have answered."""
    return b.modal(_TITLE, blocks=[b.mrkdwn("Reading the requests…")])


def sorry_view(said: str) -> Json:
    """The modal when there is nothing to tick, and why."""
    return b.modal(_TITLE, blocks=[b.rich(b.line(b.text(said)))])


def review_view(rows: list[Row], *, cluster: str, private: str) -> Json:
    """List what is open, with tick boxes for what this person can approve.

    Args:
        rows: The requests, in the order in which they are listed.
        cluster: Whose they are.
        private: What the modal keeps until it is submitted.
    """
    if not rows:
        return sorry_view(f"No request of {cluster} waits any more.")
    shown = sorted(rows, key=_order)[:_MOST]
    ticked = [row for row in shown if not row.blocked]
    if all(row.objection for row in ticked):
        ticked = []  # every tick would be refused: the reasons stand beside the names instead
    rest = [row for row in shown if row not in ticked]
    waiting = sum(row.blocked == "" for row in rows)
    count = f"{len(rows)} open request{'' if len(rows) == 1 else 's'} of {cluster}"
    drawn: list[Json] = [b.rich(b.line(b.text(b.cut(count, 200), "bold")), *_how(bool(ticked), waiting))]
    groups = [ticked[start : start + GROUP] for start in range(0, len(ticked), GROUP)]
    drawn += [_group(group, number, len(groups)) for number, group in enumerate(groups)]
    if rest:
        title = "Cannot be ticked" if ticked else "Nothing here can be approved by you"
        drawn.append(b.rich(b.line(b.text(title, "bold")), b.listed(_listed(row) for row in rest)))
    if len(rows) > len(shown):
        drawn.append(b.small(f"… and {len(rows) - len(shown)} more: see /crdb approvals"))
    if not ticked:
        return b.modal(_TITLE, blocks=drawn)
    return b.modal(_TITLE, blocks=drawn, callback=CALLBACK, submit="Approve ticked", close="Cancel", private=private)


def _order(row: Row) -> tuple[list[str | int], ...]:
    """Nodes by number, then clients: ten stands behind nine."""
    parts = re.split(r"(\d+)", row.name)
    return ([name for part in parts if (name := int(part) if part.isdecimal() else part) != ""],)


def _how(is_tickable: bool, waiting: int) -> list[Json]:
    if not is_tickable:
        return [] if waiting else [b.line(b.text("None of them can be approved now."))]
    said = (
        "Tick what you approve. Each request is decided by itself, under the fingerprint beside it: its certificate is "
        "issued at once and cannot be taken back. All evidence stands on the cards in the thread; deny there."
    )
    return [b.line(b.text(said))]


def _group(rows: list[Row], number: int, count: int) -> Json:
    first = number * GROUP + 1
    label = "Requests" if count == 1 else f"Requests {first} to {first + len(rows) - 1}"
    return {
        "type": "input",
        "block_id": f"{BLOCK}{number}",
        # Of several groups each may stay empty; that something is ticked is checked at the submit.
        "optional": count > 1,
        "label": {"type": "plain_text", "text": label},
        "element": {"type": "checkboxes", "action_id": TICKS, "options": [_option(row) for row in rows]},
    }


def _option(row: Row) -> Json:
    objection = _OBJECTIONS.get(row.objection, "you may not approve it") if row.objection else ""
    said = f"⚠ {objection}" if objection else row.sum
    # Plain text: names are the sender's.
    return {
        "text": {"type": "plain_text", "text": row.label, "emoji": False},
        "description": {"type": "plain_text", "text": b.cut(b.one_line(said), LABEL) or "-", "emoji": False},
        "value": row.pick.value(),
    }


def _listed(row: Row) -> list[Json]:
    why = row.blocked or _OBJECTIONS.get(row.objection, "you may not approve it")
    return [
        b.text(b.cut(b.one_line(row.name), 90), "bold"),
        b.text("   "),
        b.text(short(row.pick.fingerprint) or "no fingerprint yet", "code"),
        b.text(f"   {b.cut(b.one_line(why), 120)}"),
    ]


def results_view(results: list[Result], *, name: str) -> Json:
    """Say what came of each ticked request.

    Args:
        results: In the order in which they were listed.
        name: Under which the modal is found again.
    """
    is_over = all(result.came != "waits" for result in results)
    drawn: list[Json] = [
        b.rich(b.line(b.text(results_sum(results), "bold")), b.lines(_came(result) for result in results))
    ]
    drawn += [b.context("The cards in the thread say how each goes on.")] if is_over else []
    return {**b.modal(_TITLE, blocks=drawn), "external_id": name}


def results_sum(results: list[Result]) -> str:
    """Say how many of the ticked were approved."""
    approved = sum(result.came == "approved" for result in results)
    waits = sum(result.came == "waits" for result in results)
    said = f"{approved} of {len(results)} approved"
    return f"{said}, {waits} being sent" if waits else said


def results_text(results: list[Result]) -> str:
    """Say the same in one paragraph, for whoever closed the modal meanwhile."""
    lines = "; ".join(f"{result.label.split('   ')[0]}: {result.line()}" for result in results)
    return b.cut(f"{results_sum(results)}. {lines}", b.MODAL_TEXT)


def _came(result: Result) -> list[Json]:
    mark = _WORDS[result.came][0]
    return [
        b.text(f"{mark}  "),
        b.text(b.cut(b.one_line(result.label), LABEL), "bold"),
        b.text(f"   {b.cut(b.one_line(result.line()), 400)}"),
    ]
