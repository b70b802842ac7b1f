"""Whom to ask about the nodes: any that is ready, the lowest ordinal first, since the highest leave first.

The words are `activities.clients.roach`; what the answers mean is `domain.health`.
"""

from __future__ import annotations

from datetime import timedelta

from activities import pods
from activities.manifests.labels import selector_text
from activities.ports import ClusterPort, NodePort
from activities.waiting import beating
from domain.errors import NotReadyError, TransientError
from domain.health import NodeStatus, node_statuses
from domain.model import CLIENT_POD, ClusterRef, ClusterSpec, NodeRef

#: So many nodes are tried before it is said that none answers.
_TRIES = 3
Nodes = tuple[NodeRef, ...]
_PAUSE = timedelta(seconds=5)


async def ready_nodes(cluster: ClusterPort, ref: ClusterRef) -> tuple[NodeRef, ...]:
    """Return the nodes whose pods are ready, lowest ordinal first; those that merely run when none is."""
    listing = await cluster.list("Pod", namespace=ref.namespace, labels=selector_text(ref))
    found = [pod for pod in listing.items if pod["metadata"]["name"] != CLIENT_POD]
    best = [pod for pod in found if pods.is_ready(pod)] or [pod for pod in found if pods.is_running(pod)]
    ordinals = (pods.ordinal(pod["metadata"]["name"]) for pod in best)
    return tuple(NodeRef(ordinal=number) for number in sorted(o for o in ordinals if o is not None))


class Asking:
    """Asks about the nodes of one cluster; which of them are ready is looked up once, and again when none answers.

    So that a poll of the database is no poll of Kubernetes as well. `ready` is what an earlier one has found.
    """

    def __init__(
        self, cluster: ClusterPort, nodes: NodePort, ref: ClusterRef, spec: ClusterSpec, *, ready: Nodes = ()
    ) -> None:
        self._cluster, self._nodes, self._ref, self._spec = cluster, nodes, ref, spec
        self._ready = ready

    @property
    def ready(self) -> Nodes:
        """The nodes that were ready when they were last looked up; none when the last question had no answer."""
        return self._ready

    async def through(self) -> NodeRef:
        """Return a node to send a command through.

        Raises:
            NotReadyError: `nodes.none-ready`.
        """
        self._ready = self._ready or await ready_nodes(self._cluster, self._ref)
        if not self._ready:
            raise NotReadyError(
                "nodes.none-ready",
                f"{self._ref}: found no node that is ready, expected one to ask.",
                retry_after=_PAUSE,
                hint="Look at the pods: /crdb status.",
            )
        return self._ready[0]

    async def members(self) -> tuple[NodeStatus, ...]:
        """Return all rows of `node status`, from the first node that answers.

        Raises:
            NotReadyError: `nodes.none-ready`, `nodes.no-client-pod`.
            TransientError: The last node's own words, when none answers.
        """
        await self.through()
        last: TransientError | None = None
        for node in self._ready[:_TRIES]:
            try:
                return node_statuses(await self._nodes.rows(self._ref, node, domain=self._spec.cluster_domain))
            except TransientError as error:
                last = error
        self._ready = ()
        assert last is not None
        raise last

    async def database(self) -> dict[str, object]:
        """Return the facts `nodes`, `database` and `detail`: the rows, or why there are none."""
        try:
            return {"nodes": await beating(self.members())}
        except (TransientError, NotReadyError) as error:
            detail = error.message
        for node in (await ready_nodes(self._cluster, self._ref))[:1]:
            try:
                answer = await self._nodes.ask(self._ref, node, domain=self._spec.cluster_domain)
            except NotReadyError:
                break
            if answer.state == "waiting-for-init":
                return {"database": "waiting-for-init"}
        return {"database": "silent", "detail": detail}

    async def rows(self, statement: str) -> tuple[dict[str, str], ...]:
        """Run a statement through a ready node.

        Raises:
            NotReadyError: `nodes.none-ready`, `nodes.no-client-pod`.
            TransientError: The node's own words; the next question goes to whoever is ready then.
        """
        through = await self.through()
        work = self._nodes.query(self._ref, through, domain=self._spec.cluster_domain, statement=statement)
        try:
            return await beating(work)
        except TransientError:
            self._ready = ()
            raise

    async def value(self, statement: str) -> str:
        """Run a statement and return the first value of its answer, "" without one; raises like `rows`."""
        return next((value for row in await self.rows(statement) for value in row.values()), "")
