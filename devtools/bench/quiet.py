"""Waiting until the machine is quiet, so that one measurement does not pay for what the one before it set off."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_WINDOW_SECONDS = 0.5


async def quiet(*, busy: float = 0.25, seconds: float = 30) -> float:
    """Wait until the processors are busy for less than a share of half a second; return that share at the end.

    A machine that does not come to rest within `seconds` is measured as it is: both sides of a ratio are then.
    """
    deadline = time.monotonic() + seconds
    before = _ticks()
    while True:
        await asyncio.sleep(_WINDOW_SECONDS)
        after = _ticks()
        idle, total = after[0] - before[0], after[1] - before[1]
        share = 1 - idle / total if total else 0.0
        if share < busy or time.monotonic() > deadline:
            return share
        before = after


def _ticks() -> tuple[int, int]:
    """Return the idle ticks (idle and waiting for disks) and all ticks since the machine started."""
    fields = [int(field) for field in _STAT.read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)
