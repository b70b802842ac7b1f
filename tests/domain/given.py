"""Facts, policies and people that domain tests start from: all of it good, so that a test changes what it is about."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.certificate import SigningPolicy, node_names
from domain.csr import CsrFacts, PodFacts, RequestFacts
from domain.model import ClusterRef, ClusterSpec, Person

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
REF = ClusterRef(site="main", namespace="crdb", cluster="shop")
POLICY = SigningPolicy(
    ref=REF,
    cluster_domain="cluster.local",
    node_signer="crdbops.internal/node",
    client_signer="crdbops.internal/client",
    client_users=("root",),
    ca_days=1825,
    leaf_days=365,
)
SPEC = ClusterSpec(
    nodes=3,
    version="v25.2.3",
    storage="100Gi",
    storage_class="standard",
    database_image="local.invalid/cockroach:v25.2.3",
    agent_image="local.invalid/crdbops-agent:1",
    cpu="2",
    memory="8Gi",
)
ALICE = Person(team="T1", id="U1", name="Alice", groups=("S-OPS",))
BOB = Person(team="T1", id="U2", name="Bob", groups=("S-APPROVE",))

NODE_REQUEST = RequestFacts(
    pem_blocks=1,
    is_signature_valid=True,
    signature_algorithm="ecdsa-with-SHA256",
    subject=(("O", "Cockroach"), ("CN", "node")),
    dns_names=node_names(POLICY, pod="cockroachdb-0"),
    ip_addresses=("127.0.0.1",),
    key_type="EC P-256",
    key_sha256="aa" * 32,
    extensions=("2.5.29.17",),
)
NODE_POD = PodFacts(
    name="cockroachdb-0",
    uid="pod-uid-0",
    account="cockroachdb",
    owner="StatefulSet/cockroachdb",
    instance="shop",
    managed_by="crdb-chatops",
    ordinal=0,
)
NODE = CsrFacts(
    name="crdb.node.cockroachdb-0",
    uid="csr-uid-0",
    created_at=NOW,
    seen_at=NOW,
    signer_name="crdbops.internal/node",
    usages=("digital signature", "key encipherment", "server auth", "client auth"),
    expiration_seconds=31536000,
    stamped_username="system:serviceaccount:crdb:cockroachdb",
    stamped_pod="cockroachdb-0",
    stamped_pod_uid="pod-uid-0",
    request=NODE_REQUEST,
    request_sha256="bb" * 32,
    pod=NODE_POD,
    replicas=3,
)
CLIENT_REQUEST = NODE_REQUEST.model_copy(
    update={
        "subject": (("O", "Cockroach"), ("CN", "root")),
        "dns_names": (),
        "ip_addresses": (),
        "extensions": (),
        "key_sha256": "cc" * 32,
    }
)
CLIENT_POD = PodFacts(
    name="cockroachdb-client-secure",
    uid="pod-uid-c",
    account="cockroachdb-client",
    instance="shop",
    managed_by="crdb-chatops",
)
CLIENT = NODE.model_copy(
    update={
        "name": "crdb.client.root",
        "uid": "csr-uid-c",
        "signer_name": "crdbops.internal/client",
        "usages": ("digital signature", "key encipherment", "client auth"),
        "stamped_username": "system:serviceaccount:crdb:cockroachdb-client",
        "stamped_pod": "cockroachdb-client-secure",
        "stamped_pod_uid": "pod-uid-c",
        "request": CLIENT_REQUEST,
        "request_sha256": "dd" * 32,
        "pod": CLIENT_POD,
    }
)


def node(**changes: object) -> CsrFacts:
    """The good request of node 0 with other facts."""
    return NODE.model_copy(update=changes)


def node_asking(**changes: object) -> CsrFacts:
    """The good request of node 0 with another PKCS#10 content."""
    return node(request=NODE_REQUEST.model_copy(update=changes))


def node_of(**changes: object) -> CsrFacts:
    """The good request of node 0 from another pod."""
    return node(pod=NODE_POD.model_copy(update=changes))


def client(**changes: object) -> CsrFacts:
    """The good request of root with other facts."""
    return CLIENT.model_copy(update=changes)


def client_asking(**changes: object) -> CsrFacts:
    """The good request of root with another PKCS#10 content."""
    return client(request=CLIENT_REQUEST.model_copy(update=changes))


def client_of(**changes: object) -> CsrFacts:
    """The good request of root from another pod."""
    return client(pod=CLIENT_POD.model_copy(update=changes))
