"""Everything a test of workflows needs at once: a site of its own with world, chat, people, workers and watch.

The workers are made by `worker.build_worker`, so that sandbox, token check and error translation are production's.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import operations.base
import operations.deploy
import operations.drill
import operations.finalize
import operations.init
import operations.rollback
import operations.scale
import operations.upgrade
from devtools.histories import Way, not_replaying, replayer
from domain.configuration import Configuration
from domain.errors import RefusedError
from domain.model import Person
from events.csr import CsrEvents
from gateway.client import OperationsClient
from gateway.connect import connect
from gateway.settings import TemporalSettings
from operations.base import Operation, Start
from operations.certify import CertifyResult, CertifyStart, CertifyStatus
from operations.deploy import DeployRequest, DeployResult, DeployStart
from operations.drill import DrillRequest, DrillResult, DrillStart
from operations.finalize import FinalizeRequest, FinalizeResult, FinalizeStart
from operations.gate import GateStatus
from operations.init import InitRequest, InitResult, InitStart
from operations.messages import DecisionReceipt, OperationStatus, StepState, Verb
from operations.queues import CHAT_QUEUE, CLUSTER, OPERATION, certify_id, change_id, ops_queue, signer_queue
from operations.rollback import RollbackRequest, RollbackResult, RollbackStart
from operations.scale import ScaleRequest, ScaleResult, ScaleStart
from operations.upgrade import UpgradeRequest, UpgradeResult, UpgradeStart
from tests.workflows.acting import ops_activities, signer_activities
from tests.workflows.people import ALICE, BOB, Pen
from tests.workflows.talking import Bot, Chat
from tests.workflows.waiting import until_asked
from tests.workflows.world import Request, World, configuration
from worker import build_worker, workflow_classes

Result = TypeVar("Result")

_SITES = itertools.count(1)


@dataclass(frozen=True)
class Grounds:
    """What all tests of a process share: the server, the key, and the bot, since its queue is one for all sites."""

    temporal: TemporalSettings
    pen: Pen = field(default_factory=Pen)
    bot: Bot = field(default_factory=Bot)
    replayed: set[Way] = field(default_factory=set)


class Stage:
    """One site during one test."""

    def __init__(self, client: Client, pen: Pen, world: World, bot: Bot) -> None:
        self.client, self.pen, self.world = client, pen, world
        self.chat: Chat = bot.chat(world.configuration.clusters["shop"].channel)
        self.gateway = OperationsClient(client, ui_url="http://127.0.0.1:8233")
        self.skipper = TimeSkipper(client)
        self.tasks: list[asyncio.Task[None]] = []

    # --- changes ---

    async def deploy(self, person: Person = ALICE, **wishes: Any) -> WorkflowHandle[Any, DeployResult]:
        """Ask for a deploy the way the bot does."""
        request = DeployRequest(ref=self.world.ref, **wishes)
        return await self._ask(operations.deploy.OPERATION, request, DeployStart, person, result_type=DeployResult)

    async def initialize(self, person: Person = ALICE, **wishes: Any) -> WorkflowHandle[Any, InitResult]:
        """Ask for an init the way the bot does."""
        request = InitRequest(ref=self.world.ref, **wishes)
        return await self._ask(operations.init.OPERATION, request, InitStart, person, result_type=InitResult)

    async def drill(self, node: int, person: Person = ALICE, **wishes: Any) -> WorkflowHandle[Any, DrillResult]:
        """Ask for a node to be killed the way the bot does."""
        request = DrillRequest(ref=self.world.ref, drill="kill-node", node=node, **wishes)
        return await self._ask(operations.drill.OPERATION, request, DrillStart, person, result_type=DrillResult)

    async def scale(self, nodes: int, person: Person = ALICE, **wishes: Any) -> WorkflowHandle[Any, ScaleResult]:
        """Ask for a scale the way the bot does."""
        request = ScaleRequest(ref=self.world.ref, nodes=nodes, **wishes)
        return await self._ask(operations.scale.OPERATION, request, ScaleStart, person, result_type=ScaleResult)

    async def upgrade(self, version: str, person: Person = ALICE, **wishes: Any) -> WorkflowHandle[Any, UpgradeResult]:
        """Ask for another release the way the bot does."""
        request = UpgradeRequest(ref=self.world.ref, version=version, **wishes)
        return await self._ask(operations.upgrade.OPERATION, request, UpgradeStart, person, result_type=UpgradeResult)

    async def roll_back(self, person: Person = ALICE, **wishes: Any) -> WorkflowHandle[Any, RollbackResult]:
        """Ask for the release before the way the bot does."""
        request = RollbackRequest(ref=self.world.ref, **wishes)
        return await self._ask(
            operations.rollback.OPERATION, request, RollbackStart, person, result_type=RollbackResult
        )

    async def finalize(self, person: Person = ALICE, **wishes: Any) -> WorkflowHandle[Any, FinalizeResult]:
        """Ask for an upgrade to be made final the way the bot does."""
        request = FinalizeRequest(ref=self.world.ref, **wishes)
        return await self._ask(
            operations.finalize.OPERATION, request, FinalizeStart, person, result_type=FinalizeResult
        )

    async def _ask(
        self,
        operation: Operation,
        request: operations.base.Request,
        start: type[Start],
        person: Person,
        *,
        result_type: type[Result],
    ) -> WorkflowHandle[Any, Result]:
        ref, request_id = self.world.ref, uuid.uuid4().hex
        token = self.pen.start(person, operation.name, request, workflow_id=change_id(ref), request_id=request_id)
        started = await self.gateway.start(
            operation,
            start.model_validate({"request": request, "request_id": request_id, "token": token}),
            ref=ref,
            requester=person,
            summary=f"{operation.name} {ref.cluster}",
        )
        return self.client.get_workflow_handle(started.workflow_id, run_id=started.run_id, result_type=result_type)

    async def retarget(self, handle: WorkflowHandle[Any, Any], nodes: int, person: Person = ALICE) -> DecisionReceipt:
        """Click "Change the running one to N"."""
        run_id = handle.run_id or ""
        decision = self.pen.decision("retarget", person, workflow_id=handle.id, run_id=run_id, nodes=nodes)
        update_id = f"retarget:{run_id}:{nodes}:{person.id}:{uuid.uuid4().hex}"
        return await self.gateway.decide(
            "retarget", workflow_id=handle.id, run_id=run_id, decision=decision, update_id=update_id
        )

    def handle(self, workflow_id: str, run_id: str) -> WorkflowHandle[Any, Any]:
        """A handle on one run."""
        return self.client.get_workflow_handle(workflow_id, run_id=run_id)

    async def until_started(self, workflow_id: str) -> None:
        """Wait until a run of that id is there."""
        async with asyncio.timeout(60):
            while True:
                with suppress(RPCError):
                    await self.client.get_workflow_handle(workflow_id).describe()
                    return
                await asyncio.sleep(0.05)

    async def status(self, handle: WorkflowHandle[Any, Any]) -> OperationStatus:
        """What the operation says of itself."""
        return await self.gateway.operation_status(handle.id, run_id=handle.result_run_id or handle.run_id or "")

    async def until_step(self, handle: WorkflowHandle[Any, Any], name: str, state: StepState) -> None:
        """Wait until a step of an operation stands so."""

        async def is_so() -> bool:
            return any((s.name, s.state) == (name, state) for s in (await self.status(handle)).steps)

        await until_asked(is_so)

    async def until_said(self, handle: WorkflowHandle[Any, Any], name: str, words: str) -> None:
        """Wait until a step of an operation says so."""

        async def is_said() -> bool:
            return any(step.name == name and words in step.detail for step in (await self.status(handle)).steps)

        await until_asked(is_said)

    async def click_operation(
        self, verb: Verb, handle: WorkflowHandle[Any, Any], person: Person = ALICE
    ) -> DecisionReceipt:
        """Click a button of the operation's message."""
        run_id = handle.run_id or ""
        fields = {"run_id": run_id} | ({"approval_id": run_id} if verb == "ask_again" else {})
        decision = self.pen.decision(verb, person, workflow_id=handle.id, **fields)
        which = f"{run_id}:{uuid.uuid4().hex}" if verb in ("pause", "resume") else run_id
        return await self.gateway.decide(
            verb, workflow_id=handle.id, run_id=run_id, decision=decision, update_id=f"{verb}:{which}:{person.id}"
        )

    def approve_all(self, person: Person = BOB) -> None:
        """Let a person approve every card as it is shown."""
        self.tasks.append(asyncio.create_task(self._approve_all(person)))

    async def _approve_all(self, person: Person) -> None:
        done: set[str] = set()
        while True:
            for card in self.chat.cards("pending"):
                if card.approval_id not in done:
                    done.add(card.approval_id)
                    await self.click("approve", card, person)
            await asyncio.sleep(0.01)

    def answer_all(self, verb: Verb, *people: Person) -> None:
        """Let people answer every question of a change as it is shown."""
        self.tasks.append(asyncio.create_task(self._answer_all(verb, people)))

    async def _answer_all(self, verb: Verb, people: tuple[Person, ...]) -> None:
        done: set[str] = set()
        while True:
            for card in self.chat.gates("pending"):
                if card.approval_id not in done:
                    done.add(card.approval_id)
                    for person in people:
                        await self.answer(verb, card, person)
            await asyncio.sleep(0.01)

    async def answer(self, verb: Verb, card: GateStatus, person: Person, *, reason: str = "") -> DecisionReceipt:
        """Click a button of a question."""
        fields = {"run_id": card.run_id, "approval_id": card.approval_id, "fingerprint": card.fingerprint}
        decision = self.pen.decision(verb, person, workflow_id=card.workflow_id, reason=reason, **fields)
        update_id = f"{verb}:{card.approval_id}:{person.id}"
        return await self.gateway.decide(
            verb, workflow_id=card.workflow_id, run_id=card.run_id, decision=decision, update_id=update_id
        )

    async def approve_without_cards(self, person: Person = BOB) -> None:
        """Approve every request by what Temporal itself knows, as the text command does while chat is down."""
        for request in list(self.world.state.requests.values()):
            workflow_id = certify_id(site=self.world.ref.site, name=request.name, uid=request.uid)
            await self._approve_by_target(workflow_id, person)

    async def _approve_by_target(self, workflow_id: str, person: Person) -> None:
        while True:
            with suppress(RefusedError):  # not started yet
                target = await self.gateway.target(workflow_id)
                if target.state == "pending":
                    break
            await asyncio.sleep(0.02)
        decision = self.pen.decision(
            "approve",
            person,
            workflow_id=workflow_id,
            run_id=target.run_id,
            approval_id=target.approval_id,
            fingerprint=target.fingerprint,
        )
        await self.gateway.decide(
            "approve",
            workflow_id=workflow_id,
            run_id=target.run_id,
            decision=decision,
            update_id=f"approve:{target.approval_id}:{person.id}",
        )

    # --- certificates ---

    async def certify(self, request: Request) -> WorkflowHandle[Any, CertifyResult]:
        """Start the life of a request as the watch does."""
        return await self.client.start_workflow(
            "Certify",
            CertifyStart(ref=self.world.ref, csr=request.name, csr_uid=request.uid),
            id=certify_id(site=self.world.ref.site, name=request.name, uid=request.uid),
            task_queue=ops_queue(self.world.ref.site),
            result_type=CertifyResult,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=certify_attributes(str(self.world.ref)),
        )

    async def click(
        self, verb: Verb, card: CertifyStatus, person: Person = BOB, *, reason: str = "", **other: str
    ) -> DecisionReceipt:
        """Click a card's button as it was shown; `other` changes what the token names."""
        fields = {"run_id": card.run_id, "approval_id": card.approval_id}
        if verb in ("approve", "deny"):
            assert card.verdict is not None
            fields["fingerprint"] = card.verdict.fingerprint
        decision = self.pen.decision(verb, person, workflow_id=card.workflow_id, reason=reason, **{**fields, **other})
        return await self.gateway.decide(
            verb,
            workflow_id=card.workflow_id,
            run_id=card.run_id,
            decision=decision,
            update_id=f"{verb}:{card.approval_id}:{person.id}",
        )

    @asynccontextmanager
    async def signer(self) -> AsyncIterator[None]:
        """A signer that comes late."""
        site = self.world.ref.site
        activities = signer_activities(self.world, self.pen.ring)
        async with _ending(
            build_worker(self.client, queue=signer_queue(site), ring=self.pen.ring, activities=activities)
        ):
            yield

    # --- time and history ---

    async def pass_time(self, handle: WorkflowHandle[Any, Any], **span: float) -> None:
        """Let time pass for one workflow."""
        async with asyncio.timeout(45):
            await self.skipper.fast_forward(handle, timedelta(**span))

    async def failure_in_time(self, handle: WorkflowHandle[Any, Any]) -> ApplicationError:
        """Let all the time pass that a workflow waits for, until it fails."""
        async with asyncio.timeout(45):
            await self.skipper.fast_forward(handle)
        return await failure_of(handle)

    async def history(self, handle: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
        """All events of a run."""
        return list((await handle.fetch_history()).events)


def certify_attributes(cluster: str) -> Any:
    """The search attributes with which a Certify is started."""
    pairs = {CLUSTER: cluster, OPERATION: "certify"}
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(key), value) for key, value in pairs.items()]
    )


