"""Reads the app's manifest: which scopes it was given, where Slack delivers, which commands and events it has.

The stand-in gives the bot what the manifest asks for and nothing more, so a scope that was forgotten there fails a test
here. The manifests themselves are in `deploy/slack`, made by `manifest_files.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from devtools.console.limits_text import Json

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "slack"
DEFAULT_PATH = FOLDER / "manifest.json"
SOCKET_PATH = FOLDER / "manifest-socket.json"


@dataclass(frozen=True)
class Command:
    """A slash command as the manifest declares it."""

    name: str
    url: str
    description: str
    usage_hint: str
    should_escape: bool


@dataclass(frozen=True)
class Manifest:
    """What the stand-in needs to know of the app."""

    name: str
    scopes: frozenset[str]
    commands: tuple[Command, ...]
    events: frozenset[str]
    interactivity_url: str
    events_url: str
    has_home: bool
    is_interactive: bool
    is_socket: bool

    @classmethod
    def load(cls, path: Path = DEFAULT_PATH) -> Manifest:
        """Read a manifest file.

        Raises:
            ValueError: The file is no manifest of a Slack app, or asks for a feature that the stand-in lacks.
        """
        try:
            return cls.parse(json.loads(path.read_text(encoding="utf-8")))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a Slack app manifest: {error!r}. An example: {DEFAULT_PATH}") from error

    @classmethod
    def parse(cls, content: Json) -> Manifest:
        """Read a manifest's content."""
        features, settings = content["features"], content["settings"]
        interactivity = settings.get("interactivity", {})
        subscriptions = settings.get("event_subscriptions", {})
        commands = [
            Command(
                name=item["command"],
                url=item.get("url", ""),
                description=item.get("description", ""),
                usage_hint=item.get("usage_hint", ""),
                should_escape=bool(item.get("should_escape", False)),
            )
            for item in features.get("slash_commands", [])
        ]
        return cls(
            name=content["display_information"]["name"],
            scopes=frozenset(content["oauth_config"]["scopes"]["bot"]),
            commands=tuple(commands),
            events=frozenset(subscriptions.get("bot_events", [])),
            interactivity_url=interactivity.get("request_url", "") if interactivity.get("is_enabled") else "",
            events_url=subscriptions.get("request_url", ""),
            has_home=bool(features.get("app_home", {}).get("home_tab_enabled", False)),
            is_interactive=bool(interactivity.get("is_enabled")),
            is_socket=bool(settings.get("socket_mode_enabled", False)),
        )

    def command(self, name: str) -> Command | None:
        """Find a slash command by its name."""
        return next((command for command in self.commands if command.name == name), None)
