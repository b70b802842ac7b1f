"""A change toward a number that may be altered while it runs: the update `retarget`, and how a wait hears of it.

What follows from another number is the story's (`scale`): it plans anew from what is there. That somebody altered it is
part of who asked, so they are kept from approving what it needs.
"""

from __future__ import annotations

from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain import roles
    from domain.errors import RefusedError
    from domain.model import ClusterRef, Person
    from domain.scale import ScaleFacts
    from domain.scale_refusals import number_reasons
    from operations.messages import RETARGET, Decision, DecisionReceipt
    from workflows.base import claims_of
    from workflows.certificates import CertifiedWorkflow
    from workflows.problems import refusal

Done = TypeVar("Done")


class RetargetedError(Exception):
    """Raised inside a story between two steps, or out of a wait, after somebody asked for another number."""


class TargetWorkflow(CertifiedWorkflow[Done]):
    """A change with a number of nodes as its target. Subclasses set `_facts` once the plan is made."""

    def _begin_toward(self, ref: ClusterRef, headline: str, *, target: int) -> None:
        self._begin(ref, headline)
        self._target = target
        self._facts: ScaleFacts | None = None
        self._wished: int | None = None
        self._also_asked: list[Person] = []

    @workflow.update(name=RETARGET, description="Go to another number of nodes instead")
    async def retarget(self, decision: Decision) -> DecisionReceipt:
        """Remember the number; the story takes it before its next step."""
        self.require_running()  # it may have ended since the validator looked
        claims = claims_of(decision)
        before, self._wished = self._wished or self._target, claims.nodes
        if not any(claims.person.is_same_as(other) for other in (self._status.requester, *self._also_asked)):
            self._also_asked.append(claims.person)
            workflow.upsert_memo({"also_asked": [person.model_dump(mode="json") for person in self._also_asked]})
        self._hear_of_target()
        return DecisionReceipt(sentence=f"Going to {claims.nodes} nodes instead of {before}.")

    @retarget.validator
    def _may_retarget(self, decision: Decision) -> None:
        self.require_running()
        assert self._authorization is not None
        claims = claims_of(decision)
        if not roles.holds(self._authorization.policy, claims.person, self._authorization.role):
            raise refusal(
                RefusedError("role.missing", f"Only who holds the role {self._authorization.role} may ask for this.")
            )
        if self._facts is None:
            raise refusal(
                RefusedError("decision.not-yet", "The plan is still being made.", hint="Click again in a moment.")
            )
        wanted = claims.nodes or 0
        if wanted == (self._wished or self._target):
            raise refusal(RefusedError("scale.same-target", f"It goes to {wanted} nodes already."))
        reasons = number_reasons(self._facts, wanted)
        if reasons:
            raise refusal(RefusedError(reasons[0].code, f"Refused: {reasons[0].sentence()}."))

    def _hear_of_target(self) -> None:
        """End what waits for the old number beside the story's own waits."""

    def _is_interrupted(self) -> bool:
        return super()._is_interrupted() or self._wished is not None

    def _check_cancelled(self) -> None:
        super()._check_cancelled()
        if self._wished is not None:
            raise RetargetedError

    async def _take_target(self) -> None:
        """Make the wished number the target."""
        if self._wished is None:
            return
        before, self._target, self._wished = self._target, self._wished, None
        who = self._also_asked[-1] if self._also_asked else self._status.requester
        said = f"now {self._target} nodes instead of {before}, asked for by {who.name or who.id}"
        self._edit(
            headline=f"{self.operation.capitalize()} {self._status.ref.cluster} to {self._target} nodes",
            facts=(*self._status.facts, said),
        )
        for person in self._also_asked:
            await self._tell_open_certifies(person)
