"""How fast the bot answers slash commands: at a steady rate, and many at once. Measured where the person types."""

from __future__ import annotations

import asyncio
import time

from devtools.page import Page


async def steady(page: Page, *, rate: int, seconds: int) -> list[float]:
    """Type at a rate for a while; return each answer's milliseconds, sorted."""
    tasks: list[asyncio.Task[float]] = []
    for number in range(rate * seconds):
        tasks.append(asyncio.create_task(_one(page)))
        await asyncio.sleep(1 / rate if number else 0)
    return sorted(await asyncio.gather(*tasks))


async def at_once(page: Page, count: int) -> list[float]:
    """Type many at once; return each answer's milliseconds, sorted."""
    return sorted(await asyncio.gather(*(_one(page) for _ in range(count))))


async def _one(page: Page) -> float:
    begun = time.monotonic()
    answer = await page.command("vic", "/crdb help")
    assert answer["ok"], answer
    return (time.monotonic() - begun) * 1000


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of the sorted values lies."""
    return values[min(len(values) - 1, int(len(values) * share))]
