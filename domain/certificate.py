"""What a certificate of a cluster must look like: signing policy, expected names, profile.

The certificate is built from here and not from the request, of which only the public key is taken. Judging a request
against it is `domain.csr`; making keys and certificates is `activities.clients.pki` and certagent.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.canonical import canonical_hash
from domain.configuration import Configuration
from domain.model import CLIENT_ACCOUNT, CLIENT_POD, NODE_ACCOUNT, PUBLIC_SERVICE, STATEFULSET, ClusterRef

Kind = Literal["node", "client"]

#: crdb-contract: the database wants digitalSignature and keyEncipherment, and serverAuth and clientAuth for nodes.
USAGES: dict[Kind, tuple[str, ...]] = {
    "node": ("client auth", "digital signature", "key encipherment", "server auth"),
    "client": ("client auth", "digital signature", "key encipherment"),
}
ORGANIZATION = "Cockroach"
LOOPBACK = "127.0.0.1"
#: ASCII digits alone and no leading zero, so that one ordinal has one spelling; a StatefulSet of ours has 99 at most.
_NODE_POD = re.compile(rf"{STATEFULSET}-(0|[1-9][0-9]{{0,3}})")


class SigningPolicy(BaseModel):
    """All that decides a certificate of one cluster, and nothing else (no channels, roles, resources)."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    cluster_domain: str
    node_signer: str
    client_signer: str
    client_users: tuple[str, ...]
    ca_days: int
    leaf_days: int
    key_types: tuple[str, ...] = ("EC P-256", "RSA 2048", "RSA 3072", "RSA 4096")

    @classmethod
    def of(cls, configuration: Configuration, ref: ClusterRef) -> SigningPolicy:
        """Take a cluster's signing policy out of the configuration."""
        site, cluster = configuration.sites[ref.site], configuration.clusters[ref.cluster]
        return cls(
            ref=ref,
            cluster_domain=site.cluster_domain,
            node_signer=site.node_signer,
            client_signer=site.client_signer,
            client_users=cluster.client_users,
            ca_days=configuration.certificates.ca_days,
            leaf_days=configuration.certificates.leaf_days,
        )

    def fingerprint(self) -> str:
        """Return the sha256 that ops and signer compare (`policy.differs`)."""
        return canonical_hash(self.model_dump(mode="json"))

    def kind_of(self, signer_name: str) -> Kind | None:
        """Return which kind of certificate a signer name stands for; None when it is not ours."""
        return {self.node_signer: "node", self.client_signer: "client"}.get(signer_name)  # type: ignore[return-value]

    def account(self, kind: Kind) -> str:
        """Return the user name that the API server stamps on a request of that kind."""
        name = NODE_ACCOUNT if kind == "node" else CLIENT_ACCOUNT
        return f"system:serviceaccount:{self.ref.namespace}:{name}"

    def accounts(self) -> tuple[str, str]:
        """Return the user names of all accounts of the cluster that may ask."""
        return self.account("node"), self.account("client")


class CertificateProfile(BaseModel):
    """What the signer puts into a certificate beside the public key."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    common_name: str
    organization: str = ORGANIZATION
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    usages: tuple[str, ...]
    days: int


def node_names(policy: SigningPolicy, *, pod: str) -> tuple[str, ...]:
    """Return the DNS names of a node: its pod's and the public service's, short to full, and localhost."""
    namespace, domain = policy.ref.namespace, policy.cluster_domain
    names = ["localhost"]
    for base in (f"{pod}.{STATEFULSET}", PUBLIC_SERVICE):
        names += [base, f"{base}.{namespace}", f"{base}.{namespace}.svc", f"{base}.{namespace}.svc.{domain}"]
    return tuple(sorted(names))


def profile_of(policy: SigningPolicy, *, kind: Kind, pod: str, user: str = "root") -> CertificateProfile:
    """Return the profile of a node's (by pod) or of a client's (by SQL user) certificate."""
    is_node = kind == "node"
    return CertificateProfile(
        kind=kind,
        common_name="node" if is_node else user,
        dns_names=node_names(policy, pod=pod) if is_node else (),
        ip_addresses=(LOOPBACK,) if is_node else (),
        usages=USAGES[kind],
        days=policy.leaf_days,
    )


def is_expected_pod(*, kind: Kind, pod: str) -> bool:
    """Whether a pod's name is one that may ask for certificates of a kind."""
    if kind == "client":
        return pod == CLIENT_POD
    return _NODE_POD.fullmatch(pod) is not None
