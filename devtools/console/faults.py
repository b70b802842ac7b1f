"""Trouble on request: what the Web API does, and what happens on the way to the bot. And Slack's rate tiers.

Each fault hits the next `count` calls of one method (or of any: `*`), or the next deliveries of one name (`/crdb`,
`block_actions`, `view_submission`, …, or any), then is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

from devtools.console.limits_text import Json
from devtools.console.refusal import RefusalError

API_KINDS = ("429", "500", "lost_answer", "slow")
DELIVERY_KINDS = ("late_ack", "drop", "duplicate")
KINDS = API_KINDS + DELIVERY_KINDS


@dataclass
class Fault:
    """429 and 500 happen instead of the call; lost_answer and slow do the call, then drop or delay the answer.

    late_ack lets the person see a time-out though the bot was told; drop breaks the socket behind the envelope;
    duplicate tells the bot twice.
    """

    method: str
    kind: str
    count: int = 1
    seconds: float = 1.0

    @classmethod
    def parse(cls, content: Json) -> Fault:
        """Read a fault as the page's API takes it."""
        kind = str(content.get("kind"))
        if kind not in KINDS:
            example = '{"method": "chat.update", "kind": "429", "count": 2, "seconds": 1}'
            raise RefusalError("invalid_fault", detail=f"kind must be one of {', '.join(KINDS)}; for example {example}")
        seconds, count = content.get("seconds", 1.0), content.get("count", 1)
        if not isinstance(seconds, int | float) or not isinstance(count, int):
            raise RefusalError("invalid_fault", detail="seconds and count must be numbers")
        return cls(str(content.get("method", "*")), kind, count, seconds)


class Faults:
    """The faults that still wait for their call."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let the next fitting calls meet this fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        self._waiting.clear()

    def take(self, method: str) -> Fault | None:
        """The fault that this call meets, if any; it is counted down."""
        return self._take(method, API_KINDS)

    def take_delivery(self, name: str) -> Fault | None:
        """The fault that this delivery meets, if any; it is counted down."""
        return self._take(name, DELIVERY_KINDS)

    def _take(self, name: str, kinds: tuple[str, ...]) -> Fault | None:
        for fault in self._waiting:
            if fault.kind in kinds and fault.method in (name, "*"):
                fault.count -= 1
                if fault.count <= 0:
                    self._waiting.remove(fault)
                return fault
        return None

    def to_json(self) -> list[Json]:
        """List what still waits."""
        return [asdict(fault) for fault in self._waiting]


class Rates:
    """How often each method may be called a minute; no entry means as often as you like."""

    def __init__(self, per_minute: dict[str, int], *, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}

    def wait(self, method: str) -> int:
        """Seconds until this method may be called again; 0 counts the call."""
        limit = self._per_minute.get(method)
        if limit is None:
            return 0
        now, calls = self._clock(), self._calls.setdefault(method, deque())
        while calls and now - calls[0] >= 60:
            calls.popleft()
        if len(calls) >= limit:
            return max(1, round(60 - (now - calls[0])))
        calls.append(now)
        return 0
