"""The answer of `/crdb whoami`: each role with why the person holds it, or who does.

Who holds what is `domain.roles` over what `bot.people` reads.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from bot.people import Standing
from domain.model import Person


def whoami_message(person: Person, standings: tuple[Standing, ...]) -> Message:
    """Draw who somebody is here."""
    held = [standing.role for standing in standings if standing.is_held]
    said = f"You are {b.cut(person.name or person.id, 80)}: {', '.join(held) or 'no role'}"
    drawn = [
        b.header(b.cut(said, 150)),
        b.rich(b.lines([_row(standing) for standing in standings])),
        b.context(f"id {b.code(person.id, 40)}  ·  workspace {b.code(person.team, 40)}"),
    ]
    return Message(text=b.notice(said), blocks=drawn)


def _row(standing: Standing) -> list[Json]:
    mark = {True: "✓", False: "✗", None: "?"}[standing.is_held]
    return [b.text(f"{mark}  "), b.text(standing.role, "bold"), b.text("   "), *_why(standing)]


def _why(standing: Standing) -> list[Json]:
    if standing.role == "viewer":
        return [b.text("everybody of this workspace")]
    if standing.is_held:
        named = [b.text("named in crdbops.toml")] if standing.is_named else []
        return _joined([*named, *(_group(group) for group in standing.through)], before="")
    if standing.is_held is None:
        unread = [_group(group) for group in standing.unreadable]
        return [*_joined(unread, before=""), b.text(" cannot be read right now, so it counts as no")]
    holders = [*(_group(group) for group in standing.groups), *(b.person(one) for one in standing.people)]
    return _joined(holders, before="held by ") if holders else [b.text("held by nobody: the list is empty")]


def _group(group: str) -> Json:
    return {"type": "usergroup", "usergroup_id": group}


def _joined(elements: list[Json], *, before: str) -> list[Json]:
    joined = [b.text(before)] if before else []
    for number, element in enumerate(elements[:10]):
        joined += [b.text(", "), element] if number else [element]
    return joined
