"""A stand-in workspace on a free port, a client that calls it, a tiny real bot behind it, and somebody who types."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from devtools.console import Console
from tests.console.tiny_bot import TinyBot
from tests.console.visitor import Visitor


class Clock:
    """Time that a test turns by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def console(clock: Clock) -> AsyncIterator[Console]:
    async with Console(clock=clock, event_retry_seconds=(0.0,)) as console:
        yield console


@pytest.fixture
def client(console: Console) -> AsyncWebClient:
    return AsyncWebClient(token=console.bot_token, base_url=console.api_url, retry_handlers=[])


@pytest.fixture
async def bot(console: Console) -> AsyncIterator[TinyBot]:
    bot = TinyBot(token=console.bot_token, signing_secret=console.signing_secret, api_url=console.api_url)
    await bot.start()
    console.bot_url = bot.url
    yield bot
    await bot.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def erin(console: Console, session: aiohttp.ClientSession) -> Visitor:
    return Visitor(console.url, session=session)
