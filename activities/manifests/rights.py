"""Who needs which right, as data: installed by `installation`, asked for one by one by every preflight.

Ops and signer are two identities; neither holds a right of the other that would let it mint a certificate alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from activities.manifests.labels import CERTAGENT_ROLE
from activities.ports import Rule
from domain.configuration import Configuration
from domain.model import ClusterRef

CERTIFICATES = "certificates.k8s.io"
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Grant:
    """One rule of a role: verbs on resources of an API group, on some names or on all."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def rules(self, *, namespace: str = "") -> tuple[Rule, ...]:
        """Return the single rights in it."""
        return tuple(
            Rule(
                verb=verb,
                group=self.group,
                resource=resource.partition("/")[0],
                subresource=resource.partition("/")[2],
                namespace=namespace,
                name=name,
            )
            for resource in self.resources
            for verb in self.verbs
            for name in self.names or ("",)
        )


#: What certagent may do; bound to the pods' accounts by a ClusterRoleBinding a cluster.
CERTAGENT: tuple[Grant, ...] = (Grant(CERTIFICATES, ("certificatesigningrequests",), ("create", "get", "watch")),)

_APPLY = ("get", "create", "patch")


def _signers(configuration: Configuration, site: str) -> tuple[str, ...]:
    return configuration.sites[site].node_signer, configuration.sites[site].client_signer


def refs_of(configuration: Configuration, site: str) -> tuple[ClusterRef, ...]:
    """Return the clusters of a site."""
    return tuple(configuration.ref(name) for name, c in sorted(configuration.clusters.items()) if c.site == site)


def ops_wide(configuration: Configuration, site: str) -> tuple[Grant, ...]:
    """Return what ops may do everywhere. Clusterrolebindings: patch is what server-side apply asks for."""
    refs = refs_of(configuration, site)
    return (
        Grant(CERTIFICATES, ("certificatesigningrequests",), ("get", "list", "watch")),
        Grant(CERTIFICATES, ("certificatesigningrequests/approval",), ("update",)),
        Grant(CERTIFICATES, ("signers",), ("approve",), _signers(configuration, site)),
        Grant("", ("nodes",), ("get", "list")),
        Grant("storage.k8s.io", ("storageclasses",), ("get", "list")),
        Grant("", ("persistentvolumes",), ("get",)),
        Grant("", ("namespaces",), ("get",), tuple(sorted({ref.namespace for ref in refs}))),
        Grant(RBAC, ("clusterrolebindings",), ("create",)),
        Grant(RBAC, ("clusterrolebindings",), ("get", "patch", "delete"), tuple(ref.certagent_binding for ref in refs)),
        Grant(RBAC, ("clusterroles",), ("bind",), (CERTAGENT_ROLE,)),
    )


def ops_namespace(ref: ClusterRef) -> tuple[Grant, ...]:
    """Return what ops may do in the namespace of a cluster.

    The Secret is created before it can be named in a request; everything else on it is by name. `update` on it is held
    because ops grants it to the client pod, and nobody can grant what they do not hold.
    """
    return (
        Grant("", ("pods",), ("get", "list", "watch", "create", "patch", "delete")),
        Grant("", ("pods/exec",), ("create", "get")),
        Grant("", ("secrets",), ("create",)),
        Grant("", ("secrets",), ("get", "patch", "update"), (ref.client_secret,)),
        Grant("", ("configmaps",), _APPLY),
        Grant("", ("services", "serviceaccounts"), _APPLY),
        # Patch writes down which node left a volume; delete follows a decision of its own.
        Grant("", ("persistentvolumeclaims",), ("get", "list", "watch", "patch", "delete")),
        Grant("apps", ("statefulsets",), ("get", "list", "watch", "create", "patch")),
        Grant("policy", ("poddisruptionbudgets",), _APPLY),
        Grant(RBAC, ("roles", "rolebindings"), _APPLY),
    )


def signer_wide(configuration: Configuration, site: str) -> tuple[Grant, ...]:
    """Return what the signer may do everywhere."""
    return (
        Grant(CERTIFICATES, ("certificatesigningrequests",), ("get", "list", "watch")),
        Grant(CERTIFICATES, ("certificatesigningrequests/status",), ("update",)),
        Grant(CERTIFICATES, ("signers",), ("sign",), _signers(configuration, site)),
    )


def signer_system(configuration: Configuration, site: str) -> tuple[Grant, ...]:
    """Return what the signer may do in the system namespace: CA Secrets, made once and read by name."""
    names = tuple(ref.ca_secret for ref in refs_of(configuration, site))
    return (Grant("", ("secrets",), ("create",)), Grant("", ("secrets",), ("get",), names))


def signer_namespace(ref: ClusterRef) -> tuple[Grant, ...]:
    """Return what the signer may look at in the namespace of a cluster."""
    return (
        Grant("", ("pods",), ("get",)),
        Grant("apps", ("statefulsets",), ("get",)),
        Grant("", ("configmaps",), ("get",), (ref.ca_config_map,)),
    )


def _rules(grants: tuple[Grant, ...], namespace: str = "") -> tuple[Rule, ...]:
    return tuple(rule for grant in grants for rule in grant.rules(namespace=namespace))


def _of_cluster(rules: tuple[Rule, ...], configuration: Configuration, ref: ClusterRef) -> tuple[Rule, ...]:
    """Leave out rights that belong to another cluster of the site."""
    own = {ref.namespace, ref.certagent_binding, ref.ca_secret}
    others = {
        name
        for other in refs_of(configuration, ref.site)
        for name in (other.namespace, other.certagent_binding, other.ca_secret)
    } - own
    return tuple(rule for rule in rules if rule.name not in others)


def ops_rules(configuration: Configuration, ref: ClusterRef) -> tuple[Rule, ...]:
    """Return every right that ops needs for a cluster."""
    rules = (*_rules(ops_wide(configuration, ref.site)), *_rules(ops_namespace(ref), ref.namespace))
    return _of_cluster(rules, configuration, ref)


def signer_rules(configuration: Configuration, ref: ClusterRef) -> tuple[Rule, ...]:
    """Return every right that the signer needs for a cluster."""
    system = configuration.sites[ref.site].system_namespace
    rules = (
        *_rules(signer_wide(configuration, ref.site)),
        *_rules(signer_system(configuration, ref.site), system),
        *_rules(signer_namespace(ref), ref.namespace),
    )
    return _of_cluster(rules, configuration, ref)
