"""chat.*: posting, editing and deleting messages, with everything that Slack refuses there.

Messages that come in at a response address are in `responses.py`; limits of their content in `limits.py`.
"""

from __future__ import annotations

from devtools.console.limits import examine_message
from devtools.console.limits_text import Json
from devtools.console.messages import Message
from devtools.console.methods import Kind, Method
from devtools.console.refusal import RefusalError, refuse_message
from devtools.console.workspace import BOT_USER_ID, find_persona
from devtools.console.world import World

CONTENT: dict[str, Kind] = {"text": "text", "blocks": "json", "attachments": "json", "metadata": "json"}
FLAGS: dict[str, Kind] = {"mrkdwn": "flag", "unfurl_links": "flag", "unfurl_media": "flag", "link_names": "flag"}
LOOKS: dict[str, Kind] = {"username": "text", "icon_emoji": "text", "icon_url": "text"}


def _checked(args: Json) -> list[str]:
    if any(args.get(name) for name in LOOKS):
        raise RefusalError("missing_scope", needed="chat:write.customize", provided="chat:write")
    content = {name: args.get(name) for name in ("text", "blocks", "attachments", "metadata")}
    return refuse_message(examine_message(content))


def _with_warnings(answer: Json, warnings: list[str]) -> Json:
    if warnings:
        answer |= {"warning": ",".join(warnings), "response_metadata": {"warnings": warnings}}
    return answer


def _thread(world: World, channel: str, *, args: Json) -> str | None:
    thread_ts = args.get("thread_ts")
    if thread_ts is None:
        return None
    parent = world.messages.find(channel, ts=str(thread_ts))
    if parent is None:
        raise RefusalError("thread_not_found")
    if parent.is_reply:
        raise RefusalError("cannot_reply_to_message", detail="thread_ts must be the ts of the thread's first message")
    return str(thread_ts)


def _write(world: World, channel: str, *, args: Json, only_for: str | None = None) -> Message:
    thread_ts = _thread(world, channel, args=args)
    message = Message(
        channel=channel,
        ts=world.messages.next_ts(),
        author=BOT_USER_ID,
        text=args.get("text") or "",
        blocks=args.get("blocks") or [],
        attachments=args.get("attachments") or [],
        thread_ts=thread_ts,
        is_broadcast=bool(args.get("reply_broadcast")) and thread_ts is not None,
        metadata=args.get("metadata"),
        only_for=only_for,
    )
    return world.messages.add(message)


def post_message(world: World, args: Json) -> Json:
    """chat.postMessage."""
    channel = world.channel_written_by_bot(args["channel"])
    warnings = _checked(args)
    message = _write(world, channel.id, args=args)
    answer = {"ok": True, "channel": channel.id, "ts": message.ts, "message": message.to_slack(has_metadata=True)}
    return _with_warnings(answer, warnings)


def post_ephemeral(world: World, args: Json) -> Json:
    """chat.postEphemeral."""
    channel = world.channel_written_by_bot(args["channel"])
    warnings = _checked(args)
    if find_persona(args["user"]) is None or args["user"] not in channel.seats:
        raise RefusalError("user_not_in_channel")
    message = _write(world, channel.id, args=args, only_for=args["user"])
    return _with_warnings({"ok": True, "message_ts": message.ts}, warnings)


def _own(world: World, args: Json, *, refusal: str) -> Message:
    """The bot's own lasting message: an ephemeral one is not found, as in Slack."""
    channel = world.channel_seen_by_bot(args["channel"])
    message = world.messages.find(channel.id, ts=args["ts"])
    if message is None:
        raise RefusalError("message_not_found")
    if message.author != BOT_USER_ID:
        raise RefusalError(refusal)
    return message


def update(world: World, args: Json) -> Json:
    """chat.update."""
    message = _own(world, args, refusal="cant_update_message")
    warnings = _checked(args)
    changes = {name: args[name] for name in ("text", "blocks", "attachments", "metadata") if args.get(name) is not None}
    world.messages.edit(message, **changes)
    shown = message.to_slack(replies=world.messages.replies(message.channel, ts=message.ts), has_metadata=True)
    answer = {"ok": True, "channel": message.channel, "ts": message.ts, "text": message.text, "message": shown}
    return _with_warnings(answer, warnings)


def delete(world: World, args: Json) -> Json:
    """chat.delete."""
    message = _own(world, args, refusal="cant_delete_message")
    world.messages.remove(message)
    return {"ok": True, "channel": message.channel, "ts": message.ts}


def get_permalink(world: World, args: Json) -> Json:
    """chat.getPermalink."""
    channel = world.channel_seen_by_bot(args["channel"])
    message = world.messages.find(channel.id, ts=args["message_ts"])
    if message is None:
        raise RefusalError("message_not_found")
    link = f"{world.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"ok": True, "channel": channel.id, "permalink": link}


METHODS = (
    Method(
        "chat.postMessage",
        post_message,
        {"channel": "text"},
        {**CONTENT, **FLAGS, **LOOKS, "thread_ts": "text", "reply_broadcast": "flag", "parse": "text"},
        ("chat:write",),
        per_minute=60,
    ),
    Method(
        "chat.postEphemeral",
        post_ephemeral,
        {"channel": "text", "user": "text"},
        {
            "text": "text",
            "blocks": "json",
            "attachments": "json",
            **FLAGS,
            **LOOKS,
            "thread_ts": "text",
            "parse": "text",
        },
        ("chat:write",),
        per_minute=100,
    ),
    Method(
        "chat.update",
        update,
        {"channel": "text", "ts": "text"},
        {**CONTENT, **FLAGS, "reply_broadcast": "flag", "parse": "text"},
        ("chat:write",),
    ),
    Method("chat.delete", delete, {"channel": "text", "ts": "text"}, {}, ("chat:write",)),
    Method("chat.getPermalink", get_permalink, {"channel": "text", "message_ts": "text"}, {}, (), per_minute=600),
)
