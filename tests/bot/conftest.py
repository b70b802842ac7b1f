"""The stage that the bot's scenarios play on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bot.harness import Stage, stage


@pytest.fixture
async def on() -> AsyncIterator[Stage]:
    async with stage() as built:
        yield built
