"""The card of a certificate signing request (CSR): what happens on Approve, the evidence, the checks, the buttons.

Most of it was written by whoever asked for the certificate, so all of it is shown as text, never as markup. The whole
evidence is in the modal of `bot.cards.details`.
"""

from __future__ import annotations

from datetime import datetime

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from bot.cards.operation import ASK_AGAIN, OPEN
from domain.csr import Check
from operations.certify import CertifyStatus, DecisionRecord, Evidence
from operations.messages import CertifyState

APPROVE = "approve"
DENY = "deny"
DETAILS = "details"

_FACES: dict[CertifyState, str] = {
    "reading": "🔵",
    "pending": "🟡",
    "expired": "⚪",
    "decided": "🔵",
    "approved": "🔵",
    "issued": "🟢",
    "denied": "🔴",
    "failed": "🔴",
    "gone": "⚪",
}
_WORDS: dict[CertifyState, str] = {
    "reading": "being read",
    "pending": "needs a decision",
    "expired": "expired",
    "decided": "decided",
    "approved": "approved, being issued",
    "issued": "issued",
    "denied": "denied",
    "failed": "failed",
    "gone": "gone",
}
_MARKS = {"pass": "✓", "look": "⚠", "fail": "✗"}


def short(fingerprint: str) -> str:
    """Return the first and last eight digits of a fingerprint."""
    return f"{fingerprint[:8]}…{fingerprint[-8:]}" if len(fingerprint) > 18 else fingerprint


def card_message(status: CertifyStatus, *, url: str = "") -> Message:
    """Draw the card; once it is decided it shrinks to what matters later."""
    whose, face, word = whose_of(status), _FACES[status.state], _WORDS[status.state]
    is_open = status.state in ("reading", "pending", "expired")
    title = f"Sign certificate for {whose}" if is_open else f"Certificate for {whose}"
    title += "" if status.state == "pending" else f": {word}"
    drawn: list[Json] = [b.header(f"{face} {title}")]
    if status.state == "pending" and status.evidence is not None:
        drawn += [_facts(status.evidence), _fingerprint(status), *_checks(status), _who_may(status)]
    else:
        drawn.append(_fingerprint(status))
    if status.sentence or status.serial:
        drawn.append(b.rich(b.line(*_sentence(status))))
    if status.decisions:
        drawn.append(b.context(*(decision_line(d, status.sentence) for d in status.decisions[-5:])))
    drawn += _buttons(status, url)
    said = f"{title}. {status.verdict.summary() if status.state == 'pending' and status.verdict else status.sentence}"
    return Message(text=b.cut(b.notice(said), b.FALLBACK), blocks=drawn)


def whose_of(status: CertifyStatus) -> str:
    """Say in a few words whose certificate it is."""
    return b.cut(status.whose, 80)


def _facts(evidence: Evidence) -> Json:
    names = [b.code(name, 120) for name in evidence.dns_names[:4]]
    more = len(evidence.dns_names) - len(names)
    dns = ("\n".join(names) + (f"\n… {more} more in Details" if more > 0 else "")) if names else "none"
    ips = ", ".join(b.code(ip, 60) for ip in evidence.ip_addresses[:4]) or "none"
    stamped = b.code(evidence.stamped_pod or "none: bound to no pod", 90)
    uid = b.code(evidence.stamped_pod_uid or "-", 60)
    return b.fields(
        [
            ("Pod", f"{b.code(evidence.pod or '-', 90)}\n{b.escape(b.cut(evidence.owner, 90)) or 'no owner'}"),
            ("Subject", b.code(evidence.subject or "empty", 160)),
            (f"DNS names ({len(evidence.dns_names)})", dns),
            (f"IP addresses ({len(evidence.ip_addresses)})", ips),
            ("Asked by (stamped)", f"{b.code(evidence.stamped_username, 140)}"),
            ("Token of pod (stamped)", f"{stamped}\n{uid}"),
            ("Key", f"{b.escape(b.cut(evidence.key, 60))}, {b.escape(b.cut(evidence.signature_algorithm, 60))}"),
            ("Signer, lifetime", f"{b.code(evidence.signer_name, 100)}\n{b.escape(b.cut(evidence.lifetime, 80))}"),
            ("Usages", b.escape(b.cut(", ".join(evidence.usages), 200)) or "none"),
            ("Request", f"{b.code(evidence.csr, 120)}\nmade {b.date(evidence.created_at)}"),
        ]
    )


