"""`Observe`: a major upgrade that is not final is kept in mind, without the lock, until it is final or rolled back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ConfigDict

    from activities.observing import ObservingActivities
    from activities.upgrade_payloads import WatchRequest
    from domain.model import ClusterRef
    from domain.observation import Observation, Outcome, unseen
    from operations.chat import SHOW_OBSERVATION, MessageRef, Say, ShowObservation
    from operations.messages import STATUS, UPGRADE_OVER, UpgradeOver
    from operations.observe import ObserveState, ObserveStatus
    from operations.queues import CHAT_QUEUE, observe_id
    from workflows.painter import Painter
    from workflows.problems import problem_of
    from workflows.retries import (
        ANNOUNCE,
        CARD,
        NOTICED_AFTER,
        REMINDED_AFTER,
        REMINDED_SELDOM,
        WATCH,
        WATCH_AGAIN,
        WATCH_SPARE,
        within,
    )


class ObserveStart(BaseModel):
    """Which upgrade is observed, since and until when, where people read of it, and who is reminded."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    version: str
    before: str
    since: datetime
    until: datetime
    channel: str
    thread_ts: str
    seen: Observation = Observation()
    audience: tuple[str, ...] = ()


@workflow.defn(name="Observe")
class ObserveWorkflow:
    """Keep an upgrade in mind; undone by nothing, since nothing is changed.

    1. One card in the upgrade's thread: since when, active version and what the nodes run, what is not well, with
       *Finalize* and *Roll back*, which start those changes. It is drawn again only when what it says has changed.
    2. When the time is over, remind those who can decide, again after days, and the card names them.
    3. The end, on the card and in the thread: told by `finalize` and `rollback`, or seen where somebody did it by hand.
    """

    @workflow.init
    def __init__(self, start: ObserveStart) -> None:
        """Begin with an upgrade that is not over."""
        info = workflow.info()
        self._start = start
        self._said: Say | None = None
        self._quiet = NOTICED_AFTER
        self._quiet_until = workflow.now()
        self._status = ObserveStatus(
            ref=start.ref,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            version=start.version,
            before=start.before,
            since=start.since,
            until=start.until,
            seen=start.seen,
        )
        self._painter: Painter[ShowObservation] = Painter(
            SHOW_OBSERVATION,
            self._card,
            first=CARD,
            edits=CARD,
            summary=f"the card of {start.version}, which is not final",
            posted=lambda _message: None,
        )

    @workflow.query(name=STATUS, description="All that the card shows")
    def status(self) -> ObserveStatus:
        """Answer the card's state."""
        return self._status

    @workflow.signal(name=UPGRADE_OVER)
    def over(self, told: UpgradeOver) -> None:
        """Hear from the change that made it final, or rolled it back."""
        if not self._status.is_over:
            self._edit(state=told.outcome, sentence=told.sentence)

    @workflow.run
    async def run(self, start: ObserveStart) -> str:
        """Show, watch, remind; return how it ended."""
        self._painter.paint()
        try:
            for due in _moments(start.until):
                await self._watch(until=due)
                if self._status.is_over:
                    break
                self._remind()
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is None:
                raise  # the worker lets go of the run, which goes on elsewhere
            self._edit(state="stopped", sentence="stopped outside, by a person who is not known")
        await self._tell_end()
        return self._status.sentence

    # --- what is seen ---

    async def _watch(self, *, until: datetime) -> None:
        """Look until that moment, or until it is over; each attempt of the activity is a look."""
        while not self._is_over() and workflow.now() < until:
            watching = workflow.start_activity_method(
                ObservingActivities.watch,
                WatchRequest(
                    ref=self._start.ref,
                    version=self._start.version,
                    before=self._start.before,
                    known=self._status.seen,
                    until=until,
                    quiet_until=self._quiet_until,
                ),
                summary=f"whether {self._start.version} is final, rolled back, or something is not well",
                **within(WATCH, until - workflow.now() + WATCH_SPARE),
            )
            # Ends by itself: the activity has its deadline.
            await workflow.wait_condition(lambda: self._is_over() or watching.done())  # noqa: B023 - awaited here
            if self._is_over():
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                return
            try:
                seen = watching.result()
            except ActivityError as error:
                self._take(unseen(problem_of(error).message, last=self._status.seen))
                await self._sleep(min(until, workflow.now() + WATCH_AGAIN))
            else:
                if seen == self._status.seen:
                    return  # nothing new, and the time is over
                self._take(seen)

    async def _sleep(self, until: datetime) -> None:
        """Wait where nobody may look; the end is still told by whoever makes it."""
        try:
            await workflow.wait_condition(
                lambda: self._status.is_over,
                timeout=max(until - workflow.now(), timedelta(seconds=1)),
                timeout_summary=f"before {self._start.version}, at which nobody can look, is looked at again",
            )
        except TimeoutError:
            return

    def _take(self, seen: Observation) -> None:
        """Show what is new; later changes are told ever more seldom: a node that comes and goes fills no history."""
        if seen == self._status.seen:
            return
        now, changes = workflow.now(), dict[str, object]()
        if seen.notices != self._status.seen.notices:
            changes["noticed_at"] = now
        if self._status.seen != Observation():
            self._quiet_until, self._quiet = now + self._quiet, self._quiet * 2
        if seen.outcome:
            changes |= {"state": _STATES[seen.outcome], "sentence": f"{_ENDS[seen.outcome]}: {seen.sentence}"}
        self._edit(seen=seen, version=seen.version or self._status.version, **changes)
        if not self._status.is_over:
            self._painter.paint()

    # --- what is told ---

    def _remind(self) -> None:
        status, now = self._status, workflow.now()
        self._said = self._say(
            f"remind-{int(now.timestamp())}",
            f"{status.version} of {status.ref.cluster} runs since {status.since:%Y-%m-%d %H:%M} UTC and is not final: "
            "no scale and no other upgrade can begin. /crdb finalize makes it final, /crdb rollback returns to "
            f"{status.before}.",
            is_warning=True,
        )
        self._edit(state="due", reminded=self._start.audience, reminded_at=now)
        self._painter.paint()

    async def _tell_end(self) -> None:
        """Draw the card for the last time, and say it in the thread; there is no lock that waits for this."""
        await self._painter.stop()
        status = self._status
        self._said = self._say(
            "end", f"{status.version} of {status.ref.cluster} is not observed any more: {status.sentence}."
        )
        try:
            await workflow.execute_activity(
                SHOW_OBSERVATION,
                self._card(self._painter.message),
                result_type=MessageRef,
                task_queue=CHAT_QUEUE,
                summary="how it ended, on the card and in the thread",
                **ANNOUNCE,
            )
        except ActivityError as error:
            workflow.logger.info("end not said", extra={"error": str(error.cause)})

    def _card(self, message: MessageRef | None) -> ShowObservation:
        """Return what the card shows now; what is said goes with the next drawing, once."""
        said, self._said = self._said, None
        return ShowObservation(
            channel=self._start.channel,
            status=self._status,
            thread_ts=self._start.thread_ts,
            message=message,
            say=said,
        )

    def _say(self, key: str, text: str, *, is_warning: bool = False) -> Say:
        return Say(
            channel=self._start.channel,
            thread_ts=self._start.thread_ts,
            key=f"observe-{key}:{workflow.info().run_id}",
            kind="warning" if is_warning else "milestone",
            text=text,
            audience=self._start.audience if is_warning else (),
            about=self._painter.message if is_warning else None,
        )

    def _is_over(self) -> bool:
        return self._status.is_over

    def _edit(self, **fields: object) -> None:
        self._status = self._status.model_copy(update={**fields, "sequence": self._status.sequence + 1})


