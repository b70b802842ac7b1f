"""deploy/compose/socket.yml over docker-compose.yml: with Socket Mode a token more, a secret and a port less."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from bot.settings import BotSettings
from tests.architecture.source_tree import ROOT

OVERRIDE = ROOT / "deploy" / "compose" / "socket.yml"


@dataclass(frozen=True)
class Tagged:
    """A value with one of Compose's two tags."""

    tag: str
    value: Any


class _Loader(yaml.SafeLoader):
    """Reads Compose's tags too."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Tagged:
    if isinstance(node, yaml.SequenceNode):
        return Tagged(tag, loader.construct_sequence(node))
    assert isinstance(node, yaml.ScalarNode), f"!{tag}: expected a list or a scalar"
    return Tagged(tag, None)


_Loader.add_multi_constructor("!", _tagged)


def _merged(under: Any, over: Any) -> Any:
    """Merge as Compose does: maps by key, lists one after the other, `!override` instead, `!reset` away."""
    if isinstance(over, Tagged):
        assert over.tag in ("reset", "override")
        return None if over.tag == "reset" else over.value
    if isinstance(under, dict) and isinstance(over, dict):
        found = {key: _merged(under.get(key), over[key]) if key in over else under[key] for key in under | over}
        return {key: value for key, value in found.items() if not _is_reset(over.get(key))}
    if isinstance(under, list) and isinstance(over, list):
        return [*under, *over]
    return over


def _is_reset(value: Any) -> bool:
    return isinstance(value, Tagged) and value.tag == "reset"


BASE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OVER: dict[str, Any] = yaml.load(OVERRIDE.read_text(), Loader=_Loader)
COMPOSE: dict[str, Any] = _merged(copy.deepcopy(BASE), OVER)
BOT: dict[str, Any] = COMPOSE["services"]["bot"]


def test_nothing_but_the_bot_differs() -> None:
    assert set(OVER) == {"services", "secrets"}
    assert set(OVER["services"]) == {"bot"}
    assert set(OVER["services"]["bot"]) == {"environment", "secrets", "ports"}


def test_the_bot_has_the_apps_token_no_signing_secret_and_no_port() -> None:
    assert BOT["secrets"] == ["slack-bot-token", "slack-app-token", "token-key"]
    assert "ports" not in BOT
    assert set(COMPOSE["secrets"]) == set(BASE["secrets"]) - {"slack-signing-secret"} | {"slack-app-token"}
    assert COMPOSE["secrets"]["slack-app-token"]["file"] == "${CRDBOPS_FILES:-./deploy/compose/files}/slack-app-token"


def test_every_secret_in_a_setting_is_mounted() -> None:
    paths = {value for value in BOT["environment"].values() if str(value).startswith("/run/secrets/")}

    assert paths == {f"/run/secrets/{name}" for name in BOT["secrets"]}


def test_the_settings_can_be_read_and_mean_socket_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in BOT["environment"].items():
        monkeypatch.setenv(key, re.sub(r"\$\{\w+:\?[^}]*\}", "seoul", value))

    settings = BotSettings()

    assert settings.slack_transport == "socket"
    assert settings.slack_app_token_file is not None
    assert settings.slack_signing_secret_file is None


def test_the_health_check_still_asks_the_port_that_is_served_inside() -> None:
    port = BOT["environment"]["CRDBOPS_BOT_PORT"]

    assert f"http://127.0.0.1:{port}/readyz" in BOT["healthcheck"]["test"][-1]


def test_the_page_says_how_it_is_brought_up() -> None:
    page = (ROOT / "docs" / "how-to" / "install.md").read_text()

    assert str(OVERRIDE.relative_to(ROOT)) in page
    assert "deploy/slack/manifest-socket.json" in page
    assert str(OVERRIDE.relative_to(ROOT)) in (ROOT / "deploy" / "compose" / "example.env").read_text()
