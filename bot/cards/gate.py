"""The card of a question that a running change asks: evidence, what yes and no do, how it stands, two buttons.

Everything on it was written by a workflow, with names from Kubernetes and the database in it, so it is shown as text,
never as markup. The card of a certificate is `bot.cards.evidence`; which answer counts is the workflow's.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from bot.cards.details import DENY_CALLBACK, LONGEST, REASON, REASON_BLOCK, SHORTEST
from bot.cards.evidence import APPROVE, DENY, decision_line, short
from bot.cards.operation import OPEN
from operations.certify import DecisionRecord
from operations.gate import GateState, GateStatus, Question

#: The button for no where no reason is asked for: it is sent at once.
DENY_NOW = "deny_now"

_FACES: dict[GateState, str] = {"pending": "🟡", "approved": "🟢", "denied": "🔴", "expired": "⚪", "withdrawn": "⚪"}
_WORDS: dict[GateState, str] = {
    "pending": "needs a decision",
    "approved": "approved",
    "denied": "denied",
    "expired": "expired",
    "withdrawn": "withdrawn",
}
#: So many lines of evidence are shown; the rest are counted.
_LINES = 15


def gate_message(status: GateStatus, *, url: str = "") -> Message:
    """Draw the card; once it is closed it shrinks to what matters later."""
    question, is_open = status.question, status.state == "pending"
    headline = b.one_line(question.headline)
    title = b.cut(headline, 110) if is_open else f"{b.cut(headline, 110)} — {_ended(status)}"
    drawn: list[Json] = [b.header(f"{_face(status)} {title}")]
    if is_open:
        drawn += [*_evidence(question), _outcomes(question), _who_may(status)]
    drawn.append(_names(status))
    if status.sentence:
        drawn.append(b.rich(b.line(b.text(b.cut(b.one_line(status.sentence), 900)))))
    if status.decisions:
        drawn.append(b.context(*(_decided(d, status) for d in status.decisions[-5:])))
    drawn += _buttons(status, url)
    told = question.if_yes if is_open and not status.sentence else status.sentence
    said = f"{title}{'' if title.endswith('?') else '.'} {told}"
    return Message(text=b.cut(b.notice(said), b.FALLBACK), blocks=drawn)


def gate_deny_view(question: Question | None, *, private: str) -> Json:
    """Ask why not; the reason goes into the record and onto the card. Without the question, in general words."""
    headline = b.one_line(question.headline) if question else "The question of the running operation"
    said = b.cut(b.one_line(question.if_no), 400) if question else "Saying no ends this question."
    return b.modal(
        "Say no, and why",
        callback=DENY_CALLBACK,
        submit=_word(question.no, 24) if question else "Deny",
        close="Back",
        private=private,
        blocks=[
            b.rich(b.line(b.text(b.cut(headline, 200), "bold")), b.line(b.text(said))),
            {
                "type": "input",
                "block_id": REASON_BLOCK,
                "label": {"type": "plain_text", "text": "Reason"},
                "hint": {"type": "plain_text", "text": f"{SHORTEST} to {LONGEST} characters, such as: still needed"},
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "multiline": True,
                    "max_length": LONGEST,
                },
            },
        ],
    )


def _evidence(question: Question) -> list[Json]:
    rows = [[b.text(b.cut(b.one_line(line), 200))] for line in question.evidence[:_LINES]]
    more = len(question.evidence) - len(rows)
    if more > 0:
        rows.append([b.text(f"… {more} more in the run's history", "italic")])
    return [b.rich(b.line(b.text("Evidence", "bold")), b.listed(rows))] if rows else []


def _outcomes(question: Question) -> Json:
    rows = [
        [b.text(f"{_word(question.yes, 30)}: ", "bold"), b.text(b.cut(b.one_line(question.if_yes), 400))],
        [b.text(f"{_word(question.no, 30)}: ", "bold"), b.text(b.cut(b.one_line(question.if_no), 400))],
    ]
    if question.destroys:
        rows.insert(1, [b.text(f"⚠ Destroys {b.cut(b.one_line(question.destroys), 200)}", "bold")])
    return b.rich(b.lines(rows))


def _who_may(status: GateStatus) -> Json:
    rule = status.question.rule
    yes = sum(d.verb == "approve" for d in status.decisions)
    said = f"{yes} of {rule.approvals} from the {b.escape(rule.role)}s"
    if rule.four_eyes and status.asked_by:
        said += ", not " + ", ".join(b.mention(p.id) for p in status.asked_by[:5]) + " who asked for it"
    if status.expires_at is not None:
        said += f"  ·  open until {b.date(status.expires_at)}"
    return b.context(said)


def _names(status: GateStatus) -> Json:
    return b.context(
        f"cluster {b.code(status.ref.cluster, 80)}  ·  fingerprint {b.code(short(status.fingerprint))}"
        f"  ·  approval id {b.code(status.approval_id, 64)}"
    )


def _face(status: GateStatus) -> str:
    """A no that is an answer as good as a yes, such as Keep, is no alarm."""
    is_choice = status.state == "denied" and status.question.no != "Deny"
    return "⚪" if is_choice else _FACES[status.state]


def _ended(status: GateStatus) -> str:
    """Say how it ended in the words of its buttons, where they have words of their own."""
    question, state = status.question, status.state
    if state == "approved" and question.yes != "Approve":
        return _word(question.yes, 30)
    if state == "denied" and question.no != "Deny":
        return _word(question.no, 30)
    return _WORDS[state]


def _decided(record: DecisionRecord, status: GateStatus) -> str:
    question = status.question
    own = question.yes if record.verb == "approve" and question.yes != "Approve" else ""
    own = question.no if record.verb == "deny" and question.no != "Deny" else own
    return decision_line(record, status.sentence, verb=f"“{b.escape(_word(own, 30))}” by" if own else "")


def _word(word: str, limit: int) -> str:
    return b.cut(b.one_line(word).strip() or "-", limit)


def _buttons(status: GateStatus, url: str) -> list[Json]:
    question = status.question
    yes = no = None
    if status.state == "pending":
        value = b.button_value(workflow_id=status.workflow_id, run_id=status.run_id, approval_id=status.approval_id)
        said = f"Destroys {question.destroys}. Nothing brings it back." if question.destroys else question.if_yes
        if len(said) > b.CONFIRM:
            said = f"Destroys {b.cut(question.destroys, 240)}. Nothing brings it back." if question.destroys else said
        style = "danger" if question.destroys else "primary"
        yes = b.button(
            _word(question.yes, 30),
            action=APPROVE,
            value=value,
            style=style,
            ask=b.confirm(b.one_line(question.headline), said=said, yes=_word(question.yes, 30), style=style),
        )
        is_asked = question.is_reason_required
        no = b.button(
            f"{_word(question.no, 30)}{'…' if is_asked else ''}", action=DENY if is_asked else DENY_NOW, value=value
        )
    link = None
    if url and status.state == "pending":
        link = b.link_button("Open in Temporal", action=OPEN, url=url, value=value)
    return b.actions(yes, no, link)
