"""The stage that the bot's scenarios play on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.health import Transport
from gateway.settings import TemporalSettings
from gateway.setup import set_up
from tests.bot.harness import Stage, stage


@pytest.fixture(scope="session")
def temporal(temporal: TemporalSettings) -> TemporalSettings:
    """A namespace in which no other folder's chat workers are."""
    settings = temporal.model_copy(update={"namespace": f"{temporal.namespace}-bot"})
    asyncio.run(set_up(settings, seconds=30))
    return settings


@pytest.fixture
def transport() -> Transport:
    """How Slack reaches the bot; a module whose tests hold for both parametrizes it."""
    return "http"


@pytest.fixture
async def on(transport: Transport) -> AsyncIterator[Stage]:
    async with stage(transport=transport) as built:
        yield built
