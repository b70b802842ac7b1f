"""What the activities need of the world, as Protocols, and the values that cross them.

Objects of Kubernetes cross as JSON (`Object`), certificate signing requests as `CsrObject`. Implementations stand in
`activities.clients`, fakes in `tests/fakes`. Errors are those of `domain.errors`; nothing here names a vendor library.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from activities.csr_object import Condition, CsrObject, Object
from activities.payloads import OpenCertifies, RunningChange
from domain.certificate import CertificateProfile
from domain.csr import CsrState
from domain.model import ClusterRef, NodeRef
from domain.nodes import NodeAnswer

__all__ = ["Condition", "CsrObject", "Object"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Rule(_Value):
    """One right: a verb on a resource, in a namespace or cluster-wide, on one name or on all."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def sentence(self) -> str:
        """Say the right the way `kubectl auth can-i` would: ``create statefulsets.apps in namespace crdb``."""
        what = self.resource + (f".{self.group}" if self.group else "")
        what += f"/{self.subresource}" if self.subresource else ""
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {what}{named}" + (f" in namespace {self.namespace}" if self.namespace else "")


class Listing(_Value):
    """Objects as they were at one version of the store; a watch goes on from there."""

    items: tuple[Object, ...]
    version: str


class Event(_Value):
    """One change seen by a watch."""

    kind: Literal["added", "modified", "deleted"]
    object: Object
    version: str


class ClusterPort(Protocol):
    """Kubernetes as ops may use it. A namespace of "" means a cluster-scoped object."""

    async def server_version(self) -> str:
        """Return the server's version, such as ``v1.35.4``."""
        ...

    async def missing_rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Return those of the rights that this identity does not hold."""
        ...

    async def get(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        """Return an object, or None. A Secret comes as its metadata alone."""
        ...

    async def list(self, kind: str, *, namespace: str = "", labels: str = "") -> Listing:
        """Return all objects of a kind that carry the labels (``a=b,c=d``)."""
        ...

    def watch(self, kind: str, *, namespace: str, labels: str, version: str) -> AsyncGenerator[Event, None]:
        """Yield changes after a version until the server ends the watch.

        Raises:
            TransientError: The connection was lost, or the version is too old (list again).
        """
        ...

    async def apply(self, manifest: Object) -> Object:
        """Make an object like the manifest by server-side apply as `crdb-chatops`, taking over fields.

        The caller has checked that an existing object is ours. A Secret comes back as its metadata alone.
        """
        ...

    async def create(self, manifest: Object) -> Object | None:
        """Create an object; None when one of that name exists."""
        ...

    async def annotate(
        self, kind: str, name: str, *, namespace: str, values: dict[str, str], version: str = ""
    ) -> None:
        """Set annotations; with a version only if the object still has it.

        Raises:
            TransientError: `kubernetes.conflict`: it has changed meanwhile.
        """
        ...

    async def delete(self, kind: str, name: str, *, namespace: str, uid: str) -> None:
        """Delete the object of that uid; that it is gone already is fine."""
        ...

    async def resize(self, name: str, *, namespace: str, replicas: int, values: dict[str, str], version: str) -> None:
        """Set replicas and annotations of a StatefulSet in one go, if it still has that version.

        Raises:
            TransientError: `kubernetes.conflict`: it has changed meanwhile.
        """
        ...

    async def roll(
        self,
        name: str,
        *,
        namespace: str,
        images: dict[str, str],
        init_images: dict[str, str],
        partition: int,
        values: dict[str, str],
        version: str,
    ) -> None:
        """Set images of a StatefulSet's template, its partition and annotations in one go, if it has that version.

        Images are by name of container and of init container; everything else of the template is left as it is.

        Raises:
            TransientError: `kubernetes.conflict`: it has changed meanwhile.
        """
        ...


class CsrPort(Protocol):
    """Certificate signing requests and what is needed to judge them, as ops or as the signer, each with its rights."""

    async def missing_rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Return those of the rights that this identity does not hold."""
        ...

    async def get(self, name: str) -> CsrObject | None:
        """Return a CSR, or None."""
        ...

    async def list(self, signers: tuple[str, ...]) -> tuple[CsrObject, ...]:
        """Return all CSRs of these signer names."""
        ...

    async def pods(self, namespace: str) -> tuple[Object, ...]:
        """Return the pods of a namespace."""
        ...

    async def pod(self, namespace: str, name: str) -> Object | None:
        """Return a pod, or None."""
        ...

    async def stateful_set(self, namespace: str) -> Object | None:
        """Return the StatefulSet of the nodes, or None."""
        ...

    async def published_ca(self, ref: ClusterRef) -> str:
        """Return the CA certificates in the cluster's ConfigMap, or ""."""
        ...

    async def decide(self, csr: CsrObject, condition: Condition) -> None:
        """Add Approved or Denied (subresource approval) to the CSR as it was read.

        Raises:
            TransientError: `kubernetes.conflict`: it has changed since.
        """
        ...

    async def issue(self, csr: CsrObject, certificate_pem: str) -> None:
        """Set the certificate (subresource status) on the CSR as it was read; raises like `decide`."""
        ...

    async def fail(self, csr: CsrObject, condition: Condition) -> None:
        """Add Failed (subresource status) to the CSR as it was read; raises like `decide`."""
        ...


