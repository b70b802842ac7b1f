"""One node: its states from waiting for a cluster to shut down, what it answers in each, and its signals.

waiting -> (init here, or admitted by a peer) -> starting -> serving -> draining -> gone. Liveness lost is not a state:
a serving node without a majority says so on its health page and lets statements wait. Not here: exchange with other
nodes (gossip.py), connections (listener.py, rpc.py, peers.py), the flags (config.py).
"""

import asyncio
import signal
import ssl
import time
import uuid
from typing import Any

from devtools.cockroach import banner, certs, log, release, statements, status, wire
from devtools.cockroach.config import Config
from devtools.cockroach.failure import OK, RemoteError, VerbError
from devtools.cockroach.gossip import Gossip
from devtools.cockroach.health import HealthPages
from devtools.cockroach.listener import Listener, send_alerts
from devtools.cockroach.peers import PeerError, Peers
from devtools.cockroach.rpc import Method, Service
from devtools.cockroach.store import Store

WAITING, STARTING, SERVING, DRAINING = "waiting", "starting", "serving", "draining"

_GOSSIP_SECONDS = 1.0
_JOIN_PAUSE_SECONDS = 0.4
_JOIN_CALL_SECONDS = 7.0
_DRAIN_SECONDS = 0.5  # long enough for a probe to see the node leave
_SAY_AGAIN_SECONDS = 10.0


