"""Waiting for what another process does, in tests that run no event loop: on a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(check: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """The first true answer of `check`; fails when there is none in time."""
    ends_at = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < ends_at, f"still {answer!r} after {seconds} s"
        time.sleep(0.05)
