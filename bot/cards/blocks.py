"""Block Kit primitives: escaping, cutting to Slack's limits, and the blocks that the cards use.

Text that is not ours goes through `plain`, `text` or `code`, which Slack never reads as markup; `mrkdwn` is for our own
sentences alone, with `escape` around what is put into them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Json = dict[str, Any]

#: Slack's limits, measured or documented; the whole of a message stays far below the undocumented 13,200 characters.
HEADER = 150
SECTION = 3000
FIELD = 2000
CONTEXT = 2000
BUTTON = 75
CONFIRM = 300
TITLE = 24
VALUE = 2000
MODAL_TEXT = 2900
FALLBACK = 2900

#: How a workflow names an instant in its sentences (ten digits last until the year 2286).
_INSTANT = re.compile(r"<t:(\d{1,10})>")
_GROUP = re.compile(r"S[A-Z0-9]+")

Style = Literal["bold", "italic", "strike", "code"]


@dataclass(frozen=True)
class Message:
    """What is posted: blocks, and the text that notifications and screen readers say."""

    text: str
    blocks: list[Json] = field(default_factory=list)


def escape(value: str) -> str:
    """Escape text for mrkdwn; what opens markup (backtick, star, underscore, tilde) becomes harmless look-alikes."""
    table = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "ˋ", "*": "∗", "_": "＿", "~": "∼"}
    return "".join(table.get(c, c) for c in one_line(value))


def notice(value: str) -> str:
    """Escape text for the fallback, where nothing but entities and mentions is read."""
    return one_line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def one_line(value: str) -> str:
    """Return text without line breaks and other control characters."""
    return value if value.isprintable() else "".join(c if c.isprintable() else " " for c in value)


def cut(value: str, limit: int) -> str:
    """Cut to at most `limit` characters, never inside an entity such as `&lt;`."""
    if len(value) <= limit:
        return value
    short = value[: limit - 1]
    start = short.rfind("&")
    if start >= 0 and ";" not in short[start:] and len(short) - start < 5:
        short = short[:start]
    return short + "…"


def code(value: str, limit: int = 200) -> str:
    """Return untrusted text as a code span for mrkdwn."""
    inner = one_line(value).replace("`", "ˋ").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"`{cut(inner, limit) or '-'}`"


def date(at: datetime, form: str = "{date_short_pretty} {time}") -> str:
    """Return an instant that each reader sees in their own zone."""
    return f"<!date^{int(at.timestamp())}^{form}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


def mention(person_id: str) -> str:
    """Return a mention of a person; an id of another form is shown as text."""
    return f"<@{person_id}>" if person_id.isalnum() else code(person_id)


# --- blocks


def header(value: str) -> Json:
    """A header line: plain text, so nothing in it is markup."""
    return {"type": "header", "text": {"type": "plain_text", "text": cut(one_line(value), HEADER) or "-"}}


def mrkdwn(value: str) -> Json:
    """A section of our own words."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(value, SECTION) or "-"}}


def fields(values: Sequence[tuple[str, str]]) -> Json:
    """A section of at most ten named values; the values are mrkdwn made by `code` or `escape`."""
    return {
        "type": "section",
        "fields": [{"type": "mrkdwn", "text": cut(f"*{name}*\n{value}", FIELD)} for name, value in values[:10]],
    }


