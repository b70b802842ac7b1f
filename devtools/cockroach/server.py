"""One node: its phases from waiting for a cluster to shut down, and its signals.

waiting -> (init here, or admitted by a peer) -> starting -> serving -> draining -> gone. Liveness lost is not a phase:
a serving node without a majority says so on its health page and lets statements wait. Not here: what it answers
(answers.py), exchange with other nodes (gossip.py, replication.py), connections (listener.py, rpc.py, peers.py).
"""

import asyncio
import contextlib
import signal
import ssl
import time
from typing import Any

from devtools.cockroach import banner, certs, log, release, status, wire
from devtools.cockroach.admin import Admin
from devtools.cockroach.answers import Answers
from devtools.cockroach.config import Config
from devtools.cockroach.failure import OK, RemoteError, VerbError
from devtools.cockroach.faults import Faults
from devtools.cockroach.finalizer import Finalizer
from devtools.cockroach.gossip import Gossip
from devtools.cockroach.health import HealthPages
from devtools.cockroach.journal import Journal
from devtools.cockroach.ledger import Ledger
from devtools.cockroach.listener import Listener, send_alerts
from devtools.cockroach.metrics import Metrics
from devtools.cockroach.peers import PeerError, Peers
from devtools.cockroach.phase import DRAINING, REMOVED, SERVING, STARTING, WAITING, Life
from devtools.cockroach.rebalancer import Rebalancer
from devtools.cockroach.rpc import Service
from devtools.cockroach.store import Store

_JOIN_PAUSE_SECONDS = 0.4
_JOIN_CALL_SECONDS = 7.0
_START_PAUSE_SECONDS = 0.1
_DRAIN_SECONDS = 0.5  # long enough for a probe to see the node leave
_SAY_AGAIN_SECONDS = 10.0


