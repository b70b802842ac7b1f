"""The nodes of a dev cluster beside the first: start one, join it to the first, give it the images that the first has.

What runs in a node is `config.py`'s and `node.py`'s, the same for all. When a node is started is `cluster.py`'s.
"""

import subprocess
import time

from devtools.cluster import cgroups, images, process, startup
from devtools.cluster.build import Built
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import Layout
from devtools.cluster.report import Report

JOIN_SECONDS = 30.0
POLL_SECONDS = 0.05


def begin(node: Layout, *, first: Layout, built: Built, report: Report) -> None:
    """Start a node, unless it runs, and join it to the first; an earlier one's certificates must be there.

    Raises:
        ClusterError: One of the two ended meanwhile.
    """
    if not process.is_whole(node):
        end(node)
        startup.make_folders(node)
        startup.write_files(node, built=built)
        cgroups.make(node.cgroup)
        process.start(node)
        report(f'cluster "{node.name}": starting the node {node.node}, logs in {node.log}')
    _join(node, first=first)


def end(node: Layout) -> bool:
    """End a node at once, as a machine that loses its power; what is on its disk stays. True if it ran."""
    was_there = process.end([node])
    cgroups.remove(node.cgroup)
    return was_there


def _join(node: Layout, *, first: Layout) -> None:
    """Have a pair of interfaces: `node0` in the node, its other end on the first node's bridge of the same name.

    Made from outside, since neither node sees the other's processes; it goes when one of the two ends.
    """
    port = f"w{node.number}"
    deadline = time.monotonic() + JOIN_SECONDS
    while True:
        inside, outside = process.first(node), process.first(first)
        if inside and outside:
            target = ["nsenter", f"--target={outside[0]}", "--net", "ip"]
            if _succeeds([*target, "link", "show", port]) and _succeeds(_has_interface(inside[0])):
                said = _run([*target, "link", "set", port, "master", "node0", "up"])
            else:
                pair = [*(port, "type", "veth", "peer", "name", "node0"), "netns", str(inside[0])]
                said = _run([*target, "link", "add", *pair]) or _run(
                    [*target, "link", "set", port, "master", "node0", "up"]
                )
            if said is None:
                return
        else:
            said = "a node's first process is not there"
        if time.monotonic() > deadline:
            raise ClusterError(f"The node {node.node} could not be joined to {first.node}: {said}.")
        time.sleep(POLL_SECONDS)


def _has_interface(pid: int) -> list[str]:
    return ["nsenter", f"--target={pid}", "--net", "ip", "link", "show", "node0"]


def _succeeds(argv: list[str]) -> bool:
    return _run(argv) is None


def _run(argv: list[str]) -> str | None:
    """Run a command; what it said if it failed."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else None


def equip(node: Layout, *, first: Layout) -> None:
    """Give a node the images that the first has, for those that were loaded while it was not there.

    Raises:
        ClusterError: One of the two did not answer.
    """
    images.copy(images.missing(node, wanted=images.present(first)), source=first, target=node)
