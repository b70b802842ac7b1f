"""Names, addresses and folders of a dev cluster: every other file here takes them from this one.

Nothing is made here; `cluster.py` makes the folders, `config.py` the files in them.
"""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from devtools.cluster.errors import ClusterError

KUBERNETES_VERSION = "v1.35.4"
STORAGE_CLASS = "crdbops-local"
PROVISIONER = "crdbops.internal/local"
PAUSE_IMAGE = "local.invalid/crdbops-pause:1"
CLUSTER_DOMAIN = "cluster.local"

# All clusters use the same addresses: each has a network of its own that nothing joins to the machine's.
NODE_ADDRESS = "10.231.0.2"  # of the first node, and so of the API server
NODE_NETWORK_PREFIX = 24
MAX_NODES = 9
SERVICE_NETWORK = "10.232.0.0/16"
API_SERVICE_ADDRESS = "10.232.0.1"
DNS_ADDRESS = "10.232.0.10"
POD_NETWORK = "10.233.0.0/16"  # of all nodes; each has its part
API_PORT = 6443

# Folders of the machine that the node covers with its own, so nothing of the cluster may live below them.
COVERED_FOLDERS = (Path("/run"), Path("/var/run"), Path("/var/lib"), Path("/var/log"))

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


def cache_folder() -> Path:
    """Folder of what is built once and shared by all clusters."""
    return _xdg("XDG_CACHE_HOME", default=".cache") / "crdb-chatops" / "cluster"


def default_state_folder(name: str) -> Path:
    """Folder of the cluster `name` when the caller names none."""
    return _xdg("XDG_STATE_HOME", default=".local/state") / "crdb-chatops" / "cluster" / name


def _xdg(variable: str, *, default: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if os.path.isabs(given) else Path.home() / default


@dataclass(frozen=True)
class Layout:
    """Where everything of one cluster is, as one of its nodes sees it: the first unless another was asked for."""

    name: str
    state: Path
    number: int = 1

    @classmethod
    def of(cls, name: str, *, state: Path | None) -> "Layout":
        """Check the name and the folder.

        Raises:
            ClusterError: The name cannot be a host name, or the folder would be hidden from the node.
        """
        if not _NAME.fullmatch(name):
            raise ClusterError(
                f"{name!r} cannot name a cluster: lower-case letters, digits and inner hyphens are expected, "
                'at most 30, for example "dev".'
            )
        folder = (state or default_state_folder(name)).resolve()
        for covered in COVERED_FOLDERS:
            if folder.is_relative_to(covered):
                raise ClusterError(
                    f"The state folder {folder} is below {covered}, which the node covers with its own; "
                    f"take another, for example {default_state_folder(name)}."
                )
        return cls(name=name, state=folder)

    def at(self, number: int) -> "Layout":
        """The same cluster from its node `number`, from 1 on.

        Raises:
            ClusterError: No cluster has a node of that number.
        """
        if not 1 <= number <= MAX_NODES:
            raise ClusterError(f"A cluster's nodes have the numbers 1 to {MAX_NODES}; there is no node {number}.")
        return replace(self, number=number)

    def all(self) -> list["Layout"]:
        """Every node that the cluster could have, the first first."""
        return [self.at(number) for number in range(1, MAX_NODES + 1)]

    @property
    def is_first(self) -> bool:
        """True for the node that the control plane runs on."""
        return self.number == 1

    @property
    def _suffix(self) -> str:
        return "" if self.is_first else f"-{self.number}"

    @property
    def node(self) -> str:
        """The node's name, in Kubernetes and as host name."""
        return f"{self.name}-node{self._suffix}"

    @property
    def address(self) -> str:
        """The node's address in the network of the cluster's nodes."""
        return f"10.231.0.{1 + self.number}"

    @property
    def pod_network(self) -> str:
        """Where the node's pods have their addresses from."""
        return f"10.233.{self.number - 1}.0/24"

    def pair(self, component: str) -> str:
        """Name of the certificate of a component that every node has for itself."""
        return f"{component}{self._suffix}"

    @property
    def root(self) -> Path:
        """The node's own folder; the first node's is the cluster's."""
        return self.state if self.is_first else self.state / "nodes" / str(self.number)

    @property
    def identity(self) -> str:
        """Differs between clusters of one name in different folders."""
        return f"crdbops-{self.name}-{hashlib.sha256(os.fsencode(self.state)).hexdigest()[:8]}"

    @property
    def cgroup(self) -> str:
        """Path below every cgroup hierarchy's root."""
        return f"/{self.identity}{self._suffix}"

    @property
    def marker(self) -> Path:
        """Says that the folder is a cluster's; without it nothing is ever removed."""
        return self.state / "cluster.json"

    @property
    def lock(self) -> Path:
        """Held by who starts or ends the cluster."""
        return self.state / "lock"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def conf(self) -> Path:
        """Configuration of the node's programs; written at each start."""
        return self.root / "conf"

    @property
    def log(self) -> Path:
        """One file a program, of this start; those of the one before are beside it."""
        return self.root / "log"

    @property
    def disk(self) -> Path:
        """What outlives a start: etcd, images, containers."""
        return self.root / "disk"

    @property
    def volumes(self) -> Path:
        """One folder a PersistentVolume, of all nodes: the volumes' node affinity keeps them apart."""
        return self.state / "volumes"

    @property
    def plan(self) -> Path:
        """What the node's first process is to do."""
        return self.conf / "node.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.state / "admin.kubeconfig"

    @property
    def completed(self) -> Path:
        """Names the node's first process whose start was carried through to the end."""
        return self.state / "completed"
