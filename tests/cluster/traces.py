"""What a dev cluster could leave behind on the machine, and how to see that it did not.

Other clusters may come and go meanwhile: so a cluster's own processes, namespaces and mounts are looked for, and
only what no cluster may ever change is compared with how it was before.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devtools.cluster import cgroups, process
from devtools.cluster.layout import Layout

NAMESPACES = ("mnt", "net", "pid", "uts", "ipc")
GLOBAL_SETTINGS = ("kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "net/ipv4/ip_forward")


def settings() -> dict[str, str]:
    """What is the machine's alone: rules, interfaces, kernel settings, folders that packages do not make."""
    ruleset = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    return {
        "rules": ruleset,
        "interfaces": " ".join(sorted(os.listdir("/sys/class/net"))),
        **{name: Path("/proc/sys", name).read_text() for name in GLOBAL_SETTINGS},
        **{folder: str(Path(folder).exists()) for folder in ("/var/lib/kubelet", "/var/log/pods", "/run/containerd")},
    }


@dataclass(frozen=True)
class Traces:
    """The namespaces of a cluster that is up, and those of its pods."""

    layout: Layout
    namespaces: frozenset[str]

    @classmethod
    def of(cls, layout: Layout) -> "Traces":
        """Everything below the processes that hold the nodes' namespaces."""
        outside = {_link("self", kind) for kind in NAMESPACES}
        inside = {_link(pid, kind) for pid in _family(_processes(layout)) for kind in NAMESPACES}
        return cls(layout=layout, namespaces=frozenset(inside - outside - {""}))

    def left(self) -> list[str]:
        """Processes, mounts, namespaces and cgroups that are still there."""
        processes = [
            f"process {pid}" for pid in _living() if {_link(pid, kind) for kind in NAMESPACES} & self.namespaces
        ]
        nodes = [f"process {pid}" for pid in _processes(self.layout)]
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        marks = [str(self.layout.state), *self.namespaces]
        mounts = [f"mount {line}" for line in lines if any(mark in line for mark in marks)]
        folders = [folder for node in self.layout.all() for folder in cgroups.left(node.cgroup)]
        return processes + nodes + mounts + [f"cgroup {folder}" for folder in folders]


def _processes(layout: Layout) -> list[int]:
    return [pid for node in layout.all() for pid in (*process.outer(node), *process.first(node))]


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _living() -> list[str]:
    """All but zombies, which wait for the machine's first process to collect them and hold nothing any more."""
    living = []
    for pid in _pids():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        living += [pid] if state != "Z" else []
    return living


def _link(pid: str | int, kind: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:  # ended, or a zombie
        return ""


def _family(ancestors: list[int]) -> set[int]:
    parents = {}
    for pid in _pids():
        try:
            parents[int(pid)] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = set(ancestors)
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family
