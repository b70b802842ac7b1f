"""What every dev cluster holds beside Kubernetes' own: cluster DNS, the StorageClass, its provisioner's rights.

Pure builders of objects; `cluster.py` applies them. The product's objects are built in `activities/manifests`.
"""

from pathlib import Path
from typing import Any

from devtools.cluster.layout import CLUSTER_DOMAIN, DNS_ADDRESS, PAUSE_IMAGE, PROVISIONER, STORAGE_CLASS

Manifest = dict[str, Any]

COREFILE = f"""\
.:53 {{
    errors
    health :8080
    ready :8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 5
    }}
    cache 5
}}
"""


def manifests(*, program: Path, node: str) -> list[Manifest]:
    """All objects; `program` is the nodes' program, which CoreDNS is a part of, `node` the one that it runs on."""
    return [*_dns(program=program, node=node), *_storage()]


def _dns(*, program: Path, node: str) -> list[Manifest]:
    metadata = {"name": "coredns", "namespace": "kube-system"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        _cluster_role(
            "system:coredns",
            _rule("", ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
            _rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"]),
        ),
        _binding("system:coredns", role="system:coredns", subject={"kind": "ServiceAccount", **metadata}),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": COREFILE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
                "template": {
                    "metadata": {"labels": {"k8s-app": "kube-dns"}},
                    "spec": {
                        "serviceAccountName": "coredns",
                        "dnsPolicy": "Default",
                        "priorityClassName": "system-cluster-critical",
                        # With the control plane: neither a killed node nor a drained one takes all names away.
                        "nodeSelector": {"kubernetes.io/hostname": node},
                        "tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}],
                        "containers": [_dns_container()],
                        "volumes": [
                            {"name": "conf", "configMap": {"name": "coredns"}},
                            {"name": "program", "hostPath": {"path": str(program), "type": "File"}},
                        ],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {
                "clusterIP": DNS_ADDRESS,
                "selector": {"k8s-app": "kube-dns"},
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
    ]


def _dns_container() -> Manifest:
    return {
        "name": "coredns",
        "image": PAUSE_IMAGE,  # as good as empty: the program comes from the node
        "imagePullPolicy": "Never",
        "command": ["/hyper", "coredns", "-conf", "/etc/coredns/Corefile"],
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
        "volumeMounts": [
            {"name": "conf", "mountPath": "/etc/coredns"},
            {"name": "program", "mountPath": "/hyper", "readOnly": True},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
    }


def _storage() -> list[Manifest]:
    user = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "crdbops-local-provisioner"}
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        _cluster_role("crdbops-local-provisioner", _rule("", ["nodes"], ["get", "list", "watch"])),
        _binding("crdbops-local-provisioner", role="crdbops-local-provisioner", subject=user),
        # One of Kubernetes' own roles, made for provisioners.
        _binding("crdbops-local-provisioner-volumes", role="system:persistent-volume-provisioner", subject=user),
    ]


def _rule(group: str, resources: list[str], verbs: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _cluster_role(name: str, *rules: Manifest) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": list(rules),
    }


def _binding(name: str, *, role: str, subject: Manifest) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
