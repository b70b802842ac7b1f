"""A small workflow that takes updates, for the interceptor's tests. The sandbox imports this module again."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from operations.messages import Claims, Decision, DecisionReceipt


@workflow.defn(name="Small")
class SmallWorkflow:
    """Notes who was heard, and what came as far as the validator."""

    @workflow.init
    def __init__(self) -> None:
        self._heard: list[str] = []
        self._is_done = False

    @workflow.run
    async def run(self) -> list[str]:
        """Wait until told to end."""
        await workflow.wait_condition(lambda: self._is_done)
        return self._heard

    @workflow.update
    async def approve(self, decision: Decision) -> DecisionReceipt:
        """Hear a decision."""
        claims = Claims.model_validate_json(decision.token.claims)
        self._heard.append(claims.person.id)
        return DecisionReceipt()

    @approve.validator
    def _validate_approve(self, decision: Decision) -> None:
        if decision.reason == "validator says no":
            raise ValueError("the validator was reached")

    @workflow.update
    async def cancel(self, decision: Decision) -> DecisionReceipt:
        """Take another verb."""
        self._heard.append("cancel")
        return DecisionReceipt()

    @cancel.validator
    def _validate_cancel(self, decision: Decision) -> None:
        pass

    @workflow.update
    async def unguarded(self, word: str) -> str:
        """An update without a validator, which no change of ours may have: the check never runs."""
        self._heard.append(word)
        return word

    @workflow.update
    async def two(self, decision: Decision, other: str) -> str:
        """An update with something beside the signed decision."""
        return other

    @two.validator
    def _validate_two(self, decision: Decision, other: str) -> None:
        pass

    @workflow.query
    def heard(self) -> list[str]:
        """Say who was heard."""
        return self._heard

    @workflow.signal
    def end(self) -> None:
        """End the run."""
        self._is_done = True
