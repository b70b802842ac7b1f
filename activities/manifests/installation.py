"""What a cluster's administrator applies once a site: namespaces, the two identities, and exactly their rights.

What ops itself makes for a database cluster is in the other modules; which rights are needed is `rights`.
"""

from __future__ import annotations

from typing import Any

from activities.manifests import rights
from activities.manifests.labels import CERTAGENT_ROLE, MANAGED_BY
from activities.manifests.rights import RBAC, Grant
from domain.configuration import Configuration

OPS = "crdbops-ops"
SIGNER = "crdbops-signer"
_LABELS = {"app.kubernetes.io/managed-by": MANAGED_BY, "app.kubernetes.io/part-of": MANAGED_BY}


def installation(configuration: Configuration, site: str) -> list[dict[str, Any]]:
    """Build the objects in the order in which they can be applied."""
    system = configuration.sites[site].system_namespace
    refs = rights.refs_of(configuration, site)
    items = [_namespace(system)]
    items += [_namespace(name) for name in sorted({ref.namespace for ref in refs})]
    items += [_account(OPS, system), _account(SIGNER, system)]
    items.append(_cluster_role(CERTAGENT_ROLE, rights.CERTAGENT))
    for name, grants in (
        (OPS, rights.ops_wide(configuration, site)),
        (SIGNER, rights.signer_wide(configuration, site)),
    ):
        items += [_cluster_role(name, grants), _cluster_binding(name, system)]
    items += _role(SIGNER, system, system, rights.signer_system(configuration, site))
    for ref in refs:
        items += _role(OPS, ref.namespace, system, rights.ops_namespace(ref))
        items += _role(SIGNER, ref.namespace, system, rights.signer_namespace(ref))
    return items


def _meta(name: str, namespace: str = "") -> dict[str, Any]:
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": dict(_LABELS)}


def _namespace(name: str) -> dict[str, Any]:
    meta = _meta(name)
    meta["labels"] |= {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def _account(name: str, namespace: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(name, namespace)}


def _rules(grants: tuple[Grant, ...]) -> list[dict[str, Any]]:
    return [
        {
            "apiGroups": [grant.group],
            "resources": list(grant.resources),
            "verbs": list(grant.verbs),
            **({"resourceNames": list(grant.names)} if grant.names else {}),
        }
        for grant in grants
    ]


def _cluster_role(name: str, grants: tuple[Grant, ...]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": _meta(name),
        "rules": _rules(grants),
    }


def _cluster_binding(name: str, system: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _meta(name),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": system}],
    }


def _role(name: str, namespace: str, system: str, grants: tuple[Grant, ...]) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": _meta(name, namespace),
            "rules": _rules(grants),
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": _meta(name, namespace),
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": system}],
        },
    ]
