"""Watching an upgrade that is not final: one look an attempt, until there is something to tell.

The facts are `activities.upgrading`; what they mean is `domain.observation`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from temporalio import activity

from activities.upgrade_payloads import WatchRequest
from domain.errors import NotReadyError, TransientError
from domain.model import STATEFULSET, ClusterRef
from domain.observation import Observation, observed, unseen
from domain.upgrade_facts import UpgradeFacts

#: Pause between two looks, each of which runs a handful of commands in the client pod: an upgrade is observed for days,
#: and a node that restarts is mostly back before the next one.
LOOK_EVERY = timedelta(minutes=5)


class Upgrading(Protocol):
    """What is looked through: `activities.upgrading`."""

    async def facts(self, ref: ClusterRef) -> UpgradeFacts:
        """Look at everything but our own rights."""
        ...


class ObservingActivities:
    """Activities of ops for an upgrade that is not final."""

    def __init__(self, upgrading: Upgrading, *, pause: timedelta = LOOK_EVERY) -> None:
        self._upgrading = upgrading
        self._pause = pause

    @activity.defn(name="observing.watch")
    async def watch(self, request: WatchRequest) -> Observation:
        """Return what is new, at the latest when the time is over. Repeating it is its way to wait: it only reads.

        An attempt is no event of the history, and no worker is held between two. What the one before saw is in its
        heartbeat: only what stays so for two looks is told. The clock is Temporal's.
        """
        info = activity.info()
        now, said = info.current_attempt_scheduled_time, info.heartbeat_details
        last = Observation.model_validate(said[0]) if said and said[0] else request.known
        seen = await self._look(request, last=last)
        if seen.outcome:
            return seen
        is_news = seen != request.known and seen == last and now >= request.quiet_until
        if is_news or now >= request.until:
            return seen if is_news else request.known
        activity.heartbeat(seen)
        raise NotReadyError(
            "upgrade.not-final",
            f"StatefulSet/{STATEFULSET}: found {request.version} not final and nothing new, expected one of these.",
            retry_after=min(self._pause, request.until - now),
        )

    async def _look(self, request: WatchRequest, *, last: Observation) -> Observation:
        try:
            facts = await self._upgrading.facts(request.ref)
        except (TransientError, NotReadyError) as error:
            return unseen(error.code, last=last)
        return observed(facts, version=request.version, before=request.before, last=last)
