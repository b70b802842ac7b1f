"""The watch of CSRs, in memory: CsrWatchPort fed by a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from activities.ports import CsrSeen, CsrSnapshot


class FakeCsrWatch:
    """CsrWatchPort in memory: yields a snapshot of what is known, then what is fed."""

    def __init__(self, *items: CsrSeen) -> None:
        self.items = {item.uid: item for item in items}
        self.reconnects = 0
        self._queue: asyncio.Queue[CsrSeen | None] = asyncio.Queue()

    def feed(self, seen: CsrSeen) -> None:
        """Let the watch see a change. A CSR that was never added cannot be deleted."""
        if seen.kind == "deleted":
            del self.items[seen.uid]
        else:
            self.items[seen.uid] = seen
        self._queue.put_nowait(seen)

    def relist(self) -> None:
        """Let the watch break and list again."""
        self._queue.put_nowait(None)

    async def watch(self) -> AsyncGenerator[CsrSnapshot | CsrSeen, None]:
        yield CsrSnapshot(items=tuple(self.items.values()))
        while True:
            seen = await self._queue.get()
            if seen is None:
                self.reconnects += 1
                yield CsrSnapshot(items=tuple(self.items.values()))
            else:
                yield seen
