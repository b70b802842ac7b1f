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


def spread_set(namespace: str, name: str, *, replicas: int) -> list[dict[str, Any]]:
    """A StatefulSet whose pods share no node and are disrupted one at a time, and a Service for the pods that serve."""
    labels = {"app": name}
    metadata = {"name": name, "namespace": namespace}
    template = restricted_pod(namespace, name, claim_name="data")["spec"]
    del template["volumes"]
    template["containers"][0]["command"] = ["/bin/dash", "-c", "echo started; exec /pause"]
    template["affinity"] = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
            ]
        }
    }
    data = claim(namespace, "data")
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"clusterIP": "None", "selector": labels},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata | {"name": "hello"},
            "spec": {"selector": {"serves": "yes"}, "ports": [{"port": 8000}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata,
            "spec": {
                "serviceName": name,
                "replicas": replicas,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": template},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": data["spec"]}],
            },
        },
    ]


def wait_ready(cluster: Cluster, namespace: str, name: str) -> None:
    """Wait until a pod is ready."""
    cluster.kubectl("wait", f"--namespace={namespace}", "--for=condition=Ready", f"pod/{name}", "--timeout=40s")


def in_pod(cluster: Cluster, namespace: str, name: str, script: str) -> str:
    """Run a script of dash, which has few commands but its own."""
    return cluster.kubectl("exec", f"--namespace={namespace}", name, "--", "/bin/dash", "-c", script)
