"""From the watch of certificate signing requests (CSRs) to one `Certify` workflow each.

Whose a request is, the API server's stamp says (`spec.username`), never its name. Requests of no cluster of ours start
nothing; they go to `strangers`. Judging a request is the workflow's business.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict

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
from events.crowd import CrowdNotice
from events.strangers import StrangerDigest, remember
from operations.certify import CertifyStart
from operations.crowd import MOST_OPEN
from operations.messages import OUTSIDE, OutsideChange
from operations.queues import CLUSTER, OPERATION, certify_id, ops_queue

_log = logging.getLogger(__name__)

#: Uids that were dealt with; Kubernetes collects requests within a day, so this is more than can be alive.
_REMEMBERED = 20_000
_ACCOUNT = "system:serviceaccount:"
_CLUSTER = SearchAttributeKey.for_keyword(CLUSTER)
_OPERATION = SearchAttributeKey.for_keyword(OPERATION)


class CsrEvents:
    """Watches CSRs of one site and starts, wakes and counts.

    Args:
        client: Temporal.
        watch: The watch of Kubernetes; it reconnects by itself.
        configuration: Which namespaces are clusters of ours.
        site: The site this worker serves.
        strangers: Where requests of no cluster of ours go; by default their own digest.
    """

    def __init__(
        self,
        client: Client,
        watch: CsrWatchPort,
        configuration: Configuration,
        *,
        site: str,
        strangers: StrangerDigest | None = None,
    ) -> None:
        self._client, self._watch, self._configuration, self._site = client, watch, configuration, site
        self._strangers = strangers or StrangerDigest(client, site=site, channel=configuration.channel_of(site))
        self._crowd = CrowdNotice(client, configuration)
        self._open: dict[ClusterRef, dict[str, CsrSeen]] = {}
        self._queued: dict[ClusterRef, OrderedDict[str, CsrSeen]] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    async def run(self) -> None:
        """Watch for ever; a call to Temporal that fails is tried again until it succeeds."""
        try:
            async for seen in self._watch.watch():
                for attempt in itertools.count(1):
                    try:
                        await (self._on_snapshot(seen) if isinstance(seen, CsrSnapshot) else self._on_event(seen))
                        break
                    except RPCError as error:
                        _log.warning("temporal does not answer", extra={"attempt": attempt, "error": error.message})
                        await asyncio.sleep(min(0.5 * attempt, 10))
        finally:
            self._strangers.stop()
            self._crowd.stop()

    async def _on_snapshot(self, snapshot: CsrSnapshot) -> None:
        """Compare the list with what Temporal runs: open what is not, wake what has lost its request."""
        running = await self._running()
        present = {item.uid for item in snapshot.items}
        for cases in (*self._open.values(), *self._queued.values()):
            for uid in [uid for uid in cases if uid not in present]:
                del cases[uid]
        for item in sorted(snapshot.items, key=lambda item: item.created_at):
            ref = self._cluster_of(item)
            if ref is None:
                await self._on_event(item)
            elif item.uid in running:
                self._open.setdefault(ref, {})[item.uid] = item
                self._queued.get(ref, OrderedDict()).pop(item.uid, None)
            else:
                self._open.get(ref, {}).pop(item.uid, None)  # closed from outside, in Temporal's UI: opened again
        for item in sorted(snapshot.items, key=lambda item: item.created_at):
            if self._cluster_of(item) is not None:
                await self._on_event(item)
        for uid, workflow_id in running.items():
            if uid not in present:
                await self._signal(workflow_id, "missing")
        for name, cluster in self._configuration.clusters.items():
            if cluster.site == self._site:
                ref = self._configuration.ref(name)
                self._crowd.count(ref, len(self._queued.get(ref, ())), is_listed=True)

    async def _running(self) -> dict[str, str]:
        """Return the open `Certify` runs of this site: CSR uid to workflow id. The store may lag by a moment."""
        query = f"WorkflowType = 'Certify' AND ExecutionStatus = 'Running' AND {CLUSTER} STARTS_WITH '{self._site}/'"
        return {run.id.rpartition("/")[2]: run.id async for run in self._client.list_workflows(query)}

    async def _on_event(self, seen: CsrSeen) -> None:
        ref = self._cluster_of(seen)
        if ref is None:
            if seen.is_pending and seen.kind != "deleted":
                self._strangers.add(seen)
        elif seen.kind == "deleted" or seen.state in ("denied", "failed", "issued"):
            await self._on_end(ref, seen)
        elif seen.uid in self._open.get(ref, {}):
            if seen.state == "approved" and not seen.is_decided_by_us:
                await self._wake(seen, "changed")
        elif seen.uid not in self._done:
            await self._on_new(ref, seen)
        if ref in self._queued:
            self._crowd.count(ref, len(self._queued[ref]))

    def _cluster_of(self, seen: CsrSeen) -> ClusterRef | None:
        if not seen.username.startswith(_ACCOUNT):
            return None
        namespace = seen.username.removeprefix(_ACCOUNT).partition(":")[0]
        return self._configuration.in_namespace(site=self._site, namespace=namespace)

    async def _on_new(self, ref: ClusterRef, seen: CsrSeen) -> None:
        cases, queue = self._open.setdefault(ref, {}), self._queued.setdefault(ref, OrderedDict())
        if len(cases) >= MOST_OPEN:
            queue[seen.uid] = seen
            return
        if await self._start(ref, seen):
            cases[seen.uid] = seen
        else:
            remember(self._done, seen.uid, most=_REMEMBERED)
        queue.pop(seen.uid, None)

    async def _on_end(self, ref: ClusterRef, seen: CsrSeen) -> None:
        was_open = seen.uid in self._open.get(ref, {})
        if was_open and not seen.is_decided_by_us and seen.state != "issued":
            await self._wake(seen, "missing" if seen.kind == "deleted" else "changed")
        self._open.get(ref, {}).pop(seen.uid, None)
        queue = self._queued.get(ref, OrderedDict())
        queue.pop(seen.uid, None)
        remember(self._done, seen.uid, most=_REMEMBERED)
        if queue:
            await self._on_new(ref, next(iter(queue.values())))

    async def _start(self, ref: ClusterRef, seen: CsrSeen) -> bool:
        """Start the life of a request, or find it running; False when it has ended before."""
        try:
            await self._client.start_workflow(
                "Certify",
                CertifyStart(ref=ref, csr=seen.name, csr_uid=seen.uid),
                id=certify_id(site=self._site, name=seen.name, uid=seen.uid),
                task_queue=ops_queue(self._site),
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(_CLUSTER, str(ref)), SearchAttributePair(_OPERATION, "certify")]
                ),
                static_summary=f"certificate request {seen.name}",
                static_details=f"asked by {seen.username} for {seen.signer_name}",
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def _wake(self, seen: CsrSeen, what: str) -> None:
        await self._signal(certify_id(site=self._site, name=seen.name, uid=seen.uid), what)

    async def _signal(self, workflow_id: str, what: str) -> None:
        try:
            await self._client.get_workflow_handle(workflow_id).signal(
                OUTSIDE, OutsideChange.model_validate({"seen": what})
            )
            _log.info("request woken", extra={"workflow_id": workflow_id, "seen": what})
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
