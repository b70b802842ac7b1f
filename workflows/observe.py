"""`Observe`: a major upgrade that is not final is kept in mind, without the lock, until it is final or rolled back."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ConfigDict

    from activities.upgrade_payloads import UpgradeObserveRequest
    from activities.upgrading import UpgradingActivities
    from domain.model import ClusterRef
    from domain.releases import series_of
    from domain.upgrade import UpgradeFacts
    from operations.chat import SAY, MessageRef, Say
    from operations.messages import UPGRADE_OVER, UpgradeOver
    from operations.queues import CHAT_QUEUE, observe_id
    from workflows.retries import ANNOUNCE, MEMBERSHIP, OBSERVED_AT_MOST


class ObserveStart(BaseModel):
    """Which upgrade is observed, since and until when, and where people read of it."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    version: str
    before: str
    since: datetime
    until: datetime
    channel: str
    thread_ts: str


@workflow.defn(name="Observe")
class ObserveWorkflow:
    """Keep an upgrade in mind; undone by nothing, since nothing is changed.

    1. Say in the upgrade's thread that it is observed, since when and until when.
    2. When that time is over, say that it is to be made final or rolled back, and once more a week later.
    3. Say how it ended: `finalize` and `rollback` tell of it, and before each reminder it looks for itself.
    """

    @workflow.init
    def __init__(self, start: ObserveStart) -> None:
        """Begin with an upgrade that is not over."""
        self._start = start
        self._ended = ""

    @workflow.signal(name=UPGRADE_OVER)
    def over(self, told: UpgradeOver) -> None:
        """Hear from the change that made it final, or rolled it back."""
        self._ended = told.sentence

    @workflow.run
    async def run(self, start: ObserveStart) -> str:
        """Say, wait, remind; return how it ended."""
        ways = f"/crdb finalize makes it final, /crdb rollback returns to {start.before}."
        what = f"{start.version} of {start.ref.cluster}"
        await self._say(
            "since",
            f"{what} is observed from {_instant(start.since)} until {_instant(start.until)}. It is not final: {ways}",
        )
        for number, until in enumerate((start.until, start.until + OBSERVED_AT_MOST)):
            if await self._is_over(until):
                break
            is_last = "" if not number else " Nobody is reminded any more; /crdb status shows it."
            await self._say(
                f"remind-{number}",
                f"{what} runs since {_instant(start.since)} and is not final, so that no scale and no other upgrade "
                f"can begin: {ways}{is_last}",
                is_warning=True,
            )
        else:
            return "not final"
        await self._say("end", f"{what} is not observed any more: {self._ended}.")
        return self._ended

    async def _is_over(self, until: datetime) -> bool:
        """Wait, then look: somebody may have made it final by hand."""
        try:
            await workflow.wait_condition(
                lambda: bool(self._ended),
                timeout=max(until - workflow.now(), timedelta(seconds=1)),
                timeout_summary=f"before people are reminded that {self._start.version} is not final",
            )
        except TimeoutError:
            self._ended = self._ended or await self._look()
        return bool(self._ended)

    async def _look(self) -> str:
        try:
            observed = await workflow.execute_activity_method(
                UpgradingActivities.observe,
                UpgradeObserveRequest(ref=self._start.ref),
                summary="whether the upgrade is still not final",
                **MEMBERSHIP,
            )
        except ActivityError:
            return ""  # who cannot look says what was so last
        return _ended(observed.facts, self._start.version)

    async def _say(self, key: str, text: str, *, is_warning: bool = False) -> None:
        say = Say(
            channel=self._start.channel,
            thread_ts=self._start.thread_ts,
            key=f"observe-{key}:{workflow.info().run_id}",
            kind="warning" if is_warning else "milestone",
            text=text,
        )
        try:
            await workflow.execute_activity(
                SAY, say, result_type=MessageRef, task_queue=CHAT_QUEUE, summary=f"say: {key}", **ANNOUNCE
            )
        except ActivityError as error:
            workflow.logger.info("observation not said", extra={"error": str(error.cause)})


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


async def end_observing(ref: ClusterRef, sentence: str) -> None:
    """Tell whoever observes the cluster how its upgrade ended; it is no matter if nobody does."""
    try:
        await workflow.get_external_workflow_handle(observe_id(ref)).signal(
            UPGRADE_OVER, UpgradeOver(sentence=sentence)
        )
    except FailureError:
        workflow.logger.info("nobody observes", extra={"observed": observe_id(ref)})


def _ended(facts: UpgradeFacts, version: str) -> str:
    """Say how an upgrade ended that nobody told of; "" while it has not."""
    if facts.recorded is None or not facts.active:
        return ""
    if facts.series == series_of(version):
        return f"active version {facts.active}"
    return "" if facts.upgraded_from else f"{facts.template} is recorded"


def _instant(at: datetime) -> str:
    return f"<t:{int(at.timestamp())}>"
