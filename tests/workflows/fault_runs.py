"""Plays the fault matrix: every operation once for each fault, side by side, on a real Temporal server.

Activities, workflows, tokens and the watch are production's; behind the ports stand the fakes. One run meets its fault
once at each step, so a run is a column of the table. Two columns need a server of their own: Temporal killed, and the
bot away, whose queue is one for a whole Temporal namespace. `python -m tests.workflows.fault_runs` plays it and writes
the table into the docs.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

import gateway.setup
import operations.deploy
import operations.init
from activities.authorization import AuthorizationActivities
from activities.certificates import CertificateActivities
from activities.clients.temporal import TemporalRunning
from activities.cluster import ClusterActivities
from activities.nodes import NodeActivities
from activities.running import RunningActivities
from activities.signing import SigningActivities
from activities.sql import SqlActivities
from devtools.histories import not_replaying, replayer
from devtools.processes import free_port
from devtools.temporal import TemporalServer
from domain.configuration import Configuration
from domain.errors import OpsError, RefusedError
from domain.model import NodeRef
from events.csr import CsrEvents
from gateway.client import OperationsClient
from gateway.connect import connect
from gateway.settings import TemporalSettings
from operations.certify import CertifyStatus
from operations.deploy import DeployRequest, DeployStart
from operations.init import InitRequest, InitStart
from operations.queues import CHAT_QUEUE, certify_id, change_id, ops_queue, signer_queue
from tests.fakes.living import LivingCsrWatch, LivingKubernetes
from tests.workflows.fault_cells import STEPS, TOGETHER, WATCHING, Fault, OperationName, Step
from tests.workflows.people import ALICE, BOB, Pen
from tests.workflows.talking import Bot, Chat
from tests.workflows.trouble import Marking, Outage, Routed, Site, Trouble
from worker import build_worker, workflow_classes

SITE = "m"
OPERATIONS: tuple[OperationName, ...] = ("deploy", "certify", "init")
AWAY: Fault = "bot away"
KILLED: Fault = "Temporal killed"
#: For one run, on a machine that has much else to do.
_DEADLINE = 240.0
#: People and the reader of the table look this often: thirty of them more often would be the load itself.
_LOOK_EVERY = 0.2


class Run:
    """One operation under some faults, which it meets at each of its steps; or at one, where each costs an outage."""

    def __init__(self, steps: tuple[Step, ...], faults: tuple[Fault, ...], ground: Ground) -> None:
        self.operation, self.steps = steps[0].operation, steps
        self.faults, self._ground = faults, ground
        self.name = cluster_of(steps, faults)
        self.ref = ground.configuration.ref(self.name)
        self.kubernetes = LivingKubernetes(ground.configuration, self.ref)
        self.trouble = Trouble(faults, self.kubernetes, outage=ground.outage, at=steps[0].activities)
        self.site = Site(self.kubernetes, self.trouble)
        self.chat: Chat = ground.bot.chat(ground.configuration.clusters[self.name].channel)
        self.times = 2 if "delivered twice" in faults else 1
        self.problems: list[str] = []
        self._clicked: set[str] = set()
        self.seconds = 0.0

    async def play(self) -> None:
        """Set the scene, ask, decide, see it end; what is wrong at the end is in `problems`."""
        began = time.monotonic()
        self._set_scene()
        deciding = asyncio.create_task(self._decide())
        try:
            async with asyncio.timeout(_DEADLINE):
                await self._until_ended()
                self._ground.ended.add(self.name)
                await self._until_told()
        except TimeoutError:
            self.problems.append(f"did not end within {_DEADLINE:.0f} s")
        finally:
            self._ground.ended.add(self.name)
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)
        self._count()
        self.seconds = time.monotonic() - began

    def was_met(self, step: Step, fault: Fault) -> bool:
        """Whether this run met a fault at a step."""
        place = (step.operation, step.name)
        if fault == "bot away":
            return self._ground.is_bot_away
        if fault == "watch dropped" and place in WATCHING:
            return self.kubernetes.dropped_csr_watch
        if fault == "delivered twice":
            return self.times == 2 and (
                step.name not in ("approve", "deny") or bool(self._clicked & {*step.activities})
            )
        return self.trouble.has_met(fault, step.activities)

    def _set_scene(self) -> None:
        kubernetes = self.kubernetes
        kubernetes.deliveries = self.times
        kubernetes.drops_csr_watch = "watch dropped" in self.faults
        self.chat.trouble = self.trouble.in_chat
        if self.operation != "deploy":
            kubernetes.stand()
            kubernetes.has_certificates = self.operation == "init"
        if "watch dropped" in self.faults and self.operation != "certify":
            kubernetes.held = {"running", "ready"}

    # --- what people do ---

    async def _until_ended(self) -> None:
        if self.operation == "certify":
            for ordinal in (0, 1):
                self.kubernetes.ask(NodeRef(ordinal=ordinal).pod)
        else:
            await self._change()
        for csr in self._csrs():
            result = await self._result(self._ground.client.get_workflow_handle(self._certify_id(csr)))
            self._check_certify(csr, result)

    async def _change(self) -> None:
        """Type the command; delivered twice it is sent again with the same request id."""
        request: Any = DeployRequest(ref=self.ref) if self.operation == "deploy" else InitRequest(ref=self.ref)
        entry = operations.deploy.OPERATION if self.operation == "deploy" else operations.init.OPERATION
        request_id = uuid.uuid4().hex
        token = self._ground.pen.start(
            ALICE, self.operation, request, workflow_id=change_id(self.ref), request_id=request_id
        )
        kind = DeployStart if self.operation == "deploy" else InitStart
        start = kind(request=request, request_id=request_id, token=token)
        runs = set()
        for _ in range(self.times):
            started = await self._ground.gateway.start(
                entry, start, ref=self.ref, requester=ALICE, summary=self.operation
            )
            runs.add(started.run_id)
        if len(runs) != 1:
            self.problems.append(f"one command started {len(runs)} runs")
        (run_id, *_) = runs
        result = await self._result(self._ground.client.get_workflow_handle(change_id(self.ref), run_id=run_id))
        wanted = {"deploy": "deployed", "init": "initialized"}[self.operation]
        if not isinstance(result, dict) or result.get("outcome") != wanted:
            self.problems.append(f"ended with {result}, expected {wanted}")

    async def _decide(self) -> None:
        """Approve every request as it is asked for, but node 1's in `certify`, which is denied."""
        done: set[str] = set()
        while True:
            for target in await self._open():
                if target.approval_id not in done:
                    done.add(target.approval_id)
                    await self._click(target)
            await asyncio.sleep(_LOOK_EVERY)

    async def _open(self) -> list[Any]:
        """What waits for a decision: cards in chat, or while the bot is away what Temporal knows itself."""
        if "bot away" not in self.faults:
            return [_Card(card) for card in self.chat.cards("pending")]
        found = []
        for csr in self._csrs():
            with suppress(OpsError):
                target = await self._ground.gateway.target(self._certify_id(csr))
                found += [target] if target.state == "pending" else []
        return found

    async def _click(self, target: Any) -> None:
        verb = "deny" if self.operation == "certify" and "cockroachdb-1" in target.workflow_id else "approve"
        decision = self._ground.pen.decision(
            cast(Any, verb),
            BOB,
            workflow_id=target.workflow_id,
            run_id=target.run_id,
            approval_id=target.approval_id,
            fingerprint=target.fingerprint,
            reason="wrong pod" if verb == "deny" else "",
        )
        for _ in range(self.times):
            with suppress(RefusedError):  # the second click on a request that was closed by the first
                await self._ground.gateway.decide(
                    verb,
                    workflow_id=target.workflow_id,
                    run_id=target.run_id,
                    decision=decision,
                    update_id=f"{verb}:{target.approval_id}:{BOB.id}",
                )
            self._clicked.add("certificates.deny" if verb == "deny" else "certificates.approve")

    async def _result(self, handle: WorkflowHandle[Any, Any]) -> Any:
        """Wait for a run's end, over outages of the server."""
        while True:
            try:
                return await handle.result()
            except WorkflowFailureError as error:
                return repr(error.cause)
            except RPCError:  # not there yet, or the server is not
                await asyncio.sleep(0.1)

    async def _until_told(self) -> None:
        """The last state of every message has been shown, and the end was said."""
        await self._ground.bot_is_back(self.name)
        while not self._is_told():  # noqa: ASYNC110 - chat has no event to wait for
            await asyncio.sleep(_LOOK_EVERY)

    def _is_told(self) -> bool:
        operation = self.chat.shown_operation()
        ended = operation is not None and operation.state == "done" and any(
            say.kind == "end" for say in self.chat.said.values()
        )  # fmt: skip
        cards = {card.csr for card in self.chat.cards("issued", "denied")}
        return (self.operation == "certify" or ended) and cards == {csr["metadata"]["name"] for csr in self._csrs()}

    # --- what must be ---

    def _check_certify(self, csr: dict[str, Any], result: Any) -> None:
        name = csr["metadata"]["name"]
        wanted = "denied" if self.operation == "certify" and name.endswith("-1") else "issued"
        if not isinstance(result, dict) or result.get("state") != wanted:
            self.problems.append(f"{name} ended with {result}, expected {wanted}")
        elif len(result["decisions"]) != 1:
            self.problems.append(f"{name}: {len(result['decisions'])} decisions, expected one")

    def _count(self) -> None:
        """Nothing lost and nothing doubled: count the effects on the fakes."""
        counts = {
            "inits": (self.kubernetes.nodes.inits, [] if self.operation == "certify" else [0]),
            "authorities": (self.kubernetes.authorities.made, 1 if self.operation == "deploy" else 0),
            "made twice": ([key for key, count in self.kubernetes.made.items() if count > 1], []),
            "deleted": ([call for call in self.kubernetes.calls if call[0] == "delete"], []),
            "requests": (len(self._csrs()), {"deploy": 4, "certify": 2, "init": 0}[self.operation]),
            "written": (sorted(self.site.csrs.written), self._written()),
            "messages": (self._messages("operation"), 0 if self.operation == "certify" else 1),
            "cards": (self._messages("card"), len(self._csrs())),
        }
        self.problems += [
            f"{what}: {found}, expected {wanted}" for what, (found, wanted) in counts.items() if found != wanted
        ]

    def _written(self) -> list[tuple[str, str]]:
        wanted = []
        for csr in self._csrs():
            name = csr["metadata"]["name"]
            is_denied = self.operation == "certify" and name.endswith("-1")
            wanted += [(name, what) for what in (("Denied",) if is_denied else ("Approved", "certificate"))]
        return sorted(wanted)

    def _messages(self, kind: str) -> int:
        return sum(message.origin[2] == kind for message in self.chat.messages.values())

    def _csrs(self) -> list[dict[str, Any]]:
        return [item for key, item in self.kubernetes.objects.items() if key[0] == "CertificateSigningRequest"]

    def _certify_id(self, csr: dict[str, Any]) -> str:
        return certify_id(site=SITE, name=csr["metadata"]["name"], uid=csr["metadata"]["uid"])


