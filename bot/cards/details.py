"""Modals around a certificate: all the evidence, the request itself, and the one that asks why it is denied.

The card that leads here is `bot.cards.evidence`.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Json
from bot.cards.evidence import check_line, short, whose_of
from operations.certify import CertifyStatus

DENY_CALLBACK = "deny_reason"
PRESET_BLOCK = "preset"
REASON_BLOCK = "reason"
PRESET = "preset"
REASON = "reason"
#: What the reason has to be like; the workflow asks the same.
SHORTEST, LONGEST = 5, 500
PRESETS = (
    ("unexpected", "Nobody expected this request"),
    ("wrong-names", "The names are not those of this pod"),
    ("maintenance", "Not now: maintenance"),
    ("other", "Another reason, in the words below"),
)


def loading_view() -> Json:
    """The modal that opens at once and is filled when the workflow has answered."""
    return b.modal("Certificate request", blocks=[b.mrkdwn("Asking the workflow…")])


def sorry_view(sentence: str) -> Json:
    """The modal when there is nothing to show."""
    return b.modal("Certificate request", blocks=[b.rich(b.line(b.text(sentence)))])


def details_view(status: CertifyStatus) -> Json:
    """Show all there is to know about a request."""
    evidence = status.evidence
    drawn: list[Json] = [b.header(f"Certificate for {whose_of(status)}")]
    drawn.append(b.small(b.one_line(f"{status.csr}, uid {status.csr_uid}")))
    if status.verdict is not None:
        drawn.append(_text("Fingerprint of what is shown", status.verdict.fingerprint))
    if evidence is not None:
        pod, uid = evidence.stamped_pod or "none", evidence.stamped_pod_uid or "-"
        drawn += [
            _text("Subject", evidence.subject),
            _text(f"DNS names ({len(evidence.dns_names)})", "\n".join(evidence.dns_names) or "none"),
            _text(f"IP addresses ({len(evidence.ip_addresses)})", "\n".join(evidence.ip_addresses) or "none"),
            _text("Stamped by the API server", f"{evidence.stamped_username}\npod {pod}\nuid {uid}"),
            _text("Pod", f"{evidence.pod or 'none'}\n{evidence.owner or 'no owner'}"),
            _text("Key", f"{evidence.key}\nsha256 {evidence.key_sha256}\n{evidence.signature_algorithm}"),
            _text(
                "Signer, usages, lifetime",
                f"{evidence.signer_name}\n{', '.join(evidence.usages)}\n{evidence.lifetime}",
            ),
        ]
    if status.verdict is not None:
        rows = [check_line(check, is_long=True) for check in status.verdict.checks[:40]]
        drawn.append(b.rich(b.line(b.text(status.verdict.summary(), "bold")), b.lines(rows)))
    for record in status.decisions[:10]:
        said = f"{record.verb} by {record.person.name or record.person.id} {record.at:%Y-%m-%d %H:%M} UTC"
        drawn.append(b.rich(b.line(b.text(b.one_line(f"{said} {record.reason}".strip())))))
    drawn.append(_text("See it yourself", f"kubectl describe csr {status.csr}"))
    if evidence is not None and evidence.request_pem:
        drawn.append(_text("The request", evidence.request_pem.strip()))
    return b.modal("Certificate request", blocks=drawn)


def _text(title: str, value: str) -> Json:
    printable = "".join(c if c.isprintable() or c == "\n" else " " for c in value)
    return b.rich(b.line(b.text(title, "bold")), b.preformatted(printable))


def deny_view(*, whose: str, fingerprint: str, private: str) -> Json:
    """Ask why; the reason goes into the record, the request's condition and the card."""
    said = "Denying ends this request. The pod asks again only when somebody says so."
    about = f"{whose}, fingerprint {short(fingerprint)}" if fingerprint else whose
    choices = [{"text": {"type": "plain_text", "text": label}, "value": value} for value, label in PRESETS]
    return b.modal(
        "Deny the request",
        callback=DENY_CALLBACK,
        submit="Deny",
        close="Back",
        private=private,
        blocks=[
            b.rich(b.line(b.text(b.cut(about, 200), "bold")), b.line(b.text(said))),
            {
                "type": "input",
                "block_id": PRESET_BLOCK,
                "label": {"type": "plain_text", "text": "Reason"},
                "element": {
                    "type": "static_select",
                    "action_id": PRESET,
                    "options": choices,
                    "initial_option": choices[-1],
                },
            },
            {
                "type": "input",
                "block_id": REASON_BLOCK,
                "optional": True,
                "label": {"type": "plain_text", "text": "In your words"},
                "hint": {"type": "plain_text", "text": f"{SHORTEST} to {LONGEST} characters when no reason above fits"},
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "multiline": True,
                    "max_length": LONGEST,
                },
            },
        ],
    )


def reason_of(preset: str, words: str) -> str:
    """Put the chosen reason and the own words together."""
    label = dict(PRESETS).get(preset, "") if preset != "other" else ""
    return ". ".join(part for part in (label, words.strip()) if part)[:LONGEST]
