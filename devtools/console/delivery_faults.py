"""Trouble on request on the way to the bot: an acknowledgement that comes too late, a dropped line, a second delivery.

Trouble with what the bot calls is met in `webapi.py`; which faults wait is kept in `faults.py`.
"""

from __future__ import annotations

import asyncio

from devtools.console.delivery import ACK_SECONDS, Answer, Delivery, Envelope, HttpDelivery
from devtools.console.faults import Faults
from devtools.console.sockets import SocketDelivery


class FaultyDelivery:
    """A way to the bot that meets the faults asked for.

    Args:
        http: The way by HTTP.
        sockets: The way over the app's own connections.
        faults: What waits.
        is_socket: Which of the two it is, as the manifest says.
        ack_seconds: How long an acknowledgement may take.
    """

    def __init__(
        self,
        *,
        http: HttpDelivery,
        sockets: SocketDelivery,
        faults: Faults,
        is_socket: bool,
        ack_seconds: float = ACK_SECONDS,
    ) -> None:
        self._way: Delivery = sockets if is_socket else http
        self._sockets = sockets if is_socket else None
        self._faults = faults
        self._ack_seconds = ack_seconds
        self._again: set[asyncio.Task[Answer]] = set()

    async def deliver(self, envelope: Envelope) -> Answer:
        """Tell the bot, with the trouble that waits for this."""
        fault = self._faults.take_delivery(envelope.name)
        if fault is None:
            return await self._way.deliver(envelope)
        if fault.kind == "duplicate":
            task = asyncio.create_task(self._way.deliver(envelope))
            self._again.add(task)
            task.add_done_callback(self._again.discard)
            return await self._way.deliver(envelope)
        if fault.kind == "drop" and self._sockets is not None:
            return await self._sockets.deliver(envelope, is_dropped=True)
        answer, _ = await asyncio.gather(self._way.deliver(envelope), asyncio.sleep(self._ack_seconds))
        late = f"no answer within {self._ack_seconds:g} s"
        return answer if answer.error else Answer(error="operation_timeout", detail=late)

    async def close(self) -> None:
        """Give up the connections."""
        for task in self._again:
            task.cancel()
        await asyncio.gather(*self._again, return_exceptions=True)
        await self._way.close()
