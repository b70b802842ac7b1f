"""`Console`: the whole stand-in put together and served on loopback, for a process (`__main__.py`) or inside a test.

Whatever it serves is in `webapi.py` (the bot's side) and `page.py` (the people's side).
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from devtools.console.delivery import ACK_SECONDS, HttpDelivery
from devtools.console.delivery_faults import FaultyDelivery
from devtools.console.faults import Faults, Rates
from devtools.console.interactions import EVENT_RETRY_SECONDS, Interactions
from devtools.console.manifest import DEFAULT_PATH, Manifest
from devtools.console.page import Page
from devtools.console.recorder import Recorder
from devtools.console.refusal import RefusalError
from devtools.console.responses import respond
from devtools.console.sockets import SocketDelivery, Sockets
from devtools.console.webapi import METHODS, WebApi
from devtools.console.world import World

HOST = "127.0.0.1"
# Good enough for a machine of one's own: they protect nothing but a stand-in.
SIGNING_DEFAULT = "stand-in-signing-secret"
BOT_DEFAULT = "xoxb-stand-in"
APP_DEFAULT = "xapp-stand-in"
VERIFICATION_DEFAULT = "stand-in-verification-token"
BODY_BYTES = 4 * 1024 * 1024
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SLACK_RATES: dict[str, int] = {name: method.per_minute for name, method in METHODS.items()}


class Console:
    """A stand-in Slack workspace on loopback.

    Args:
        port: Where to listen; 0 takes a free one, to be read from `url` after `start`.
        bot_url: Where the bot hears; without it the manifest's addresses are used. May be set again at any time.
        signing_secret: Signs deliveries; the bot checks it.
        bot_token: What the bot must send.
        app_token: What the app must send to open a socket.
        manifest: The app's manifest file: scopes, commands, events, and whether Socket Mode is on.
        rates: Calls a minute by method (`SLACK_RATES` are Slack's); no limits by default.
        ack_seconds: How long an acknowledgement may take.
        clock: For the age of trigger ids and response addresses, and for rates.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        bot_url: str | None = None,
        signing_secret: str = SIGNING_DEFAULT,
        bot_token: str = BOT_DEFAULT,
        app_token: str = APP_DEFAULT,
        manifest: Path = DEFAULT_PATH,
        rates: dict[str, int] | None = None,
        ack_seconds: float = ACK_SECONDS,
        event_retry_seconds: tuple[float, ...] = EVENT_RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = port
        self.signing_secret = signing_secret
        self.bot_token = bot_token
        self.app_token = app_token
        self.recorder = Recorder()
        self.faults = Faults()
        self.world = World(manifest=Manifest.load(manifest), clock=clock)
        self.sockets = Sockets(self.world.tickets, recorder=self.recorder)
        self._http = HttpDelivery(
            signing_secret=signing_secret, recorder=self.recorder, override_url=bot_url, ack_seconds=ack_seconds
        )
        self._delivery = FaultyDelivery(
            http=self._http,
            sockets=SocketDelivery(self.sockets, recorder=self.recorder, ack_seconds=ack_seconds),
            faults=self.faults,
            is_socket=self.world.manifest.is_socket,
            ack_seconds=ack_seconds,
        )
        self._interactions = Interactions(
            self.world,
            delivery=self._delivery,
            verification_token=VERIFICATION_DEFAULT,
            event_retry_seconds=event_retry_seconds,
        )
        self._api = WebApi(
            self.world,
            bot_token=bot_token,
            app_token=app_token,
            recorder=self.recorder,
            faults=self.faults,
            rates=Rates(rates or {}, clock=clock),
        )
        self._page: Page | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        """What a Slack client takes as its base URL."""
        return f"{self.url}/api/"

    @property
    def bot_url(self) -> str | None:
        """Where deliveries go, when not to the manifest's addresses."""
        return self._http.override_url

    @bot_url.setter
    def bot_url(self, url: str | None) -> None:
        self._http.override_url = url

    async def start(self) -> None:
        """Begin to serve; `url` is right from here on."""
        self._page = Page(
            self.world,
            interactions=self._interactions,
            recorder=self.recorder,
            faults=self.faults,
            sockets=self.sockets,
        )
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._guard])
        app.router.add_route("*", "/api/{method}", self._api.handle)
        app.router.add_post("/response/{name}", self._respond)
        app.router.add_get("/link/", self.sockets.handle)
        self._page.add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.world.base_url = self.url

    async def stop(self) -> None:
        """Stop serving and drop what is under way."""
        if self._page is not None:
            self._page.close()
        await self._interactions.close()
        await self._delivery.close()
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Console:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        try:
            content = await request.json()
            if not isinstance(content, dict):
                raise RefusalError("invalid_payload")
            respond(self.world, request.match_info["name"], content=content)
        except json.JSONDecodeError:
            return web.json_response(RefusalError("invalid_payload").answer(), status=400)
        except RefusalError as refusal:
            status = 404 if refusal.error in ("expired_url", "used_url") else 400
            self._record_response(content, status=status, answer=refusal.answer())
            return web.json_response(refusal.answer(), status=status)
        self._record_response(content, status=200, answer="ok")
        return web.Response(text="ok")

    def _record_response(self, content: dict[str, object], *, status: int, answer: object) -> None:
        self.recorder.record(
            "api", name="response_url", arguments=content, status=status, answer=answer, duration_s=0.0
        )

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Only this machine, by its own names: a foreign page that comes by its own name (rebinding) gets nothing."""
        hosts = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        origin = request.headers.get("Origin")
        if request.host not in hosts or (origin is not None and origin not in {f"http://{host}" for host in hosts}):
            response: web.StreamResponse = web.Response(
                status=403, text="This is a local stand-in, open to this machine alone.\n"
            )
        else:
            response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response
