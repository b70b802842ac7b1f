"""Names, addresses and folders of a dev cluster: every other file here takes them from this one.

Nothing is made here; `cluster.py` makes the folders, `config.py` the files in them.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from devtools.cluster.errors import ClusterError

KUBERNETES_VERSION = "v1.35.4"
STORAGE_CLASS = "crdbops-local"
PROVISIONER = "crdbops.internal/local"
PAUSE_IMAGE = "local.invalid/crdbops-pause:1"
CLUSTER_DOMAIN = "cluster.local"

# All clusters use the same addresses: each has a network of its own that nothing joins to the machine's.
NODE_ADDRESS = "10.231.0.2"
NODE_NETWORK_PREFIX = 24
SERVICE_NETWORK = "10.232.0.0/16"
API_SERVICE_ADDRESS = "10.232.0.1"
DNS_ADDRESS = "10.232.0.10"
POD_NETWORK = "10.233.0.0/24"
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
    """Where everything of one cluster is."""

    name: str
    state: Path

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

    @property
    def node(self) -> str:
        """The node's name, in Kubernetes and as host name."""
        return f"{self.name}-node"

    @property
    def identity(self) -> str:
        """Differs between clusters of one name in different folders."""
        return f"crdbops-{self.name}-{hashlib.sha256(os.fsencode(self.state)).hexdigest()[:8]}"

    @property
    def cgroup(self) -> str:
        """Path below every cgroup hierarchy's root."""
        return f"/{self.identity}"

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
        """Configuration of the programs; written at each start."""
        return self.state / "conf"

    @property
    def log(self) -> Path:
        """One file a program, of this start; those of the one before are beside it."""
        return self.state / "log"

    @property
    def disk(self) -> Path:
        """What outlives a start: etcd, images, containers."""
        return self.state / "disk"

    @property
    def volumes(self) -> Path:
        """One folder a PersistentVolume."""
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
