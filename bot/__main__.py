"""Composition root of the bot: settings, clients, the Bolt app over HTTP or a socket, the worker of the chat queue.

Ends on SIGTERM or SIGINT: takes no more requests, ends what it began, then leaves with status 0.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib import metadata
from typing import TypeVar

import aiohttp
from pydantic import ValidationError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from temporalio.client import Client
from temporalio.worker import Worker

from bot.app import Myself, build_app
from bot.health import Health, ask_health
from bot.outbox import ChatActivities
from bot.settings import BotSettings
from bot.slack_errors import translated
from bot.socket_mode import SocketMode
from bot.web import build_web, serve
from domain.configuration import parse_configuration
from domain.errors import InvalidRequestError, OpsError, TransientError
from gateway.client import OperationsClient
from gateway.connect import connect
from gateway.ending import end
from gateway.logs import configure_logs
from gateway.settings import TemporalSettings
from operations import check_rules
from operations.queues import CHAT_QUEUE
from tokens.make import TokenSigner

_log = logging.getLogger(__name__)

#: Requests that were taken are acknowledged within this; Slack itself waits three seconds.
_ANSWER_GRACE = timedelta(seconds=3)
#: What was begun gets this long to end.
_GRACE = timedelta(seconds=15)
_SLACK_TRIES = 20
_Answer = TypeVar("_Answer")


def version() -> str:
    """Return our version."""
    try:
        return metadata.version("crdb-chatops")
    except metadata.PackageNotFoundError:
        return "unreleased"


async def ask_who_i_am(client: AsyncWebClient, *, team: str) -> Myself:
    """Ask Slack who the bot is, waiting for Slack to come up.

    Raises:
        OpsError: Slack refuses the token, or never answered.
        InvalidRequestError: `slack.other-workspace`: the token is of another workspace than `crdbops.toml` names.
    """

    async def ask() -> AsyncSlackResponse:
        with translated("asking who the bot is"):
            return await client.auth_test()

    answer = await patiently(ask)
    if answer.get("is_enterprise_install") or answer["team_id"] != team:
        raise InvalidRequestError(
            "slack.other-workspace",
            f"Found a token of workspace {answer['team_id']}, expected {team} as crdbops.toml says.",
            hint=f'team = "{answer["team_id"]}"',
        )
    return Myself(team_id=str(answer["team_id"]), bot_id=str(answer["bot_id"]), user_id=str(answer["user_id"]))


async def patiently(call: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Wait for Slack to come up: do a call again while it fails in passing, and no longer than a person would."""
    for attempt in range(1, _SLACK_TRIES):
        try:
            return await call()
        except TransientError as error:
            _log.info("waiting for slack", extra={"attempt": attempt, "error_code": error.code})
            await asyncio.sleep(min(0.25 * attempt, 5))
    return await call()


def chat_worker(client: Client, activities: ChatActivities) -> Worker:
    """Build the worker of the chat queue."""
    return Worker(
        client,
        task_queue=CHAT_QUEUE,
        activities=[
            activities.show_operation,
            activities.show_card,
            activities.show_gate,
            activities.show_observation,
            activities.say,
        ],
        max_concurrent_activities=50,
        graceful_shutdown_timeout=_GRACE,
    )


async def run(settings: BotSettings, temporal: TemporalSettings) -> None:
    """Run the bot until it is told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    configuration = parse_configuration(settings.configuration_text())
    check_rules(configuration)
    signer = TokenSigner(settings.token_key(), kid=settings.token_kid)
    token, app_token, signing_secret = settings.bot_token(), settings.app_token(), settings.signing_secret()
    async with aiohttp.ClientSession() as session:
        slack = AsyncWebClient(
            token=token,
            base_url=settings.slack_api_url,
            session=session,
            timeout=10,
            # A repeated post would be a second message: what is repeated is decided by the outbox.
            retry_handlers=[],
        )
        client = await connect(temporal, identity=f"slack-bot/{version()}")
        gateway = OperationsClient(client, ui_url=temporal.ui_url)
        myself = await ask_who_i_am(slack, team=configuration.team)
        bot = build_app(
            slack,
            signing_secret=signing_secret,
            configuration=configuration,
            gateway=gateway,
            signer=signer,
            myself=myself,
            version=version(),
        )

        socket = SocketMode(bot.app, slack, session=session, app_token=app_token) if app_token else None

        async def readiness() -> Health:
            return await ask_health(slack, gateway, socket=socket)

        served = build_web(None if socket else bot.app, readiness=readiness)
        runner, port = await serve(served, host=settings.bot_host, port=settings.bot_port)
        _log.info(
            "bot listens",
            extra={"host": settings.bot_host, "port": port, "transport": settings.slack_transport},
        )
        try:
            # Leaving the worker's block waits for the activities that it has begun.
            async with chat_worker(client, ChatActivities(bot.messages, gateway, roots=bot.roots)):
                if socket is not None:
                    await patiently(socket.start)
                await stop.wait()
                _log.info("bot stops")
                if socket is not None:
                    await socket.stop(seconds=_ANSWER_GRACE.total_seconds())
                await runner.cleanup()
                await bot.tasks.drain(seconds=_GRACE.total_seconds())
        finally:
            await bot.roots.stop()
            await runner.cleanup()


def main() -> int:
    """Run the bot; exit 2 when the settings cannot be right, 1 when it failed."""
    configure_logs()
    # Bolt and the Slack client write down what they receive when asked for more.
    for name in ("slack_bolt", "slack_sdk", "aiohttp", "crdb"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(run(BotSettings(), TemporalSettings()))
    except ValidationError as error:
        for fault in error.errors():
            sys.stderr.write(f"CRDBOPS_{'_'.join(str(p) for p in fault['loc']).upper()}: {fault['msg']}\n")
        return 2
    except InvalidRequestError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OpsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    end(main())
