"""Trouble between the activities and their ports: one kind a run, met once at each activity that it can meet.

The real activities call these ports; which run they act for, an interceptor says. What a status means is decided by
the production code (`activities.clients.errors`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from activities.clients.errors import network, of_answer
from domain.errors import OpsError
from domain.nodes import NodeAnswer
from tests.fakes.kubernetes import FakeCsrs
from tests.fakes.living import LivingKubernetes
from tests.workflows.fault_cells import WRITING, Fault

#: Methods of ports that write an object.
_WRITES = frozenset({"apply", "create", "annotate", "delete", "decide", "issue", "fail", "make"})


class Outage:
    """Something happens once, when all who shall meet it have come to where it hits them."""

    def __init__(self, happen: Callable[[], Awaitable[None]], *, awaited: int) -> None:
        self._happen, self._awaited = happen, awaited
        self._come: set[str] = set()
        self._all_came, self._passed = asyncio.Event(), asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether it has happened."""
        return self._passed.is_set()

    async def meet(self, who: str) -> None:
        """Wait for it and through it."""
        self._come.add(who)
        if len(self._come) >= self._awaited:
            self._all_came.set()
        await self._passed.wait()

    async def run(self) -> None:
        """Let it happen."""
        await self._all_came.wait()
        await self._happen()
        self._passed.set()


class Trouble:
    """What one run meets, and where it met it.

    Args:
        faults: What happens; of calls to the API at most one kind.
        kubernetes: The run's world, in which pods are held back for a watch to break.
        outage: Where the server is killed; met in the activities `at` alone.
        at: Activities of one step.
    """

    def __init__(
        self,
        faults: tuple[Fault, ...],
        kubernetes: LivingKubernetes,
        *,
        outage: Outage | None = None,
        at: tuple[str, ...] = (),
    ) -> None:
        self.faults, self._kubernetes = faults, kubernetes
        self._outage, self._at = outage, at
        self._met: Counter[tuple[Fault, str]] = Counter()

    def has_met(self, fault: Fault, activities: tuple[str, ...]) -> bool:
        """Whether a fault was met in one of these activities."""
        return any(self._met[fault, name] for name in activities)

    def meet(self, fault: Fault, name: str) -> None:
        """Note that a fault was met there."""
        self._met[fault, name] += 1

    def _meets(self, fault: Fault, name: str) -> bool:
        """Whether a fault hits here now, for the first time; notes it."""
        is_due = fault in self.faults and not self._met[fault, name]
        if is_due:
            self.meet(fault, name)
        return is_due

    async def around(self, method: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Do a port's call, or let it fail as this fault does."""
        name, is_write = activity.info().activity_type, method in _WRITES or method == "initialize"
        await self._through_outage(name)
        if method in _WRITES and self._meets("409", name):
            raise of_answer(409, body="", retry_after=None, what=method)
        if self._meets("429", name):
            raise of_answer(429, body="", retry_after="1", what=method)
        if self._meets("5xx", name):
            raise of_answer(503, body="", retry_after=None, what=method)
        if (is_write or name not in WRITING) and self._meets("time-out", name):
            await call()
            with network(method):
                raise TimeoutError
        return await call()

    async def _through_outage(self, name: str) -> None:
        if self._outage is not None and name in self._at and not self._outage.is_over:
            self.meet("Temporal killed", name)
            await self._outage.meet(str(self._kubernetes.ref))

    async def watching(self, events: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """Follow a watch, or break it before what is waited for."""
        name = activity.info().activity_type
        async with aclosing(events):
            if self._meets("watch dropped", name):
                self._kubernetes.release("running" if name == "cluster.wait_running" else "ready")
                with network("watch"):
                    raise ConnectionResetError
            async for event in events:
                yield event

    async def in_chat(self, name: str, moment: str) -> None:
        """What Slack does around the bot's call."""
        if moment == "after":
            await self._through_outage(name)
        if moment == "before" and self._meets("Slack 429", name):
            raise ApplicationError("Slack asks to wait.", next_retry_delay=timedelta(seconds=1))
        if moment == "after" and self._meets("Slack 5xx", name):
            raise ApplicationError("Slack did not do it (500).")


class Site:
    """What one run's ports are: the fakes, and the trouble in front of them."""

    def __init__(self, kubernetes: LivingKubernetes, trouble: Trouble) -> None:
        self.kubernetes, self.trouble = kubernetes, trouble
        self.csrs = FakeCsrs(kubernetes)


#: The run that the activity of this task acts for.
_CURRENT: ContextVar[Site] = ContextVar("site")


class Routed:
    """A port of all runs: passes each call to the run's own fake, through its trouble."""

    def __init__(self, pick: Callable[[Site], Any]) -> None:
        self._pick = pick

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        if method == "watch":
            return self._watch

        async def call(*args: Any, **keywords: Any) -> Any:
            site = _CURRENT.get()
            port = self._pick(site)
            try:
                return await site.trouble.around(method, lambda: getattr(port, method)(*args, **keywords))
            except OpsError as error:
                if method != "ask":
                    raise
                # NodePort: whatever a node answers or does not is an answer.
                return NodeAnswer(ordinal=args[1].ordinal, state="unreachable", detail=error.message)

        return call

    def _watch(self, *args: Any, **keywords: Any) -> AsyncGenerator[Any, None]:
        site = _CURRENT.get()
        return site.trouble.watching(self._pick(site).watch(*args, **keywords))


class Marking(ClientInterceptor, WorkerInterceptor):
    """Says for each activity which run it acts for, and does it twice where that is the trouble."""

    def __init__(self, sites: dict[str, Site]) -> None:
        self._sites = sites

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Mark(next, self._sites)


class _Mark(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, sites: dict[str, Site]) -> None:
        super().__init__(next)
        self._sites = sites

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        ref = getattr(input.args[0], "ref", None)
        site = self._sites.get(ref.cluster) if ref is not None else None
        if site is None:
            return await super().execute_activity(input)
        _CURRENT.set(site)
        result = await super().execute_activity(input)
        if "activity twice" in site.trouble.faults:
            site.trouble.meet("activity twice", activity.info().activity_type)
            result = await super().execute_activity(input)
        return result
