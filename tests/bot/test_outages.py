"""The real bot process on a real Temporal, while things die: the bot killed, Slack away, Slack killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from devtools.console import Console
from devtools.console.faults import Fault
from devtools.console.recorder import Record
from gateway.connect import connect
from gateway.settings import TemporalSettings
from tests.bot.forked import Forked, forked_bot
from tests.bot.harness import APP_TOKEN, SECRET, TOKEN, eventually
from tests.bot.showing import FollowingWorkflow
from tests.bot.test_process import ROOT, console_for, environment, event

pytestmark = pytest.mark.faults

Begin = Callable[[], Awaitable[WorkflowHandle[FollowingWorkflow, list[str]]]]


@pytest.fixture
async def begin(temporal: TemporalSettings) -> AsyncIterator[Begin]:
    """Starts `FollowingWorkflow`, which runs here."""
    client = await connect(temporal, identity="test")
    async with Worker(client, task_queue="q", workflows=[FollowingWorkflow]):

        async def begin() -> WorkflowHandle[FollowingWorkflow, list[str]]:
            return await client.start_workflow(FollowingWorkflow.run, id="following", task_queue="q")

        yield begin


def settings(folder: Path, temporal: TemporalSettings, api_url: str, transport: str) -> dict[str, str]:
    return environment(
        folder,
        CRDBOPS_SLACK_API_URL=api_url,
        CRDBOPS_SLACK_TRANSPORT=transport,
        CRDBOPS_TEMPORAL_ADDRESS=temporal.address,
        CRDBOPS_TEMPORAL_NAMESPACE=temporal.namespace,
    )


async def ready(process: Forked, console: Console) -> None:
    port = (await event(process, "bot listens"))["port"]
    console.bot_url = f"http://127.0.0.1:{port}/slack/events"
    async with aiohttp.ClientSession() as session:

        async def look() -> bool:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200

        await eventually(look)


def calls(console: Console, name: str) -> list[Record]:
    return [record for record in console.recorder.since(0) if record.name == name]


def shown(console: Console) -> list[tuple[str, list[str]]]:
    """Texts of the channel's messages, each with those of its thread."""
    world = console.world.messages
    return [
        (top.text, [reply.text for reply in world.replies("C0OPS", ts=top.ts)])
        for top in world.top("C0OPS")
        if not top.is_reply
    ]


async def test_a_bot_killed_amid_a_post_and_started_again_posts_nothing_twice(
    tmp_path: Path, temporal: TemporalSettings, begin: Begin
) -> None:
    async with console_for("socket") as console:
        env = settings(tmp_path, temporal, console.api_url, "socket")
        console.faults.add(Fault("chat.postMessage", "slow", seconds=3))
        async with forked_bot(env) as first:
            await ready(first, console)
            handle = await begin()

            async def is_posted() -> bool:
                return bool(calls(console, "chat.postMessage"))

            await eventually(is_posted)
            first.kill()
            await first.wait()
        await handle.signal(FollowingWorkflow.step)

        async with forked_bot(env) as second:
            await ready(second, console)
            await handle.signal(FollowingWorkflow.end)
            await handle.result()

        assert shown(console) == [("done: Deploy crdb: 3 nodes, v25.2.3", ["<@U0ERIN> done"])]
        assert len(calls(console, "chat.postMessage")) == 2, "the root and the end"


async def test_a_bot_killed_between_two_states_shows_the_last_one(
    tmp_path: Path, temporal: TemporalSettings, begin: Begin
) -> None:
    async with console_for("http") as console:
        env = settings(tmp_path, temporal, console.api_url, "http")
        async with forked_bot(env) as first:
            await ready(first, console)
            handle = await begin()

            async def is_posted() -> bool:
                return bool(shown(console))

            await eventually(is_posted)
            first.kill()
            await first.wait()
        for _ in range(5):
            await handle.signal(FollowingWorkflow.step)
        await handle.signal(FollowingWorkflow.end)

        async with forked_bot(env) as second:
            await ready(second, console)
            await handle.result()

        assert shown(console) == [("done: Deploy crdb: 3 nodes, v25.2.3", ["<@U0ERIN> done"])]


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        pytest.param("500", 1, id="server errors"),
        pytest.param("429", 1, id="rate limits"),
        pytest.param("lost_answer", 1, id="lost answers"),
    ],
)
async def test_while_slack_is_away_states_pass_and_the_last_is_shown_once(
    tmp_path: Path, temporal: TemporalSettings, begin: Begin, kind: str, seconds: int
) -> None:
    async with console_for("http") as console:
        async with forked_bot(settings(tmp_path, temporal, console.api_url, "http")) as process:
            await ready(process, console)
            handle = await begin()

            async def is_posted() -> bool:
                return bool(shown(console))

            await eventually(is_posted)
            console.faults.add(Fault("*", kind, count=10_000, seconds=seconds))
            for _ in range(5):
                await handle.signal(FollowingWorkflow.step)
            await handle.signal(FollowingWorkflow.end)
            before = len(console.recorder.since(0))

            async def is_tried() -> bool:
                return len(console.recorder.since(0)) > before

            await eventually(is_tried)
            console.faults.clear()
            await handle.result()

        assert shown(console) == [("done: Deploy crdb: 3 nodes, v25.2.3", ["<@U0ERIN> done"])]


async def test_a_bot_with_a_socket_finds_a_slack_that_was_killed_and_started_again(
    tmp_path: Path, temporal: TemporalSettings
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        slack(0, session) as (url, console),
    ):
        env = settings(tmp_path, temporal, f"{url}/api/", "socket")
        async with forked_bot(env) as process:
            await event(process, "socket opened")
            assert await helped(session, url)
            console.kill()
            await console.wait()

            async with slack(int(url.rpartition(":")[2]), session) as (again, _):
                await event(process, "socket opened")
                assert await helped(session, again)


@asynccontextmanager
async def slack(port: int, session: aiohttp.ClientSession) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The stand-in workspace as a process of its own, which can be killed."""
    secrets = {"CONSOLE_SIGNING_SECRET": SECRET, "CONSOLE_BOT_TOKEN": TOKEN, "CONSOLE_APP_TOKEN": APP_TOKEN}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "devtools.console", "--port", str(port), "--transport", "socket"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **secrets},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        yield line.rpartition(" ")[2].strip(), process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def helped(session: aiohttp.ClientSession, url: str) -> bool:
    body = {"persona": "vic", "channel": "C0OPS", "text": "/crdb help"}
    async with session.post(f"{url}/_page/command", json=body) as answer:
        return bool((await answer.json())["ok"])


async def test_a_bot_that_is_told_to_stop_answers_what_it_was_asked_first(
    tmp_path: Path, temporal: TemporalSettings
) -> None:
    async with (
        console_for("socket") as console,
        aiohttp.ClientSession() as session,
    ):
        async with forked_bot(settings(tmp_path, temporal, console.api_url, "socket")) as process:
            await event(process, "socket opened")
            body = {"persona": "vic", "channel": "C0OPS", "text": "/crdb status"}
            async with session.post(f"{console.url}/_page/command", json=body) as answer:
                assert (await answer.json())["ok"]

            process.terminate()

            assert await asyncio.wait_for(process.wait(), 25) == 0
        (said,) = console.world.messages.ephemerals("C0OPS", user="U0VIC")
        assert "No worker of site dev answers" in said.text
        assert console.sockets.count == 0
