"""A worker dies, people ask and click meanwhile, another takes over: what it writes down replays.

A question may reach the successor before the click does; `gateway/takeover.py` says what that used to lead to.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from devtools.histories import not_replaying, replayer
from gateway.connect import connect
from operations.chat import SHOW_CARD
from operations.messages import STATUS
from operations.queues import CHAT_QUEUE, certify_id, ops_queue
from tests.forks import FORKS
from tests.workflows.killed_worker import serve
from tests.workflows.people import BOB
from tests.workflows.stage import Grounds, Stage
from tests.workflows.waiting import until
from tests.workflows.world import World, configuration

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

#: Side by side. Each alone comes out wrong about once in four without `takeover`.
SITES = [f"t{number}" for number in range(10)]


class Takeover:
    """One site, one request, and one worker after another."""

    def __init__(self, grounds: Grounds, client: Client, file: Path, site: str) -> None:
        world = World(configuration(site), client=client, file=file)
        self._grounds, self._file, self._site = grounds, file, site
        self.stage = Stage(client, grounds.pen, world, grounds.bot)
        self.processes: list[BaseProcess] = []

    async def play(self) -> None:
        """Kill the worker while its card is redrawn; the click comes while none is there."""
        stage, chat = self.stage, self.stage.chat
        is_dead, may_draw = asyncio.Event(), asyncio.Event()

        async def redraw_later(name: str, when: str) -> None:
            if (name, when) == (SHOW_CARD, "before") and chat.calls.count(SHOW_CARD) == 2:
                await is_dead.wait()
                await may_draw.wait()

        chat.trouble = redraw_later
        request = stage.world.add_pod()
        stage.world.save()
        workflow_id = certify_id(site=self._site, name=request.name, uid=request.uid)
        self._start()
        asking = [asyncio.create_task(self._ask(workflow_id)) for _ in range(2)]
        try:
            await until(lambda: chat.calls.count(SHOW_CARD) == 2, seconds=30)
            self._kill()
            is_dead.set()
            click = asyncio.create_task(stage.click("approve", chat.cards("pending")[0], BOB))
            may_draw.set()
            self._start()
            await click
            result = await stage.client.get_workflow_handle(workflow_id).result()
            assert result["state"] == "issued"
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            self._kill()

    def _start(self) -> None:
        ring = json.dumps({"keys": [self._grounds.pen.ring_key.model_dump(mode="json")]})
        arguments = (self._grounds.temporal, self._site, self._file, ring, ())
        self.processes.append(FORKS.Process(target=serve, args=arguments, daemon=True))
        self.processes[-1].start()

    def _kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()

    async def _ask(self, workflow_id: str) -> None:
        """Ask all the time, as people who look at Temporal's UI do."""
        while True:
            with suppress(RPCError):
                await self.stage.client.get_workflow_handle(workflow_id).query(STATUS, rpc_timeout=timedelta(seconds=5))
            await asyncio.sleep(0.05)


@pytest.fixture
async def client(grounds: Grounds) -> AsyncIterator[Client]:
    client = await connect(grounds.temporal, identity="takeover")
    async with Worker(client, task_queue=CHAT_QUEUE, activities=grounds.bot.activities()):
        yield client


async def test_questions_and_a_click_during_a_takeover_leave_histories_that_replay(
    grounds: Grounds, client: Client, tmp_path: Path
) -> None:
    played = [Takeover(grounds, client, tmp_path / f"{site}.json", site) for site in SITES]

    await asyncio.gather(*(one.play() for one in played))

    found = [
        await not_replaying(client, replayer(grounds.pen.ring), query=f"TaskQueue = '{ops_queue(site)}'")
        for site in SITES
    ]
    assert [one for one in found if one] == []
