"""Whether the bot can work: Temporal, Slack's Web API, and the socket where there is one; each by its own word.

Served by `bot.web` at `/readyz`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports import GatewayPort
from bot.slack_errors import translated
from bot.socket_mode import SocketMode
from domain.errors import OpsError

Transport = Literal["http", "socket"]


@dataclass(frozen=True)
class Health:
    """What answers now. `missing` is a sentence; empty when the bot is ready."""

    missing: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


async def ask_health(slack: AsyncWebClient, gateway: GatewayPort, *, socket: SocketMode | None = None) -> Health:
    """Ask everything that the bot cannot work without."""
    is_temporal, problem = await asyncio.gather(gateway.is_healthy(), _slack_problem(slack))
    facts: dict[str, Any] = {
        "transport": "http" if socket is None else "socket",
        "temporal": {"ok": is_temporal},
        "slack": {"ok": not problem, "problem": problem},
    }
    if socket is not None:
        facts["socket"] = socket.facts()
    missing = "" if is_temporal else "Temporal does not answer"
    if not missing and socket is not None and not socket.is_connected:
        missing = "Slack's socket is not open"
    return Health(missing or problem, facts)


async def _slack_problem(slack: AsyncWebClient) -> str:
    try:
        with translated("asking who the bot is"):
            await slack.auth_test()
    except OpsError as error:
        return error.message
    return ""