async def ending_of(handle: WorkflowHandle[Any, Any]) -> BaseException:
    """The cause with which a run fails."""
    async with asyncio.timeout(20):
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert caught.value.cause is not None
    return caught.value.cause


async def failure_of(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    """The application error with which a run ends."""
    cause = await ending_of(handle)
    assert isinstance(cause, ApplicationError), repr(cause)
    return cause


def code_of(error: ApplicationError) -> str:
    """The code that an error of ours carries."""
    return str(error.details[0]["code"])


def said_at_end(chat: Chat) -> list[str]:
    """What was said when an operation ended."""
    return [say.text for say in chat.said.values() if say.kind == "end"]


def new_site() -> str:
    """A name that no other test of this process uses."""
    return f"s{next(_SITES)}"


@asynccontextmanager
async def _ending(worker: Worker) -> AsyncIterator[None]:
    """Run a worker; one that does not stop in time is left behind, as production leaves it (`gateway.ending`).

    But where an activity of ours does not end, the test fails.
    """
    await worker.__aenter__()
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(40):
                await worker.__aexit__(None)
        except TimeoutError:
            assert worker._activity_worker is not None
            assert not worker._activity_worker._running_activities
            print(f"the worker of {worker.task_queue} did not stop", file=sys.stderr)
            for task in asyncio.all_tasks():
                task.print_stack()


@asynccontextmanager
async def staged(
    grounds: Grounds,
    *,
    file: Configuration | None = None,
    has_signer: bool = True,
    watches: bool = True,
    classes: Sequence[type] = (),
) -> AsyncIterator[Stage]:
    """Put up a site: workers of both roles, the bot's chat worker, the watch of requests; `classes` are served too.

    At the end nothing impossible has happened, and every run replays. To replay all, in the sandbox that watched the
    run itself, would be a quarter of what these tests cost: a way that a process of tests has replayed is not replayed
    by it again. The tests of faults, where ways differ, replay every run.
    """
    file = file or configuration(new_site())
    (site,) = file.sites
    client = await connect(grounds.temporal, identity=f"test-{site}")
    pen, bot, world = grounds.pen, grounds.bot, World(file, client=client)
    stage = Stage(client, pen, world, bot)
    workers = [
        build_worker(
            client,
            queue=ops_queue(site),
            ring=pen.ring,
            classes=[*workflow_classes(), *classes],
            activities=ops_activities(world, pen.ring),
        )
    ]
    workers.append(Worker(client, task_queue=CHAT_QUEUE, activities=bot.activities()))
    async with AsyncExitStack() as stack:
        for one in workers:
            await stack.enter_async_context(_ending(one))
        if has_signer:
            await stack.enter_async_context(stage.signer())
        if watches:
            stage.tasks.append(asyncio.create_task(CsrEvents(client, world, file, site=site).run()))
        try:
            yield stage
        finally:
            for task in stage.tasks:
                task.cancel()
            await asyncio.gather(*stage.tasks, return_exceptions=True)
    assert world.state.impossible == []
    replays = replayer(pen.ring, classes=classes, runner=UnsandboxedWorkflowRunner())
    async with asyncio.timeout(30):
        query = f"TaskQueue = '{ops_queue(site)}'"
        assert await not_replaying(client, replays, query=query, known=grounds.replayed) == []