class _Card:
    """What a click names, read from a card."""

    def __init__(self, card: CertifyStatus) -> None:
        assert card.verdict is not None
        self.workflow_id, self.run_id, self.approval_id = card.workflow_id, card.run_id, card.approval_id
        self.fingerprint = card.verdict.fingerprint


class Ground:
    """What runs share on one Temporal: client, workers, bot."""

    def __init__(self, client: Client, *, is_bot_away: bool = False, outage: Outage | None = None) -> None:
        self.client, self.configuration, self.pen = client, configuration(), Pen()
        self.is_bot_away, self.outage = is_bot_away, outage
        self.bot = Bot()
        self.gateway = OperationsClient(client, ui_url="http://127.0.0.1:8233")
        self.sites: dict[str, Site] = {}
        self.ended: set[str] = set()
        self.bot_came_back = asyncio.Event()

    async def bot_is_back(self, name: str) -> None:
        """Where the bot was away: it comes when all operations have ended."""
        if self.is_bot_away:
            await self.bot_came_back.wait()

    async def play(self, runs: Sequence[Run]) -> None:
        """Serve and play."""
        self.sites |= {run.name: run.site for run in runs}
        ring, file = self.pen.ring, self.configuration
        cluster, csrs, nodes = (
            cast(Any, Routed(pick)) for pick in (lambda s: s.kubernetes, lambda s: s.csrs, lambda s: s.kubernetes.nodes)
        )
        authorities = cast(Any, Routed(lambda s: s.kubernetes.authorities))
        running = TemporalRunning(self.client)
        ops = [
            AuthorizationActivities(file, ring),
            ClusterActivities(cluster, file),
            CertificateActivities(csrs, running, file),
            NodeActivities(nodes, cluster),
            SqlActivities(nodes),
            RunningActivities(running),
        ]
        client = _marked(self.client, self.sites)
        workers = [
            build_worker(
                client, queue=ops_queue(SITE), ring=ring, classes=workflow_classes(), activities=_methods(*ops)
            ),
            build_worker(
                client,
                queue=signer_queue(SITE),
                ring=ring,
                activities=_methods(SigningActivities(csrs, authorities, file, ring)),
            ),
        ]
        async with AsyncExitStack() as stack:
            for worker in workers:
                await stack.enter_async_context(worker)
            watch = LivingCsrWatch([run.kubernetes for run in runs])
            watching = asyncio.create_task(CsrEvents(self.client, watch, file, site=SITE).run())
            stack.push_async_callback(_stopped, watching)
            playing = asyncio.gather(*(run.play() for run in runs))
            if self.is_bot_away:
                while not self.ended >= {run.name for run in runs}:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(_LOOK_EVERY)
            await stack.enter_async_context(
                Worker(self.client, task_queue=CHAT_QUEUE, activities=self.bot.activities())
            )
            self.bot_came_back.set()
            await playing
            unsteady = await not_replaying(self.client, replayer(ring), query=f"TaskQueue = '{ops_queue(SITE)}'")
        assert not unsteady, unsteady


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _marked(client: Client, sites: dict[str, Site]) -> Client:
    config = client.config()
    config["interceptors"] = [Marking(sites)]
    return Client(**config)


