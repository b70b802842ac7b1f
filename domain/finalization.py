"""What holds up a finalization: the database migrates only when every member runs the new release and none is leaving.

That an upgrade may be made final at all is decided elsewhere; asking the database is `activities.upgrading`.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.health import NodeStatus
from domain.releases import series_of


def held_by(nodes: Iterable[NodeStatus], *, preserved: str, wanted: str) -> tuple[str, ...]:
    """Say what keeps the active version from becoming `wanted`, most likely cause first; nothing when all is ready.

    Args:
        nodes: What the database says; those that left for good hold nothing up.
        preserved: cluster.preserve_downgrade_option, "" when it is not set.
        wanted: The series that the database migrates to, such as ``25.4``.
    """
    said = [f"cluster.preserve_downgrade_option is {preserved}"] if preserved else []
    for node in (node for node in nodes if node.is_member):
        if node.membership == "decommissioning":
            said.append(f"{node.name()} is decommissioning")
        elif node.is_dead:
            said.append(f"{node.name()} does not live")
        elif series_of(node.build) != wanted:
            said.append(f"{node.name()} runs {node.build or 'an unknown build'}")
    return tuple(said)
