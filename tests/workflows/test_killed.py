"""The crash matrix: every activity of deploy, scale and certify, its worker killed before and after the effect.

A real Temporal server, real processes, SIGKILL by the activity itself: its first attempt dies before the effect, its
second after it; other processes follow and people click meanwhile. At the end everything is done, nothing is lost and
nothing is doubled. Chat is the bot's, another process: its activities lose their answer instead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from devtools.histories import not_replaying, replayer
from domain.model import CLIENT_POD, Person
from gateway.connect import connect
from operations.chat import SAY, SHOW_CARD, SHOW_GATE, SHOW_OBSERVATION, SHOW_OPERATION
from operations.queues import CHAT_QUEUE, certify_id, observe_id, ops_queue
from tests.forks import FORKS
from tests.workflows.acting import activity_names, ops_activities, signer_activities
from tests.workflows.killed_worker import serve
from tests.workflows.people import BOB, CAROL
from tests.workflows.stage import Grounds, Stage
from tests.workflows.waiting import until
from tests.workflows.world import State, World, configuration

pytestmark = pytest.mark.faults

Story = Literal[
    "first", "kept", "joined", "again", "init", "up", "down", "emptied", "back", "drill",
    "patch", "major", "observed", "final", "certify", "deny", "deny-outside",
]  # fmt: skip

NODES = ("cockroachdb-0", "cockroachdb-1", "cockroachdb-2")
NODE_CSR, ROOT_CSR = "crdb.node.cockroachdb-0", "crdb.client.root"
#: Which story brings which activities about; each group is killed its way through one run, on one site.
GROUPS: list[tuple[Story, tuple[str, ...]]] = [
    ("first", ("signing.ensure_ca", "cluster.record_ca", "cluster.apply")),
    ("kept", ("operation.authorize", "signing.preflight", "cluster.plan")),
    ("kept", ("running.open_certifies", "cluster.certificates", "cluster.wait_running")),
    ("kept", ("nodes.init", "cluster.wait_ready", "sql.check")),
    ("kept", (SHOW_OPERATION, SAY)),
    ("joined", ("nodes.observe",)),
    ("again", ("cluster.ask_again",)),
    ("init", ("cluster.plan_init", "cluster.client_pod", "nodes.record_target", "nodes.init")),
    ("up", ("scaling.observe", "scaling.resize", "scaling.watch_replicas")),
    ("down", ("nodes.try_decommission", "nodes.decommission", "nodes.follow")),
    ("down", ("nodes.drain", "nodes.finish", "scaling.wait_gone")),
    ("emptied", ("scaling.delete_volume",)),
    ("down", (SHOW_GATE,)),
    ("back", ("nodes.recommission",)),
    ("drill", ("drilling.observe", "drilling.kill", "drilling.wait_back")),
    ("patch", ("upgrading.observe", "upgrading.roll", "upgrading.wait_back")),
    ("major", ("upgrading.guard",)),
    ("observed", ("observing.watch", SHOW_OBSERVATION)),
    ("final", ("upgrading.finalize", "upgrading.follow_version")),
    ("certify", ("certificates.read", "running.behind", "signing.judge")),
    ("certify", ("certificates.approve", "signing.sign", "certificates.verify")),
    ("certify", (SHOW_CARD,)),
    ("deny", ("certificates.deny",)),
    ("deny-outside", ("signing.fail",)),
]
#: Nodes before and after.
SCALES: dict[Story, tuple[int, int]] = {"up": (3, 4), "down": (4, 3), "emptied": (4, 3), "back": (4, 4)}
UPGRADES: dict[Story, str] = {"patch": "v25.2.4", "major": "v25.4.1", "observed": "v25.4.1"}
#: Who says yes to which story's question; Bob says no to all others.
YES: dict[Story, tuple[Person, ...]] = {
    "emptied": (BOB, CAROL),
    "major": (BOB,),
    "observed": (BOB,),
    "final": (BOB, CAROL),
}
CASES = [(story, name, group) for group, (story, names) in enumerate(GROUPS) for name in names]
#: Seconds for one group, on a machine that has much else to do.
DEADLINE = 240
#: Groups that play at once: each waits for time-outs most of the time, and more than these would wait for a processor.
AT_ONCE = 12


@dataclass
class Ended:
    """What a case came to."""

    ending: str
    state: State
    lost: list[str]
    seconds: float
    starts: int
    unsteady: list[str] = field(default_factory=list)


class Case:
    """One site whose worker is killed once."""

    def __init__(self, grounds: Grounds, stage: Stage, file: Path, *, story: Story, names: tuple[str, ...]) -> None:
        self.stage, self._grounds, self._file = stage, grounds, file
        self.story, self.names = story, names
        self.processes: list[BaseProcess] = []

    async def play(self) -> Ended:
        """Set the scene, start, let people click, see it end."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        world, chat = self.stage.world, self.stage.chat
        self._set_scene(world)
        chat.loses = self.names
        self._start()
        tasks = [asyncio.create_task(one) for one in (self._keep_alive(), self._click())]
        try:
            ending = await self._ending()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if SAY in self.names:
            await until(lambda: chat.calls.count(SAY) > 2, seconds=60)
        for process in self.processes:
            process.kill()
            process.join()
        state = State.model_validate_json(self._file.read_bytes())
        return Ended(ending, state, chat.lost, loop.time() - began, len(self.processes))

    def _set_scene(self, world: World) -> None:
        if self.story in ("kept", "joined"):
            world.keep_certificates(*NODES, CLIENT_POD)
        if self.story == "init":
            world.wait_for_init()
            del world.state.pods[CLIENT_POD]
        if self.story == "again":
            world.keep_certificates(*NODES)
        if self.story == "joined":
            world.state.init_target = 0
            world.state.cluster_ids = dict.fromkeys(range(3), "0b7e-one-cluster")
        if self.story == "drill":
            world.serve(1, 3, 2)
        if self.story in ("patch", "major", "observed", "final"):
            world.serve(1, 2, 3)
        if self.story == "final":
            world.stand_on("v25.4.1")
        if self.story in SCALES:
            world.serve(*range(1, SCALES[self.story][0] + 1))
        if self.story == "back":
            world.state.members[3].membership = "decommissioning"
        if self.story in ("certify", "deny", "deny-outside"):
            request = world.add_pod()
            request.approved = "outside" if self.story == "deny-outside" else ""
        world.save()

    def _start(self) -> None:
        ring = json.dumps({"keys": [self._grounds.pen.ring_key.model_dump(mode="json")]})
        site = self.stage.world.ref.site
        process = FORKS.Process(
            target=serve, args=(self._grounds.temporal, site, self._file, ring, self.names), daemon=True
        )
        process.start()
        self.processes.append(process)

    async def _keep_alive(self) -> None:
        """Start another worker when one has died, as Kubernetes does."""
        while True:
            if not self.processes[-1].is_alive():
                self._start()
            await asyncio.sleep(0.05)

    async def _click(self) -> None:
        """Decide on every card as it is shown: Bob denies or approves as the story has it."""
        clicked: set[str] = set()
        is_denied = self.story in ("again", "deny", "deny-outside")
        while True:
            for card in self.stage.chat.cards("pending"):
                if card.approval_id not in clicked:
                    verb: Literal["approve", "deny"] = "deny" if is_denied else "approve"
                    await self.stage.click(verb, card, BOB, reason="wrong pod" if is_denied else "")
                    clicked.add(card.approval_id)
                    is_denied = is_denied and self.story != "again"
            await self._answer(clicked)
            shown = self.stage.chat.shown_operation()
            if shown is not None and shown.may_ask_again and "asked" not in clicked:
                clicked.add("asked")
                await self.stage.click_operation("ask_again", self.stage.handle(shown.workflow_id, shown.run_id))
            await asyncio.sleep(0.05)

    async def _answer(self, answered: set[str]) -> None:
        """Decide on what a change asks: as many as are needed say yes, or one says no."""
        for card in self.stage.chat.gates("pending"):
            if card.approval_id not in answered:
                answered.add(card.approval_id)
                for person in YES.get(self.story, (BOB,)):
                    await self.stage.answer("approve" if self.story in YES else "deny", card, person)

    async def _ending(self) -> str:
        if self.story in ("certify", "deny", "deny-outside"):
            (request,) = self.stage.world.state.requests.values()
            workflow_id = certify_id(site=self.stage.world.ref.site, name=request.name, uid=request.uid)
            await self.stage.until_started(workflow_id)
            result = await self.stage.client.get_workflow_handle(workflow_id).result()
            return str(result["state"])
        try:
            if self.story == "drill":
                return (await (await self.stage.drill(1)).result()).outcome
            if self.story in UPGRADES:
                outcome = (await (await self.stage.upgrade(UPGRADES[self.story], backup="taken")).result()).outcome
                return await self._rolled_back() if self.story == "observed" else outcome
            if self.story == "final":
                return (await (await self.stage.finalize()).result()).outcome
            if self.story in SCALES:
                return (await (await self.stage.scale(SCALES[self.story][1])).result()).outcome
            if self.story == "init":
                return (await (await self.stage.initialize()).result()).outcome
            return (await (await self.stage.deploy()).result()).outcome
        except WorkflowFailureError as error:
            return repr(error.cause)

    async def _rolled_back(self) -> str:
        """Once the observation was killed as often as it shall be: end it, and see it tell so."""

        def is_killed() -> bool:
            killed = State.model_validate_json(self._file.read_bytes()).killed
            return {f"{moment} {name}" for moment in ("before", "after") for name in self.names} <= {
                *killed,
                *self.stage.chat.lost,
            }

        await until(is_killed, seconds=60)
        await (await self.stage.roll_back()).result()
        observed = self.stage.client.get_workflow_handle(observe_id(self.stage.world.ref))
        return str(await observed.result())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(grounds: Grounds, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Ended]]:
    """Play the cases side by side, and print what was seen."""
    folder, client = (
        tmp_path_factory.mktemp("sites"),
        await connect(grounds.temporal, identity="t"),
    )

    places = asyncio.Semaphore(AT_ONCE)

    async def play(group: int) -> Ended:
        async with places:
            return await _play(group)

    async def _play(group: int) -> Ended:
        story, names = GROUPS[group]
        file = folder / f"k{group}.json"
        world = World(configuration(f"k{group}"), client=client, file=file)
        case = Case(grounds, Stage(client, grounds.pen, world, grounds.bot), file, story=story, names=names)
        try:
            async with asyncio.timeout(DEADLINE):
                return await case.play()
        except TimeoutError:
            state = State.model_validate_json(file.read_bytes())
            return Ended("did not end", state, case.stage.chat.lost, DEADLINE, len(case.processes))
        finally:
            for process in case.processes:
                process.kill()

    async with Worker(client, task_queue=CHAT_QUEUE, activities=grounds.bot.activities()):
        ended = await asyncio.gather(*(play(group) for group in range(len(GROUPS))))
        for group, one in enumerate(ended):
            query = f"TaskQueue = '{ops_queue(f'k{group}')}'"
            one.unsteady = await not_replaying(client, replayer(grounds.pen.ring), query=query)
    print(table(ended))
    yield ended


