"""The real bot under the stand-in workspace, by HTTP or over a socket: what people type, click, and see then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.app import Bot, Myself, build_app
from bot.cards.blocks import Message
from bot.cards.evidence import card_message
from bot.cards.gate import gate_message
from bot.health import Health, Transport, ask_health
from bot.messages import Origin
from bot.pace import Pace
from bot.socket_mode import SocketMode
from bot.web import build_web, serve
from devtools.console import Console
from devtools.console.manifest import DEFAULT_PATH, SOCKET_PATH
from domain.configuration import Configuration
from operations.chat import MessageRef
from operations.gate import GateStatus
from tests.bot import given
from tests.bot.fake_gateway import FakeGateway

SECRET, TOKEN, APP_TOKEN = "stand-in-secret", "xoxb-stand-in", "xapp-stand-in"
Json = dict[str, Any]


async def eventually(look: Callable[[], Awaitable[Any]], *, seconds: float = 10.0) -> Any:
    """Ask until the answer is something, and return it."""
    until = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"nothing came within {seconds} s")
        await asyncio.sleep(0.02)


@dataclass
class Stage:
    """One bot, one workspace, one fake Temporal."""

    console: Console
    bot: Bot
    gateway: FakeGateway
    session: aiohttp.ClientSession
    bot_url: str
    socket: SocketMode | None = None

    async def page(self, what: str, **body: Any) -> Json:
        async with self.session.post(f"{self.console.url}/_page/{what}", json=body) as answer:
            found: Json = await answer.json()
            return found

    async def command(self, persona: str, text: str, *, channel: str = "C0OPS") -> Json:
        return await self.page("command", persona=persona, channel=channel, text=f"/crdb {text}".strip())

    async def click(self, persona: str, ref: MessageRef, action_id: str) -> Json:
        return await self.page("click", persona=persona, channel=ref.channel, ts=ref.ts, action_id=action_id)

    async def state(self, persona: str) -> Json:
        async with self.session.get(f"{self.console.url}/_page/state", params={"persona": persona}) as answer:
            found: Json = await answer.json()
            return found

    async def whispers(self, persona: str, *, channel: str = "C0OPS") -> list[str]:
        state = await self.state(persona)
        found = next(c for c in state["channels"] if c["id"] == channel)
        return [message["text"] for message in found["ephemerals"]]

    async def whispered(self, persona: str, words: str, *, channel: str = "C0OPS", seconds: float = 10) -> str:
        async def look() -> str:
            said = await self.whispers(persona, channel=channel)
            return next((text for text in said if words in text), "")

        try:
            return str(await eventually(look, seconds=seconds))
        except AssertionError:
            raise AssertionError(f"{words!r} not in {await self.whispers(persona, channel=channel)}") from None

    async def buttons_whispered(self, persona: str, *, channel: str = "C0OPS") -> list[tuple[str, str]]:
        """Timestamp and action of every button that only this person sees."""
        found = next(c for c in (await self.state(persona))["channels"] if c["id"] == channel)["ephemerals"]
        return [
            (message["ts"], element["action_id"])
            for message in found
            for block in message["blocks"]
            for element in block.get("elements", ())
            if "action_id" in element
        ]

    async def whisper_with_button(self, persona: str, action: str, *, channel: str = "C0OPS") -> MessageRef:
        """The message that only this person sees and that has this button."""
        (ts,) = [ts for ts, found in await self.buttons_whispered(persona, channel=channel) if found == action]
        return MessageRef(channel=channel, ts=ts)

    async def views(self, persona: str) -> list[Json]:
        found: list[Json] = (await self.state(persona))["views"]
        return found

    async def view(self, persona: str, title: str) -> Json:
        async def look() -> Json | None:
            return next((v for v in await self.views(persona) if v["title"]["text"] == title), None)

        found: Json = await eventually(look)
        return found

    async def message(self, ref: MessageRef) -> Json:
        state = await self.state("ada")
        channel = next(c for c in state["channels"] if c["id"] == ref.channel)
        everything = [m for top in channel["messages"] for m in (top, *top["replies"])]
        found: Json = next(m for m in everything if m["ts"] == ref.ts)
        return found

    async def replies(self, ref: MessageRef) -> list[str]:
        return [reply["text"] for reply in (await self.message(ref))["replies"]]

    async def until_text(self, ref: MessageRef, words: str) -> Json:
        async def look() -> Json | None:
            message = await self.message(ref)
            return message if words in message["text"] else None

        found: Json = await eventually(look)
        return found

    async def post(self, message: Message, *, channel: str = "C0OPS", kind: str = "card") -> MessageRef:
        return await self.bot.messages.post(
            message, channel=channel, origin=Origin(given.CERTIFY_ID, given.RUN_ID, kind)
        )

    async def post_card(self) -> MessageRef:
        return await self.post(card_message(self.gateway.card))

    async def post_gate(self, gate: GateStatus | None = None) -> MessageRef:
        self.gateway.gate = gate or given.gate()
        return await self.post(gate_message(self.gateway.gate), kind="gate")


@asynccontextmanager
async def stage(
    configuration: Configuration | None = None, *, transport: Transport = "http", **console_arguments: Any
) -> AsyncIterator[Stage]:
    manifest = SOCKET_PATH if transport == "socket" else DEFAULT_PATH
    async with (
        Console(
            signing_secret=SECRET, bot_token=TOKEN, app_token=APP_TOKEN, manifest=manifest, **console_arguments
        ) as console,
        aiohttp.ClientSession() as session,
    ):
        gateway = FakeGateway()
        client = AsyncWebClient(token=TOKEN, base_url=console.api_url, session=session, timeout=5, retry_handlers=[])
        bot = build_app(
            client,
            signing_secret=SECRET,
            configuration=configuration or given.configuration(),
            gateway=gateway,
            signer=given.signer(),
            myself=Myself(team_id="T0CRDB", bot_id="B0BOT", user_id="U0BOT"),
            pace=Pace(message_seconds=0.05),
        )

        socket = SocketMode(bot.app, client, session=session, app_token=APP_TOKEN) if transport == "socket" else None

        async def readiness() -> Health:
            return await ask_health(client, gateway, socket=socket)

        served = build_web(None if socket else bot.app, readiness=readiness)
        runner, port = await serve(served, host="127.0.0.1", port=0)
        console.bot_url = f"http://127.0.0.1:{port}/slack/events"
        if socket is not None:
            await socket.start()
        try:
            yield Stage(console, bot, gateway, session, f"http://127.0.0.1:{port}", socket)
        finally:
            if socket is not None:
                await socket.stop(seconds=3)
            await bot.tasks.drain(seconds=5)
            await runner.cleanup()
