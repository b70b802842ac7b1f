"""build_app(): the Bolt app: who may speak to it, which listener answers what, and what happens to an error.

Listeners acknowledge first, always; the work goes on in `bot.requests` (commands) and `bot.actions` (clicks). How
requests come in is `bot.web` and `bot.socket_mode`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.actions import Actions
from bot.cards.details import DENY_CALLBACK
from bot.cards.evidence import APPROVE, DENY, DETAILS
from bot.cards.failure import RETARGET, failure_message
from bot.cards.gate import DENY_NOW
from bot.cards.observation import FINALIZE, ROLL_BACK
from bot.cards.operation import ASK_AGAIN, CANCEL, OPEN, PAUSE, RESUME, REVIEW
from bot.cards.review import CALLBACK as REVIEW_CALLBACK
from bot.command import COMMAND
from bot.decisions import Decisions
from bot.guard import broken
from bot.listeners import Listeners, OwnWorkspace
from bot.messages import Messages
from bot.pace import Pace
from bot.people import People
from bot.ports import GatewayPort
from bot.requests import Requests
from bot.review import Review
from bot.roots import Roots
from bot.tasks import Tasks
from domain.configuration import Configuration
from tokens.make import TokenSigner


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Myself:
    """Who the bot is, as auth.test says."""

    team_id: str
    bot_id: str
    user_id: str


@dataclass(frozen=True)
class Bot:
    """The app with what its composition root needs beside it."""

    app: AsyncApp
    messages: Messages
    roots: Roots
    tasks: Tasks


def build_app(
    client: AsyncWebClient,
    *,
    signing_secret: str,
    configuration: Configuration,
    gateway: GatewayPort,
    signer: TokenSigner,
    myself: Myself,
    version: str = "0",
    clock: Callable[[], datetime] = _now,
    pace: Pace | None = None,
) -> Bot:
    """Build the Bolt app.

    Args:
        client: Slack's Web API with the bot's token.
        signing_secret: By which Slack's requests are known to be Slack's.
        configuration: `crdbops.toml`.
        gateway: Temporal.
        signer: The bot's key.
        myself: Who the bot is, asked once at start, so that no request waits for it.
        version: Ours, for help.
        clock: Now, stamped into tokens.
        pace: How often messages may be redrawn.
    """
    token = client.token or ""

    async def authorize(**_: object) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None,
            team_id=myself.team_id,
            bot_token=token,
            bot_id=myself.bot_id,
            bot_user_id=myself.user_id,
        )

    # The token stays out of the client that Bolt sees: with `authorize` it takes it from there.
    app = AsyncApp(
        signing_secret=signing_secret,
        authorize=authorize,
        client=AsyncWebClient(
            base_url=client.base_url, timeout=client.timeout, session=client.session, retry_handlers=[]
        ),
        name="crdb",
    )
    tasks = Tasks()
    messages = Messages(client, pace=pace)
    people = People(client, configuration)
    decisions = Decisions(gateway, signer, people, configuration, clock=clock)
    requests = Requests(gateway, signer, people, decisions, configuration, version=version, clock=clock)
    roots = Roots(gateway, messages)
    actions = Actions(client, gateway, people, decisions, messages, roots, requests)
    review = Review(client, gateway, people, decisions, messages, actions)
    listeners = Listeners(client, requests, actions, review, people, gateway, messages, tasks)

    app.middleware(OwnWorkspace(configuration.team, actions, tasks).check)
    app.command(COMMAND)(listeners.command)
    for action_id, work in (
        (APPROVE, actions.approve),
        (DENY_NOW, actions.deny_now),
        (ASK_AGAIN, actions.ask_again),
        (CANCEL, actions.cancel),
        (PAUSE, actions.pause),
        (RESUME, actions.resume),
        (RETARGET, actions.retarget),
        (FINALIZE, partial(actions.start, "finalize")),
        (ROLL_BACK, partial(actions.start, "rollback")),
    ):
        app.action(action_id)(listeners.click(action_id, work))
    app.action(DENY)(listeners.deny)
    app.action(DETAILS)(listeners.details)
    app.action(REVIEW)(listeners.review)
    app.action(OPEN)(listeners.link)
    app.view(DENY_CALLBACK)(listeners.deny_reason)
    app.view(REVIEW_CALLBACK)(listeners.reviewed)
    app.event("app_home_opened")(listeners.home)
    # The last one: a button of an older release still gets an answer.
    app.action(re.compile(".*"))(listeners.old_button)
    app.error(_on_error)
    return Bot(app=app, messages=messages, roots=roots, tasks=tasks)


async def _on_error(error: Exception, body: dict[str, Any]) -> BoltResponse:
    """Say that something broke; only what happens before the acknowledgement comes here."""
    told, reference = broken(error, what=str(body.get("command") or body.get("type") or "unknown"))
    said = failure_message(told, reference=reference).text
    return BoltResponse(status=200, body=said if body.get("command") else "")
