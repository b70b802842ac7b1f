"""Requests of no cluster of ours: gathered, and told to one `Strangers` workflow at most once a minute.

Which requests those are, `csr` decides; how they are told to people is the workflow's.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import uuid
from collections import OrderedDict
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from activities.ports import CsrSeen
from operations.messages import STRANGERS_SEEN
from operations.queues import ops_queue, strangers_id
from operations.strangers import EXAMPLES, StrangersSeen, StrangersStart

_log = logging.getLogger(__name__)

#: They are told at most this often.
TELL_EVERY = timedelta(minutes=1)
#: Who comes with others (a list, a flood) is told together with them.
_GATHER = timedelta(seconds=1)
#: Uids that were told; Kubernetes collects requests within a day, so this is more than can be alive.
_REMEMBERED = 20_000


class StrangerDigest:
    """Counts strangers' requests of one site and tells of them.

    Args:
        client: Temporal.
        site: The site this worker serves.
        channel: Where they are told; empty: they are only recorded.
        every: Shortest time between two tellings.
    """

    def __init__(self, client: Client, *, site: str, channel: str = "", every: timedelta = TELL_EVERY) -> None:
        self._client, self._site, self._channel, self._every = client, site, channel, every
        self._worker = uuid.uuid4().hex
        self._known: OrderedDict[str, None] = OrderedDict()
        self._untold: list[CsrSeen] = []
        self._telling: asyncio.Task[None] | None = None

    def add(self, seen: CsrSeen) -> None:
        """Count a request once; returns at once."""
        if seen.uid in self._known:
            return
        remember(self._known, seen.uid, most=_REMEMBERED)
        self._untold.append(seen)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_all(), name="strangers")

    def stop(self) -> None:
        """Stop telling; what is untold is seen again at the next start's list."""
        if self._telling is not None:
            self._telling.cancel()

    async def _tell_all(self) -> None:
        await asyncio.sleep(_GATHER.total_seconds())
        while self._untold:
            untold, self._untold = self._untold, []
            await self._tell(untold)
            await asyncio.sleep(self._every.total_seconds())

    async def _tell(self, untold: list[CsrSeen]) -> None:
        examples = tuple(f"{seen.name} by {seen.username}" for seen in untold[:EXAMPLES])
        for attempt in itertools.count(1):
            try:
                await self._client.start_workflow(
                    "Strangers",
                    StrangersStart(site=self._site, channel=self._channel),
                    id=strangers_id(self._site),
                    task_queue=ops_queue(self._site),
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    start_signal=STRANGERS_SEEN,
                    start_signal_args=[StrangersSeen(count=len(untold), examples=examples, worker=self._worker)],
                    static_summary="requests of no cluster of ours",
                )
                _log.info("strangers' requests told", extra={"count": len(untold)})
                return
            except RPCError as error:
                _log.warning("temporal does not answer", extra={"attempt": attempt, "error": error.message})
                await asyncio.sleep(min(0.5 * attempt, 10))


def remember(known: OrderedDict[str, None], uid: str, *, most: int) -> None:
    """Keep a uid, forgetting the oldest when there are too many."""
    known[uid] = None
    while len(known) > most:
        known.popitem(last=False)
