"""Waiting for Kubernetes: one loop that reads a watch, and beats once a second as long as it turns.

The heartbeat belongs to this loop and to no background task, so that a stalled activity is seen as one. What is waited
for is the caller's (`activities.cluster`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from temporalio import activity

from activities.ports import ClusterPort, Event, Object
from domain.errors import TransientError

#: Heartbeats come this often; the workflows' heartbeat time-out is ten of them.
TICK_SECONDS = 1.0


Answer = TypeVar("Answer")


async def beating(work: Coroutine[Any, Any, Answer], *, tick: float = TICK_SECONDS) -> Answer:
    """Wait for one bounded call that may take longer than a heartbeat is waited for."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            activity.heartbeat()
            await asyncio.wait({task}, timeout=tick)
        return task.result()
    finally:
        task.cancel()


async def follow(
    cluster: ClusterPort, kind: str, *, namespace: str, labels: str, tick: float = TICK_SECONDS
) -> AsyncGenerator[dict[str, Object], None]:
    """Yield all objects by name: at once, after every change, and at least once a tick. Never ends by itself.

    A watch that ends or is too old is followed by another list; what broke for good is raised.
    """
    while True:
        listing = await cluster.list(kind, namespace=namespace, labels=labels)
        known = {item["metadata"]["name"]: item for item in listing.items}
        yield known
        events = cluster.watch(kind, namespace=namespace, labels=labels, version=listing.version)
        try:
            async with aclosing(events), aclosing(_changes(events, known, tick=tick)) as changes:
                async for _ in changes:
                    yield known
        except TransientError as error:
            if error.code != "kubernetes.expired":
                raise


async def _changes(
    events: AsyncGenerator[Event, None], known: dict[str, Object], *, tick: float
) -> AsyncGenerator[None, None]:
    """Keep `known` up to date until the watch ends; yield after every change and once a tick."""
    pending: asyncio.Task[Event | None] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(_next(events))
            await asyncio.wait({pending}, timeout=tick)
            if pending.done():
                event = pending.result()
                pending = None
                if event is None:
                    return
                _take(known, event)
            yield
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.wait({pending})


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)


def _take(known: dict[str, Object], event: Event) -> None:
    name = event.object["metadata"]["name"]
    if event.kind == "deleted":
        known.pop(name, None)
    else:
        known[name] = event.object
