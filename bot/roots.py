"""Root messages of operations: drawn with the number of requests that wait, and drawn again when a card changed that.

The number is read from Temporal at the moment of drawing, so that it costs a change's history nothing and is true
whatever caused the requests. When a change's own state is drawn is the workflow's business (`bot.outbox`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from functools import partial

from bot.cards.blocks import Message
from bot.cards.operation import is_open, operation_message
from bot.messages import Messages, Origin
from bot.ports import GatewayPort
from domain.errors import OpsError, TransientError
from operations.chat import MessageRef
from operations.messages import OperationStatus

_log = logging.getLogger(__name__)

#: Cards that come together are followed by one drawing of their root.
_TOGETHER_SECONDS = 0.5
#: A root that cannot be drawn now; the change itself draws it again with its next step.
_TRIES = 5
_AGAIN_SECONDS = 2.0
#: Threads whose first card is remembered.
_KEPT = 2000


class Roots:
    """Draws root messages.

    Args:
        gateway: Knows the operation, and what waits.
        messages: Redraws.
    """

    def __init__(self, gateway: GatewayPort, messages: Messages) -> None:
        self._gateway = gateway
        self._messages = messages
        self._following: dict[tuple[str, str], bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waited: dict[str, int] = {}
        self._first_cards: OrderedDict[tuple[str, str], Origin] = OrderedDict()

    async def drawing(self, status: OperationStatus) -> Message:
        """Draw an operation as it is, with what waits right now."""
        url = self._gateway.url(status.workflow_id, run_id=status.run_id)
        return operation_message(status, url=url, waiting=await self._waiting(status))

    async def _waiting(self, status: OperationStatus) -> int:
        if not is_open(status):
            return 0
        cluster = str(status.ref)
        try:
            requests = await self._gateway.requests_of(status.ref)
        except OpsError as error:
            _log.info("waiting requests not counted", extra={"cluster": cluster, "error_code": error.code})
            return self._waited.get(cluster, 0)
        self._waited[cluster] = sum(request.state == "pending" for request in requests)
        return self._waited[cluster]

    async def redraw(self, ref: MessageRef, *, workflow_id: str, run_id: str, is_repair: bool = False) -> None:
        """Draw a root message as its workflow says it is now.

        Raises:
            OpsError: Neither the workflow nor Slack answers.
        """
        status = await self._gateway.operation_status(workflow_id, run_id=run_id)
        await self._messages.edit(
            ref, partial(self.drawing, status), sequence=status.sequence, state=status.state, is_repair=is_repair
        )

    def follow(self, workflow_id: str, *, run_id: str) -> None:
        """Draw the root of a change soon, because one of its cards was drawn; returns at once."""
        if not workflow_id:
            return
        key = (workflow_id, run_id)
        is_coming = key in self._following
        self._following[key] = True
        if not is_coming:
            task = asyncio.create_task(self._follow(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _follow(self, key: tuple[str, str]) -> None:
        workflow_id, run_id = key
        tries = 0
        try:
            while self._following[key] and tries < _TRIES:
                await asyncio.sleep(_TOGETHER_SECONDS)
                self._following[key] = False
                try:
                    home = await self._gateway.home(workflow_id, run_id=run_id)
                    if home.root_ts:
                        ref = MessageRef(channel=home.channel, ts=home.root_ts)
                        await self.redraw(ref, workflow_id=workflow_id, run_id=run_id)
                except TransientError as error:
                    tries, self._following[key] = tries + 1, True
                    await asyncio.sleep(error.retry_after.total_seconds() if error.retry_after else _AGAIN_SECONDS)
                except OpsError as error:
                    _log.info("root not redrawn", extra={"error_code": error.code, "workflow_id": workflow_id})
        finally:
            del self._following[key]

    def is_first_card(self, channel: str, root_ts: str, card: Origin) -> bool:
        """Whether a card is the first in its thread, which the channel sees as well; a repeat of it still is.

        A bot that was started again may show one more card in the channel: nobody is harmed by seeing it.
        """
        first = self._first_cards.setdefault((channel, root_ts), card)
        if len(self._first_cards) > _KEPT:
            self._first_cards.popitem(last=False)
        return bool(root_ts) and first == card

    async def stop(self) -> None:
        """Give up what was to be drawn; the changes draw their own state."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