class Server:
    """A node's process."""

    def __init__(self, config: Config, store: Store, journal: Journal, *, faults: Faults, metrics: Metrics) -> None:
        self._config = config
        self._store = store
        self._journal = journal
        self._faults = faults
        self._metrics = metrics
        self._life = Life(STARTING if store.cluster_id else WAITING)
        self._born = time.monotonic()
        self._failure: VerbError | None = None
        self._said: dict[str, float] = {}

    async def run(self) -> int:
        """Serve until SIGTERM; the exit code, or the error that ended the node."""
        send_alerts()
        self._stop = asyncio.Event()
        rpc, http, dial = certs.node_contexts(self._config.certs)
        self._peers = Peers(dial)
        self._wire_up()
        pages = HealthPages(not_ready=self._not_ready, metrics=self._page)
        self._rpc = Listener(context=rpc, secure=Service(self._answers.methods()).connected)
        self._http = Listener(context=http, secure=pages.secure, plain=pages.plain)
        self._bind()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_quiet)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        parts = (self._ledger.run(), self._rebalancer.run(), self._finalizer.run())
        tasks = [asyncio.create_task(part) for part in (self._rpc.serve(), self._http.serve(), self._live(), *parts)]
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

    def _wire_up(self) -> None:
        """Make the parts and let them hear of each other."""
        config, store, journal = self._config, self._store, self._journal
        self._gossip = Gossip(config, store, journal, self._peers, on_foreign=self._foreign, on_removed=self._removed)
        self._ledger = Ledger(
            config,
            store,
            journal,
            self._peers,
            gossip=self._gossip,
            life=self._life,
            on_applied=self._metrics.applied.add,
            on_outdated=self._outdated,
        )
        self._gossip.more = lambda: {"committed": self._ledger.replication.committed}
        self._gossip.on_heard = lambda said: self._ledger.heard(int(said["from"]), committed=int(said["committed"]))
        self._gossip.round_trips = self._metrics.round_trips.add
        self._gossip.faults = lambda: self._faults.now().shared
        self._rebalancer = Rebalancer(journal, gossip=self._gossip, ledger=self._ledger)
        self._finalizer = Finalizer(config, journal, gossip=self._gossip, ledger=self._ledger)
        self._admin = Admin(
            store,
            journal,
            self._peers,
            gossip=self._gossip,
            ledger=self._ledger,
            rebalancer=self._rebalancer,
            life=self._life,
            faults=self._faults,
            terminate=self._stop.set,
            spread=self._round,
        )
        self._answers = Answers(
            config,
            store,
            journal,
            gossip=self._gossip,
            ledger=self._ledger,
            life=self._life,
            faults=self._faults,
            metrics=self._metrics,
            admin=self._admin,
        )

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
        if self._life.phase == WAITING:
            banner.waiting()
            await self._find_cluster()
        self._life.phase = STARTING
        await self._round()
        while not (self._gossip.is_live() and self._ledger.is_settled):
            if not self._gossip.is_live():
                self._say("majority", "the server appears to be unable to contact the other nodes in the cluster")
            await asyncio.sleep(_START_PAUSE_SECONDS)
            await self._round()
        await self._round()  # the others know that this node lives before it says so itself
        if self._life.phase == STARTING:
            self._life.phase = SERVING
            self._announce()
        while True:
            await asyncio.sleep(self._config.heartbeat)
            await self._round()

    async def _round(self) -> None:
        await self._gossip.round(draining=self._life.phase in (DRAINING, REMOVED))
        self._ledger.wake()

    async def _find_cluster(self) -> None:
        """Ask the join list until somebody admits this node, or init comes."""
        while not self._store.cluster_id:
            for where in self._config.join:
                if where != self._config.advertise and not self._store.cluster_id:
                    await self._ask_to_join(where)
            if not self._store.cluster_id:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_JOIN_PAUSE_SECONDS):
                        await self._answers.founded.wait()

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
        self._journal.cut(0)  # of an init that was cut off before anybody heard of it
        self._store.cluster_id, self._store.node_id = cluster_id, node_id
        self._gossip.view.merge(view, me=node_id)
        self._store.addresses = self._gossip.view.addresses()
        self._store.save()

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
        if self._life.phase == STARTING:
            self._failure = VerbError(text)
            self._stop.set()
        else:
            self._say("foreign", text)

    def _outdated(self, text: str) -> None:
        """The active version has become too new for this binary: fatal at any time."""
        self._failure = VerbError(text)
        self._stop.set()

    def _removed(self, text: str) -> None:
        """The others say that this node was decommissioned: fatal at a start, no service from then on later."""
        if self._life.phase == STARTING:
            self._failure = VerbError(text)
            self._stop.set()
        elif self._life.phase != REMOVED:
            log.error(text)
            self._life.phase, self._life.farewell = REMOVED, text

    # --- signals

    def _terminate(self) -> None:
        if self._stop.is_set():
            raise SystemExit(1)
        self._stop.set()

    def _reload(self) -> None:
        try:
            rpc, http, dial = certs.node_contexts(self._config.certs)
        except (VerbError, OSError) as error:
            reason = str(error).rsplit("\n", 1)[-1]
            log.error(f"could not reload certificates, the ones before stay in use: {reason}")
            return
        self._rpc.context, self._http.context = rpc, http
        self._peers.use(dial)
        self._metrics.read_certificates()
        log.info("received signal hangup, reloaded certificates")

    async def _drain(self) -> None:
        was, self._life.phase = self._life.phase, DRAINING
        log.info("initiating graceful shutdown of server")
        if was == SERVING:
            ends_at = asyncio.get_running_loop().time() + max(_DRAIN_SECONDS, self._faults.now().drain_seconds)
            await asyncio.wait({asyncio.create_task(self._round())}, timeout=_DRAIN_SECONDS)
            await asyncio.sleep(max(0.0, ends_at - asyncio.get_running_loop().time()))
        log.info("server drained and shutdown completed")

    # --- pages

    def _not_ready(self) -> str:
        reason = self._life.not_ready(is_live=self._gossip.is_live(), is_active=self._admin.is_active())
        return reason or self._faults.now().not_ready

    def _page(self) -> str:
        view, roster, node_id, now = self._gossip.view, self._journal.roster, self._store.node_id, time.time()
        known = node_id in roster.nodes
        state = status.State(view, roster, self._ledger.placement, copies=self._ledger.catalog.copies)
        return self._metrics.page(
            node_id=node_id,
            live_nodes=sum(1 for node in roster.nodes if view.is_live(node, now=now)),
            ranges=status.ranges(state, node_id) if known else {},
            clock_offset=self._gossip.clock_offset,
        )


def _quiet(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handshakes that fail are the callers' trouble; anything else is worth a line."""
    error = context.get("exception")
    if not isinstance(error, ssl.SSLError | OSError):
        log.error(f"{context.get('message')}: {error!r}")
