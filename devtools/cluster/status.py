"""What `Cluster` tells of itself, its nodes and its images. How it is found out is `cluster.py`'s."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["absent", "stopped", "starting", "up"]


@dataclass(frozen=True)
class NodeStatus:
    """A look at one node's processes; whether Kubernetes calls it Ready is `kubectl get nodes`'."""

    number: int
    name: str
    is_running: bool


@dataclass(frozen=True)
class Status:
    """A look at a cluster."""

    name: str
    state: State
    state_dir: Path
    port: int | None
    kubeconfig: Path | None
    nodes: tuple[NodeStatus, ...]


@dataclass(frozen=True)
class LoadedImage:
    """An image that the cluster has; `was_imported` is False if it had it before."""

    name: str
    digest: str
    was_imported: bool
