"""Looks: the cluster and its CSRs as they are now. They change nothing and take no lock.

Each part is a value or the reason why there is none: what cannot be asked never makes the whole an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from temporalio import activity

from activities import pods
from activities.clients import pki
from activities.csr_facts import facts_of, look_around
from activities.csr_object import CsrObject, Object
from activities.manifests.labels import selector_text
from activities.ports import ClusterPort, CsrPort, NodePort
from activities.preflight import live_set, recorded_spec
from activities.progress import certificate
from domain.certificate import SigningPolicy
from domain.configuration import Configuration
from domain.csr import judge
from domain.errors import OpsError, TransientError
from domain.model import CLIENT_POD, ClusterRef, ClusterSpec, NodeRef
from domain.preflight import drift
from operations.base import LookStart
from operations.csr import CsrResult, CsrRow
from operations.status import NodeRow, StatusResult

#: A cluster asks for a handful; what a flood leaves out is said in the channel by its own warning.
_MOST_ROWS = 50
#: A look has fifteen seconds in all, and whoever asked is answered after eight.
_DATABASE_SECONDS = 6


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
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._cluster = cluster
        self._csrs = csrs
        self._nodes = nodes
        self._configuration = configuration
        self._clock = clock

    @activity.defn(name="look.status")
    async def status(self, start: LookStart) -> StatusResult:
        """Say how the cluster is. Repeating it only reads again."""
        ref, policy = start.ref, SigningPolicy.of(self._configuration, start.ref)
        around = await look_around(self._csrs, policy)
        own = tuple(csr for csr in around.csrs if csr.username in policy.accounts())
        pending = sum(csr.state == "pending" for csr in own)
        if around.stateful_set is None:
            return StatusResult(ref=ref, taken_at=self._clock(), is_deployed=False, pending_csrs=pending)
        spec = recorded_spec(around.stateful_set)
        live = live_set(around.stateful_set)
        claims = await self._cluster.list("PersistentVolumeClaim", namespace=ref.namespace, labels=selector_text(ref))
        volumes = {item["metadata"]["name"]: item.get("status", {}).get("phase", "") for item in claims.items}
        rows, database = await self._database(ref, spec, around.pods)
        nodes = tuple(
            _row(NodeRef(ordinal=number), around.pods, volumes, own, policy, rows) for number in range(live.replicas)
        )
        return StatusResult(
            ref=ref,
            taken_at=self._clock(),
            is_deployed=True,
            wanted=live.replicas,
            ready=live.ready,
            version=spec.version if spec else "",
            nodes=nodes,
            database=database,
            pending_csrs=pending,
            drift=drift(spec, live),
        )

    @activity.defn(name="look.csr")
    async def csr(self, start: LookStart) -> CsrResult:
        """List the cluster's requests with their verdicts, newest first. Repeating it only reads again."""
        policy, now = SigningPolicy.of(self._configuration, start.ref), self._clock()
        around = await look_around(self._csrs, policy)
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
            )
            for csr in own[:_MOST_ROWS]
        )
        return CsrResult(ref=start.ref, taken_at=now, rows=rows)

    async def _database(
        self, ref: ClusterRef, spec: ClusterSpec | None, known: dict[str, Object]
    ) -> tuple[dict[str, dict[str, str]], str]:
        """Return the database's rows by pod name, or why there are none."""
        if spec is None:
            return {}, "not asked: no recorded spec"
        client = known.get(CLIENT_POD)
        if client is None or not pods.is_ready(client):
            return {}, "not asked: no client certificate yet"
        nodes = (NodeRef(ordinal=number) for number in range(spec.nodes))
        running = [node for node in nodes if pods.is_running(known.get(node.pod, _NONE))]
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                for node in running[:2]:
                    found = await self._ask(ref, spec, node)
                    if found is not None:
                        return found
        except TimeoutError:
            return {}, f"does not answer within {_DATABASE_SECONDS} s"
        except OpsError as error:
            return {}, f"not known: {error.message}"
        return {}, "does not answer" if running else "not asked: no node runs"

    async def _ask(
        self, ref: ClusterRef, spec: ClusterSpec, node: NodeRef
    ) -> tuple[dict[str, dict[str, str]], str] | None:
        """Ask one node; None when it does not answer. Rows first: a cluster that serves is asked but once."""
        try:
            rows = await self._nodes.rows(ref, node, domain=spec.cluster_domain)
        except TransientError:
            answer = await self._nodes.ask(ref, node, domain=spec.cluster_domain)
            return ({}, "waits for init") if answer.state == "waiting-for-init" else None
        return {row.get("address", "").partition(".")[0]: row for row in rows}, ""


_NONE: Object = {"metadata": {}}


def _row(
    node: NodeRef,
    known: dict[str, Object],
    volumes: dict[str, str],
    csrs: tuple[CsrObject, ...],
    policy: SigningPolicy,
    rows: dict[str, dict[str, str]],
) -> NodeRow:
    pod, row = known.get(node.pod), rows.get(node.pod, {})
    return NodeRow(
        pod=node.pod,
        phase=pod.get("status", {}).get("phase", "") if pod else "missing",
        is_ready=pods.is_ready(pod) if pod else False,
        restarts=pods.restarts(pod) if pod else 0,
        volume=volumes.get(f"datadir-{node.pod}", "none"),
        certificate=_certificate(node.pod, pod, csrs, policy),
        node_id=row.get("id", ""),
        is_live=row["is_live"] == "true" if row.get("is_live") else None,
        build=row.get("build", ""),
    )


def _certificate(name: str, pod: Object | None, csrs: tuple[CsrObject, ...], policy: SigningPolicy) -> str:
    """Say the state; while Kubernetes still keeps the request, until when the certificate is valid as well."""
    state = certificate(name, pod, csrs, policy).state
    uid = pod["metadata"]["uid"] if pod else ""
    issued = [csr for csr in csrs if csr.pod_uid == uid and csr.certificate_pem]
    facts = pki.facts_of(issued[-1].certificate_pem) if issued else None
    return f"{state}, until {facts.not_after:%Y-%m-%d}" if facts else state
