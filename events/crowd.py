"""Requests that wait for a place: told to one `Crowd` workflow of their cluster when some begin to, and when none does.

Which wait, `csr` decides; how it is told to people is the workflow's.
"""

from __future__ import annotations

import asyncio
import itertools
import logging

from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from domain.configuration import Configuration
from domain.model import ClusterRef
from operations.crowd import CrowdSeen, CrowdStart
from operations.messages import CROWD_SEEN
from operations.queues import CLUSTER, crowd_id, ops_queue

_log = logging.getLogger(__name__)

#: Who comes with others is told together with them.
_GATHER_SECONDS = 1.0
_CLUSTER = SearchAttributeKey.for_keyword(CLUSTER)


class CrowdNotice:
    """Tells how many requests of each cluster wait, whenever that begins or ends."""

    def __init__(self, client: Client, configuration: Configuration) -> None:
        self._client, self._configuration = client, configuration
        self._waiting: dict[ClusterRef, int] = {}
        self._told: dict[ClusterRef, bool] = {}
        self._telling: asyncio.Task[None] | None = None

    def count(self, ref: ClusterRef, waiting: int, *, is_listed: bool = False) -> None:
        """Take how many wait now; returns at once. `is_listed`: told in any case, as another worker may have ended."""
        self._waiting[ref] = waiting
        if is_listed:
            self._told.pop(ref, None)
        if self._news() and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_all(), name="crowd")

    def stop(self) -> None:
        """Stop telling; the next start's list is counted again."""
        if self._telling is not None:
            self._telling.cancel()

    def _news(self) -> list[ClusterRef]:
        return [ref for ref, waiting in self._waiting.items() if self._told.get(ref) is not (waiting > 0)]

    async def _tell_all(self) -> None:
        while self._news():
            await asyncio.sleep(_GATHER_SECONDS)
            for ref in self._news():
                waiting = self._waiting[ref]
                await self._tell(ref, CrowdSeen(waiting=waiting))
                self._told[ref] = waiting > 0

    async def _tell(self, ref: ClusterRef, seen: CrowdSeen) -> None:
        for attempt in itertools.count(1):
            try:
                await (self._begin(ref, seen) if seen.waiting else self._end(ref, seen))
                return
            except RPCError as error:
                _log.warning("temporal does not answer", extra={"attempt": attempt, "error": error.message})
                await asyncio.sleep(min(0.5 * attempt, 10))

    async def _begin(self, ref: ClusterRef, seen: CrowdSeen) -> None:
        await self._client.start_workflow(
            "Crowd",
            CrowdStart(ref=ref, channel=self._configuration.clusters[ref.cluster].channel),
            id=crowd_id(ref),
            task_queue=ops_queue(ref.site),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=CROWD_SEEN,
            start_signal_args=[seen],
            search_attributes=TypedSearchAttributes([SearchAttributePair(_CLUSTER, str(ref))]),
            static_summary=f"requests of {ref.cluster} that wait for a place",
        )
        _log.warning("too many open requests", extra={"cluster": str(ref), "waiting": seen.waiting})

    async def _end(self, ref: ClusterRef, seen: CrowdSeen) -> None:
        try:
            await self._client.get_workflow_handle(crowd_id(ref)).signal(CROWD_SEEN, seen)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # nothing was told, so nothing is over
                raise
