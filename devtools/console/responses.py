"""Messages that do not come by chat.*: the body of a command's acknowledgement, and what is sent to a response address.

How long a response address lives is in `tickets.py`.
"""

from __future__ import annotations

from typing import Any

from devtools.console.limits import examine_message
from devtools.console.limits_text import Json
from devtools.console.messages import Message
from devtools.console.refusal import RefusalError, refuse_message
from devtools.console.tickets import ResponseTicket
from devtools.console.world import World

KEYS = (
    "text",
    "blocks",
    "attachments",
    "metadata",
    "response_type",
    "replace_original",
    "delete_original",
    "thread_ts",
)


def say(world: World, content: Json, *, channel: str, user: str) -> Message | None:
    """Show what a bot said in an acknowledgement or at a response address: to one person, unless `in_channel`."""
    body = {key: content[key] for key in ("text", "blocks", "attachments", "metadata") if content.get(key) is not None}
    refuse_message(examine_message(body))
    message = world.bot_message(channel, text=body.get("text", ""))
    message.blocks, message.attachments = body.get("blocks", []), body.get("attachments", [])
    message.metadata = body.get("metadata")
    message.only_for = None if content.get("response_type") == "in_channel" else user
    thread_ts = content.get("thread_ts")
    if thread_ts is not None:
        if world.messages.find(channel, ts=str(thread_ts)) is None:
            raise RefusalError("thread_not_found")
        message.thread_ts = str(thread_ts)
    return world.messages.add(message)


def say_acknowledgement(world: World, body: Any, *, channel: str, user: str) -> None:
    """A command's acknowledgement may carry a message: plain text or an object with text or blocks."""
    if isinstance(body, str) and body.strip():
        say(world, {"text": body}, channel=channel, user=user)
    elif isinstance(body, dict) and (body.get("text") or body.get("blocks") or body.get("attachments")):
        say(world, body, channel=channel, user=user)


def respond(world: World, name: str, *, content: Json) -> None:
    """What came in at a response address."""
    unknown = [key for key in content if key not in KEYS]
    if unknown:
        raise RefusalError("invalid_payload", detail=f"a response takes {', '.join(KEYS)}; found {', '.join(unknown)}")
    ticket = world.tickets.use_response(name)
    if content.get("delete_original") in (True, "true"):
        _delete(world, ticket)
        return
    # Without the key the original of a click is replaced: the harsher of the two readings of Slack's documentation, so
    # that a bot that forgets it wipes its card here as well.
    replaces = content.get("replace_original", content.get("response_type") is None) in (True, "true")
    if replaces and ticket.source is not None:
        _replace(world, ticket, content=content)
    else:
        say(world, content, channel=ticket.channel, user=ticket.user)


def _delete(world: World, ticket: ResponseTicket) -> None:
    if ticket.source is None:
        raise RefusalError("no_original", detail="a slash command has no message that could be deleted")
    world.messages.remove(ticket.source)


def _replace(world: World, ticket: ResponseTicket, *, content: Json) -> None:
    refuse_message(
        examine_message({key: content[key] for key in ("text", "blocks", "attachments") if content.get(key)})
    )
    assert ticket.source is not None
    world.messages.edit(
        ticket.source,
        text=content.get("text") or "",
        blocks=content.get("blocks") or [],
        attachments=content.get("attachments") or [],
    )
