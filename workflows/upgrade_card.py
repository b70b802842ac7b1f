"""How a restart of all nodes stands on its message: its steps, and which release runs where.

Pure. The plan is `domain.upgrade`; doing it is `rolling`.
"""

from __future__ import annotations

from domain.model import NodeRef
from domain.releases import release_of
from domain.upgrade import UpgradeFacts, UpgradeStep


def card_step(step: UpgradeStep) -> tuple[str, str]:
    """Return name and title of a step: one for each node."""
    match step.kind:
        case "guard" if step.version:
            return "guard", f"Way back kept: cluster.preserve_downgrade_option {step.version}"
        case "guard":
            return "guard", "cluster.preserve_downgrade_option reset: nothing is left to return from"
        case "client":
            return "client", f"Client pod on {step.version}"
        case "record":
            return "record", f"{step.version} recorded"
        case _:
            pod, first = NodeRef(ordinal=step.ordinal).pod, " first" if step.is_canary else ""
            return f"node-{step.ordinal}", f"{pod}{first} on {step.version}, then all ranges replicated"


def standing(facts: UpgradeFacts) -> str:
    """Say which pods run which release, newest first, and the active version."""
    pods: dict[str, list[str]] = {}
    for pod in facts.pods:
        pods.setdefault(release_of(pod.image), []).append(NodeRef(ordinal=pod.ordinal).pod)
    said = [f"{version} on {', '.join(names)}" for version, names in sorted(pods.items(), reverse=True)]
    return "; ".join([*said, f"active version {facts.active}"])
