"""Activities on the database by SQL, through the client pod."""

from __future__ import annotations

import asyncio
import time

from temporalio import activity

from activities.payloads import ClusterRequest, SqlAnswer
from activities.ports import NodePort
from domain.errors import BrokenError, TransientError
from domain.model import NodeRef

#: Documented statements; the stand-in knows them as well.
_ONE = "SELECT 1"
_CLUSTER_ID = "SELECT crdb_internal.cluster_id()"
_VERSION = "SHOW CLUSTER SETTING version"


class SqlActivities:
    """Activities by SQL."""

    def __init__(self, nodes: NodePort) -> None:
        self._nodes = nodes

    @activity.defn(name="sql.check")
    async def check(self, request: ClusterRequest) -> SqlAnswer:
        """Ask SELECT 1, every node's cluster id and the version. Repeating it only reads again."""
        nodes = [NodeRef(ordinal=number) for number in range(request.spec.nodes)]
        began = time.monotonic()
        if await self._value(request, nodes[0], _ONE) != "1":
            raise TransientError("sql.no-answer", "SELECT 1: found another answer, expected 1.")
        seconds = time.monotonic() - began
        *ids, version = await asyncio.gather(
            *(self._value(request, node, _CLUSTER_ID) for node in nodes), self._value(request, nodes[0], _VERSION)
        )
        if len(set(ids)) != 1 or not ids[0]:
            found = ", ".join(f"{node.pod} {value or 'none'}" for node, value in zip(nodes, ids, strict=True))
            raise BrokenError(
                "init.two-clusters",
                f"cluster ids: found {found}, expected one and the same.",
                hint="Stop here: nodes were initialized apart. Nothing is changed by itself.",
            )
        return SqlAnswer(cluster_id=ids[0], version=version, seconds=round(seconds, 3))

    async def _value(self, request: ClusterRequest, node: NodeRef, statement: str) -> str:
        rows = await self._nodes.query(request.ref, node, domain=request.spec.cluster_domain, statement=statement)
        values = [value for row in rows for value in row.values()]
        return values[0] if len(values) == 1 else ""
