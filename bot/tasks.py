"""Work that goes on after Slack has its answer: a set of tasks that are kept, and waited for when the bot stops.

Bolt keeps no reference to a listener's task once it has acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

#: What is cancelled tells the person so (`bot.guard`), and has no longer for it.
_LAST_WORD_SECONDS = 5.0


class Tasks:
    """Keeps tasks until they end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work and keep it; the work itself reports what goes wrong in it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, *, seconds: float) -> None:
        """Wait until all work has ended; what is left after `seconds` is cancelled, and has a last word."""
        if not self._tasks:
            return
        _, left = await asyncio.wait(tuple(self._tasks), timeout=seconds)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_LAST_WORD_SECONDS)
