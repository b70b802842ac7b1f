"""How the plan of a scale stands on its message: each step of the plan as the stages that a person sees.

Pure. The plan is `domain.scale`; doing it is `scale`.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.model import NodeRef
from domain.scale import ScaleFacts, ScaleStep


def card_steps(left: Sequence[ScaleStep], facts: ScaleFacts, *, is_down: bool) -> list[tuple[str, str]]:
    """Return name and title of each stage, in order.

    Args:
        left: What is left to do.
        facts: What is there, for the names of nodes.
        is_down: Pods were removed already, so that volumes may be left over.
    """
    known = {node.id: node for node in facts.nodes}
    found: list[tuple[str, str]] = []
    for step in left:
        names = ", ".join(known[i].name() if i in known else f"n{i}" for i in step.ids)
        pod = NodeRef(ordinal=max(step.to - 1, 0)).pod
        match step.kind:
            case "recommission":
                found.append(("back", f"{names} taken back"))
            case "decommission":
                found.append(("move", f"Replicas moved off {names}"))
                found.append(("drain", "Drained"))
                found.append(("decommissioned", "Decommissioned, as the membership says"))
            case "shrink":
                found.append(("shrink", f"Pods removed, {step.to} left"))
                is_down = True
            case "wipe" if step.volume is not None:
                found.append((f"volume-{step.to}", f"Volume {step.volume.name}, decided by people"))
            case "grow":
                if step.to > facts.replicas or any(s.kind == "shrink" for s in left):
                    found.append((f"pod-{step.to - 1}", f"{pod} added"))
                found.append((f"certificate-{step.to - 1}", f"Certificate of {pod}, approved by a person"))
                found.append((f"join-{step.to - 1}", f"{pod} joined, all ranges replicated"))
            case "record":
                found.append(("record", f"{step.to} nodes recorded"))
            case _:
                pass
    return [*found, ("volumes", "Volumes left over")] if is_down else found
