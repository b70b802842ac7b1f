"""How long a pod's trouble is borne before a wait ends with it, its cause named.

Reading the trouble out of a pod is `pods`; the loop that waits is `cluster`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from activities import pods
from activities.csr_object import Object
from activities.manifests.pod import INIT_CONTAINER
from domain.errors import BrokenError

#: Seconds by kind of trouble: a registry may hiccup, an autoscaler adds a machine.
GRACE_SECONDS = {"image": 60.0, "config": 60.0, "unschedulable": 300.0, "crash": 0.0}
#: A container that ended so often ends again; before that the kubelet's restarts may cure it.
_CRASHES = 5


class Patience:
    """Since when each trouble of each pod was there without a break."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        grace: Mapping[str, float] = GRACE_SECONDS,
        crashes: int = _CRASHES,
    ) -> None:
        self._clock = clock
        self._grace = grace
        self._crashes = crashes
        self._since: dict[tuple[str, str], float] = {}

    def bear(self, items: Iterable[Object]) -> None:
        """Look at the pods; raise when one has been in the same trouble for too long.

        Raises:
            BrokenError: `pods.image`, `pods.config`, `pods.unschedulable`, `pods.crash`.
        """
        now = self._clock()
        seen: dict[tuple[str, str], float] = {}
        for pod in items:
            found = pods.trouble(pod)
            # A certificate's trouble is told where certificates are waited for.
            if found is None or (found.kind == "crash" and found.container == INIT_CONTAINER):
                continue
            key = (pod["metadata"]["uid"], found.kind)
            seen[key] = self._since.get(key, now)
            is_enough = found.kind != "crash" or found.restarts >= self._crashes
            if is_enough and now - seen[key] >= self._grace[found.kind]:
                raise _ended_by(found)
        self._since = seen


def _ended_by(trouble: pods.Trouble) -> BrokenError:
    said = f"{trouble.sentence}."
    match trouble.kind:
        case "image":
            return BrokenError("pods.image", said, hint="Make the image available to the nodes, then /crdb deploy.")
        case "config":
            return BrokenError("pods.config", said, hint="Look at the pod's events, then /crdb deploy.")
        case "unschedulable":
            return BrokenError("pods.unschedulable", said, hint="Give Kubernetes room or volumes, then /crdb deploy.")
        case "crash":
            return BrokenError("pods.crash", said, hint="Look at the pod's log, then /crdb deploy.")
