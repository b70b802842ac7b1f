"""The rows of a status: what Kubernetes shows and what the database says, put together by address. Pure.

A node's place is the address of its row, never its id. Asking is `looks` and `standing`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from activities import pods
from activities.clients import pki
from activities.csr_object import CsrObject, Object
from activities.manifests.statefulset import CLAIM, DATABASE_CONTAINER
from activities.progress import certificate
from activities.standing import Standing
from domain.certificate import SigningPolicy
from domain.health import NodeStatus, places
from domain.model import CLIENT_POD, NodeRef
from operations.status import NodeRow, Part, Ranges

KUBERNETES, DATABASE, CERTIFICATES = "pods and volumes", "database", "certificates"


class Seen(NamedTuple):
    """All that one look has seen of a cluster."""

    pods: dict[str, Object]
    claims: dict[str, Object]
    csrs: tuple[CsrObject, ...]
    policy: SigningPolicy
    standing: Standing


def node_row(node: NodeRef, seen: Seen) -> NodeRow:
    """Return the row of one pod, with its node's where that is known."""
    pod = seen.pods.get(node.pod)
    trouble = pods.trouble(pod) if pod else None
    row = NodeRow(
        pod=node.pod,
        phase=_phase(pod),
        is_ready=pods.is_ready(pod) if pod else False,
        restarts=pods.restarts(pod) if pod else 0,
        volume=_volume(seen.claims.get(f"{CLAIM}-{node.pod}")),
        certificate=certificate(node.pod, pod, seen.csrs, seen.policy).state,
        image=pods.image(pod, DATABASE_CONTAINER) if pod else "",
        trouble=trouble.sentence if trouble else "",
    )
    until, by = seen.standing.until.get(node.ordinal), "node"
    if until is None:
        until, by = issued_until(node.pod, seen), "request"
    if until is not None:
        row = row.model_copy(update={"certificate_until": until, "certificate_by": by})
    found = places(seen.standing.nodes).get(node.ordinal)
    return _with_node(row, found) if found else row


def podless(seen: Seen, *, replicas: int) -> tuple[NodeRow, ...]:
    """Return the members of the database whose pod is not there: dead ones, or others at a pod's address."""
    here = {node.id for ordinal, node in places(seen.standing.nodes).items() if ordinal < replicas}
    return tuple(
        _with_node(NodeRow(pod="", phase="no pod", is_ready=False), node)
        for node in seen.standing.nodes
        if node.is_member and node.id not in here
    )


def ranges_of(standing: Standing) -> Ranges | None:
    """Sum up what the members say; nothing when they were not asked."""
    members = [node for node in standing.nodes if node.is_member]
    if not members:
        return None
    return Ranges(
        under_replicated=sum(node.under_replicated for node in members),
        unavailable=sum(node.unavailable for node in members),
    )


def parts_of(seen: Seen) -> tuple[Part, ...]:
    """Say of when the database's figures are, or why there are none."""
    standing = seen.standing
    said = [node.updated_at for node in standing.nodes if node.is_live and node.updated_at is not None]
    return (
        Part(name=DATABASE, at=standing.at, oldest=min(said, default=None), reason=standing.reason),
        Part(name=CERTIFICATES, at=standing.until_at, reason=standing.silence),
    )


def client_of(seen: Seen) -> str:
    """Say how the client pod stands."""
    pod = seen.pods.get(CLIENT_POD)
    if pod is None:
        return "missing"
    if pods.is_ready(pod):
        return "ready"
    trouble = pods.trouble(pod)
    return trouble.sentence if trouble else certificate(CLIENT_POD, pod, seen.csrs, seen.policy).state


def issued_until(name: str, seen: Seen) -> datetime | None:
    """Return until when the certificate in the pod's request is valid; Kubernetes keeps a request for about an hour."""
    pod = seen.pods.get(name)
    uid = pod["metadata"]["uid"] if pod else ""
    issued = [csr for csr in seen.csrs if csr.pod_uid == uid and csr.certificate_pem]
    newest = max(issued, key=lambda csr: csr.created_at, default=None)
    facts = pki.facts_of(newest.certificate_pem) if newest else None
    return facts.not_after if facts else None


def _with_node(row: NodeRow, node: NodeStatus) -> NodeRow:
    return row.model_copy(
        update={
            "node_id": str(node.id),
            "is_live": node.is_live,
            "build": node.build,
            "address": node.address,
            "is_draining": node.is_draining,
            "membership": node.membership,
            # What a dead node last said of its replicas means nothing.
            "replicas": node.replicas if node.is_live else None,
        }
    )


def _phase(pod: Object | None) -> str:
    if pod is None:
        return "missing"
    return "ending" if pods.is_leaving(pod) else str(pod.get("status", {}).get("phase", ""))


def _volume(claim: Object | None) -> str:
    if claim is None:
        return "none"
    status = claim.get("status", {})
    size = (status.get("capacity") or {}).get("storage", "")
    return f"{status.get('phase', '')} {size}".strip()
