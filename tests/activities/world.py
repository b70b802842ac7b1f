"""The world that the tests of this folder start from: a configuration, keys, pods, CSRs, decisions.

Everything is made as it really would be (real keys, requests and tokens); only the ports are fakes.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from temporalio.testing import ActivityEnvironment

from activities.csr_object import CsrObject, Object
from activities.manifests import labels
from activities.manifests.statefulset import stateful_set
from domain.certificate import USAGES, SigningPolicy, profile_of
from domain.configuration import Configuration, parse_configuration
from domain.model import CLIENT_POD, STATEFULSET, ClusterRef, ClusterSpec, Person
from operations.messages import Token, Verb
from operations.queues import certify_id
from tests.fakes.authority import FakeAuthorities
from tests.fakes.kubernetes import FakeCsrs, FakeKubernetes
from tests.fakes.nodes import FakeNodes
from tests.fakes.running import FakeRunning
from tokens.keyring import KeyRing, RingKey
from tokens.make import TokenSigner

T = TypeVar("T")
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CONFIGURATION = """
team = "T1"
[images]
agent = "example.invalid/agent:1"
database = "example.invalid/cockroach"
[sites.here]
[clusters.shop]
site = "here"
namespace = "crdb"
channel = "C1"
version = "v25.2.3"
storage = "1Gi"
storage_class = "fast"
cpu = "500m"
memory = "1Gi"
[clusters.other]
site = "here"
namespace = "otherdb"
channel = "C2"
version = "v25.2.3"
storage_class = "fast"
[roles.operator]
people = ["UREQ"]
[roles.approver]
groups = ["SDBA"]
people = ["UANN", "UBOB"]
[approvals.client_root]
approvals = 2
"""
ANN = Person(team="T1", id="UANN", name="ann")
BOB = Person(team="T1", id="UBOB", name="bob")
EVE = Person(team="T1", id="UEVE", name="eve")
REQUESTER = Person(team="T1", id="UREQ", name="req")


class World:
    """One cluster `shop` in memory."""

    def __init__(self) -> None:
        self.configuration: Configuration = parse_configuration(CONFIGURATION)
        self.ref: ClusterRef = self.configuration.ref("shop")
        self.policy = SigningPolicy.of(self.configuration, self.ref)
        self.spec: ClusterSpec = self.configuration.spec(self.ref, nodes=None, version=None, storage=None)
        self.kubernetes = FakeKubernetes()
        self.csrs = FakeCsrs(self.kubernetes)
        self.running = FakeRunning()
        self.authorities = FakeAuthorities()
        self.nodes = FakeNodes(self.spec.nodes)
        self.now = NOW
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        key = RingKey(
            kid="k1", public_key=public, not_before=NOW - timedelta(days=30), not_after=NOW + timedelta(days=30)
        )
        self.ring = KeyRing((key,))
        self.signer = TokenSigner(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), kid="k1")
        self.system()

    def clock(self) -> datetime:
        return self.now

    def system(self) -> None:
        """What an administrator has set up: namespace, machine, storage class."""
        self.kubernetes.put(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": "crdb", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
            }
        )
        self.kubernetes.put({"kind": "StorageClass", "metadata": {"name": "fast"}})
        self.kubernetes.put(
            {
                "kind": "Node",
                "metadata": {"name": "machine-1"},
                "spec": {},
                "status": {
                    "allocatable": {"cpu": "4", "memory": "16Gi"},
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            }
        )

    def deployed(self) -> Object:
        """Put the StatefulSet, all node pods and the client pod in place, running."""
        manifest = stateful_set(self.ref, self.spec, self.policy, operation_id="op-0")
        placed = self.kubernetes.put({**manifest, "status": {"readyReplicas": self.spec.nodes}})
        for number in range(self.spec.nodes):
            self.pod(f"{STATEFULSET}-{number}")
        self.pod(CLIENT_POD)
        return placed

    def pod(self, name: str, *, uid: str = "", phase: str = "Running", **status: Any) -> Object:
        """Put a pod of ours in place."""
        is_client = name == CLIENT_POD
        conditions = [{"type": "Ready", "status": "True"}] if phase == "Running" else []
        owner = self.kubernetes.objects.get(("StatefulSet", "crdb", STATEFULSET))
        references = (
            [{"kind": "StatefulSet", "name": STATEFULSET, "controller": True, "uid": owner["metadata"]["uid"]}]
            if owner and not is_client
            else []
        )
        return self.kubernetes.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": "crdb",
                    "uid": uid or f"uid-of-{name}",
                    "labels": labels.labels(self.ref, app="cockroachdb-client" if is_client else STATEFULSET),
                    "annotations": {labels.OPERATION: "op-0"},
                    "ownerReferences": references,
                },
                "spec": {"serviceAccountName": "cockroachdb-client" if is_client else "cockroachdb"},
                "status": {"phase": phase, "conditions": conditions, **status},
            }
        )

    def csr(self, pod: str = "cockroachdb-0", *, key: Key | None = None, **changes: Any) -> CsrObject:
        """Put a good CSR of a pod into the world, changed as said, and return it."""
        kind = "client" if pod == CLIENT_POD else "node"
        name = "crdb.client.root" if kind == "client" else f"crdb.node.{pod}"
        fields: dict[str, Any] = {
            "name": name,
            "uid": f"csr-{changes.get('name', name)}",
            "created_at": self.now - timedelta(seconds=5),
            "signer_name": f"crdbops.internal/{kind}",
            "usages": USAGES[kind],  # type: ignore[index]
            "expiration_seconds": 31536000,
            "username": self.policy.account(kind),  # type: ignore[arg-type]
            "pod": pod,
            "pod_uid": f"uid-of-{pod}",
            "request_pem": request_pem(self.policy, pod=pod, key=key),
            "raw": {"metadata": {"labels": labels.labels(self.ref)}},
        }
        csr = CsrObject(**{**fields, **changes})
        self.csrs.add(csr)
        return csr

    def token(
        self, csr: CsrObject, fingerprint: str, *, person: Person = ANN, verb: Verb = "approve", **changes: Any
    ) -> Token:
        """A person's decision on a CSR, signed by the bot, changed as said."""
        fields = {
            "workflow_id": certify_id(site="here", name=csr.name, uid=csr.uid),
            "now": self.now - timedelta(seconds=30),
            "run_id": "run-1",
            "approval_id": "ab12cd34",
            "fingerprint": fingerprint,
        }
        signer: TokenSigner = changes.pop("signer", self.signer)
        return signer.issue(verb, person, **{**fields, **changes})


def request_pem(
    policy: SigningPolicy,
    *,
    pod: str,
    key: Key | None = None,
    subject: list[tuple[x509.ObjectIdentifier, str]] | None = None,
    names: list[x509.GeneralName] | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] | None = None,
) -> bytes:
    """A PKCS#10 request as certagent makes it, or changed as said."""
    kind = "client" if pod == CLIENT_POD else "node"
    profile = profile_of(policy, kind=kind, pod=pod)  # type: ignore[arg-type]
    key = key or ec.generate_private_key(ec.SECP256R1())
    attributes = subject or [(NameOID.ORGANIZATION_NAME, "Cockroach"), (NameOID.COMMON_NAME, profile.common_name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    )
    if names is None:
        names = [x509.DNSName(name) for name in profile.dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in profile.ip_addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension, is_critical in extensions or []:
        builder = builder.add_extension(extension, critical=is_critical)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


async def run(activity: Callable[[Any], Any], argument: Any, *, attempt: int = 1) -> Any:
    """Run an activity as a worker would."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=attempt)
    return await environment.run(activity, argument)
