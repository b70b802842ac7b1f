"""What a node answers to each method, in each phase of its life.

Not here: connections and who may call what (rpc.py), the phases (server.py), meaning of statements (statements.py).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from devtools.cockroach import catalog, queries, release, statements, status, wire
from devtools.cockroach.admin import Admin
from devtools.cockroach.config import Config
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.faults import Faults
from devtools.cockroach.gossip import Gossip
from devtools.cockroach.journal import Journal
from devtools.cockroach.ledger import Ledger
from devtools.cockroach.metrics import Metrics
from devtools.cockroach.phase import DRAINING, REMOVED, SERVING, Life
from devtools.cockroach.roster import farewell
from devtools.cockroach.rpc import Method
from devtools.cockroach.statements import HERE, QUERY, Statement
from devtools.cockroach.status import State
from devtools.cockroach.store import Store

_POLL_SECONDS = 0.05


class Answers:
    """The methods of one node."""

    def __init__(
        self,
        config: Config,
        store: Store,
        journal: Journal,
        *,
        gossip: Gossip,
        ledger: Ledger,
        life: Life,
        faults: Faults,
        metrics: Metrics,
        admin: Admin,
    ) -> None:
        self.founded = asyncio.Event()
        self._config = config
        self._store = store
        self._journal = journal
        self._gossip = gossip
        self._ledger = ledger
        self._life = life
        self._faults = faults
        self._metrics = metrics
        self._admin = admin

    def methods(self) -> dict[str, Method]:
        """Every method by name."""
        replication = self._ledger.replication
        return {
            wire.HEALTH: self._health,
            wire.BOOTSTRAP: self._faulty("init", self._bootstrap),
            wire.NODES: self._faulty("node", self._nodes),
            wire.EXECUTE: self._faulty("sql", self._execute),
            wire.DECOMMISSION: self._faulty("decommission", self._of_service(self._admin.decommission)),
            wire.DECOMMISSION_STATUS: self._faulty("decommission", self._of_service(self._admin.standing)),
            wire.DECOMMISSION_CHECK: self._faulty("decommission", self._of_service(self._admin.check)),
            wire.DRAIN: self._faulty("drain", self._of_service(self._admin.drain)),
            wire.JOIN: self._join,
            wire.GOSSIP: self._of_cluster(self._gossip.received),
            wire.COMMAND: self._of_cluster(self._ledger.command),
            wire.CLAIM: self._of_cluster(_at_once(replication.claimed)),
            wire.ENTRIES: self._of_cluster(_at_once(replication.entries)),
            wire.APPEND: self._of_cluster(_at_once(replication.appended)),
        }

    def _faulty(self, verb: str, method: Method) -> Method:
        """A method that hangs or is late when the faults say so."""

        async def answer(params: dict[str, Any]) -> Any:
            while verb in self._faults.now().hang:  # noqa: ASYNC110 - a file is no event
                await asyncio.sleep(_POLL_SECONDS)
            answered = await method(params)
            await asyncio.sleep(self._faults.now().slow_seconds.get(verb, 0.0))
            return answered

        return answer

    def _of_cluster(self, method: Method) -> Method:
        """A method for nodes of the same cluster, called on the node it is meant for."""

        async def answer(params: dict[str, Any]) -> Any:
            self._need_cluster("this RPC")
            self._refuse_removed(int(params.get("from", 0)))
            mine, theirs = self._store.cluster_id, params["cluster_id"]
            if theirs != mine:
                raise RemoteError(
                    f"client cluster ID {theirs!r} doesn't match server cluster ID {mine!r}",
                    code="FailedPrecondition",
                    detail=mine,
                )
            if params.get("to", self._store.node_id) != self._store.node_id:
                raise RemoteError(f"n{params['to']} expected here, found n{self._store.node_id}", code="Unavailable")
            return await method(params)

        return answer

    def _need_cluster(self, method: str) -> None:
        if not self._store.cluster_id:
            raise RemoteError(f"node waiting for init; {method} not available", code="Unavailable")

    def _refuse_removed(self, *nodes: int) -> None:
        """Say nothing to nodes that were decommissioned, nor as one."""
        for node in (*nodes, self._store.node_id):
            if node in self._ledger.removed:
                raise RemoteError(farewell(node, at=self._ledger.removed[node]), code="PermissionDenied")
        if self._life.phase == REMOVED:
            raise RemoteError(self._life.farewell, code="PermissionDenied")

    def _of_service(self, method: Method) -> Method:
        """A method that a draining node answers too."""

        async def answer(params: dict[str, Any]) -> Any:
            await self._need_service("this RPC", also_draining=True)
            return await method(params)

        return answer

    async def _need_service(self, method: str, *, also_draining: bool = False) -> None:
        """Wait, for as long as the caller does, until this node can serve."""
        self._need_cluster(method)
        self._refuse_removed()
        phases = (SERVING, DRAINING, REMOVED)
        while self._life.phase not in phases or (self._life.phase == SERVING and not self._gossip.is_live()):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)  # liveness ends by the clock, not by an event
        self._refuse_removed()
        if self._life.phase == DRAINING and not also_draining:
            raise RemoteError("server is not accepting clients, try another node", sqlstate="57P01")

    def _state(self) -> State:
        return State(
            self._gossip.view, self._journal.roster, self._ledger.placement, copies=self._ledger.catalog.copies
        )

    # --- for clients

    async def _health(self, _params: dict[str, Any]) -> Any:
        return {}

    async def _bootstrap(self, _params: dict[str, Any]) -> Any:
        if self._store.cluster_id:
            raise RemoteError("cluster has already been initialized")
        await asyncio.sleep(self._faults.now().delay_init_seconds)
        if self._store.cluster_id:  # somebody was quicker
            raise RemoteError("cluster has already been initialized")
        self._ledger.found()
        self.founded.set()
        return {}

    async def _nodes(self, params: dict[str, Any]) -> Any:
        await self._need_service(wire.NODES)
        layout = self._faults.now().status_columns or str(params["series"])
        columns, rows = status.table(self._state(), parts=list(params["parts"]), layout=layout)
        return {"columns": columns, "rows": rows}

    async def _execute(self, params: dict[str, Any]) -> Any:
        await self._need_service(wire.EXECUTE)
        with self._metrics.statement():
            statement = statements.parse(str(params["statement"]), database=str(params.get("database", "")))
            if statement.where == HERE:
                return self._here(statement)
            if statement.where == QUERY:
                return await self._ledger.query(statement.what)
            return await self._ledger.write(statement.what)

    def _here(self, statement: Statement) -> catalog.Answer:
        """What this node answers alone."""
        kind = statement.what["kind"]
        if kind == "version":
            return queries.rows(["version"], [[f"CockroachDB CCL {self._config.build} (stand-in, not a database)"]])
        if kind == "executable version":
            return queries.rows(["crdb_internal.node_executable_version"], [[release.series_of(self._config.build)]])
        if kind == "build info":
            return self._build_info(statement.what["field"])
        if kind == "ranges of node":
            held = sorted(self._ledger.placement.held(statement.what["node"]))[: statement.what["most"]]
            return queries.rows(["range_id"], [[number] for number in held], numeric=[0])
        if kind == "store sums":
            return status.store_sums(self._state(), statement.what["sums"])
        if kind == "node metric":
            found = self._metrics.expiration(statement.what["name"])
            return queries.rows(["value"], [] if found is None else [[found]], numeric=[0])
        if kind == "cluster id":
            return queries.rows(["crdb_internal.cluster_id"], [[self._store.cluster_id]])
        return queries.rows(["?column?"], [[statement.what["value"]]], numeric=[0])

    def _build_info(self, field: str) -> catalog.Answer:
        """What this node says of its own program; one value when its name is asked for."""
        facts = {"Name": "CockroachDB", "ClusterID": self._store.cluster_id, "Version": self._config.build}
        if field:
            return queries.rows(["value"], [[value] for name, value in facts.items() if name == field])
        found = [[self._store.node_id, name, value] for name, value in facts.items()]
        return queries.rows(["node_id", "field", "value"], found, numeric=[0])

    # --- for nodes

    async def _join(self, params: dict[str, Any]) -> Any:
        """Admit a node, by way of the one that writes."""
        self._need_cluster(wire.JOIN)
        asked = {name: str(params[name]) for name in ("store_id", "address", "series")}
        host = asked["address"].partition(":")[0]
        ids = self._gossip.told("node_ids", default={})
        wanted = ids.get(asked["address"]) or ids.get(host.partition(".")[0]) or 0
        admitted = await self._ledger.write({"kind": "admit", **asked, "wanted": wanted})
        return {
            "cluster_id": self._store.cluster_id,
            "node_id": admitted["node_id"],
            "view": self._gossip.view.snapshot(),
        }


def _at_once(method: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    """A method that needs no waiting."""

    async def answer(params: dict[str, Any]) -> Any:
        return method(params)

    return answer
