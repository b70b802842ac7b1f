"""A change that people may pause and resume: the updates `pause` and `resume`, and the wait between them.

Where it can be held, and that it looks again and plans anew afterwards, is the story's (`rolling`). A pause holds the
lock like any other wait for people: it is reminded of, and it ends.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain import roles
    from domain.configuration import ApprovalRule
    from domain.errors import RefusedError
    from domain.model import ClusterRef
    from operations.chat import MessageRef, Say
    from operations.messages import PAUSE, RESUME, Decision, DecisionReceipt, Pause, Problem
    from workflows.base import OperationWorkflow, StoppedByPersonError, claims_of
    from workflows.problems import refusal
    from workflows.reminders import Reminder, Reminders, Waiting

Done = TypeVar("Done")


class PausableWorkflow(OperationWorkflow[Done]):
    """A change that can be held between two steps. Subclasses say by `may_pause` that one is still to come."""

    def _begin(self, ref: ClusterRef, headline: str) -> None:
        super()._begin(ref, headline)
        self._pause_reminders = Reminders(self._pause_reminder)

    @workflow.update(name=PAUSE, description="Hold before the next node")
    async def pause(self, decision: Decision) -> DecisionReceipt:
        """Remember who paused it; the story holds before its next node, never in the middle of one."""
        self._edit(pause=Pause(by=claims_of(decision).person, at=workflow.now()))
        self._show(is_urgent=True)
        return DecisionReceipt(sentence="Pausing before the next node.")

    @pause.validator
    def _may_pause(self, decision: Decision) -> None:
        self.require_running()
        self.require_operator(decision, PAUSE)
        pause = self._status.pause
        if pause is not None:
            raise refusal(
                RefusedError("decision.already", f"Already {pause.sentence()}.", hint="/crdb resume lets it go.")
            )
        if not self._status.may_pause:
            raise refusal(
                RefusedError(
                    "pause.no-node-left",
                    "Found no node whose restart is still to come, expected one to pause before.",
                    hint="What is under way is never paused; /crdb cancel stops it where that is possible.",
                )
            )

    @workflow.update(name=RESUME, description="Go on after a pause")
    async def resume(self, decision: Decision) -> DecisionReceipt:
        """Let it go on, and say on the message who held it and who let it go."""
        pause, person = self._status.pause, claims_of(decision).person
        self._pause_reminders.end()
        self._edit(pause=None)
        if pause is not None and pause.before:
            who, until = person.name or person.id, workflow.now()
            said = f"{pause.sentence()} until {until:%H:%M} UTC before {pause.before}; resumed by {who}"
            self._edit(facts=(*self._status.facts, said))
        self._show(is_urgent=True)
        return DecisionReceipt(sentence="Going on.")

    @resume.validator
    def _may_resume(self, decision: Decision) -> None:
        self.require_running()
        self.require_operator(decision, RESUME)
        if self._status.pause is None:
            raise refusal(
                RefusedError("resume.not-paused", "This operation is not paused: there is nothing to resume.")
            )

    # --- what a story uses ---

    async def _hold(self, before: str, *, limit: timedelta, rule: ApprovalRule) -> bool:
        """Wait while people keep it paused; False where nobody has paused it.

        Args:
            before: What it will go on with.
            limit: How long one pause lasts at most.
            rule: When people are reminded of it.

        Raises:
            StoppedByPersonError: Somebody cancelled it, or nobody resumed it within the limit.
        """
        was_held = False
        while (pause := self._status.pause) is not None:
            was_held = True
            await self._until_resumed(pause, before, limit=limit, rule=rule)
        return was_held

    async def _until_resumed(self, pause: Pause, before: str, *, limit: timedelta, rule: ApprovalRule) -> None:
        now = workflow.now()
        held = pause.model_copy(update={"before": before, "until": now + limit})
        self._edit(pause=held)
        self._show(is_urgent=True)
        self._pause_reminders.begin(rule, shown_at=now, until=now + limit)
        try:
            is_resumed = await self._wait(
                lambda: self._status.pause is not held, timeout=limit, summary=f"people resume it before {before}"
            )
        except (Exception, asyncio.CancelledError):  # not GeneratorExit, which comes outside the workflow's loop
            self._pause_reminders.end()
            raise
        self._pause_reminders.end()
        if not is_resumed:
            said = f"{held.sentence()}; nobody resumed it within {limit.total_seconds() / 3600:g} h"
            problem = Problem(
                code="pause.expired",
                message=f"{said[:1].upper()}{said[1:]}.",
                hint=f"It stopped before {before}; the same /crdb {self.operation} goes on from there.",
            )
            self._edit(problem=problem, pause=None)
            raise StoppedByPersonError

    def _is_with_people(self) -> bool:
        pause = self._status.pause
        return super()._is_with_people() or (pause is not None and bool(pause.before))

    def _pause_reminder(self, reminder: Reminder) -> Say:
        pause = self._status.pause
        assert pause is not None
        assert pause.until is not None
        assert self._authorization is not None
        return Waiting(
            what=f"The paused {self.operation}",
            cluster=self._status.ref.cluster,
            approval_id=f"pause:{self._status.run_id}:{int(pause.at.timestamp())}",
            message=self._painter.message or MessageRef(channel=self._channel, ts=""),
            shown_at=pause.at,
            expires_at=pause.until,
            missing=1,
            has_some=False,
            audience=roles.audience(self._authorization.policy, "operator"),
            wanted="/crdb resume",
            end="It stops where it is",
        ).say(reminder)

    def _as_log(self) -> str:
        pause = self._status.pause
        if pause is None:
            return super()._as_log()
        return f"{super()._as_log()}\n- {pause.sentence()}; will go on with {pause.before or 'the next node'}"
