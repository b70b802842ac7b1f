"""What Slack delivered lately: the second delivery of the same click, command or event is acknowledged and left alone.

It only spares people a second answer. That nothing happens twice does not hang on it: starts carry a request id and
decisions an update id, both made of what was delivered, so a bot that was started again is as safe.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

#: Deliveries that are remembered; Slack repeats within minutes.
_KEPT = 5000


class Deliveries:
    """Tells the first delivery from those after it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_first(self, body: Mapping[str, Any]) -> bool:
        """Whether this has not been delivered before; what carries no id of its own is always new."""
        key = str(body.get("event_id") or body.get("trigger_id") or "")
        if not key:
            return True
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        return True
