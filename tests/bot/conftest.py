"""The stage that the bot's scenarios play on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.health import Transport
from tests.bot.harness import Stage, stage


@pytest.fixture
def transport() -> Transport:
    """How Slack reaches the bot; a module whose tests hold for both parametrizes it."""
    return "http"


@pytest.fixture
async def on(transport: Transport) -> AsyncIterator[Stage]:
    async with stage(transport=transport) as built:
        yield built
