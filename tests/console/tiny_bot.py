"""A tiny bot of slack-bolt's AsyncApp, served over real HTTP: what the stand-in workspace is tried with.

It shows one of everything that the project's own bot does, and imports nothing of it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.console import cards

Json = dict[str, Any]


class TinyBot:
    """`requests` keeps what came in: headers and body, as sent. The next `failures` of them are answered 500."""

    def __init__(self, *, token: str, signing_secret: str, api_url: str) -> None:
        self.client = AsyncWebClient(token=token, base_url=api_url)
        self.app = AsyncApp(client=self.client, signing_secret=signing_secret)
        self.requests: list[tuple[dict[str, str], str]] = []
        self.submitted: list[Json] = []
        self.closed: list[Json] = []
        self.may_answer = asyncio.Event()
        self.failures = 0
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._listen()

    async def start(self) -> None:
        server = web.Application()
        server.router.add_post("/slack/events", self._endpoint)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/slack/events"

    async def stop(self) -> None:
        self.may_answer.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _endpoint(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.text()))
        if self.failures:
            self.failures -= 1
            return web.Response(status=500)
        return await to_aiohttp_response(await self.app.async_dispatch(await to_bolt_request(request)))

    def _listen(self) -> None:
        self.app.command("/crdb")(self._command)
        self.app.action("approve")(self._approve)
        self.app.action("deny")(self._deny)
        self.app.action("late")(self._late)
        self.app.action("details")(self._details)
        self.app.action("respond")(self._respond)
        self.app.view("deny")(self._denied)
        self.app.view_closed("deny")(self._not_denied)
        self.app.event("app_home_opened")(self._home)

    async def _command(self, ack: Any, command: Json, client: AsyncWebClient) -> None:
        verb = command["text"].split(" ")[0]
        if verb == "slow":
            await self.may_answer.wait()
        if verb in ("", "help"):
            await ack(blocks=cards.help_blocks(), text="What /crdb can do")
            return
        await ack()
        if verb == "deploy":
            await self._deploy(command["channel_id"], user=command["user_id"], client=client)
        elif verb == "echo":
            await client.chat_postMessage(channel=command["channel_id"], text=command["text"])

    async def _deploy(self, channel: str, *, user: str, client: AsyncWebClient) -> None:
        blocks = cards.progress_blocks(user)
        root = await client.chat_postMessage(channel=channel, text="Deploy crdb: 3 nodes", blocks=blocks)
        card = {"channel": channel, "thread_ts": root["ts"], "text": "Sign certificate", "blocks": cards.csr_blocks()}
        await client.chat_postMessage(**card, reply_broadcast=True)

    async def _approve(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        blocks = cards.approved_blocks(body["message"]["blocks"], user=body["user"]["id"])
        channel = body["channel"]["id"]
        await client.chat_update(channel=channel, ts=body["message"]["ts"], text="Approved", blocks=blocks)

    async def _deny(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=cards.deny_view())

    async def _late(self, ack: Any) -> None:
        """Whatever follows is done by the test itself, when it wants."""
        await ack()

    async def _details(self, ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=cards.details_view())

    async def _respond(self, ack: Any, body: Json, respond: Any) -> None:
        await ack()
        await respond(text="Only you see this.", replace_original=False, delete_original=False)

    async def _denied(self, ack: Any, view: Json) -> None:
        reason = view["state"]["values"]["reason"]["text"]["value"]
        if "because" not in reason:
            await ack(response_action="errors", errors={"reason": "Say why: because …"})
            return
        await ack()
        self.submitted.append(view)

    async def _not_denied(self, ack: Any, view: Json) -> None:
        await ack()
        self.closed.append(view)

    async def _home(self, event: Json, client: AsyncWebClient) -> None:
        await client.views_publish(user_id=event["user"], view=cards.home_view())
