"""Waiting for a condition, with a deadline that says what was waited for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(ready: Callable[[], bool], *, seconds: float = 15) -> None:
    """Return when the condition holds.

    Raises:
        AssertionError: It did not hold in time; the condition's source is in the message.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        if ready():
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"within {seconds:.0f} s not so: {inspect.getsource(ready).strip()}")
        await asyncio.sleep(0.01)


async def until_asked(ready: Callable[[], Awaitable[bool]], *, seconds: float = 15) -> None:
    """Return when the answer to a question is yes.

    Raises:
        AssertionError: It was not in time; the question's source is in the message.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        if await ready():
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"within {seconds:.0f} s not so: {inspect.getsource(ready).strip()}")
        await asyncio.sleep(0.03)
