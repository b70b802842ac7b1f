"""How many pods of a size fit on the nodes of a Kubernetes cluster, as far as ops may see. Pure.

An upper bound: ops may list pods in the database namespaces alone, so that what other pods have requested is not
known. Too little room is therefore certain, enough room is not; a pod without a place is named while it is waited for.
"""

from __future__ import annotations

from typing import NamedTuple

from activities.ports import Object

_UNITS = {
    "m": 0.001, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


class Need(NamedTuple):
    """CPU in cores and memory in bytes."""

    cpu: float
    memory: float


def quantity(text: str) -> float:
    """Read a quantity of Kubernetes, such as ``500m``, ``2``, ``8Gi``."""
    digits = text.rstrip("".join(set("".join(_UNITS))))
    return float(digits or 0) * _UNITS[text[len(digits) :]]


def fits(nodes: tuple[Object, ...], pods: tuple[Object, ...], *, cpu: str, memory: str) -> int:
    """Return how many pods fit beside the pods that are known."""
    need = Need(quantity(cpu), quantity(memory))
    return sum(_on_node(node, pods, need) for node in nodes if _takes_pods(node))


def _takes_pods(node: Object) -> bool:
    spec = node.get("spec", {})
    is_ready = any(
        c.get("type") == "Ready" and c.get("status") == "True" for c in node.get("status", {}).get("conditions") or ()
    )
    is_tainted = any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in spec.get("taints") or ())
    return is_ready and not spec.get("unschedulable") and not is_tainted


def _on_node(node: Object, pods: tuple[Object, ...], need: Need) -> int:
    allocatable = node["status"].get("allocatable", {})
    name = node["metadata"]["name"]
    taken = [_request(pod) for pod in pods if pod.get("spec", {}).get("nodeName") == name]
    cpu = quantity(allocatable.get("cpu", "0")) - sum(pod.cpu for pod in taken)
    memory = quantity(allocatable.get("memory", "0")) - sum(pod.memory for pod in taken)
    # A thousandth of a core more, since 3 * 0.1 is not 0.3.
    return max(0, int(min((cpu + 0.001) / need.cpu, memory / need.memory)))


def _request(pod: Object) -> Need:
    def asked(container: Object, what: str) -> float:
        return quantity(str(container.get("resources", {}).get("requests", {}).get(what, "0")))

    def largest(what: str) -> float:
        beside = sum(asked(c, what) for c in pod["spec"].get("containers") or ())
        return max([beside, *(asked(c, what) for c in pod["spec"].get("initContainers") or ())])

    return Need(largest("cpu"), largest("memory"))
