"""Drives the console's page without hands: type a command, click a button, submit a modal, read what one persona sees.

Speaks the page API that `devtools/console` serves; waits are conditions with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import aiohttp

CHANNEL = "C0OPS"
Message = dict[str, Any]
Found = TypeVar("Found")


class Page:
    """One page at one address."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def state(self, persona: str) -> dict[str, Any]:
        """Return all that a persona sees."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._url}/_page/state", params={"persona": persona}) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    async def command(self, persona: str, text: str, *, channel: str = CHANNEL) -> dict[str, Any]:
        """Type a line."""
        return await self._post("command", {"persona": persona, "channel": channel, "text": text})

    async def click(self, persona: str, message: Message, action_id: str, *, channel: str = CHANNEL) -> dict[str, Any]:
        """Click a button of a message."""
        return await self._post(
            "click", {"persona": persona, "channel": channel, "ts": message["ts"], "action_id": action_id}
        )

    async def submit(self, persona: str, view_id: str, values: dict[str, Any]) -> dict[str, Any]:
        """Submit a modal."""
        return await self._post("submit", {"persona": persona, "view_id": view_id, "values": values})

    async def messages(self, persona: str, *, channel: str = CHANNEL) -> list[Message]:
        """Return the channel's messages, each followed by its replies, as a persona sees them; no ephemerals."""
        state = await self.state(persona)
        found: list[Message] = []
        for one in state["channels"]:
            if one["id"] == channel:
                for message in one["messages"]:
                    found += [message, *message.get("replies", [])]
        unique = {message["ts"]: message for message in found}
        return [unique[ts] for ts in sorted(unique, key=float)]

    async def ephemerals(self, persona: str, *, channel: str = CHANNEL) -> list[Message]:
        """Return what only this persona sees, oldest first."""
        state = await self.state(persona)
        return [m for one in state["channels"] if one["id"] == channel for m in one["ephemerals"]]

    async def until_ephemeral(self, persona: str, *, after: int, words: str, seconds: float = 20) -> Message:
        """Wait for an ephemeral beyond the first `after` ones that holds some words."""

        async def look() -> Message | None:
            found = (await self.ephemerals(persona))[after:]
            return next((m for m in found if words.lower() in text_of(m).lower()), None)

        return await until(look, f"{persona} is told “{words}”", seconds=seconds)

    async def until_message(
        self, persona: str, what: str, wanted: Callable[[Message], bool], *, seconds: float = 60
    ) -> Message:
        """Wait for a message that fulfils a condition."""

        async def look() -> Message | None:
            return next((m for m in await self.messages(persona) if wanted(m)), None)

        return await until(look, what, seconds=seconds)

    async def until_view(self, persona: str, *, callback: str, words: str = "", seconds: float = 20) -> dict[str, Any]:
        """Wait for a modal before a persona: for its callback id, and for what it says."""

        async def look() -> dict[str, Any] | None:
            views: list[dict[str, Any]] = (await self.state(persona))["views"]
            is_it = [v for v in views if v.get("callback_id", "") == callback and words in json.dumps(v)]
            return is_it[-1] if is_it else None

        return await until(look, f"{persona} has the dialog {callback} with “{words}”", seconds=seconds)

    async def fault(self, method: str, kind: str, *, count: int = 1, seconds: float = 1.0) -> None:
        """Ask for trouble: with the next calls of a method, or with the next deliveries of a name."""
        body = {"method": method, "kind": kind, "count": count, "seconds": seconds}
        answer = await self._post("faults", body)
        assert answer["ok"], f"the fault was not taken: {answer}"

    async def faults(self) -> list[dict[str, Any]]:
        """Return the faults that still wait for their call."""
        found: list[dict[str, Any]] = (await self._get("faults"))["faults"]
        return found

    async def drop_sockets(self) -> int:
        """Cut the bot's lines without a word; how many there were."""
        ended: int = (await self._post("sockets", {"act": "drop"}))["ended"]
        return ended

    async def sockets(self) -> int:
        """Return how many lines of the bot are open."""
        count: int = (await self._get("sockets"))["sockets"]
        return count

    async def calls(self) -> list[dict[str, Any]]:
        """Return what the bot called and what it was told, oldest first."""
        found: list[dict[str, Any]] = (await self._get("calls"))["calls"]
        return found

    async def _get(self, what: str) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/_page/{what}") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def _post(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.post(f"{self._url}/_page/{what}", json=body) as answer:
            found: dict[str, Any] = await answer.json()
            return found


async def until(look: Callable[[], Awaitable[Found | None]], what: str, *, seconds: float) -> Found:
    """Look until something is there.

    Raises:
        TimeoutError: It was not there in time; the message says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain until {what}")
        await asyncio.sleep(0.2)


def elements(message: Message) -> Iterator[dict[str, Any]]:
    """Yield every interactive element of a message."""
    for block in message.get("blocks") or []:
        if block.get("type") == "actions":
            yield from block["elements"]
        if isinstance(block.get("accessory"), dict):
            yield block["accessory"]


def actions_of(message: Message) -> set[str]:
    """Return the action ids that a message offers."""
    return {element["action_id"] for element in elements(message) if "action_id" in element}


def written_in(message: Message) -> str:
    """Return what is written in the blocks of a message, without what says how."""
    found: list[str] = []

    def collect(value: object) -> None:
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            if isinstance(inner, dict | list):
                collect(inner)
        if isinstance(value, dict) and isinstance(value.get("text"), str):
            found.append(value["text"])

    collect(message.get("blocks"))
    return "".join(found)


def text_of(message: Message) -> str:
    """Return all text of a message, blocks included."""
    return f"{message.get('text') or ''}\n{json.dumps(message.get('blocks') or [], ensure_ascii=False)}"
