"""How long a node of this database may need to drain: the sum of its own settings, whatever its release calls them.

Comparing it with the pod's grace is decided by the upgrade's plan.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import Final

from activities.asking import Asking
from domain.errors import TransientError

#: The phases of a drain: the setting's name, its name before v23.2, how often a drain waits for it in turn.
_PHASES: Final = (
    ("initial_wait", "drain_wait", 1),
    ("connections.timeout", "connection_wait", 1),
    ("transactions.timeout", "query_wait", 2),
    ("lease_transfer_iteration.timeout", "lease_transfer_wait", 1),
)
#: An interval as SQL prints it, and a duration as old releases do.
_INTERVAL = re.compile(r"(\d+):(\d{2}):(\d{2}(?:\.\d+)?)")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


async def drain_seconds(asking: Asking) -> int | None:
    """Ask for the seconds that a drain may take by the settings, rounded up; None when not every phase is known."""
    found = await asyncio.gather(*(_phase(asking, now, before) for now, before, _ in _PHASES))
    known = [seconds * times for seconds, (*_, times) in zip(found, _PHASES, strict=True) if seconds is not None]
    return math.ceil(sum(known)) if len(known) == len(_PHASES) else None


async def _phase(asking: Asking, *names: str) -> float | None:
    for name in names:
        try:
            return _seconds(await asking.value(f"SHOW CLUSTER SETTING server.shutdown.{name}"))
        except TransientError:
            continue  # a release that does not know the one name may know the other
    return None


def _seconds(text: str) -> float | None:
    """Read ``00:01:30`` or ``1m30s``; None when it is neither."""
    interval = _INTERVAL.fullmatch(text)
    if interval:
        hours, minutes, seconds = (float(part) for part in interval.groups())
        return hours * 3600 + minutes * 60 + seconds
    duration = _DURATION.fullmatch(text)
    if duration is None or not text:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in duration.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
