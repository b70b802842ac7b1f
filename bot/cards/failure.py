"""From an error to words for a person: what was understood, what is wrong, what to type.

Which error it is was decided where it arose; here is only how it reads. Every refusal before a start ends with
"Nothing was started."
"""

from __future__ import annotations

import re

from bot.cards import blocks as b
from bot.cards.blocks import Message
from domain.errors import (
    BrokenError,
    BusyError,
    InvalidRequestError,
    NotReadyError,
    OpsError,
    RefusedError,
    TransientError,
)

_MENTION = re.compile(r"<@(?P<person>[UW][A-Z0-9]+)>|<!subteam\^(?P<group>S[A-Z0-9]+)>")

#: Errors whose sentence is ours to the last word, ids of people and groups included.
_MENTIONING = frozenset({"role.missing", "cluster.busy"})

RETARGET = "retarget"
NOTHING_STARTED = "Nothing was started."

#: What each kind of error is headed with; the most special class first.
_TITLES: tuple[tuple[type[OpsError], str], ...] = (
    (BusyError, "Another operation is running"),
    (RefusedError, "Refused"),
    (InvalidRequestError, "That cannot be right"),
    (NotReadyError, "Not yet"),
    (TransientError, "No answer"),
    (BrokenError, "Something is broken"),
)
#: Refusals that people meet often, in fixed words; anything else says its own sentence.
_SENTENCES: dict[str, str] = {
    "role.stranger": "You are not a member of this workspace, so you may not act here.",
    "approval.four-eyes": "You asked for it: somebody else must decide.",
    "approval.twice": "You approved it already: a second person is needed.",
    "people.guest": "Guests may not act here.",
    "people.deactivated": "This account is deactivated.",
    "people.bot": "Bots may not act here.",
    "people.unreadable": "It cannot be read right now who you are, so nothing is done.",
    "approvers.unreadable": "The approver list cannot be read right now, so nobody may approve.",
}


def sentence(error: OpsError) -> str:
    """Say an error in one or two sentences."""
    return _SENTENCES.get(error.code, error.message)


def failure_message(error: OpsError, *, is_start: bool = False, reference: str = "") -> Message:
    """Draw an error.

    Args:
        error: What went wrong.
        is_start: Somebody asked for something: say that nothing was started, unless that is not known.
        reference: Id under which the log has it.
    """
    title = next((words for kind, words in _TITLES if isinstance(error, kind)), "Something is broken")
    said = sentence(error)
    rows = [[b.text(title, "bold")]]
    understood = error.details.get("understood")
    if isinstance(understood, str):
        rows.append([b.text("Understood: ", "bold"), b.text(b.cut(b.one_line(understood), 300))])
        rows.append([b.text("Wrong: ", "bold"), b.text(b.cut(said, 1200))])
        if error.hint:
            rows.append([b.text("Type: ", "bold"), b.text(b.cut(error.hint, 300))])
    else:
        rows.append(_with_mentions(b.cut(said, 1800)) if error.code in _MENTIONING else [b.text(b.cut(said, 1800))])
        if error.hint:
            rows.append([b.text(b.cut(error.hint, 600))])
    url = error.details.get("url")
    if isinstance(url, str) and url.startswith("http"):
        rows.append([{"type": "link", "url": url, "text": "Look at the running operation"}])
    is_nothing = is_start or isinstance(understood, str)
    ends = [NOTHING_STARTED] if is_nothing and error.code != "operation.start-unknown" else []
    if reference:
        ends.append(f"Error id {reference}.")
    if ends:
        rows.append([b.text(" ".join(ends), "italic")])
    fallback = " ".join([f"{title}: {said}", error.hint, *ends]).replace("  ", " ")
    return Message(text=_fallback(fallback.strip()), blocks=[b.rich(b.lines(rows)), *_offer(error)])


def _offer(error: OpsError) -> list[b.Json]:
    """A scale that runs can be sent to the number that the second person asked for."""
    nodes, run_id, workflow_id = (error.details.get(name) for name in ("retarget", "run_id", "workflow_id"))
    if not isinstance(nodes, int):
        return []
    return b.actions(
        b.button(
            f"Change the running one to {nodes}",
            action=RETARGET,
            value=b.button_value(workflow_id=str(workflow_id), run_id=str(run_id), nodes=nodes),
            ask=b.confirm(
                f"Go to {nodes} nodes instead?",
                said=f"The scale that runs goes to {nodes} nodes. Nodes that are on their way out are taken back where "
                "they shall stay; one that is decommissioned already is not.",
                yes=f"Go to {nodes} nodes",
            ),
        )
    )


def _with_mentions(said: str) -> list[b.Json]:
    """Our own errors mention people and groups in Slack's way."""
    elements: list[b.Json] = []
    last = 0
    for match in _MENTION.finditer(said):
        if match.start() > last:
            elements.append(b.text(said[last : match.start()]))
        group = match["group"]
        elements.append({"type": "usergroup", "usergroup_id": group} if group else b.person(match["person"]))
        last = match.end()
    if said[last:]:
        elements.append(b.text(said[last:]))
    return elements or [b.text(" ")]


def _fallback(said: str) -> str:
    """The same for a notification, where mentions would ping: names of ids only."""
    return b.cut(b.notice(_MENTION.sub(lambda m: m["group"] or m["person"], said)), b.FALLBACK)


def plain_message(said: str, *, about: str = "") -> Message:
    """Say one sentence; `about` is the id of the person that it begins with."""
    elements = [b.person(about), b.text(" ")] if about else []
    text = f"{about} {said}".strip()
    return Message(text=_fallback(text), blocks=[b.rich(b.line(*elements, b.text(b.cut(said, 2800))))])
