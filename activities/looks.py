"""Looks: the cluster and its CSRs as they are now. They change nothing and take no lock.

Each part is a value or the reason why there is none: what cannot be asked never makes the whole an error. Asking the
database is `standing`, what Kubernetes and it say together `status_rows`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from temporalio import activity

from activities.clients import pki
from activities.csr_facts import facts_of, look_around
from activities.manifests.labels import selector_text
from activities.manifests.statefulset import CLAIM
from activities.ports import ClusterPort, CsrPort, NodePort, RunningPort
from activities.preflight import live_set, recorded_spec
from activities.standing import Inquiry
from activities.status_rows import (
    KUBERNETES,
    Seen,
    client_of,
    issued_until,
    node_row,
    parts_of,
    podless,
    ranges_of,
)
from domain.certificate import SigningPolicy
from domain.configuration import Configuration
from domain.csr import judge
from domain.model import CLIENT_POD, NodeRef
from domain.preflight import drift
from operations.base import LookStart
from operations.crowd import MOST_OPEN
from operations.csr import CsrResult, CsrRow
from operations.queues import certify_id
from operations.status import Part, StatusResult

#: A cluster asks for a handful; what a flood leaves out is said in the channel by its own warning.
_MOST_ROWS = 50


def _now() -> datetime:
    return datetime.now(UTC)


class LookActivities:
    """Reading activities behind `/crdb status` and `/crdb csr`."""

    def __init__(
        self,
        cluster: ClusterPort,
        csrs: CsrPort,
        nodes: NodePort,
        configuration: Configuration,
        *,
        running: RunningPort,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._cluster = cluster
        self._csrs = csrs
        self._nodes = nodes
        self._configuration = configuration
        self._running = running
        self._clock = clock

    @activity.defn(name="look.status")
    async def status(self, start: LookStart) -> StatusResult:
        """Say how the cluster is. Repeating it only reads again."""
        ref, policy = start.ref, SigningPolicy.of(self._configuration, start.ref)
        around, claims, ca = await asyncio.gather(
            look_around(self._csrs, policy),
            self._cluster.list("PersistentVolumeClaim", namespace=ref.namespace, labels=selector_text(ref)),
            self._csrs.published_ca(ref),
        )
        own = tuple(csr for csr in around.csrs if csr.username in policy.accounts())
        pending = sum(csr.state == "pending" for csr in own)
        leftover = {item["metadata"]["name"]: item for item in claims.items}
        authority = pki.facts_of(ca.encode())
        taken_at = self._clock()
        result = StatusResult(
            ref=ref,
            taken_at=taken_at,
            is_deployed=around.stateful_set is not None,
            pending_csrs=pending,
            parts=(Part(name=KUBERNETES, at=taken_at),),
            authority_until=authority.not_after if authority else None,
        )
        if around.stateful_set is None:
            return result.model_copy(update={"leftover_volumes": tuple(sorted(leftover))})
        spec, live = recorded_spec(around.stateful_set), live_set(around.stateful_set)
        standing = await Inquiry(self._nodes, ref, clock=self._clock).ask(spec, around.pods, replicas=live.replicas)
        seen = Seen(pods=around.pods, claims=leftover, csrs=own, policy=policy, standing=standing)
        nodes = tuple(node_row(NodeRef(ordinal=number), seen) for number in range(live.replicas))
        left = {name for name in leftover if name not in {f"{CLAIM}-{node.pod}" for node in nodes}}
        return result.model_copy(
            update={
                "wanted": live.replicas,
                "ready": live.ready,
                "version": spec.version if spec else "",
                "nodes": (*nodes, *podless(seen, replicas=live.replicas)),
                "database": standing.reason,
                "drift": drift(spec, live),
                "parts": (*result.parts, *parts_of(seen)),
                "ranges": ranges_of(standing),
                "leftover_volumes": tuple(sorted(left)),
                "client": client_of(seen),
                "client_until": issued_until(CLIENT_POD, seen),
            }
        )

    @activity.defn(name="look.csr")
    async def csr(self, start: LookStart) -> CsrResult:
        """List the cluster's requests with their verdicts, newest first. Repeating it only reads again."""
        policy, now = SigningPolicy.of(self._configuration, start.ref), self._clock()
        around, certifies = await asyncio.gather(look_around(self._csrs, policy), self._running.certifies(start.ref))
        placed = {run.workflow_id for run in certifies.runs}
        own = [csr for csr in around.csrs if csr.username in policy.accounts()]
        own.sort(key=lambda csr: csr.created_at, reverse=True)
        rows = tuple(
            CsrRow(
                name=csr.name,
                uid=csr.uid,
                pod=csr.pod,
                state=csr.state,
                summary=judge(facts_of(csr, around, policy, now=now), policy).summary(),
                created_at=csr.created_at,
                # With free places it is about to be started, or Temporal's list lags behind.
                waits_for_place=csr.state == "pending"
                and len(placed) >= MOST_OPEN
                and certify_id(site=start.ref.site, name=csr.name, uid=csr.uid) not in placed,
            )
            for csr in own[:_MOST_ROWS]
        )
        return CsrResult(ref=start.ref, taken_at=now, rows=rows)
