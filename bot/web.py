"""How requests come in by HTTP: one address for all that Slack sends, and two for whoever runs the bot.

`POST /slack/events` commands, clicks, modals and events, signed by Slack (not there with Socket Mode, which is
`bot.socket_mode`); `GET /healthz` the process lives; `GET /readyz` what answers (`bot.health`). What the requests mean
is `bot.app`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

from bot.health import Health

_log = logging.getLogger(__name__)

EVENTS = "/slack/events"

Readiness = Callable[[], Awaitable[Health]]


def build_web(app: AsyncApp | None, *, readiness: Readiness) -> web.Application:
    """Build the web application around a Bolt app; without one it takes nothing from Slack."""

    async def events(request: web.Request) -> web.Response:
        assert app is not None
        answer = await app.async_dispatch(await to_bolt_request(request))
        if answer.status >= 400:
            _log.info("request not taken", extra={"status": answer.status})
        return await to_aiohttp_response(answer)

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(_: web.Request) -> web.Response:
        health = await readiness()
        said = {"ok": not health.missing, "missing": health.missing, **health.facts}
        return web.json_response(said, status=503 if health.missing else 200)

    served = web.Application()
    if app is not None:
        served.router.add_post(EVENTS, events)
    served.router.add_get("/healthz", healthz)
    served.router.add_get("/readyz", readyz)
    return served


async def serve(application: web.Application, *, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen, and return the runner with the port that was taken."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, int(runner.addresses[0][1])
