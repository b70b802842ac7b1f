from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from temporalio.worker import Worker

from devtools.console import Console
from devtools.console.manifest import DEFAULT_PATH, SOCKET_PATH
from gateway.connect import connect
from gateway.settings import TemporalSettings
from tests.bot import given
from tests.bot.forked import Forked, forked_bot
from tests.bot.harness import APP_TOKEN, SECRET, TOKEN, eventually
from tests.bot.showing import ShowingWorkflow

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]


def environment(folder: Path, **more: str) -> dict[str, str]:
    (folder / "crdbops.toml").write_text(given.TOML)
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "token.key").write_bytes(key)
    (folder / "secret").write_text(SECRET + "\n")
    return {
        "PATH": os.environ["PATH"],
        "CRDBOPS_CONFIG": str(folder / "crdbops.toml"),
        "CRDBOPS_SLACK_BOT_TOKEN": TOKEN,
        "CRDBOPS_SLACK_SIGNING_SECRET_FILE": str(folder / "secret"),
        "CRDBOPS_SLACK_APP_TOKEN": APP_TOKEN,
        "CRDBOPS_BOT_PORT": "0",
        "CRDBOPS_TOKEN_KEY_FILE": str(folder / "token.key"),
        "CRDBOPS_TOKEN_KID": "test",
        **more,
    }


def console_for(transport: str, *, port: int = 0) -> Console:
    manifest = SOCKET_PATH if transport == "socket" else DEFAULT_PATH
    return Console(port=port, signing_secret=SECRET, bot_token=TOKEN, app_token=APP_TOKEN, manifest=manifest)


@asynccontextmanager
async def bot(env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", cwd=ROOT, env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def event(process: asyncio.subprocess.Process | Forked, name: str) -> dict[str, object]:
    assert process.stderr is not None
    seen = []
    while line := await process.stderr.readline():
        seen.append(line.decode())
        found: dict[str, object] = json.loads(line)
        if found["event"] == name:
            return found
    raise AssertionError(f"{name!r} is not in {''.join(seen)}")


@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_the_process_answers_commands_serves_chat_and_stops_in_order(
    tmp_path: Path, temporal: TemporalSettings, transport: str
) -> None:
    async with (
        console_for(transport) as console,
        aiohttp.ClientSession() as session,
    ):
        client = await connect(temporal, identity="test")
        env = environment(
            tmp_path,
            CRDBOPS_SLACK_API_URL=console.api_url,
            CRDBOPS_SLACK_TRANSPORT=transport,
            CRDBOPS_TEMPORAL_ADDRESS=temporal.address,
            CRDBOPS_TEMPORAL_NAMESPACE=temporal.namespace,
        )
        async with bot(env) as process:
            port = (await event(process, "bot listens"))["port"]
            console.bot_url = f"http://127.0.0.1:{port}/slack/events"

            async def is_ready() -> bool:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    said = await answer.json()
                    return answer.status == 200 and bool(said["transport"] == transport)

            await eventually(is_ready)
            body = {"persona": "vic", "channel": "C0OPS", "text": "/crdb help"}
            async with session.post(f"{console.url}/_page/command", json=body) as answer:
                assert (await answer.json())["ok"]

            async with Worker(client, task_queue="q", workflows=[ShowingWorkflow]):
                root, card, end = await client.execute_workflow(ShowingWorkflow.run, id="showing", task_queue="q")

            async with session.get(f"{console.url}/_page/state", params={"persona": "ada"}) as answer:
                state = await answer.json()
            top = next(c for c in state["channels"] if c["id"] == "C0OPS")["messages"]
            assert top[0]["ts"] == root
            assert [reply["ts"] for reply in top[0]["replies"]] == [card, end]

            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"CRDBOPS_SLACK_BOT_TOKEN": ""}, "CRDBOPS_SLACK_BOT_TOKEN", id="no token"),
        pytest.param({"CRDBOPS_TOKEN_KID": ""}, "CRDBOPS_TOKEN_KID", id="no key id"),
        pytest.param({"CRDBOPS_CONFIG": "/nowhere.toml"}, "/nowhere.toml", id="no configuration"),
        pytest.param({"CRDBOPS_BOT_PORT": "many"}, "CRDBOPS_BOT_PORT", id="no port"),
        pytest.param({"CRDBOPS_SLACK_TRANSPORT": "pigeon"}, "CRDBOPS_SLACK_TRANSPORT", id="no transport"),
        pytest.param(
            {"CRDBOPS_SLACK_TRANSPORT": "socket", "CRDBOPS_SLACK_APP_TOKEN": ""},
            "CRDBOPS_SLACK_APP_TOKEN",
            id="no app token",
        ),
    ],
)
async def test_settings_that_cannot_be_right_end_with_two_and_a_sentence(
    tmp_path: Path, change: dict[str, str], words: str
) -> None:
    async with forked_bot(environment(tmp_path, **change)) as process:
        said = (await process.stderr.read()).decode()

        assert await process.wait() == 2
    assert words in said
    assert "Traceback" not in said
