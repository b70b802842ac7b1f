"""The StatefulSet of the nodes: CockroachDB's own manifest in today's API, restricted, with certagent before it.

The recorded spec stands in its annotation and is the truth for every later operation.
"""

from __future__ import annotations

from typing import Any

from activities.manifests.labels import NODE_APP, OPERATION, SPEC, labels, metadata, node_selector
from activities.manifests.pod import (
    CERTS_DIR,
    CERTS_MOUNT,
    COCKROACH,
    CONTAINER_SECURITY,
    POD_SECURITY,
    STORE_DIR,
    TMP_MOUNT,
    certagent,
    field,
    volumes,
)
from activities.manifests.services import GRPC_PORT, HTTP_PORT
from domain.certificate import SigningPolicy, profile_of
from domain.model import NODE_ACCOUNT, STATEFULSET, ClusterRef, ClusterSpec, NodeRef, size_bytes

#: The first nodes, named in --join. Three are enough for all others to find the cluster.
_JOIN = 3
#: cockroach-operator and the helm chart give a node this long to drain; the old manifest's 60 s cut drains short.
_GRACE_SECONDS = 300
DATABASE_CONTAINER = "cockroachdb"
CLAIM = "datadir"


def stateful_set(ref: ClusterRef, spec: ClusterSpec, policy: SigningPolicy, *, operation_id: str) -> dict[str, Any]:
    """Build the StatefulSet."""
    meta = metadata(ref, STATEFULSET, operation_id=operation_id, app=NODE_APP)
    meta["annotations"][SPEC] = spec.model_dump_json()
    claim = {
        "metadata": {"name": CLAIM, "labels": labels(ref, app=NODE_APP), "annotations": {OPERATION: operation_id}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": spec.storage_class,
            "resources": {"requests": {"storage": spec.storage}},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": meta,
        "spec": {
            "serviceName": STATEFULSET,
            "replicas": spec.nodes,
            # One after the other would wait for node 0 to be ready, which it is not before init: nobody would start.
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": node_selector(ref)},
            "template": {
                "metadata": {"labels": labels(ref, app=NODE_APP), "annotations": {OPERATION: operation_id}},
                "spec": _pod(ref, spec, policy),
            },
            "volumeClaimTemplates": [claim],
        },
    }


def _pod(ref: ClusterRef, spec: ClusterSpec, policy: SigningPolicy) -> dict[str, Any]:
    resources = {kind: {"cpu": spec.cpu, "memory": spec.memory} for kind in ("requests", "limits")}
    apart = {
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": node_selector(ref)},
        },
    }
    return {
        "serviceAccountName": NODE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": POD_SECURITY,
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "initContainers": [
            certagent(
                ref,
                spec,
                profile_of(policy, kind="node", pod="$(POD_NAME)"),
                own=[f"--store-dir={STORE_DIR}"],
                # The same as the database's: it runs before it and not beside it, so that the pod needs no more.
                resources=resources,
                mounts=[{"name": CLAIM, "mountPath": STORE_DIR}],
            )
        ],
        "containers": [_database(ref, spec, resources)],
        "volumes": volumes(ref),
    }


def _database(ref: ClusterRef, spec: ClusterSpec, resources: dict[str, Any]) -> dict[str, Any]:
    def address(pod: str) -> str:
        return f"{pod}.{STATEFULSET}.{ref.namespace}.svc.{spec.cluster_domain}"

    # A quarter of the memory each, as CockroachDB's manifests have it; computed here, since no shell runs.
    share = size_bytes(spec.memory) // 4
    return {
        "name": DATABASE_CONTAINER,
        "image": spec.database_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [COCKROACH, "start"],
        "args": [
            "--logtostderr",
            f"--certs-dir={CERTS_DIR}",
            f"--store=path={STORE_DIR}",
            f"--advertise-host={address('$(POD_NAME)')}",
            f"--http-addr=0.0.0.0:{HTTP_PORT}",
            "--join=" + ",".join(address(NodeRef(ordinal=n).pod) for n in range(_JOIN)),
            f"--cache={share}",
            f"--max-sql-memory={share}",
        ],
        "env": [
            {"name": "POD_NAME", "valueFrom": field("metadata.name")},
            {"name": "COCKROACH_CHANNEL", "value": "kubernetes-secure"},
            {
                "name": "GOMAXPROCS",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}},
            },
        ],
        "ports": [
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
        ],
        # CockroachDB's manifest waits 10 s before the first probe; after init nothing is gained by that.
        "readinessProbe": {
            "httpGet": {"path": "/health?ready=1", "port": "http", "scheme": "HTTPS"},
            "initialDelaySeconds": 2,
            "periodSeconds": 5,
            "failureThreshold": 2,
        },
        "resources": resources,
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": CLAIM, "mountPath": STORE_DIR}, CERTS_MOUNT, TMP_MOUNT],
    }
