"""A change that does nothing but ask people: what `workflows.gate` gives a story, tried alone."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from domain.errors import BrokenError
    from domain.model import Person
    from operations.deploy import DeployStart
    from operations.gate import Decided, Question

from workflows.gate import GatedWorkflow


class AskingStart(DeployStart):
    questions: tuple[Question, ...]
    asked_by: tuple[Person, ...] = ()
    withdraws: bool = False
    breaks: bool = False


class Answers(BaseModel):
    answers: tuple[Decided, ...]
    volume_approvals: int
    effects: tuple[str, ...]


@workflow.defn(name="Asking")
class AskingWorkflow(GatedWorkflow[Answers]):
    """1. Ask all questions at once. 2. Do what was said yes to."""

    operation = "deploy"
    steps = (("ask", "Ask people"), ("act", "Do it"))

    @workflow.init
    def __init__(self, start: AskingStart) -> None:
        self._start = start
        self._is_moot = False
        self._begin(start.request.ref, "Ask people")

    @workflow.signal
    def moot(self) -> None:
        self._is_moot = True

    @workflow.run
    async def run(self, start: AskingStart) -> Answers:
        return await self._run(start, start.request, self._story)

    async def _story(self) -> Answers:
        assert self._authorization is not None
        asking = [self._decide(q, step="ask", asked_by=self._start.asked_by) for q in self._start.questions]
        with self._step("ask"):
            *answers, _ = await asyncio.gather(*asking, self._world())
        with self._step("act"):
            effects = [answer.approval_id for answer in answers if isinstance(answer, Decided) and answer.is_yes]
        return Answers(
            answers=tuple(answer for answer in answers if isinstance(answer, Decided)),
            volume_approvals=self._authorization.approvals.volume.approvals,
            effects=tuple(effects),
        )

    async def _world(self) -> None:
        if self._start.withdraws or self._start.breaks:
            await workflow.wait_condition(lambda: self._is_moot)
        if self._start.withdraws:
            self._withdraw(self._start.questions[0], why="The node is back.")
        if self._start.breaks:
            raise BrokenError("sql.silent", "The world broke.")
