"""Accounts and rights of the cluster's own pods, the Secret of the client pod, and the ConfigMap with the CA.

Nodes have no right but to ask for certificates. The client pod may also keep its key in one Secret, by name. Rights of
ops and signer are `installation`.
"""

from __future__ import annotations

from typing import Any

from activities.manifests.labels import CERTAGENT_ROLE, CLIENT_ROLE, metadata
from domain.model import CLIENT_ACCOUNT, NODE_ACCOUNT, ClusterRef

RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"{RBAC_GROUP}/v1"


def service_account(ref: ClusterRef, name: str, *, operation_id: str) -> dict[str, Any]:
    """Build a pod's account. Its token is mounted by nobody but the init container, which projects its own."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(ref, name, operation_id=operation_id),
        "automountServiceAccountToken": False,
    }


def accounts(ref: ClusterRef, *, operation_id: str) -> list[dict[str, Any]]:
    """Build both accounts."""
    return [service_account(ref, name, operation_id=operation_id) for name in (NODE_ACCOUNT, CLIENT_ACCOUNT)]


def client_secret(ref: ClusterRef, *, operation_id: str) -> dict[str, Any]:
    """Build the Secret of root's key and certificate: without data, which is certagent's, so that applying keeps it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(ref, ref.client_secret, operation_id=operation_id),
        "type": "Opaque",
    }


def client_role(ref: ClusterRef, *, operation_id: str) -> dict[str, Any]:
    """Build the right on that one Secret."""
    return {
        "apiVersion": _RBAC,
        "kind": "Role",
        "metadata": metadata(ref, CLIENT_ROLE, operation_id=operation_id),
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": [ref.client_secret],
                "verbs": ["get", "update"],
            }
        ],
    }


def client_role_binding(ref: ClusterRef, *, operation_id: str) -> dict[str, Any]:
    """Give that right to the client pod's account."""
    return {
        "apiVersion": _RBAC,
        "kind": "RoleBinding",
        "metadata": metadata(ref, CLIENT_ROLE, operation_id=operation_id),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": CLIENT_ROLE},
        "subjects": [_subject(ref, CLIENT_ACCOUNT)],
    }


def certagent_binding(ref: ClusterRef, *, operation_id: str) -> dict[str, Any]:
    """Let both accounts ask for certificates. CSRs are cluster-scoped, hence the name with the namespace in it."""
    return {
        "apiVersion": _RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": metadata(ref, ref.certagent_binding, operation_id=operation_id, is_namespaced=False),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": CERTAGENT_ROLE},
        "subjects": [_subject(ref, NODE_ACCOUNT), _subject(ref, CLIENT_ACCOUNT)],
    }


def ca_config_map(ref: ClusterRef, *, operation_id: str, certificate_pem: str) -> dict[str, Any]:
    """Build the ConfigMap by which pods know the cluster's CA."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(ref, ref.ca_config_map, operation_id=operation_id),
        "data": {"ca.crt": certificate_pem},
    }


def _subject(ref: ClusterRef, name: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": ref.namespace}