def _methods(*served: object) -> list[Any]:
    found = [getattr(one, name) for one in served for name in dir(one)]
    return [method for method in found if hasattr(method, "__temporal_activity_definition")]


def cluster_of(steps: tuple[Step, ...], faults: tuple[Fault, ...]) -> str:
    """The name of a run's cluster, which is its namespace as well."""
    where = f"-{steps[0].name}" if len(steps) == 1 else ""
    return f"{steps[0].operation}-{faults[0]}{where}".lower().replace(" ", "-")


def steps_of(operation: OperationName) -> tuple[Step, ...]:
    """All steps of an operation."""
    return tuple(step for step in STEPS if step.operation == operation)


#: The steps and faults of every run.
RUNS: tuple[tuple[tuple[Step, ...], tuple[Fault, ...]], ...] = (
    *((steps_of(operation), faults) for faults in (*TOGETHER, (AWAY,)) for operation in OPERATIONS),
    *(((step,), (KILLED,)) for step in STEPS),
)


def configuration() -> Configuration:
    """One site with a cluster for each run."""
    clusters = {
        name: {
            "site": SITE,
            "namespace": name,
            "channel": f"C-{name}",
            "version": "v25.2.3",
            "storage_class": "fast",
        }
        for name in (cluster_of(steps, faults) for steps, faults in RUNS)
    }
    return Configuration.model_validate(
        {
            "team": "T1",
            "images": {"agent": "local.invalid/crdbops-agent:1", "database": "local.invalid/cockroach"},
            "sites": {SITE: {}},
            "clusters": clusters,
            "roles": {"operator": {"groups": ["S-OPS"]}, "approver": {"groups": ["S-APPROVE"]}},
        }
    )


