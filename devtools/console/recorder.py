"""Keeps every call of the Web API and every delivery to the bot, with its answer, for the page and for tests.

Secrets are taken out before anything is kept: tokens, trigger ids, response addresses.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from devtools.console.limits_text import Json

SECRET_KEYS = frozenset({"token", "trigger_id", "response_url"})
KEPT = 5000


@dataclass(frozen=True)
class Record:
    """`direction` is `api` (the bot called) or `delivery` (it was called); `status` is None when no answer came."""

    number: int
    at: str
    direction: str
    name: str
    arguments: Json
    status: int | None
    answer: Any
    duration_ms: int

    def to_json(self) -> Json:
        """The record as the page's API shows it."""
        return asdict(self)


def redacted(value: Any) -> Any:
    """Copy a value without its secrets."""
    if isinstance(value, dict):
        return {key: "(redacted)" if _is_secret(key, part) else redacted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [redacted(part) for part in value]
    return value


def _is_secret(key: str, part: Any) -> bool:
    # The address of a socket is as good as a password until it was used.
    return (key in SECRET_KEYS and bool(part)) or (key == "url" and "ticket=" in str(part))


class Recorder:
    """The latest calls and deliveries."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=KEPT)
        self._count = 0

    def record(
        self, direction: str, *, name: str, arguments: Json, status: int | None, answer: Any, duration_s: float
    ) -> None:
        """Keep one call or delivery."""
        self._count += 1
        record = Record(
            number=self._count,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            direction=direction,
            name=name,
            arguments=redacted(copy.deepcopy(arguments)),
            status=status,
            answer=redacted(copy.deepcopy(answer)),
            duration_ms=round(duration_s * 1000),
        )
        self._records.append(record)

    def since(self, number: int = 0) -> list[Record]:
        """List what came after this number."""
        return [record for record in self._records if record.number > number]