def table(ended: list[Ended]) -> str:
    """The groups with what was seen."""
    rows = [f"{'story':13} {'ended':10} {'starts':6} {'seconds':7} killed; effects"]
    for (story, _), one in zip(GROUPS, ended, strict=True):
        killed, effects = ", ".join(one.state.killed + one.lost), ", ".join(one.state.effects)
        rows.append(f"{story:13} {one.ending[:10]:10} {one.starts:6} {one.seconds:7.1f} {killed}; {effects}")
    return "\n" + "\n".join(rows)


def rolled(version: str) -> list[str]:
    """What happens when three nodes are restarted."""
    return [e for o in (2, 1, 0) for e in (f"rolled {version} from {o}", f"restarted cockroachdb-{o} on {version}")]


def effects_of(story: Story) -> list[str]:
    """What must have happened, each exactly once, in the order of the alphabet."""
    again = "crdb.client.root."
    wanted: dict[Story, list[str]] = {
        "first": [
            "made CA",
            "published CA",
            "applied objects",
            *(f"{what} crdb.node.{node}" for what in ("approved", "issued") for node in NODES),
            f"approved {ROOT_CSR}",
            f"issued {ROOT_CSR}",
            "init 0",
        ],
        "kept": ["applied objects", "recorded target 0", "init 0"],  # its record is of an earlier run, without a target
        "joined": ["applied objects"],
        "again": [
            "applied objects",
            f"denied {ROOT_CSR}",
            f"asked again {CLIENT_POD}",
            f"approved {again}",
            f"issued {again}",
            "recorded target 0",
            "init 0",
        ],
        "init": ["made client pod", "recorded target 0", "init 0"],
        "up": ["resized 3 to 4", *(f"{what} crdb.node.cockroachdb-3" for what in ("approved", "issued"))],
        "down": ["decommissioning n4", "decommissioned n4", "resized 4 to 3"],
        "emptied": [
            "decommissioning n4",
            "decommissioned n4",
            "resized 4 to 3",
            "deleted datadir-cockroachdb-3",
        ],
        "back": ["took back n4"],
        "drill": ["killed cockroachdb-1"],
        "patch": [*rolled("v25.2.4"), "client pod on v25.2.4", "rolled v25.2.4 from 0"],
        "major": ["preserved 25.2", *rolled("v25.4.1"), "client pod on v25.4.1"],
        "observed": [
            "preserved 25.2",
            *rolled("v25.4.1"),
            "client pod on v25.4.1",
            "client pod on v25.2.3",
            *rolled("v25.2.3"),
            "reset",
            "rolled v25.2.3 from 0",
        ],
        "final": ["reset", "rolled v25.4.1 from 0"],
        "certify": [f"approved {NODE_CSR}", f"issued {NODE_CSR}"],
        "deny": [f"denied {NODE_CSR}"],
        "deny-outside": [f"failed {NODE_CSR}"],
    }
    return sorted(wanted[story])