_STATES: dict[Outcome, ObserveState] = {"final": "final", "rolled-back": "rolled-back", "gone": "gone"}
_ENDS: dict[Outcome, str] = {"final": "it is final", "rolled-back": "it is rolled back", "gone": "the cluster is gone"}


def _moments(until: datetime) -> Iterator[datetime]:
    """Return when people are reminded, for as long as it is not final."""
    yield from (until + after for after in REMINDED_AFTER)
    last = until + REMINDED_AFTER[-1]
    yield from (last + REMINDED_SELDOM * number for number in itertools.count(1))


async def begin_observing(start: ObserveStart) -> None:
    """Begin beside the change, which ends; one that observes the same cluster already goes on."""
    try:
        await workflow.start_child_workflow(
            ObserveWorkflow.run,
            start,
            id=observe_id(start.ref),
            parent_close_policy=ParentClosePolicy.ABANDON,
            static_summary=f"{start.version} of {start.ref.cluster} is not final",
        )
    except FailureError:
        workflow.logger.info("observed already", extra={"observed": observe_id(start.ref)})


async def end_observing(ref: ClusterRef, sentence: str, *, outcome: str) -> None:
    """Tell whoever observes the cluster how its upgrade ended; it is no matter if nobody does."""
    try:
        await workflow.get_external_workflow_handle(observe_id(ref)).signal(
            UPGRADE_OVER, UpgradeOver.model_validate({"sentence": sentence, "outcome": outcome})
        )
    except FailureError:
        workflow.logger.info("nobody observes", extra={"observed": observe_id(ref)})