def context(*values: str) -> Json:
    """A small line of our own words."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(v, CONTEXT)} for v in values if v][:10]}


def small(value: str) -> Json:
    """A small line of plain text."""
    return {"type": "context", "elements": [{"type": "plain_text", "text": cut(value, CONTEXT) or "-"}]}


def divider() -> Json:
    """A thin line."""
    return {"type": "divider"}


def text(value: str, *styles: Style) -> Json:
    """A piece of rich text: never read as markup."""
    element: Json = {"type": "text", "text": cut(value, MODAL_TEXT) or " "}
    if styles:
        element["style"] = dict.fromkeys(styles, True)
    return element


def spans(value: str) -> list[Json]:
    """Rich text of our own sentences: what stands between backticks is shown as code."""
    parts = value.split("`")
    return [text(p, "code") if i % 2 else text(p) for i, p in enumerate(parts) if p] or [text(" ")]


def with_instants(value: str) -> list[Json]:
    """Rich text in which `<t:SECONDS>` is an instant that each reader sees in their own zone."""
    elements: list[Json] = []
    for number, part in enumerate(_INSTANT.split(value)):
        if number % 2:
            at = datetime.fromtimestamp(int(part), UTC)
            elements.append({"type": "date", "timestamp": int(part), "format": "{time}", "fallback": f"{at:%H:%M} UTC"})
        elif part:
            elements.append(text(part))
    return elements


def notice_with_instants(value: str) -> str:
    """The same for the fallback, where an instant is said in UTC."""
    return notice(_INSTANT.sub(lambda m: f"{datetime.fromtimestamp(int(m[1]), UTC):%H:%M} UTC", value))


def audience(ids: Sequence[str]) -> list[Json]:
    """Mentions of user groups and people inside rich text, a space behind each."""
    named = [{"type": "usergroup", "usergroup_id": i} if _GROUP.fullmatch(i) else person(i) for i in ids]
    return [element for one in named for element in (one, text(" "))]


def notice_of_audience(ids: Sequence[str]) -> str:
    """The same for the fallback."""
    return "".join(f"<!subteam^{i}> " if _GROUP.fullmatch(i) else f"{mention(i)} " for i in ids)


def link(url: str, said: str) -> Json:
    """A link inside rich text."""
    return {"type": "link", "url": cut(url, SECTION), "text": said}


def person(person_id: str, name: str = "") -> Json:
    """A mention inside rich text."""
    if person_id.isalnum() and person_id[:1] in "UW" and person_id.isupper():
        return {"type": "user", "user_id": person_id}
    return text(name or person_id)


def rich(*parts: Json) -> Json:
    """A block of rich text."""
    return {"type": "rich_text", "elements": list(parts)}


def line(*elements: Json) -> Json:
    """One paragraph of rich text."""
    return {"type": "rich_text_section", "elements": list(elements)}


def lines(rows: Iterable[Sequence[Json]]) -> Json:
    """Several lines in one paragraph of rich text."""
    elements: list[Json] = []
    for row in rows:
        if elements:
            elements.append({"type": "text", "text": "\n"})
        elements.extend(row)
    return {"type": "rich_text_section", "elements": elements or [text(" ")]}


def listed(rows: Iterable[Sequence[Json]], *, is_ordered: bool = False) -> Json:
    """A list of rich text."""
    return {
        "type": "rich_text_list",
        "style": "ordered" if is_ordered else "bullet",
        "elements": [{"type": "rich_text_section", "elements": list(row)} for row in rows],
    }


def preformatted(value: str) -> Json:
    """A block of text as it stands, in a fixed-width font."""
    return {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": cut(value, MODAL_TEXT) or " "}]}


# --- buttons


def confirm(title: str, *, said: str, yes: str, no: str = "Back", style: str = "primary") -> Json:
    """The dialog that Slack shows before a click is sent; its text is plain."""
    return {
        "title": {"type": "plain_text", "text": cut(title, 100)},
        "text": {"type": "plain_text", "text": cut(one_line(said), CONFIRM)},
        "confirm": {"type": "plain_text", "text": cut(yes, 30)},
        "deny": {"type": "plain_text", "text": cut(no, 30)},
        "style": style,
    }


def button_value(*, workflow_id: str, run_id: str, approval_id: str = "", nodes: int | None = None) -> str:
    """Return what a button carries: which run, which approval or which number of nodes, nothing more."""
    value: Json = {"workflow_id": workflow_id, "run_id": run_id, "approval_id": approval_id}
    return json.dumps(value | ({} if nodes is None else {"nodes": nodes}), separators=(",", ":"))


def button(label: str, *, action: str, value: str, style: str = "", ask: Json | None = None) -> Json:
    """A button that is answered by a listener."""
    element: Json = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": cut(label, BUTTON)},
        "value": cut(value, VALUE),
    }
    if style:
        element["style"] = style
    if ask is not None:
        element["confirm"] = ask
    return element


def link_button(label: str, *, action: str, url: str, value: str) -> Json:
    """A button that opens a page; Slack sends its click as well, by which its message is redrawn."""
    return {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": cut(label, BUTTON)},
        "url": cut(url, SECTION),
        "value": cut(value, VALUE),
    }


def actions(*elements: Json | None) -> list[Json]:
    """A row of buttons; nothing when there are none."""
    row = [element for element in elements if element is not None]
    return [{"type": "actions", "elements": row}] if row else []


def modal(
    title: str, *, blocks: list[Json], callback: str = "", submit: str = "", close: str = "Close", private: str = ""
) -> Json:
    """A modal view."""
    view: Json = {
        "type": "modal",
        "title": {"type": "plain_text", "text": cut(title, TITLE)},
        "close": {"type": "plain_text", "text": cut(close, TITLE)},
        "blocks": blocks[:100],
    }
    if callback:
        view["callback_id"] = callback
    if submit:
        view["submit"] = {"type": "plain_text", "text": cut(submit, TITLE)}
    if private:
        view["private_metadata"] = private
    return view
