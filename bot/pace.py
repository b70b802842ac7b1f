"""How often messages may be redrawn: once in three seconds each, forty times a minute in all, and as Slack asks.

A change of state does not wait for the three seconds and has a part of the forty to itself. Which drawing is the
newest is `bot.messages`' business.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

#: Between two drawings of one message in the same state.
MESSAGE_SECONDS = 3.0
#: Slack allows about fifty calls of chat.update a minute to a workspace; others may share it.
PER_MINUTE = 40
#: Of these only changes of state may use the last ones.
RESERVED = 10
_MINUTE = 60.0


class Pace:
    """Says when the next redraw may go out.

    Args:
        clock: Monotonic seconds.
        message_seconds: Between two drawings of one message.
        per_minute: Redraws a minute in all.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        message_seconds: float = MESSAGE_SECONDS,
        per_minute: int = PER_MINUTE,
    ) -> None:
        self._clock = clock
        self._message_seconds = message_seconds
        self._per_minute = per_minute
        self._sent: deque[float] = deque()
        self._held_until: dict[str, float] = {}

    def wait(self, *, drawn_at: float | None, is_new_state: bool) -> float:
        """Seconds until a message may be redrawn; 0: now.

        Args:
            drawn_at: When it was drawn last, as far as is known.
            is_new_state: It turns into another state, which nobody should wait for.
        """
        now = self._clock()
        waits = [self.held("chat.update")]
        if drawn_at is not None and not is_new_state:
            waits.append(drawn_at + self._message_seconds - now)
        while self._sent and now - self._sent[0] >= _MINUTE:
            self._sent.popleft()
        most = self._per_minute if is_new_state else self._per_minute - RESERVED
        if len(self._sent) >= most:
            waits.append(self._sent[len(self._sent) - most] + _MINUTE - now)
        return max(0.0, *waits)

    def count(self) -> float:
        """Count a redraw that goes out now; the moment is returned."""
        now = self._clock()
        self._sent.append(now)
        return now

    def hold(self, method: str, *, seconds: float) -> None:
        """Call this method no more for a while: Slack asked for it."""
        self._held_until[method] = max(self._held_until.get(method, 0.0), self._clock() + seconds)

    def held(self, method: str) -> float:
        """Seconds for which Slack asked not to be called with this method."""
        return max(0.0, self._held_until.get(method, 0.0) - self._clock())
