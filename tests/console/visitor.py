"""Somebody who uses the stand-in workspace through its page API, as a scenario does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

Json = dict[str, Any]


async def eventually(look: Callable[[], Awaitable[Any]], *, seconds: float = 5.0) -> Any:
    """The first true answer, asked for until the deadline."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await look()
            if answer:
                return answer
            await asyncio.sleep(0.01)


class Visitor:
    def __init__(self, url: str, *, session: aiohttp.ClientSession, persona: str = "erin") -> None:
        self.url = url
        self.persona = persona
        self._session = session

    def as_(self, persona: str) -> Visitor:
        return Visitor(self.url, session=self._session, persona=persona)

    async def post(self, name: str, **body: Any) -> Json:
        content = {"persona": self.persona, **body}
        async with self._session.post(f"{self.url}/_page/{name}", json=content) as response:
            answer: Json = await response.json()
            return answer

    async def get(self, name: str) -> Json:
        async with self._session.get(f"{self.url}/_page/{name}") as response:
            answer: Json = await response.json()
            return answer

    async def types(self, text: str, *, channel: str = "C0OPS") -> Json:
        return await self.post("command", channel=channel, text=text)

    async def state(self) -> Json:
        return await self.get(f"state?persona={self.persona}")

    async def channel(self, channel: str = "C0OPS") -> Json:
        state = await self.state()
        found: Json = next(one for one in state["channels"] if one["id"] == channel)
        return found

    async def messages(self, channel: str = "C0OPS") -> list[Json]:
        return list((await self.channel(channel))["messages"])

    async def message(self, number: int, *, channel: str = "C0OPS") -> Json:
        """The message at this place of the channel, once it is there."""

        async def look() -> list[Json]:
            return (await self.messages(channel))[number:]

        found: list[Json] = await eventually(look)
        return found[0]

    async def ephemerals(self, channel: str = "C0OPS") -> list[Json]:
        return list((await self.channel(channel))["ephemerals"])

    async def modal(self) -> Json:
        """The modal on top, once there is one."""

        async def look() -> Any:
            return (await self.state())["views"]

        views: list[Json] = await eventually(look)
        return views[-1]
