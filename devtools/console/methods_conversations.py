"""conversations.*: what a channel is, who is in it, what was said, and opening a direct message.

Which scope is needed depends on the kind of channel, so these methods check it themselves.
"""

from __future__ import annotations

from devtools.console.limits_text import Json
from devtools.console.messages import Message
from devtools.console.methods import Kind, Method
from devtools.console.refusal import RefusalError
from devtools.console.workspace import BOT_USER_ID, Channel, find_persona
from devtools.console.world import World

PAGE: dict[str, Kind] = {"cursor": "text", "limit": "number"}
RANGE: dict[str, Kind] = {"oldest": "text", "latest": "text", "inclusive": "flag", "include_all_metadata": "flag"}


def _scoped(world: World, name: str, *, right: str) -> Channel:
    """The channel, when the bot's scopes let it use this right (`read` or `history`) there."""
    channel = world.channel_seen_by_bot(name)
    area = "im" if channel.is_im else "groups" if channel.is_private else "channels"
    world.need_scope(f"{area}:{right}")
    return channel


def _start(args: Json) -> int:
    cursor = str(args.get("cursor") or 0)
    if not cursor.isdecimal():
        raise RefusalError("invalid_cursor")
    return int(cursor)


def _page(items: list[Json], *, args: Json, key: str, default: int) -> Json:
    start, size = _start(args), int(args.get("limit") or default)
    answer: Json = {"ok": True, key: items[start : start + size], "has_more": start + size < len(items)}
    if answer["has_more"]:
        answer["response_metadata"] = {"next_cursor": str(start + size)}
    return answer


def _within(messages: list[Message], args: Json) -> list[Message]:
    try:
        oldest, latest = float(args.get("oldest") or 0), float(args.get("latest") or "inf")
    except ValueError as error:
        raise RefusalError("invalid_ts_oldest") from error
    inclusive = bool(args.get("inclusive"))
    return [
        one for one in messages if oldest < float(one.ts) < latest or (inclusive and float(one.ts) in (oldest, latest))
    ]


def info(world: World, args: Json) -> Json:
    """conversations.info."""
    return {"ok": True, "channel": _scoped(world, args["channel"], right="read").profile()}


def members(world: World, args: Json) -> Json:
    """conversations.members."""
    channel = _scoped(world, args["channel"], right="read")
    seats = [persona.id for name in channel.seats if (persona := find_persona(name)) and not persona.deleted]
    everybody = seats + [BOT_USER_ID] * channel.has_bot
    start, size = _start(args), int(args.get("limit") or 100)
    more = str(start + size) if start + size < len(everybody) else ""
    return {"ok": True, "members": everybody[start : start + size], "response_metadata": {"next_cursor": more}}


def history(world: World, args: Json) -> Json:
    """conversations.history."""
    channel = _scoped(world, args["channel"], right="history")
    if not channel.has_bot:
        raise RefusalError("not_in_channel")
    shown = [
        message.to_slack(
            replies=world.messages.replies(channel.id, ts=message.ts),
            has_metadata=bool(args.get("include_all_metadata")),
        )
        for message in reversed(_within(world.messages.top(channel.id), args))
    ]
    return _page(shown, args=args, key="messages", default=100)


def replies(world: World, args: Json) -> Json:
    """conversations.replies."""
    channel = _scoped(world, args["channel"], right="history")
    if not channel.has_bot:
        raise RefusalError("not_in_channel")
    found = world.messages.find(channel.id, ts=args["ts"])
    if found is None:
        raise RefusalError("thread_not_found")
    root = world.messages.find(channel.id, ts=found.thread_ts or found.ts) or found
    answers = world.messages.replies(channel.id, ts=root.ts)
    has_metadata = bool(args.get("include_all_metadata"))
    shown = [root.to_slack(replies=answers, has_metadata=has_metadata)]
    shown += [one.to_slack(has_metadata=has_metadata) for one in _within(answers, args)]
    return _page(shown, args=args, key="messages", default=1000)


def open_conversation(world: World, args: Json) -> Json:
    """conversations.open."""
    names = [name for name in str(args.get("users") or "").split(",") if name]
    if args.get("channel"):
        channel = world.channel_seen_by_bot(args["channel"])
    elif len(names) == 1:
        persona = find_persona(names[0])
        found = world.find_channel(names[0]) if persona else None
        if found is None:
            raise RefusalError("user_not_found")
        if persona and persona.deleted:
            raise RefusalError("user_disabled")
        channel = found
    else:
        raise RefusalError("users_list_not_supplied", detail="the stand-in opens conversations with exactly one person")
    if args.get("return_im"):
        return {"ok": True, "no_op": True, "already_open": True, "channel": channel.profile()}
    return {"ok": True, "no_op": True, "already_open": True, "channel": {"id": channel.id}}


METHODS = (
    Method("conversations.info", info, {"channel": "text"}, {"include_locale": "flag", "include_num_members": "flag"}),
    Method("conversations.members", members, {"channel": "text"}, PAGE, per_minute=100),
    Method("conversations.history", history, {"channel": "text"}, {**PAGE, **RANGE}),
    Method("conversations.replies", replies, {"channel": "text", "ts": "text"}, {**PAGE, **RANGE}),
    Method(
        "conversations.open",
        open_conversation,
        {},
        {"users": "text", "channel": "text", "return_im": "flag", "prevent_creation": "flag"},
        ("im:write", "mpim:write"),
    ),
)
