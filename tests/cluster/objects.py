"""Kubernetes objects that the tests of the dev cluster put into it."""

import json
from typing import Any

from devtools.cluster import Cluster

PROBE_IMAGE = "local.invalid/probe:1"


def apply(cluster: Cluster, *objects: dict[str, Any]) -> None:
    """Apply objects as the administrator."""
    cluster.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def claim(namespace: str, name: str) -> dict[str, Any]:
    """A claim of the default class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def restricted_pod(namespace: str, name: str, *, claim_name: str) -> dict[str, Any]:
    """A pod as the database's are: user 1000 without any right, with a volume at /data."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "runAsGroup": 1000,
                "fsGroup": 1000,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": PROBE_IMAGE,
                    "imagePullPolicy": "Never",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}],
        },
    }


def wait_ready(cluster: Cluster, namespace: str, name: str) -> None:
    """Wait until a pod is ready."""
    cluster.kubectl("wait", f"--namespace={namespace}", "--for=condition=Ready", f"pod/{name}", "--timeout=40s")


def in_pod(cluster: Cluster, namespace: str, name: str, script: str) -> str:
    """Run a script of dash, which has few commands but its own."""
    return cluster.kubectl("exec", f"--namespace={namespace}", name, "--", "/bin/dash", "-c", script)
