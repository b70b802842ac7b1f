"""What one person sees of the workspace, as JSON for the page and for scenarios.

How it is drawn is in `static/`; who may ask for it in `page.py`.
"""

from __future__ import annotations

from devtools.console.limits_text import Json
from devtools.console.messages import Message
from devtools.console.views import View
from devtools.console.workspace import (
    APP_ID,
    BOT_USER_ID,
    GROUPS,
    PERSONAS,
    TEAM_ID,
    TEAM_NAME,
    Channel,
    Persona,
)
from devtools.console.world import World

# The page redraws everything at each change; older messages stay reachable through conversations.history.
SHOWN = 200


def snapshot(world: World, persona: Persona) -> Json:
    """Describe the workspace as this person sees it."""
    home = world.views.home(persona.id)
    return {
        "ok": True,
        "version": world.version,
        "notice": "A stand-in workspace on this machine. This is not Slack.",
        "team": {"id": TEAM_ID, "name": TEAM_NAME},
        "app": {
            "id": APP_ID,
            "name": world.manifest.name,
            "user": BOT_USER_ID,
            "commands": [
                {"command": one.name, "description": one.description, "usage_hint": one.usage_hint}
                for one in world.manifest.commands
            ],
        },
        "persona": _person(persona),
        "personas": [_person(one) for one in PERSONAS],
        "groups": [{"id": group.id, "handle": group.handle, "members": list(group.members)} for group in GROUPS],
        "channels": [_channel(world, channel, persona=persona) for channel in world.channels_of(persona.id)],
        "views": [_view(view) for view in world.views.stack(persona.id)],
        "home": _view(home) if home else None,
    }


def _person(persona: Persona) -> Json:
    return {
        "key": persona.key,
        "id": persona.id,
        "name": persona.real_name,
        "role": persona.role,
        "color": persona.color,
        "team_id": persona.team_id,
    }


def _channel(world: World, channel: Channel, *, persona: Persona) -> Json:
    top = world.messages.top(channel.id)[-SHOWN:]
    return {
        "id": channel.id,
        "name": channel.name,
        "purpose": channel.purpose,
        "is_im": channel.is_im,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_ext_shared": channel.is_ext_shared,
        "has_bot": channel.has_bot,
        "messages": [_message(world, message) for message in top],
        "ephemerals": [_message(world, one) for one in world.messages.ephemerals(channel.id, user=persona.id)[-SHOWN:]],
    }


def _message(world: World, message: Message) -> Json:
    replies = [] if message.is_reply or message.only_for else world.messages.replies(message.channel, ts=message.ts)
    return {
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "user": message.author,
        "text": message.text,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "metadata": message.metadata,
        "edited_ts": message.edited_ts,
        "is_broadcast": message.is_broadcast,
        "is_ephemeral": message.only_for is not None,
        "inputs": message.inputs,
        "replies": [_message(world, reply) for reply in replies],
    }


def _view(view: View) -> Json:
    return {**view.content, "id": view.id, "hash": view.hash, "state": {"values": view.values}}