class Authority(Protocol):
    """A CA with its key. The key has no accessor and appears in no representation."""

    @property
    def certificate_pem(self) -> str:
        """The public half."""
        ...

    @property
    def fingerprint(self) -> str:
        """Sha256 of the DER certificate, hex."""
        ...

    @property
    def not_before(self) -> datetime:
        """From when it is valid."""
        ...

    @property
    def not_after(self) -> datetime:
        """Until when it is valid."""
        ...

    def issue(
        self, request_pem: bytes, profile: CertificateProfile, *, not_before: datetime, not_after: datetime
    ) -> str:
        """Make a certificate from the profile; of the request the public key alone is taken."""
        ...


class AuthorityPort(Protocol):
    """The CA keys, which the signer alone may read."""

    async def find(self, ref: ClusterRef) -> Authority | None:
        """Return the cluster's CA, or None.

        Raises:
            RefusedError: `ca.not-ours`: a Secret of that name is not ours.
            BrokenError: `ca.unreadable`.
        """
        ...

    async def make(self, ref: ClusterRef, *, days: int, now: datetime) -> tuple[Authority, bool]:
        """Make the cluster's CA by create; where one exists already, that one is returned and False."""
        ...


class Decommissioning(_Value):
    """What `node decommission` answered: its table by column name, and what it says blocks it."""

    rows: tuple[dict[str, str], ...] = ()
    blocked: tuple[str, ...] = ()


class NodePort(Protocol):
    """The database, asked through its own CLI in the client pod, against one named node, under a deadline."""

    async def ask(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> NodeAnswer:
        """Ask a node how it stands; whatever it answers or does not is an answer.

        Raises:
            NotReadyError: `nodes.no-client-pod`: there is nothing to ask from.
        """
        ...

    async def rows(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> tuple[dict[str, str], ...]:
        """Return the rows of `node status --all`, by column name; what is NULL there is "" here."""
        ...

    async def initialize(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> Literal["initialized", "already"]:
        """Send `init` to a node."""
        ...

    async def query(self, ref: ClusterRef, node: NodeRef, *, domain: str, statement: str) -> tuple[dict[str, str], ...]:
        """Run one SQL statement as root and return its rows."""
        ...

    async def decommission(
        self,
        ref: ClusterRef,
        node: NodeRef,
        *,
        domain: str,
        ids: tuple[int, ...],
        checks: Literal["", "enabled", "skip"],
        is_trial: bool = False,
    ) -> Decommissioning:
        """Begin to decommission all of these nodes, or go on, in one command that does not wait.

        Where no replica is left on them it ends it as well. Checks of "" leave the flag out, which older releases do
        not know; a trial changes nothing.

        Raises:
            BrokenError: `nodes.unknown`: there is no such node.
            TransientError: `nodes.no-answer`.
        """
        ...

    async def recommission(self, ref: ClusterRef, node: NodeRef, *, domain: str, member: int) -> bool:
        """Take a node back that is decommissioning; False when it is decommissioned for good already."""
        ...

    async def drain(self, ref: ClusterRef, node: NodeRef, *, domain: str, member: int) -> bool:
        """Drain a node of its clients and leases; False when it needs more time: run again to go on."""
        ...


class RunningPort(Protocol):
    """What runs on Temporal."""

    async def change(self, ref: ClusterRef) -> RunningChange:
        """Return the change that holds the cluster's lock; all empty when none does."""
        ...

    async def certifies(self, ref: ClusterRef) -> OpenCertifies:
        """Return all open Certify workflows of the cluster."""
        ...


class CsrSeen(_Value):
    """A CSR of our signers as the watch saw it."""

    kind: Literal["added", "modified", "deleted"]
    name: str
    uid: str
    username: str
    signer_name: str
    state: CsrState
    created_at: datetime
    is_decided_by_us: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether nobody has decided yet."""
        return self.state == "pending"


class CsrSnapshot(_Value):
    """All CSRs of our signers at a (re)list; what is not in it is gone."""

    items: tuple[CsrSeen, ...]


class CsrWatchPort(Protocol):
    """The watch of CSRs. It reconnects by itself and never ends."""

    @property
    def reconnects(self) -> int:
        """How often the watch had to be opened again, the first time apart."""
        ...

    def watch(self) -> AsyncIterator[CsrSnapshot | CsrSeen]:
        """Yield a snapshot at each list, then every change."""
        ...