ENDINGS = dict.fromkeys(SCALES, "scaled") | {
    "drill": "survived", "patch": "upgraded", "major": "awaiting-finalization",
    "observed": "rolled back to v25.2.3", "final": "finalized",
    "init": "initialized", "certify": "issued", "deny": "denied", "deny-outside": "denied",
}  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("story", "name", "group"), [pytest.param(*case, id=case[1]) for case in CASES])
async def test_a_worker_killed_at_any_activity_loses_and_doubles_nothing(
    matrix: list[Ended], story: Story, name: str, group: int
) -> None:
    ended = matrix[group]

    assert ended.ending == ENDINGS.get(story, "deployed")
    assert {f"before {name}", f"after {name}"} <= {*ended.state.killed, *ended.lost}
    assert ended.state.impossible == []
    assert ended.unsteady == []
    assert sorted(_without_hash(effect) for effect in ended.state.effects) == effects_of(story)


def test_the_matrix_holds_every_activity() -> None:
    world = World(configuration("k"), client=None)  # type: ignore[arg-type]
    ring = Grounds("").pen.ring
    served = {*activity_names(ops_activities(world, ring)), *activity_names(signer_activities(world, ring))}
    looks = {name for name in served if name.startswith("look.")}

    assert {name for _, name, _ in CASES} == (served - looks) | {
        SHOW_OPERATION,
        SHOW_CARD,
        SHOW_GATE,
        SHOW_OBSERVATION,
        SAY,
    }


def _without_hash(effect: str) -> str:
    """A request that was asked again carries the hash of its key at its end."""
    words, dot, end = effect.rpartition(".")
    return f"{words}." if dot and len(end) == 10 and words.endswith("client.root") else effect
