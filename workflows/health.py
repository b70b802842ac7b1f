"""A change that waits until the cluster is well again: nodes live, every range with all its copies.

What "well" means is `domain.health`; looking is `activities.scaling`. What is done next is the change's.
"""

from __future__ import annotations

from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.scale_payloads import Observed, ObserveRequest
    from activities.scaling import ScalingActivities
    from domain.errors import BrokenError
    from domain.scale import ScaleFacts
    from workflows.base import OperationWorkflow
    from workflows.retries import HEALTH, HEALTH_LOOK, HEALTHY_WITHIN

Done = TypeVar("Done")


class HealthyWorkflow(OperationWorkflow[Done]):
    """A change with a gate of health between its steps."""

    async def _until_healthy(
        self, step: str, *, ordinals: tuple[int, ...], leaving: tuple[int, ...] = (), code: str, hint: str
    ) -> ScaleFacts:
        """Wait until all is well; the step says what is missing meanwhile.

        Args:
            step: The step that waits.
            ordinals: Pods whose nodes have to be live.
            leaving: Ids of nodes that need not be.
            code: Error code when it takes too long.
            hint: What to do then.

        Raises:
            BrokenError: Not well in time; what was missing is named.
        """
        begun = workflow.now()
        while True:
            seen = await self._look_healthy(ordinals, leaving=leaving, seconds=HEALTH_LOOK.total_seconds())
            if not seen.waits:
                return seen.facts
            said = ", ".join(seen.waits)
            self._detail(step, f"waits: {said}")
            if workflow.now() - begun >= HEALTHY_WITHIN:
                within = f"{HEALTHY_WITHIN.total_seconds() / 60:.0f} min"
                raise BrokenError(code, f"Within {within} the cluster was not well: found {said}.", hint=hint)

    async def _look_healthy(
        self, ordinals: tuple[int, ...], *, leaving: tuple[int, ...] = (), seconds: float = 0
    ) -> Observed:
        """Look whether all is well, for so many seconds until it is."""
        return await self._or_cancel(
            workflow.start_activity_method(
                ScalingActivities.observe,
                ObserveRequest(ref=self._status.ref, ordinals=ordinals, leaving=leaving, seconds=seconds),
                summary=f"{len(ordinals)} nodes live, all ranges replicated",
                **HEALTH,
            )
        )
