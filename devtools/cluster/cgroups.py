"""The cgroups of a dev cluster: one folder below the root of every hierarchy, made before the node, removed after it.

Version 1 (also beside an empty version 2, "hybrid") is what the tests run on; version 2 alone was run in an emulated
machine.
"""

import time
from pathlib import Path

from devtools.cluster.errors import ClusterError, UnsupportedMachineError

ROOT = Path("/sys/fs/cgroup")
NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer")
USEFUL = ("blkio", "systemd")
NEEDED_V2 = ("cpuset", "cpu", "memory", "pids")
#: Passed on where the machine has them. Where it has `hugetlb`, the kubelet refuses a folder without it ("has some
#: missing controllers"); `io` is the blkio of version 1.
USEFUL_V2 = ("hugetlb", "io")


def is_unified(root: Path = ROOT) -> bool:
    """True for version 2 alone."""
    return (root / "cgroup.controllers").exists()


def check(root: Path = ROOT) -> None:
    """Refuse a machine without what the kubelet needs.

    Raises:
        UnsupportedMachineError: A hierarchy or controller is missing.
    """
    if is_unified(root):
        there = (root / "cgroup.controllers").read_text().split()
        missing = [name for name in NEEDED_V2 if name not in there]
    else:
        missing = [name for name in NEEDED if not (root / name / "cgroup.procs").exists()]
    if missing:
        raise UnsupportedMachineError(
            f"The dev cluster needs cgroup controllers that {root} does not have: {', '.join(missing)}."
        )


def make(path: str, *, root: Path = ROOT) -> None:
    """Make the cluster's folders; `path` starts with a slash, as in the kubelet's cgroupRoot."""
    if is_unified(root):
        there = (root / "cgroup.controllers").read_text().split()
        _delegate(root, there)
        (root / path[1:]).mkdir(exist_ok=True)
        _delegate(root / path[1:], there)
        return
    for name in (*NEEDED, *USEFUL):
        if (root / name).is_dir():
            (root / name / path[1:]).mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new folder, and nothing may run in it then
        (root / "cpuset" / path[1:] / name).write_text((root / "cpuset" / name).read_text())


def _delegate(folder: Path, there: list[str]) -> None:
    control = folder / "cgroup.subtree_control"
    passed_on = control.read_text().split()
    wanted = [name for name in (*NEEDED_V2, *USEFUL_V2) if name in there and name not in passed_on]
    if wanted:
        try:
            control.write_text(" ".join(f"+{name}" for name in wanted))
        except OSError as error:
            raise UnsupportedMachineError(
                f"{folder} does not pass on the controllers {', '.join(wanted)}: {error}."
            ) from error


def left(path: str, *, root: Path = ROOT) -> list[Path]:
    """The cluster's folders that exist."""
    return [folder for folder in (root / path[1:], *root.glob(f"*{path}")) if folder.is_dir()]


def remove(path: str, *, root: Path = ROOT, patience_seconds: float = 10) -> None:
    """Remove the cluster's folders, which the kernel allows shortly after their last process is gone.

    Raises:
        ClusterError: Something still runs in one of them.
    """
    deadline = time.monotonic() + patience_seconds
    while folders := left(path, root=root):
        for folder in folders:
            _remove_tree(folder)
        if time.monotonic() > deadline:
            raise ClusterError(f"These cgroups could not be removed: {', '.join(map(str, left(path, root=root)))}.")
        time.sleep(0.02)


def _remove_tree(folder: Path) -> None:
    try:
        for child in folder.iterdir():
            if child.is_dir() and not child.is_symlink():
                _remove_tree(child)
        folder.rmdir()
    except OSError:  # busy or gone by now: the caller looks again
        return
