"""Asking SQL again and again while something is broken on purpose: how much is answered, how long nothing is.

Through the nodes named, one after the other, as an application behind a load balancer would. What is counted is
`domain.drill.Probes`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from activities.ports import NodePort
from domain.drill import Probes
from domain.errors import OpsError
from domain.model import ClusterRef, NodeRef

#: Documented, read-only, and answered by every release.
_STATEMENT = "SELECT 1"


class Probing:
    """Asks in the background; `probes` is what was counted so far."""

    def __init__(
        self,
        nodes: NodePort,
        ref: ClusterRef,
        *,
        domain: str,
        through: tuple[int, ...],
        probes: Probes,
        pause: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._nodes, self._ref, self._domain = nodes, ref, domain
        self._through = [NodeRef(ordinal=ordinal) for ordinal in through]
        self._pause, self._clock = pause, clock
        self._counted = probes

    @property
    def probes(self) -> Probes:
        """What was counted, the time since the last answer included."""
        return self._counted.up_to(self._clock()) if self._counted.asked else self._counted

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Callable[[], None]]:
        """Ask for as long as the block lasts; what is yielded raises what ended the asking, which nothing should."""
        task = asyncio.create_task(self._ask(), name="probes")

        def check() -> None:
            if task.done():
                task.result()

        try:
            yield check
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        for node in itertools.cycle(self._through):
            began = loop.time()
            try:
                rows = await self._nodes.query(self._ref, node, domain=self._domain, statement=_STATEMENT)
            except OpsError as error:
                self._counted = self._counted.with_silence(self._clock(), why=f"{node.pod}: {error.message}"[:300])
            else:
                is_right = [value for row in rows for value in row.values()] == ["1"]
                now = self._clock()
                self._counted = (
                    self._counted.with_answer(now)
                    if is_right
                    else self._counted.with_silence(now, why=f"{node.pod}: another answer than 1")
                )
            await asyncio.sleep(max(0.0, began + self._pause - loop.time()))