def _fingerprint(status: CertifyStatus) -> Json:
    fingerprint = status.verdict.fingerprint if status.verdict else ""
    is_whole = status.state == "pending" and status.evidence is not None
    parts = [] if is_whole else [b.code(status.csr, 120)]
    if fingerprint:
        parts.append(f"fingerprint {b.code(short(fingerprint))}")
    if status.approval_id:
        parts.append(f"approval id {b.code(status.approval_id, 64)}")
    if status.asked_by and not is_whole:
        parts.append("asked for by " + ", ".join(b.mention(p.id) for p in status.asked_by[:5]))
    return b.context("  ·  ".join(parts) or b.code(status.csr, 120))


def _checks(status: CertifyStatus) -> list[Json]:
    verdict = status.verdict
    if verdict is None:
        return []
    order = {"fail": 0, "look": 1, "pass": 2}
    loud = sorted((c for c in verdict.checks if c.outcome != "pass"), key=lambda c: order[c.outcome])
    calm = [c for c in verdict.checks if c.outcome == "pass"]
    rows = [[b.text(verdict.summary(), "bold")]]
    rows += [check_line(check) for check in loud[:20]]
    if calm:
        # One line for all that pass: what needs a look must not drown; Details has a line for each.
        rows.append([b.text("✓  " + ", ".join(check.title for check in calm[:24]))])
    return [b.rich(b.lines(rows))]


def check_line(check: Check, *, is_long: bool = False) -> list[Json]:
    """Say one check; what passes only by its title unless the long form is wanted."""
    row = [b.text(f"{_MARKS[check.outcome]}  "), b.text(check.title, *(() if check.outcome == "pass" else ("bold",)))]
    if check.outcome != "pass" or is_long:
        limit = 400 if is_long else 160
        found, expected = b.one_line(check.found), b.one_line(check.expected)
        row.append(b.text(f": found {b.cut(found, limit)}; expected {b.cut(expected, limit)}"))
    return row


def _who_may(status: CertifyStatus) -> Json:
    approvals = sum(d.verb == "approve" for d in status.decisions)
    said = f"{approvals} of {status.approvals_wanted} from the {b.escape(status.role)}s"
    if status.asked_by:
        said += ", not " + ", ".join(b.mention(p.id) for p in status.asked_by[:5]) + " who asked for it"
    if status.expires_at is not None:
        said += f"  ·  open until {b.date(status.expires_at)}"
    return b.context(said)


def _sentence(status: CertifyStatus) -> list[Json]:
    elements = b.with_instants(b.cut(status.sentence, 900))
    if status.state == "issued":
        if status.not_after is not None:
            elements.append(b.text(f" Valid until {_day(status.not_after)}."))
        if status.serial:
            elements += [b.text(" Serial "), b.text(b.cut(status.serial, 80), "code"), b.text(".")]
    return elements or [b.text(" ")]


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def decision_line(record: DecisionRecord, sentence: str, *, verb: str = "") -> str:
    """Say who decided what and when, and why unless the card's sentence says it; `verb` in other words."""
    verb = verb or {"approve": "approved by", "deny": "denied by"}.get(record.verb, f"{record.verb} by")
    is_said = record.reason in sentence
    reason = "" if is_said else f": {b.escape(b.cut(record.reason, 300))}"
    return f"{verb} {b.mention(record.person.id)} {b.date(record.at)}{reason}"


def _buttons(status: CertifyStatus, url: str) -> list[Json]:
    value = b.button_value(workflow_id=status.workflow_id, run_id=status.run_id, approval_id=status.approval_id)
    approve = deny = again = None
    if status.state == "pending" and status.verdict is not None:
        deny = b.button("Deny…", action=DENY, value=value, style="danger")
        if status.verdict.is_approvable:
            whose = whose_of(status)
            approve = b.button(
                "Approve",
                action=APPROVE,
                value=value,
                style="primary",
                ask=b.confirm(
                    "Sign this certificate?",
                    said=f"{b.cut(whose, 80)}, fingerprint {short(status.verdict.fingerprint)}. "
                    "It is issued at once and cannot be taken back.",
                    yes="Approve",
                ),
            )
    if status.state == "expired":
        again = b.button("Ask again", action=ASK_AGAIN, value=value, style="primary")
    details = b.button("Details", action=DETAILS, value=value) if status.evidence is not None else None
    link = None
    if url and status.state == "failed":
        link = b.link_button("Open in Temporal", action=OPEN, url=url, value=value)
    return b.actions(approve, deny, again, details, link)