async def play_faults(temporal: TemporalSettings) -> list[Run]:
    """Play all columns but the server's own death, side by side in this namespace and one beside it."""
    away = temporal.model_copy(update={"namespace": f"{temporal.namespace}-bot-away"})
    await gateway.setup.set_up(away, seconds=60)
    without_bot = Ground(await connect(away, identity="faults"), is_bot_away=True)
    ground = Ground(await connect(temporal, identity="faults"))
    absent = [Run(steps, faults, without_bot) for steps, faults in RUNS if AWAY in faults]
    others = [Run(steps, faults, ground) for steps, faults in RUNS if not {AWAY, KILLED} & {*faults}]
    await asyncio.gather(without_bot.play(absent), ground.play(others))
    return [*absent, *others]


async def play_outage(folder: Path, *, steps: Sequence[Step]) -> list[Run]:
    """Play the death of Temporal: one run for each step, all of them in the middle of it when the server is killed."""
    server = TemporalServer(folder, port=free_port())

    async def happen() -> None:
        await asyncio.to_thread(server.kill)
        await server.start()

    await server.start()
    try:
        outage = Outage(happen, awaited=len(steps))
        client = await connect(TemporalSettings(address=server.address), identity="faults")
        ground = Ground(client, outage=outage)
        runs = [Run((step,), (KILLED,), ground) for step in steps]
        happening = asyncio.create_task(outage.run())
        await ground.play(runs)
        happening.cancel()
        return runs
    finally:
        await asyncio.to_thread(server.stop)
