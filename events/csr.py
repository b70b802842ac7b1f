"""From the watch of certificate signing requests (CSRs) to one `Certify` workflow each.

Whose a request is, the API server's stamp says (`spec.username`), never its name. Requests of no cluster of ours start
nothing; they are told in one digest (`Strangers`). Judging a request is the workflow's business.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import CsrSeen, CsrSnapshot, CsrWatchPort
from domain.configuration import Configuration
from domain.model import ClusterRef
from operations.certify import CertifyStart
from operations.messages import OUTSIDE, STRANGERS_SEEN, OutsideChange
from operations.queues import CLUSTER, OPERATION, certify_id, ops_queue, strangers_id
from operations.strangers import EXAMPLES, StrangersSeen, StrangersStart

_log = logging.getLogger(__name__)

#: So many requests of one cluster are shown at once; more wait until some have ended.
MOST_OPEN = 20
#: Strangers are told at most this often.
_STRANGERS_EVERY = timedelta(minutes=1)
#: Uids that were dealt with; Kubernetes collects requests within a day, so this is more than can be alive.
_REMEMBERED = 20_000
_ACCOUNT = "system:serviceaccount:"
_SIGNED = SearchAttributeKey.for_keyword(CLUSTER)
_OPERATION = SearchAttributeKey.for_keyword(OPERATION)


class CsrEvents:
    """Watches CSRs of one site and starts, wakes and counts.

    Args:
        client: Temporal.
        watch: The watch of Kubernetes; it reconnects by itself.
        configuration: Which namespaces are clusters of ours.
        site: The site this worker serves.
    """

    def __init__(self, client: Client, watch: CsrWatchPort, configuration: Configuration, *, site: str) -> None:
        self._client, self._watch, self._configuration, self._site = client, watch, configuration, site
        self._open: dict[ClusterRef, dict[str, CsrSeen]] = {}
        self._queued: dict[ClusterRef, OrderedDict[str, CsrSeen]] = {}
        self._done: OrderedDict[str, None] = OrderedDict()
        self._strangers: OrderedDict[str, None] = OrderedDict()
        self._untold: list[CsrSeen] = []
        self._told_at: datetime | None = None

    async def run(self) -> None:
        """Watch for ever; a call to Temporal that fails is tried again until it succeeds."""
        async for seen in self._watch.watch():
            for attempt in itertools.count(1):
                try:
                    await (self._on_snapshot(seen) if isinstance(seen, CsrSnapshot) else self._on_event(seen))
                    break
                except RPCError as error:
                    _log.warning("temporal does not answer", extra={"attempt": attempt, "error": error.message})
                    await asyncio.sleep(min(0.5 * attempt, 10))

    async def _on_snapshot(self, snapshot: CsrSnapshot) -> None:
        present = {item.uid for item in snapshot.items}
        for cases in (*self._open.values(), *self._queued.values()):
            for uid in [uid for uid in cases if uid not in present]:
                del cases[uid]
        for item in snapshot.items:
            ref = self._cluster_of(item)
            if ref is not None and item.is_pending and item.uid in self._open.get(ref, {}):
                await self._start(ref, item)  # its card may have been closed from outside; else this changes nothing
            await self._on_event(item)
        await self._wake_missing(present)

    async def _on_event(self, seen: CsrSeen) -> None:
        ref = self._cluster_of(seen)
        if ref is None:
            await self._on_stranger(seen)
        elif seen.kind == "deleted" or seen.state in ("denied", "failed", "issued"):
            await self._on_end(ref, seen)
        elif seen.uid in self._done or seen.uid in self._open.get(ref, {}):
            if seen.state == "approved" and not seen.is_decided_by_us:
                await self._wake(seen, "changed")
        else:
            await self._on_new(ref, seen)

    def _cluster_of(self, seen: CsrSeen) -> ClusterRef | None:
        if not seen.username.startswith(_ACCOUNT):
            return None
        namespace = seen.username.removeprefix(_ACCOUNT).partition(":")[0]
        return self._configuration.in_namespace(site=self._site, namespace=namespace)

    async def _on_new(self, ref: ClusterRef, seen: CsrSeen) -> None:
        cases, queue = self._open.setdefault(ref, {}), self._queued.setdefault(ref, OrderedDict())
        if len(cases) >= MOST_OPEN:
            if not queue:
                _log.warning("too many open requests", extra={"cluster": str(ref), "open": len(cases)})
            queue[seen.uid] = seen
            return
        await self._start(ref, seen)
        cases[seen.uid] = seen
        queue.pop(seen.uid, None)

    async def _on_end(self, ref: ClusterRef, seen: CsrSeen) -> None:
        was_open = self._open.get(ref, {}).pop(seen.uid, None)
        self._queued.get(ref, OrderedDict()).pop(seen.uid, None)
        _remember(self._done, seen.uid)
        if was_open is not None and not seen.is_decided_by_us and seen.state != "issued":
            await self._wake(seen, "missing" if seen.kind == "deleted" else "changed")
        queue = self._queued.get(ref)
        if queue:
            _, waiting = queue.popitem(last=False)
            await self._on_new(ref, waiting)

    async def _start(self, ref: ClusterRef, seen: CsrSeen) -> None:
        try:
            await self._client.start_workflow(
                "Certify",
                CertifyStart(ref=ref, csr=seen.name, csr_uid=seen.uid),
                id=certify_id(site=self._site, name=seen.name, uid=seen.uid),
                task_queue=ops_queue(self._site),
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(_SIGNED, str(ref)), SearchAttributePair(_OPERATION, "certify")]
                ),
                static_summary=f"certificate request {seen.name}",
                static_details=f"asked by {seen.username} for {seen.signer_name}",
            )
        except WorkflowAlreadyStartedError:
            _remember(self._done, seen.uid)

    async def _wake(self, seen: CsrSeen, what: str) -> None:
        handle = self._client.get_workflow_handle(certify_id(site=self._site, name=seen.name, uid=seen.uid))
        try:
            await handle.signal(OUTSIDE, OutsideChange.model_validate({"seen": what}))
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    async def _wake_missing(self, present: set[str]) -> None:
        """After each list: wake every open Certify of this site whose CSR is not there any more."""
        query = f"WorkflowType = 'Certify' AND ExecutionStatus = 'Running' AND {CLUSTER} STARTS_WITH '{self._site}/'"
        async for run in self._client.list_workflows(query):
            name, _, uid = run.id.removeprefix(f"crdb/{self._site}/csr/").rpartition("/")
            if uid not in present:
                handle = self._client.get_workflow_handle(run.id, run_id=run.run_id)
                await handle.signal(OUTSIDE, OutsideChange(seen="missing"))
                _log.info("request is missing", extra={"csr": name})

    async def _on_stranger(self, seen: CsrSeen) -> None:
        if seen.kind == "deleted" or not seen.is_pending or seen.uid in self._strangers:
            return
        _remember(self._strangers, seen.uid)
        self._untold.append(seen)
        now = datetime.now(UTC)
        if self._told_at is not None and now - self._told_at < _STRANGERS_EVERY:
            return
        self._told_at = now
        untold, self._untold = self._untold, []
        await self._client.start_workflow(
            "Strangers",
            StrangersStart(site=self._site),
            id=strangers_id(self._site),
            task_queue=ops_queue(self._site),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=STRANGERS_SEEN,
            start_signal_args=[
                StrangersSeen(count=len(untold), examples=tuple(f"{s.name} by {s.username}" for s in untold[:EXAMPLES]))
            ],
            static_summary="requests of no cluster of ours",
        )


def _remember(seen: OrderedDict[str, None], uid: str) -> None:
    seen[uid] = None
    while len(seen) > _REMEMBERED:
        seen.popitem(last=False)
