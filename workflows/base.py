"""What every change has in common: who asked, the steps on the card, the `status` query, `cancel`, and how it ends.

A change's own module holds its story (`_story`) and nothing else. The message in chat is drawn by `painter`; the last
state goes to `announce`; errors become words in `problems`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Generic, NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.authorization import AuthorizationActivities
    from activities.payloads import Authorization, AuthorizeRequest
    from domain import roles
    from domain.errors import OpsError, RefusedError
    from domain.model import ClusterRef, Person
    from operations.base import Request, Start, request_hash
    from operations.chat import SHOW_OPERATION, MessageRef, Say, ShowGate, ShowOperation
    from operations.messages import (
        CANCEL,
        STATUS,
        Claims,
        Decision,
        DecisionReceipt,
        OperationState,
        OperationStatus,
        Problem,
        Step,
        StepState,
    )
    from operations.queues import STATE
    from workflows.announce import AnnounceRequest, announce
    from workflows.painter import Painter
    from workflows.problems import failure_of, problem_of, refusal
    from workflows.retries import OBSERVE, PROGRESS, ROOT

from temporalio.common import SearchAttributeKey

_STATE = SearchAttributeKey.for_keyword(STATE)
_NOBODY = Person(team="", id="")

Done = TypeVar("Done")
Answer = TypeVar("Answer")


class StoppedByPersonError(Exception):
    """Raised inside a story between two steps after somebody asked to cancel, or nobody let it go on in time."""


class OperationWorkflow(Generic[Done]):
    """A change: authorized first, shown in chat, cancellable between steps, closed with a record.

    Subclasses set `operation` and `steps` and write `_story`. Their `@workflow.init` calls `_begin`.
    """

    operation: str
    steps: tuple[tuple[str, str], ...]

    def _begin(self, ref: ClusterRef, headline: str) -> None:
        info = workflow.info()
        self._status = OperationStatus(
            operation=self.operation,
            ref=ref,
            headline=headline,
            requester=_NOBODY,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            steps=tuple(Step(name=name, title=title) for name, title in self.steps),
            started_at=workflow.now(),
        )
        self._authorization: Authorization | None = None
        self._cancelled_by: Person | None = None
        self._is_over = False
        #: Under which name a step of a plan that is made anew stands on the message.
        self._names: dict[str, str] = {}
        self._painter: Painter[ShowOperation] = Painter(
            SHOW_OPERATION,
            lambda message: ShowOperation(channel=self._channel, status=self._status, message=message),
            first=ROOT,
            edits=PROGRESS,
            summary="the operation's message",
            posted=self._posted,
        )

    # --- what a person may ask a running change ---

    @workflow.query(name=STATUS, description="All that the operation's message shows")
    def status(self) -> OperationStatus:
        """Answer the message's state."""
        return self._status

    @workflow.update(name=CANCEL, description="Stop before the next step")
    async def cancel(self, decision: Decision) -> DecisionReceipt:
        """Record who stopped it; the story stops before its next step."""
        person = claims_of(decision).person
        if self._cancelled_by is None:
            self._cancelled_by = person
        return DecisionReceipt(sentence="Stopping before the next step.")

    @cancel.validator
    def _may_cancel(self, decision: Decision) -> None:
        self.require_running()
        self.require_operator(decision, "cancel")
        if not self._status.may_cancel:
            raise refusal(
                RefusedError("cancel.too-late", "It is past the point that nothing takes back: it only watches now.")
            )

    def require_running(self) -> None:
        """Refuse once the operation is over."""
        if self._is_over or self._authorization is None:
            raise refusal(RefusedError("decision.closed", "This operation is not running any more."))

    def require_operator(self, decision: Decision, verb: str) -> None:
        """Refuse whoever neither asked for the operation nor holds its role or the approvers'."""
        person = claims_of(decision).person
        assert self._authorization is not None
        policy = self._authorization.policy
        is_requester = person.is_same_as(self._status.requester)
        if not is_requester and not any(roles.holds(policy, person, role) for role in ("operator", "approver")):
            raise refusal(
                RefusedError("role.missing", f"Only the requester, operators and approvers may {verb} this operation.")
            )

    # --- the run ---

    async def _run(self, start: Start, request: Request, story: Callable[[], Awaitable[Done]]) -> Done:
        """Authorize, tell the story, and close: done, failed, cancelled by a person, or cancelled from outside."""
        try:
            await self._authorize(start, request)
            result = await story()
        except StoppedByPersonError:
            problem, said = self._status.problem, f"Cancelled by {self._canceller}."
            if self._cancelled_by is not None:
                self._edit(facts=(*self._status.facts, f"cancelled by {self._canceller}"))
            elif problem is not None:
                said = problem.message
            await self._close("cancelled")
            raise ApplicationError(said, type="Cancelled", non_retryable=True) from None
        except BaseException as error:
            if is_cancelled_exception(error):
                if workflow.cancellation_reason() is None:
                    raise  # the worker lets go of the run, which goes on elsewhere
                self._edit(problem=Problem(code="cancelled.outside", message="Cancelled outside, person unknown."))
                await self._close("cancelled")
                raise
            if not isinstance(error, FailureError | OpsError):
                raise
            problem = problem_of(error, site=self._status.ref.site)
            self._edit(problem=problem)
            await self._close("failed")
            raise failure_of(problem, error) from error
        await self._close(self._status.state if self._status.state in ("nothing", "plan") else "done")
        return result

    async def _authorize(self, start: Start, request: Request) -> None:
        info = workflow.info()
        self._authorization = await workflow.execute_activity_method(
            AuthorizationActivities.authorize,
            AuthorizeRequest(
                operation=self.operation,
                ref=self._status.ref,
                request_hash=request_hash(self.operation, request),
                request_id=start.request_id,
                token=start.token,
                workflow_id=info.workflow_id,
                is_first_run=info.continued_run_id is None and info.first_execution_run_id == info.run_id,
                started_at=info.start_time,
            ),
            summary="check who asked and whether they may",
            **OBSERVE,
        )
        self._edit(requester=self._authorization.requester)

    async def _close(self, state: OperationState) -> None:
        self._is_over = True
        now = workflow.now()
        for step in self._status.steps:
            if step.state in ("running", "person"):
                self._set_step(step.name, "failed" if state in ("failed", "cancelled") else "done", ended=True)
        self._edit(state=state, ended_at=now, may_ask_again=False)
        workflow.upsert_search_attributes([_STATE.value_set(state)])
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._authorization is None:
            return
        await self._painter.stop()
        message = self._painter.message
        await announce(
            AnnounceRequest(
                operation=ShowOperation(channel=self._channel, status=self._status, message=message),
                gates=await self._last_gates(),
                say=Say(
                    channel=self._channel,
                    thread_ts=message.ts if message else "",
                    key=f"end:{self._status.run_id}",
                    kind="end",
                    text=self._ending(state),
                    mention=self._status.requester.id,
                ),
            )
        )

    async def _last_gates(self) -> tuple[ShowGate, ...]:
        """Return the questions whose last state is still to be shown; changes that ask some say which (`gate`)."""
        return ()

    @property
    def _canceller(self) -> str:
        return self._cancelled_by.name or self._cancelled_by.id if self._cancelled_by else "a person"

    def _ending(self, state: OperationState) -> str:
        words = {
            "done": "is done",
            "nothing": "found nothing to do",
            "plan": "shows its plan; nothing was changed",
            "failed": "failed",
            "cancelled": f"was cancelled by {self._canceller}" if self._cancelled_by else "was cancelled",
        }.get(state, state)
        problem = self._status.problem
        why = f": {problem.message} {problem.hint}".rstrip() if problem else "."
        return f"{self.operation} of {self._status.ref.cluster} {words}{why}"

    # --- what a story uses ---

    @property
    def _channel(self) -> str:
        return self._authorization.channel if self._authorization else ""

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Show a step as running, then as done; as failed when its body raises."""
        self._check_cancelled()
        self._set_step(name, "running")
        self._show()
        try:
            yield
        except (Exception, asyncio.CancelledError):  # not GeneratorExit, which comes outside the workflow's loop
            self._set_step(name, "failed", ended=True)
            raise
        self._set_step(name, "done", ended=True)

    def _show_left(self, left: Sequence[tuple[str, str]]) -> None:
        """Put what is left to do on the message, by name and title; what was begun stays as it was."""
        begun = [step for step in self._status.steps if step.state != "todo"]
        used, fresh = {step.name for step in begun}, list[Step]()
        for name, title in left:
            actual, number = name, 1
            while actual in used:
                number += 1
                actual = f"{name}.{number}"
            used.add(actual)
            self._names[name] = actual
            fresh.append(Step(name=actual, title=title))
        self._edit(steps=(*begun, *fresh))

    def _skip(self, *names: str, detail: str) -> None:
        """Show steps as not needed."""
        for name in names:
            self._set_step(name, "skipped", detail=detail)

    def _check_cancelled(self) -> None:
        if self._cancelled_by is not None:
            raise StoppedByPersonError
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError

    def _is_interrupted(self) -> bool:
        """Whether a wait ends before what it waits for; `_check_cancelled` then says why."""
        return self._cancelled_by is not None

    async def _wait(self, ready: Callable[[], bool], *, timeout: timedelta, summary: str) -> bool:
        """Wait for a condition, a cancel or the time-out; False when the time was up."""
        try:
            await workflow.wait_condition(
                lambda: ready() or self._is_interrupted(), timeout=timeout, timeout_summary=summary
            )
        except TimeoutError:
            return False
        self._check_cancelled()
        return True

    async def _or_cancel(self, work: workflow.ActivityHandle[Answer]) -> Answer:
        """Wait for a long activity; it has really stopped before a cancel of any kind goes on."""
        try:
            await workflow.wait_condition(lambda: work.done() or self._is_interrupted())
        except asyncio.CancelledError:
            await self._stopped(work)
            raise
        if not work.done():
            await self._stopped(work)
            self._check_cancelled()
        return await work

    async def _stopped(self, work: workflow.ActivityHandle[Answer]) -> None:
        if workflow.cancellation_reason() is not None or self._is_interrupted():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _detail(self, name: str, detail: str, state: StepState = "running") -> None:
        """Say how a step stands; redrawn soon when that is news."""
        step = next(step for step in self._status.steps if step.name == name)
        if (step.detail, step.state) != (detail, state):
            self._set_step(name, state, detail=detail)
            self._show()

    def _show(self, *, is_urgent: bool = False) -> None:
        """Redraw the message from the state now: at once, or with others that follow."""
        state: OperationState = "person" if self._is_with_people() else "running"
        if self._status.state in ("running", "person"):
            self._edit(state=state)
        workflow.set_current_details(self._as_log())
        if self._authorization is None:
            return
        if is_urgent:
            self._painter.paint()
        else:
            self._painter.paint_soon()

    def _is_with_people(self) -> bool:
        """Whether it waits for a person."""
        return any(step.state == "person" for step in self._status.steps)

    def _edit(self, **fields: object) -> None:
        self._status = self._status.model_copy(update={**fields, "sequence": self._status.sequence + 1})

    def _set_step(self, name: str, state: StepState, *, detail: str | None = None, ended: bool = False) -> None:
        now = workflow.now()

        def changed(step: Step) -> Step:
            update: dict[str, object] = {"state": state, "started_at": step.started_at or now}
            if detail is not None:
                update["detail"] = detail
            if ended or state == "skipped":
                update["ended_at"] = now
            return step.model_copy(update=update)

        self._edit(steps=tuple(changed(step) if step.name == name else step for step in self._status.steps))

    def _as_log(self) -> str:
        lines = [f"**{self._status.headline}**", ""]
        lines += [f"- {step.title}: {step.state} {step.detail}".rstrip() for step in self._status.steps]
        return "\n".join(lines)

    def _posted(self, message: MessageRef) -> None:
        workflow.upsert_memo({"channel": message.channel, "root_ts": message.ts})


def claims_of(decision: Decision) -> Claims:
    """Return what a decision's token says; its signature was checked by the worker's interceptor."""
    return Claims.model_validate_json(decision.token.claims)


def never(value: object) -> NoReturn:
    """Say that a case cannot happen."""
    raise AssertionError(f"unexpected {value!r}")