class Server:
    """A node's process."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._state = STARTING if store.cluster_id else WAITING
        self._born = time.monotonic()
        self._failure: VerbError | None = None
        self._said: dict[str, float] = {}

    async def run(self) -> int:
        """Serve until SIGTERM; the exit code, or the error that ended the node."""
        send_alerts()
        self._stop, self._founded = asyncio.Event(), asyncio.Event()
        rpc, http, dial = certs.node_contexts(self._config.certs)
        self._peers = Peers(dial)
        self._gossip = Gossip(self._config, self._store, self._peers, on_foreign=self._foreign)
        pages = HealthPages(self._not_ready)
        self._rpc = Listener(context=rpc, secure=Service(self._methods()).connected)
        self._http = Listener(context=http, secure=pages.secure, plain=pages.plain)
        self._bind()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_quiet)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        tasks = [asyncio.create_task(part) for part in (self._rpc.serve(), self._http.serve(), self._live())]
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopping in done and self._failure is None:
            await self._drain()
        for task in (*tasks, stopping):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self._peers.close()
        failures = [result for result in results if isinstance(result, Exception)]
        if self._failure is not None or failures:
            raise self._failure or failures[0]
        return OK

    def _bind(self) -> None:
        for listener, host, port, what in (
            (self._rpc, self._config.host, self._config.port, "RPC"),
            (self._http, self._config.http_host, self._config.http_port, "HTTP"),
        ):
            try:
                listener.bind(host, port=port)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise VerbError(f"unable to listen on {what} address {host}:{port}: bind: {reason}") from error

    # --- life

    async def _live(self) -> None:
        if self._state == WAITING:
            banner.waiting()
            await self._find_cluster()
        self._state = STARTING
        await self._gossip.round()
        while not self._gossip.is_live():
            self._say("majority", "the server appears to be unable to contact the other nodes in the cluster")
            await asyncio.sleep(0.2)
            await self._gossip.round()
        await self._gossip.round()  # the others know that this node lives before it says so itself
        if self._state == STARTING:
            self._state = SERVING
            self._announce()
        while True:
            await asyncio.sleep(_GOSSIP_SECONDS)
            await self._gossip.round(draining=self._state == DRAINING)

    async def _find_cluster(self) -> None:
        """Ask the join list until somebody admits this node, or init comes."""
        while not self._store.cluster_id:
            for where in self._config.join:
                if where != self._config.advertise and not self._store.cluster_id:
                    await self._ask_to_join(where)
            if not self._store.cluster_id:
                try:
                    await asyncio.wait_for(self._founded.wait(), _JOIN_PAUSE_SECONDS)
                except TimeoutError:
                    continue

    async def _ask_to_join(self, where: str) -> None:
        params = {
            "store_id": self._store.store_id,
            "address": self._config.advertise,
            "series": release.series_of(self._config.build),
        }
        try:
            answer = await self._peers.call(where, wire.JOIN, params, limit=_JOIN_CALL_SECONDS)
        except PeerError as error:
            self._say(where, f"outgoing join rpc to {where} unsuccessful: {error}")
        except RemoteError as error:
            if "incompatible versions" in error.message:
                raise VerbError(f"failed to join cluster: {error.message}") from error
            if "waiting for init" in error.message:
                self._say(where, f"{where} is itself waiting for init, will retry")
            else:
                self._say(where, f"outgoing join rpc to {where} unsuccessful: {error.message}")
        else:
            if not self._store.cluster_id:  # init may have come meanwhile
                self._settle(answer["cluster_id"], int(answer["node_id"]), view=answer["view"])

    def _settle(self, cluster_id: str, node_id: int, *, view: dict[str, Any]) -> None:
        self._store.cluster_id, self._store.node_id = cluster_id, node_id
        self._gossip.view.merge(view, me=node_id)
        self._gossip.beat(draining=False)
        self._gossip.save()
        self._founded.set()

    def _announce(self) -> None:
        if self._store.was_initialized:
            how = "restarted pre-existing node"
        elif self._store.node_id == 1:
            how = "initialized new cluster"
        else:
            how = "initialized new node, joined pre-existing cluster"
        took = time.monotonic() - self._born
        cluster_id, node_id = self._store.cluster_id, self._store.node_id
        banner.serving(self._config, status=how, cluster_id=cluster_id, node_id=node_id, took=took)
        log.info(f"[n{self._store.node_id}] node startup completed")

    def _say(self, about: str, text: str) -> None:
        """Log a recurring line now and then, not at every try."""
        now = time.monotonic()
        if now - self._said.get(about + text, -_SAY_AGAIN_SECONDS) >= _SAY_AGAIN_SECONDS:
            self._said[about + text] = now
            log.info(text)

    def _foreign(self, other: str) -> None:
        """A peer belongs to another cluster: fatal before serving, noise after."""
        mine = self._store.cluster_id
        text = f"node belongs to cluster {mine} but is attempting to connect to a gossip network for cluster {other}"
        if self._state == STARTING:
            self._failure = VerbError(text)
            self._stop.set()
        else:
            self._say("foreign", text)

    # --- signals

    def _terminate(self) -> None:
        if self._stop.is_set():
            raise SystemExit(1)
        self._stop.set()

    def _reload(self) -> None:
        try:
            rpc, http, dial = certs.node_contexts(self._config.certs)
        except (VerbError, ssl.SSLError) as error:
            log.error(f"could not reload certificates: {error}")
            return
        self._rpc.context, self._http.context = rpc, http
        self._peers.use(dial)
        log.info("received signal hangup, reloaded certificates")

    async def _drain(self) -> None:
        was, self._state = self._state, DRAINING
        log.info("initiating graceful shutdown of server")
        if was == SERVING:
            ends_at = asyncio.get_running_loop().time() + _DRAIN_SECONDS
            await asyncio.wait({asyncio.create_task(self._gossip.round(draining=True))}, timeout=_DRAIN_SECONDS)
            await asyncio.sleep(max(0.0, ends_at - asyncio.get_running_loop().time()))
            self._gossip.save()
        log.info("server drained and shutdown completed")

    # --- answers

    def _not_ready(self) -> str:
        if self._state == WAITING:
            return "node is waiting for cluster initialization"
        if self._state == DRAINING:
            return "node is shutting down"
        if self._state == STARTING or not self._gossip.is_live():
            return "node is not healthy"
        return ""

    def _methods(self) -> dict[str, Method]:
        return {
            wire.HEALTH: self._health,
            wire.BOOTSTRAP: self._bootstrap,
            wire.JOIN: self._join,
            wire.GOSSIP: self._exchange,
            wire.NODES: self._nodes,
            wire.EXECUTE: self._execute,
        }

    def _need_cluster(self, method: str) -> None:
        if not self._store.cluster_id:
            raise RemoteError(f"node waiting for init; {method} not available", code="Unavailable")

    async def _need_service(self, method: str) -> None:
        """Wait, for as long as the caller does, until this node can serve."""
        self._need_cluster(method)
        while self._state != DRAINING and (self._state != SERVING or not self._gossip.is_live()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # liveness ends by the clock, not by an event
        if self._state == DRAINING:
            raise RemoteError("server is not accepting clients, try another node", sqlstate="57P01")

    async def _health(self, _params: dict[str, Any]) -> Any:
        return {}

    async def _bootstrap(self, _params: dict[str, Any]) -> Any:
        if self._store.cluster_id:
            raise RemoteError("cluster has already been initialized")
        record = self._gossip.view.admit(self._store.store_id)
        self._gossip.view.set("version", release.series_of(self._config.build), by=1)
        self._settle(str(uuid.uuid4()), 1, view={"liveness": [record], "descriptors": [], "settings": {}})
        return {}

    async def _join(self, params: dict[str, Any]) -> Any:
        self._need_cluster(wire.JOIN)
        return await self._gossip.joined(params)

    async def _exchange(self, params: dict[str, Any]) -> Any:
        self._need_cluster(wire.GOSSIP)
        return await self._gossip.received(params)

    async def _nodes(self, params: dict[str, Any]) -> Any:
        await self._need_service(wire.NODES)
        parts, series = list(params["parts"]), str(params["series"])
        columns, rows = status.table(self._gossip.view, parts=parts, series=series, now=time.time())
        return {"columns": columns, "rows": rows}

    async def _execute(self, params: dict[str, Any]) -> Any:
        await self._need_service(wire.EXECUTE)
        session = statements.Session(
            self._gossip.view,
            node_id=self._store.node_id,
            cluster_id=self._store.cluster_id,
            build=self._config.build,
            active=self._gossip.active_version,
        )
        answer = statements.execute(session, str(params["statement"]))
        if session.wrote:
            self._gossip.save()
            await self._gossip.round()
        return answer


def _quiet(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handshakes that fail are the callers' trouble; anything else is worth a line."""
    error = context.get("exception")
    if not isinstance(error, ssl.SSLError | OSError):
        log.error(f"{context.get('message')}: {error!r}")
