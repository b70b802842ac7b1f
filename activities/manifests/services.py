"""The two Services and the PodDisruptionBudget, as CockroachDB's own manifests have them, in today's API versions."""

from __future__ import annotations

from typing import Any, Final

from activities.manifests.labels import BUDGET, NODE_APP, metadata, node_selector
from domain.model import PUBLIC_SERVICE, STATEFULSET, ClusterRef

GRPC_PORT: Final = 26257
HTTP_PORT: Final = 8080
_PORTS: Final = [
    {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "protocol": "TCP"},
    {"name": "http", "port": HTTP_PORT, "targetPort": "http", "protocol": "TCP"},
]


def public_service(ref: ClusterRef, *, operation_id: str) -> dict[str, Any]:
    """Build the Service that clients use: ready nodes alone."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(ref, PUBLIC_SERVICE, operation_id=operation_id, app=NODE_APP),
        "spec": {"type": "ClusterIP", "ports": _PORTS, "selector": node_selector(ref)},
    }


def headless_service(ref: ClusterRef, *, operation_id: str) -> dict[str, Any]:
    """Build the Service that gives each node its name. Peers have to find each other before anybody is ready."""
    meta = metadata(ref, STATEFULSET, operation_id=operation_id, app=NODE_APP)
    meta["annotations"] |= {
        "prometheus.io/scrape": "true",
        "prometheus.io/scheme": "https",
        "prometheus.io/path": "_status/vars",
        "prometheus.io/port": str(HTTP_PORT),
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "ports": _PORTS,
            "selector": node_selector(ref),
        },
    }


def budget(ref: ClusterRef, *, operation_id: str) -> dict[str, Any]:
    """Build the budget: one node at a time may be away on purpose."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(ref, BUDGET, operation_id=operation_id, app=NODE_APP),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": node_selector(ref)}},
    }
