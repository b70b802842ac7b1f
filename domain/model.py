"""Values that every layer speaks of: clusters, nodes, specs, versions, people.

Frozen, validated where they are made. Decisions about them stand in the modules named after the decision
(`csr`, `preflight`, `roles`, ...); what the toml file says of them in `configuration`.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: RFC 1123 label, what Kubernetes asks of namespace and object names.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
#: Digits are written out and the whole text is matched: `\d` knows other scripts' digits, `$` forgives a line break.
_VERSION = re.compile(r"v(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})")
_QUANTITY = re.compile(r"[1-9][0-9]{0,8}(Mi|Gi|Ti)")

#: The documented name of StatefulSet, headless service and service account.
STATEFULSET = "cockroachdb"
PUBLIC_SERVICE = "cockroachdb-public"
CLIENT_POD = "cockroachdb-client-secure"
NODE_ACCOUNT = "cockroachdb"
CLIENT_ACCOUNT = "cockroachdb-client"


def _label(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(f"found {value!r}, expected a DNS label such as 'crdb' (a-z, 0-9, '-', at most 63 characters)")
    return value


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise ValueError(f"found {value!r}, expected a full release such as 'v25.2.3'")
    return value


def _quantity(value: str) -> str:
    if not _QUANTITY.fullmatch(value):
        raise ValueError(f"found {value!r}, expected a size such as '1Gi' or '100Gi'")
    return value


Label = Annotated[str, AfterValidator(_label)]
Version = Annotated[str, AfterValidator(_version)]
Size = Annotated[str, AfterValidator(_quantity)]


def version_key(version: str) -> tuple[int, int, int]:
    """Return (major, minor, patch) of a release such as ``v25.2.3``."""
    major, minor, patch = _version(version)[1:].split(".")
    return int(major), int(minor), int(patch)


def size_bytes(size: str) -> int:
    """Return the bytes of a size such as ``1Gi``."""
    units = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    return int(_quantity(size)[:-2]) * units[size[-2:]]


class ClusterRef(BaseModel):
    """Which database cluster: site (one Kubernetes), namespace, name."""

    model_config = ConfigDict(frozen=True)

    site: Label
    namespace: Label
    cluster: Label

    @property
    def ca_config_map(self) -> str:
        """Name of the ConfigMap that publishes the cluster's CA certificate."""
        return f"{self.cluster}-ca"

    @property
    def ca_secret(self) -> str:
        """Name of the CA's Secret in the system namespace; the signer alone may read it."""
        return f"{self.namespace}.{self.cluster}.ca"

    @property
    def client_secret(self) -> str:
        """Name of the Secret in which the client pod keeps root's key and certificate."""
        return f"{self.namespace}.client.root"

    @property
    def certagent_binding(self) -> str:
        """Name of the ClusterRoleBinding that lets the cluster's pods ask for certificates."""
        return f"{self.namespace}.{self.cluster}.certagent"

    def __str__(self) -> str:
        return f"{self.site}/{self.namespace}/{self.cluster}"


class NodeRef(BaseModel):
    """A database node's place: the ordinal of its pod. Its node id is the database's and differs."""

    model_config = ConfigDict(frozen=True)

    ordinal: int = Field(ge=0)

    @property
    def pod(self) -> str:
        """Name of the node's pod."""
        return f"{STATEFULSET}-{self.ordinal}"

    def address(self, *, namespace: str, domain: str) -> str:
        """Return the node's stable DNS name."""
        return f"{self.pod}.{STATEFULSET}.{namespace}.svc.{domain}"


class ClusterSpec(BaseModel):
    """What a cluster was deployed as; recorded on its StatefulSet and the truth for every later operation."""

    model_config = ConfigDict(frozen=True)

    nodes: int = Field(ge=3, le=99)
    version: Version
    storage: Size
    storage_class: str
    database_image: str
    agent_image: str
    cpu: str
    memory: Size
    cluster_domain: str = "cluster.local"
    node_signer: str = "crdbops.internal/node"
    client_signer: str = "crdbops.internal/client"
    init_target: int | None = Field(default=None, description="Ordinal that `init` goes to, recorded before it is sent")
    upgraded_from: str = Field(
        default="", description="Release before an upgrade that is not final yet, for the way back; else empty"
    )

    def image_of(self, version: str) -> str:
        """Return the database's image of another release: the same repository, the release as tag."""
        return f"{self.database_image.rpartition(':')[0]}:{version}"


class Person(BaseModel):
    """Somebody in the chat workspace, with the groups they were in when they acted."""

    model_config = ConfigDict(frozen=True)

    team: str
    id: str
    name: str = ""
    groups: tuple[str, ...] = ()

    def is_same_as(self, other: Person) -> bool:
        """Whether both are one and the same account."""
        return (self.team, self.id) == (other.team, other.id)
