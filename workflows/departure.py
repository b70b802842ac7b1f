"""Nodes leave the cluster: decommission all at once, replicas move, drain, end; or they are taken back.

Nothing of it touches a pod; that the nodes are `decommissioned` is what `scale` waits for before it removes any.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.membership import MembershipActivities
    from activities.scale_payloads import FollowRequest, Members, MembersRequest
    from domain.errors import RefusedError
    from domain.health import Moving, NodeStatus, moving
    from domain.model import ClusterRef, ClusterSpec, NodeRef
    from workflows.problems import problem_of
    from workflows.retries import (
        ASK_AGAIN_AFTER,
        DRAIN,
        HEALTH,
        MEMBERSHIP,
        MOVED_OFTEN,
        MOVED_SELDOM,
        STALLED_FOR,
    )
    from workflows.target import TargetWorkflow

Done = TypeVar("Done")


class DepartureWorkflow(TargetWorkflow[Done]):
    """A change in which nodes may leave."""

    def _begin_toward(self, ref: ClusterRef, headline: str, *, target: int) -> None:
        super()._begin_toward(ref, headline, target=target)
        #: Ids that this run has begun to decommission, or found so: what a cancel takes back.
        self._departing: set[int] = set()
        self._departed: set[int] = set()

    async def _try(self, spec: ClusterSpec, ids: tuple[int, ...]) -> Members:
        return await workflow.execute_activity_method(
            MembershipActivities.try_decommission,
            self._about(spec, ids),
            summary=f"on trial: could {_named(ids)} leave?",
            **MEMBERSHIP,
        )

    async def _decommission(self, spec: ClusterSpec, ids: tuple[int, ...], *, steps: tuple[str, str, str]) -> None:
        """Let these nodes leave. `steps` names where moving, draining and the end are shown."""
        move, drain, end = steps
        while True:
            with self._step(move):
                await self._move(spec, ids, step=move)
            with self._step(drain):
                await self._or_cancel(
                    workflow.start_activity_method(
                        MembershipActivities.drain, self._about(spec, ids), summary=f"drain {_named(ids)}", **DRAIN
                    )
                )
            with self._step(end):
                found = await self._or_cancel(
                    workflow.start_activity_method(
                        MembershipActivities.finish,
                        self._about(spec, ids),
                        summary=f"end the decommission of {_named(ids)}",
                        **MEMBERSHIP,
                    )
                )
                if found.is_over:
                    self._departed |= set(ids)
                    self._departing -= set(ids)
                    self._detail(end, f"{_named(ids)}: decommissioned")
                    return
                # The nodes' own count said none, the command's, which scans the ranges, says there are some.
                self._detail(end, f"{found.left} replicas are left")
                await self._wait(lambda: False, timeout=ASK_AGAIN_AFTER, summary="then count the replicas again")

    async def _move(self, spec: ClusterSpec, ids: tuple[int, ...], *, step: str) -> None:
        self._departing |= set(ids)
        # Few replicas are gone by the time the command answers: they count as moved all the same.
        nodes = self._facts.nodes if self._facts else ()
        before = sum(node.replicas or 0 for node in nodes if node.id in ids and node.is_live)
        begun = await self._or_cancel(
            workflow.start_activity_method(
                MembershipActivities.decommission,
                self._about(spec, ids),
                summary=f"decommission {_named(ids)} in one command",
                **MEMBERSHIP,
            )
        )
        since = moved_at = workflow.now()
        left, total = begun.left, max(before, begun.left)
        told, ready = "", begun.ready
        if left:
            self._detail(step, moving(left=left, total=total, seconds=0).sentence())
        while left > 0:
            followed = await self._or_cancel(
                workflow.start_activity_method(
                    MembershipActivities.follow,
                    self._follow_request(spec, ids, known=left, since=since, ready=ready, is_told=bool(told)),
                    summary=f"{left} replicas left on {_named(ids)}",
                    **HEALTH,
                )
            )
            now, ready = workflow.now(), followed.ready
            if followed.left != left:
                left, total, moved_at, told = followed.left, max(total, followed.left), now, ""
            is_stalled = bool(left) and now - moved_at >= self._stalled_after
            # What moves no more has no rate, and nobody knows how long it still takes.
            progress = moving(left=left, total=total, seconds=0 if is_stalled else (now - since).total_seconds())
            if is_stalled:
                told = told or await self._what_holds(spec, ids, followed)
                self._check_stall(progress, told, stalled=now - moved_at)
            self._detail(step, f"{progress.sentence()}{told}")
        all_of_them = "its one replica" if total == 1 else f"all {total} replicas"
        self._detail(step, f"{all_of_them} moved away" if total else "no replicas were left on them")

    def _follow_request(
        self,
        spec: ClusterSpec,
        ids: tuple[int, ...],
        *,
        known: int,
        since: datetime,
        ready: tuple[NodeRef, ...],
        is_told: bool,
    ) -> FollowRequest:
        """Tell often in the first minutes and seldom later: a move of hours must not fill the history."""
        pause = MOVED_OFTEN if workflow.now() - since < 10 * MOVED_SELDOM else MOVED_SELDOM
        return FollowRequest(
            ref=self._status.ref,
            spec=spec,
            ids=ids,
            known=known,
            ready=ready,
            at_least=pause.total_seconds(),
            at_most=(MOVED_SELDOM if is_told else min(MOVED_SELDOM, self._stalled_after)).total_seconds(),
        )

    @property
    def _stalled_after(self) -> timedelta:
        assert self._facts is not None
        minutes = self._facts.stalled_minutes
        return timedelta(minutes=minutes)

    async def _what_holds(self, spec: ClusterSpec, ids: tuple[int, ...], seen: Members) -> str:
        """Say what a stall is about: on which nodes replicas stay, and which ranges the checks name."""
        ranges: dict[int, tuple[int, ...]] = {}
        try:
            tried = await self._try(spec, ids)
            blocked, ranges = tried.blocked, tried.ranges
        except ActivityError as error:
            blocked = (problem_of(error).message,)
        held = ", ".join(_held(node, ranges.get(node.id, ())) for node in seen.nodes if node.is_member)
        return "".join(f"; {part}" for part in ("no replica moves any more", held, *blocked) if part)

    def _check_stall(self, progress: Moving, told: str, *, stalled: timedelta) -> None:
        if stalled >= STALLED_FOR:
            raise RefusedError(
                "scale.stalled",
                f"For an hour no replica moved: {progress.sentence()}{told}.",
                hint="Mend the ranges that are named, or add a node first; then ask again.",
            )

    async def _take_back(self, spec: ClusterSpec, ids: tuple[int, ...]) -> tuple[str, str]:
        """Recommission nodes that are on their way out; a cancel does not stop it.

        Returns who was taken back, and what else there is to say of it.
        """
        found = await workflow.execute_activity_method(
            MembershipActivities.recommission,
            self._about(spec, ids),
            summary=f"take {_named(ids)} back",
            **MEMBERSHIP,
        )
        self._departing -= set(ids)
        back = [node.name() for node in found.nodes if node.is_member]
        gone = [node.name() for node in found.nodes if not node.is_member]
        self._departed |= {node.id for node in found.nodes if not node.is_member}
        said = [f"restarted, since drained: {_named(found.restarted)}"] if found.restarted else []
        said += [f"decommissioned already, which nothing takes back: {', '.join(gone)}"] if gone else []
        return f"taken back: {', '.join(back)}" if back else "", "; ".join(said)

    async def _undo(self, spec: ClusterSpec | None) -> None:
        """Take back what has begun to leave, and say so; that it failed is said as well, and is no second failure."""
        if spec is None or not self._departing:
            return
        try:
            parts = await self._take_back(spec, tuple(sorted(self._departing)))
            said = "; ".join(part for part in parts if part)
        except ActivityError as error:
            ids = _named(tuple(sorted(self._departing)))
            said = f"{ids} could not be taken back and still leave: {problem_of(error).message}"
        self._edit(facts=(*self._status.facts, said))

    def _about(self, spec: ClusterSpec, ids: tuple[int, ...]) -> MembersRequest:
        return MembersRequest(ref=self._status.ref, spec=spec, ids=ids)


def _held(node: NodeStatus, ranges: tuple[int, ...]) -> str:
    """Say what a node still holds, with the ranges where they are known."""
    count = node.replicas if node.is_live and node.replicas else 0
    said = f"{node.name()} holds {count or 'some'}"
    if not ranges:
        return said
    more = " and more" if count > len(ranges) else ""
    return f"{said}: range{'' if len(ranges) == 1 else 's'} {', '.join(map(str, ranges))}{more}"


def _named(ids: tuple[int, ...]) -> str:
    return ", ".join(f"n{number}" for number in ids)
