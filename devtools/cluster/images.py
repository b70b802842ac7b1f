"""Images of the nodes of a dev cluster: see them, import an archive, copy them from one node to another.

Archives themselves are `archive.py`'s; which images there are is `devtools/images`' matter.
"""

import subprocess
from pathlib import Path
from typing import IO

from devtools.cluster import config, process
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import Layout

CTR = ["ctr", f"--address={config.CONTAINERD_SOCKET}", "--namespace=k8s.io", "images"]
IMPORT = [*CTR, "import", "-"]


def present(node: Layout) -> dict[str, str]:
    """Digests of a node's images by name.

    Raises:
        ClusterError: The node is not up.
    """
    lines = _run(node, [*CTR, "ls"], source=None).splitlines()[1:]
    rows = [line.split() for line in lines]
    # Containerd keeps each image a second time under its digest, for the kubelet.
    return {row[0]: row[2] for row in rows if not row[0].startswith("sha256:")}


def missing(node: Layout, *, wanted: dict[str, str]) -> list[str]:
    """Names of images that a node does not have with the wanted content."""
    have = present(node)
    return [name for name, digest in wanted.items() if have.get(name) != digest]


def load(node: Layout, path: Path) -> None:
    """Import the images of an archive."""
    with path.open("rb") as source:
        _run(node, IMPORT, source=source)


def copy(names: list[str], *, source: Layout, target: Layout) -> None:
    """Copy images from one node to another."""
    if not names:
        return
    command = [*process.entry(source), *CTR, "export", "-", *names]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout
        assert export.stderr
        _run(target, IMPORT, source=export.stdout)
        said = export.stderr.read().decode(errors="replace").strip()
    if export.returncode:
        raise ClusterError(f"Images {', '.join(names)} could not be taken from {source.node}: {said}")


def _run(node: Layout, command: list[str], *, source: IO[bytes] | None) -> str:
    done = subprocess.run(
        [*process.entry(node), *command],
        stdin=source or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(
            f"`{' '.join(command)}` in the node {node.node} exited with {done.returncode}: {done.stderr.strip()}"
        )
    return done.stdout
