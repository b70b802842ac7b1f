"""The payloads in which Slack tells an app what people do, key for key as far as they are known.

When they are sent, and what happens with the answer, is in `interactions.py`.
"""

from __future__ import annotations

import secrets
import time

from devtools.console.limits_text import Json
from devtools.console.messages import Message
from devtools.console.views import View
from devtools.console.workspace import APP_ID, BOT_USER_ID, TEAM_DOMAIN, TEAM_ID, Channel, Persona
from devtools.console.world import World


class Payloads:
    """Makes payloads from what is in the workspace now."""

    def __init__(self, world: World, *, verification_token: str) -> None:
        self._world = world
        self._verification_token = verification_token

    def command(self, persona: Persona, channel: Channel, *, name: str, text: str) -> Json:
        """The form fields of a slash command."""
        return {
            "token": self._verification_token,
            "team_id": TEAM_ID,
            "team_domain": TEAM_DOMAIN,
            "channel_id": channel.id,
            "channel_name": _channel_name(channel),
            "user_id": persona.id,
            "user_name": persona.key,
            "command": name,
            "text": text,
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": self._response_url(persona, channel),
            "trigger_id": self._world.tickets.issue_trigger(persona.id),
        }

    def action(self, block: Json, element: Json, *, entry: Json) -> Json:
        """The entry of `actions` for one element; `entry` says what was chosen."""
        action = {"action_id": element["action_id"], "block_id": block["block_id"], "type": element["type"], **entry}
        if element["type"] == "button":
            action["text"] = element["text"]
            action |= {key: element[key] for key in ("value", "style", "url") if key in element}
        return {**action, "action_ts": f"{time.time():.6f}"}

    def click_on_message(self, persona: Persona, channel: Channel, *, message: Message, action: Json) -> Json:
        """A block_actions payload for an element of a message."""
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.only_for is not None,
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        payload = {
            **self._common("block_actions", persona),
            "container": container,
            "trigger_id": self._world.tickets.issue_trigger(persona.id),
            "channel": {"id": channel.id, "name": _channel_name(channel)},
            "state": {"values": message.inputs},
            "response_url": self._response_url(persona, channel, source=message),
            "actions": [action],
        }
        if message.only_for is None:
            # Slack does not repeat the content of an ephemeral message.
            payload["message"] = message.to_slack(replies=self._world.messages.replies(channel.id, ts=message.ts))
        return payload

    def click_in_view(self, persona: Persona, view: View, *, action: Json) -> Json:
        """A block_actions payload for an element of a modal or of App Home."""
        is_modal = view.content["type"] == "modal"
        return {
            **self._common("block_actions", persona),
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": self._world.tickets.issue_trigger(persona.id, is_from_modal=is_modal),
            "view": view.to_slack(),
            "actions": [action],
        }

    def submission(self, persona: Persona, view: View) -> Json:
        """A view_submission payload."""
        return {
            **self._common("view_submission", persona),
            "trigger_id": self._world.tickets.issue_trigger(persona.id, is_from_modal=True),
            "view": view.to_slack(),
            "response_urls": [],
        }

    def closed(self, persona: Persona, view: View, *, is_cleared: bool) -> Json:
        """A view_closed payload."""
        return {**self._common("view_closed", persona), "view": view.to_slack(), "is_cleared": is_cleared}

    def home_opened(self, persona: Persona, *, tab: str) -> Json:
        """The outer and inner event of app_home_opened."""
        home = self._world.views.home(persona.id)
        event: Json = {
            "type": "app_home_opened",
            "user": persona.id,
            "channel": "D0" + persona.id[2:],
            "event_ts": f"{time.time():.6f}",
            "tab": tab,
        }
        if home is not None and tab == "home":
            event["view"] = home.to_slack()
        authorization = {
            "enterprise_id": None,
            "team_id": TEAM_ID,
            "user_id": BOT_USER_ID,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": self._verification_token,
            "team_id": TEAM_ID,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": "Ev0" + secrets.token_hex(5).upper(),
            "event_time": int(time.time()),
            "authorizations": [authorization],
            "is_ext_shared_channel": False,
        }

    def _common(self, kind: str, persona: Persona) -> Json:
        user = {"id": persona.id, "username": persona.key, "name": persona.key, "team_id": persona.team_id}
        return {
            "type": kind,
            "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
            "user": user,
            "api_app_id": APP_ID,
            "token": self._verification_token,
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _response_url(self, persona: Persona, channel: Channel, *, source: Message | None = None) -> str:
        name = self._world.tickets.issue_response(persona.id, channel=channel.id, source=source)
        return f"{self._world.base_url}/response/{name}"


def _channel_name(channel: Channel) -> str:
    return "directmessage" if channel.is_im else "privategroup" if channel.is_private else channel.name
