"""The app's manifest: least rights, one command, and in step with what the stand-in knows of Slack's methods."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devtools.console.manifest import DEFAULT_PATH, SOCKET_PATH, Manifest
from devtools.console.manifest_files import files
from devtools.console.webapi import METHODS


def test_asks_for_these_scopes_and_no_more() -> None:
    assert Manifest.load().scopes == {
        "commands",
        "chat:write",
        "users:read",
        "usergroups:read",
        "channels:read",
        "groups:read",
        "channels:history",
        "groups:history",
        "im:write",
    }


def test_declares_one_command_whose_names_are_escaped() -> None:
    (command,) = Manifest.load().commands

    assert (command.name, command.should_escape) == ("/crdb", True)
    assert command.usage_hint == "deploy | scale N | upgrade vX.Y.Z | status | help"


def test_has_a_home_and_hears_when_it_is_opened() -> None:
    manifest = Manifest.load()

    assert manifest.has_home
    assert manifest.events == {"app_home_opened"}


def test_one_address_takes_everything() -> None:
    manifest = Manifest.load()

    assert {manifest.commands[0].url, manifest.interactivity_url, manifest.events_url} == {
        "https://crdb.example.com/slack/events"
    }


def test_keeps_slacks_own_limits() -> None:
    content = json.loads(DEFAULT_PATH.read_text(encoding="utf-8"))
    texts = content["display_information"]

    assert len(texts["description"]) <= 140
    assert 175 <= len(texts["long_description"]) <= 4000
    assert not content["settings"]["token_rotation_enabled"]
    assert not content["settings"]["org_deploy_enabled"]


def test_both_manifests_are_what_their_template_makes() -> None:
    stale = [path.name for path, text in files().items() if path.read_text(encoding="utf-8") != text]

    assert not stale, f"{stale}: run python -m devtools.console.manifest_files"


def test_the_two_manifests_differ_in_how_slack_reaches_the_bot_and_in_nothing_else() -> None:
    http, socket = (json.loads(path.read_text(encoding="utf-8")) for path in (DEFAULT_PATH, SOCKET_PATH))
    assert (http["settings"].pop("socket_mode_enabled"), socket["settings"].pop("socket_mode_enabled")) == (False, True)

    del http["features"]["slash_commands"][0]["url"]
    del http["settings"]["event_subscriptions"]["request_url"]
    del http["settings"]["interactivity"]["request_url"]

    assert http == socket


def test_the_manifest_for_sockets_names_no_address() -> None:
    manifest = Manifest.load(SOCKET_PATH)

    assert "https://" not in SOCKET_PATH.read_text(encoding="utf-8")
    assert (manifest.is_socket, manifest.is_interactive, Manifest.load().is_socket) == (True, True, False)


def test_every_scope_that_a_method_needs_is_in_the_manifest() -> None:
    lacking = {
        method.name: method.scopes
        for method in METHODS.values()
        if method.scopes and not Manifest.load().scopes.intersection(method.scopes)
    }

    assert lacking == {}


def test_a_file_that_is_no_manifest_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}")

    with pytest.raises(ValueError, match=r"other\.json is not a Slack app manifest"):
        Manifest.load(path)
