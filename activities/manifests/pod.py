"""What node pods and the client pod have in common: security, certagent's init container, its volumes.

Everything keeps the restricted Pod Security standard. The pods themselves are `statefulset` and `client_pod`.
"""

from __future__ import annotations

from typing import Any, Final

from activities.manifests.labels import ASK_AGAIN
from domain.certificate import CertificateProfile
from domain.model import ClusterRef, ClusterSpec

CERTS_DIR: Final = "/cockroach/cockroach-certs"
STORE_DIR: Final = "/cockroach/cockroach-data"
COCKROACH: Final = "/cockroach/cockroach"
INIT_CONTAINER: Final = "certagent"
#: User and group of the database and of certagent: both write the data volume.
_USER: Final = 1000

POD_SECURITY: Final[dict[str, Any]] = {
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "fsGroup": _USER,
    # Else the kubelet adds group bits to every file of the volume at each start, and to keys that must stay 0400.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
CERTS_MOUNT: Final = {"name": "certs", "mountPath": CERTS_DIR, "readOnly": True}
TMP_MOUNT: Final = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - an emptyDir of the pod's own


def field(path: str) -> dict[str, Any]:
    """Return the downward API's reference to a field of the pod."""
    return {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}


def certagent(
    ref: ClusterRef,
    spec: ClusterSpec,
    profile: CertificateProfile,
    *,
    own: list[str],
    resources: dict[str, Any],
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    """Build the init container.

    Args:
        ref: The cluster.
        spec: Its spec.
        profile: The names to ask for; ``$(POD_NAME)`` in them is filled in by the kubelet.
        own: Arguments of this kind of certificate alone.
        resources: What it may use.
        mounts: Volumes beside those that every certagent has.
    """
    signer = spec.node_signer if profile.kind == "node" else spec.client_signer
    arguments = [
        f"--type={profile.kind}",
        f"--cluster={ref.cluster}",
        f"--namespace={ref.namespace}",
        "--pod=$(POD_NAME)",
        "--pod-uid=$(POD_UID)",
        f"--signer-name={signer}",
        *(f"--dns-name={name}" for name in profile.dns_names),
        *(f"--ip-address={address}" for address in profile.ip_addresses),
        f"--expiration-seconds={profile.days * 24 * 60 * 60}",
        "--ca-file=/crdbops/ca/ca.crt",
        f"--certs-dir={CERTS_DIR}",
        "--ask-again-file=/crdbops/podinfo/ask-again",
        *own,
    ]
    return {
        "name": INIT_CONTAINER,
        "image": spec.agent_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/crdbops/certagent"],
        "args": arguments,
        "env": [
            {"name": "POD_NAME", "valueFrom": field("metadata.name")},
            {"name": "POD_UID", "valueFrom": field("metadata.uid")},
        ],
        "resources": resources,
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "certs", "mountPath": CERTS_DIR},
            {"name": "ca", "mountPath": "/crdbops/ca", "readOnly": True},
            {"name": "podinfo", "mountPath": "/crdbops/podinfo", "readOnly": True},
            {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
            TMP_MOUNT,
            *mounts,
        ],
    }


def volumes(ref: ClusterRef) -> list[dict[str, Any]]:
    """Build the volumes: keys in memory, the CA, the ask-again annotation, a token bound to the pod, a /tmp."""
    token = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", **field("metadata.namespace")}]}},
    ]
    asked = [{"path": "ask-again", **field(f"metadata.annotations['{ASK_AGAIN}']")}]
    return [
        {"name": "certs", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "ca", "configMap": {"name": ref.ca_config_map}},
        {"name": "podinfo", "downwardAPI": {"items": asked}},
        {"name": "token", "projected": {"sources": token}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
