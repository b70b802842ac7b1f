"""How the database stands, for one look: the rows of its nodes, and until when each one's certificate is valid.

Everything is asked under one short deadline, and what does not come in time becomes a reason, never an error. What
Kubernetes shows, and putting both together, is `looks`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from activities import pods
from activities.ports import NodePort, Object
from domain.errors import OpsError, TransientError
from domain.health import NodeStatus, node_statuses, places
from domain.model import CLIENT_POD, ClusterRef, ClusterSpec, NodeRef

#: A look has fifteen seconds in all, and whoever asked is answered after eight.
DATABASE_SECONDS = 6.0
#: So many nodes are asked at once: each question is a process in the client pod.
_AT_ONCE = 4
#: So many nodes are tried for the rows of all, each for its share of the time.
_TRIED = 2
#: What a node says of the certificate that it serves with, in seconds since 1970; each node knows its own alone.
EXPIRATION = "SELECT value FROM crdb_internal.node_metrics WHERE name = 'security.certificate.expiration.node'"
_NONE: Object = {"metadata": {}}


class Standing(NamedTuple):
    """What came in time. `reason`: why there are no rows; `silence`: why a certificate is missing."""

    nodes: tuple[NodeStatus, ...] = ()
    at: datetime | None = None
    reason: str = ""
    until: Mapping[int, datetime] = MappingProxyType({})
    until_at: datetime | None = None
    silence: str = ""


class Inquiry:
    """Asks the database of one cluster once."""

    def __init__(
        self,
        nodes: NodePort,
        ref: ClusterRef,
        *,
        clock: Callable[[], datetime],
        seconds: float = DATABASE_SECONDS,
    ) -> None:
        self._nodes, self._ref, self._clock, self._seconds = nodes, ref, clock, seconds

    async def ask(self, spec: ClusterSpec | None, known: dict[str, Object], *, replicas: int) -> Standing:
        """Ask one node for all rows, then each live one for its certificate, until time is up."""
        if spec is None:
            return Standing(reason="not asked: no recorded spec", silence="not asked: no recorded spec")
        client = known.get(CLIENT_POD)
        if client is None or not pods.is_ready(client):
            why = "not asked: no client certificate yet"
            return Standing(reason=why, silence=why)
        began = asyncio.get_running_loop().time()
        standing = await self._rows(spec, known, replicas=replicas)
        if not standing.nodes:
            return standing._replace(silence=f"not asked of the nodes: {standing.reason}")
        left = self._seconds - (asyncio.get_running_loop().time() - began)
        until, silence = await self._expirations(spec, standing.nodes, replicas=replicas, seconds=max(left, 0.1))
        return standing._replace(until=until, until_at=self._clock() if until else None, silence=silence)

    async def _rows(self, spec: ClusterSpec, known: dict[str, Object], *, replicas: int) -> Standing:
        nodes = (NodeRef(ordinal=number) for number in range(replicas))
        running = [node for node in nodes if pods.is_running(known.get(node.pod, _NONE))]
        # On a machine that is gone a pod still runs, and its address swallows every question.
        tried = sorted(running, key=lambda node: not pods.is_ready(known[node.pod]))[:_TRIED]
        reason = "does not answer" if running else "not asked: no node runs"
        for node in tried:
            try:
                async with asyncio.timeout(self._seconds / len(tried)):
                    found = await self._ask(spec, node)
            except TimeoutError:
                reason = f"does not answer within {self._seconds:.0f} s"
                continue
            except OpsError as error:
                return Standing(reason=f"not known: {error.message}")
            if found is not None:
                return found
        return Standing(reason=reason)

    async def _ask(self, spec: ClusterSpec, node: NodeRef) -> Standing | None:
        """Ask one node; None when it does not answer. Rows first: a cluster that serves is asked but once."""
        try:
            rows = await self._nodes.rows(self._ref, node, domain=spec.cluster_domain)
        except TransientError:
            answer = await self._nodes.ask(self._ref, node, domain=spec.cluster_domain)
            return Standing(reason="waits for init") if answer.state == "waiting-for-init" else None
        return Standing(nodes=node_statuses(rows), at=self._clock())

    async def _expirations(
        self, spec: ClusterSpec, nodes: tuple[NodeStatus, ...], *, replicas: int, seconds: float
    ) -> tuple[dict[int, datetime], str]:
        """Ask the live nodes until when their certificate is valid; what came until time is up counts."""
        ordinals = [o for o, node in sorted(places(nodes).items()) if node.is_live and o < replicas]
        found, silences, gate = dict[int, datetime](), list[str](), asyncio.Semaphore(_AT_ONCE)

        async def one(ordinal: int) -> None:
            node = NodeRef(ordinal=ordinal)
            try:
                async with gate:
                    rows = await self._nodes.query(self._ref, node, domain=spec.cluster_domain, statement=EXPIRATION)
            except OpsError as error:
                silences.append(error.message)
            else:
                at = _instant(rows)
                if at is None:
                    silences.append(f"{node.pod} does not say until when its certificate is valid")
                else:
                    found[ordinal] = at

        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(one(ordinal) for ordinal in ordinals))
        except TimeoutError:
            silences.append(f"{len(ordinals) - len(found)} of {len(ordinals)} nodes did not answer in time")
        return found, silences[0] if silences else ""


def _instant(rows: tuple[dict[str, str], ...]) -> datetime | None:
    """Read seconds since 1970, which the database prints as a float; 0 means that it has no such certificate."""
    values = [value for row in rows for value in row.values()]
    try:
        seconds = float(values[0]) if len(values) == 1 else 0.0
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (ValueError, OverflowError):
        return None
