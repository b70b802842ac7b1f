"""Whom to ask about the nodes: any that is ready, the lowest ordinal first, since the highest leave first.

The words are `activities.clients.roach`; what the answers mean is `domain.health`.
"""

from __future__ import annotations

from datetime import timedelta

from activities import pods
from activities.manifests.labels import selector_text
from activities.ports import ClusterPort, NodePort
from domain.errors import NotReadyError, TransientError
from domain.health import NodeStatus, node_statuses
from domain.model import CLIENT_POD, ClusterRef, ClusterSpec, NodeRef

#: So many nodes are tried before it is said that none answers.
_TRIES = 3
_PAUSE = timedelta(seconds=5)


async def ready_nodes(cluster: ClusterPort, ref: ClusterRef) -> tuple[NodeRef, ...]:
    """Return the nodes whose pods are ready, lowest ordinal first; those that merely run when none is."""
    listing = await cluster.list("Pod", namespace=ref.namespace, labels=selector_text(ref))
    found = [pod for pod in listing.items if pod["metadata"]["name"] != CLIENT_POD]
    best = [pod for pod in found if pods.is_ready(pod)] or [pod for pod in found if pods.is_running(pod)]
    ordinals = (pods.ordinal(pod["metadata"]["name"]) for pod in best)
    return tuple(NodeRef(ordinal=number) for number in sorted(o for o in ordinals if o is not None))


async def one_ready(cluster: ClusterPort, ref: ClusterRef) -> NodeRef:
    """Return a node to send a command through.

    Raises:
        NotReadyError: `nodes.none-ready`.
    """
    found = await ready_nodes(cluster, ref)
    if not found:
        raise NotReadyError(
            "nodes.none-ready",
            f"{ref}: found no node that is ready, expected one to ask.",
            retry_after=_PAUSE,
            hint="Look at the pods: /crdb status.",
        )
    return found[0]


async def members(cluster: ClusterPort, nodes: NodePort, ref: ClusterRef, spec: ClusterSpec) -> tuple[NodeStatus, ...]:
    """Return all rows of `node status`, from the first node that answers.

    Raises:
        NotReadyError: `nodes.none-ready`, `nodes.no-client-pod`.
        TransientError: The last node's own words, when none answers.
    """
    found = await ready_nodes(cluster, ref) or (await one_ready(cluster, ref),)
    last: TransientError | None = None
    for node in found[:_TRIES]:
        try:
            return node_statuses(await nodes.rows(ref, node, domain=spec.cluster_domain))
        except TransientError as error:
            last = error
    assert last is not None
    raise last
