"""The edge of the Web API at `/api/<method>`: token, arguments, scope, faults, rate limits, recording.

What each method does is in `methods_*.py`. Bodies may be JSON or forms, arguments may also stand in the query.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from typing import Any

from aiohttp import web

from devtools.console import methods_apps, methods_chat, methods_conversations, methods_people, methods_views
from devtools.console.faults import Fault, Faults, Rates
from devtools.console.limits_text import Json
from devtools.console.methods import Method
from devtools.console.recorder import Recorder
from devtools.console.refusal import RefusalError
from devtools.console.world import World

METHODS: dict[str, Method] = {
    method.name: method
    for module in (methods_apps, methods_chat, methods_views, methods_people, methods_conversations)
    for method in module.METHODS
}


class WebApi:
    """The bot's side of the stand-in."""

    def __init__(
        self, world: World, *, bot_token: str, app_token: str, recorder: Recorder, faults: Faults, rates: Rates
    ) -> None:
        self._world = world
        self._tokens = {"bot": bot_token.encode(), "app": app_token.encode()}
        self._recorder = recorder
        self._faults = faults
        self._rates = rates

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        started_at, name = time.monotonic(), request.match_info["method"]
        arguments: Json = {}
        fault: Fault | None = None
        status = 200
        answer: Json = {}
        headers: dict[str, str] = {}
        try:
            method = METHODS.get(name)
            if method is None:
                raise RefusalError("unknown_method", req_method=name)
            arguments = await _arguments(request)
            # Bolt sends it with every call; it means something for organizations alone.
            arguments.pop("team_id", None)
            self._authorize(request, method, token=arguments.pop("token", None))
            fault = self._faults.take(name)
            status, answer, headers = self._answer(method, arguments=arguments, fault=fault)
        except RefusalError as refusal:
            answer = refusal.answer()
        lost = fault is not None and fault.kind == "lost_answer"
        self._recorder.record(
            "api",
            name=name,
            arguments=arguments,
            status=None if lost else status,
            answer=answer,
            duration_s=time.monotonic() - started_at,
        )
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if lost and request.transport is not None:
            request.transport.close()
        return web.json_response(answer, status=status, headers=headers)

    def _authorize(self, request: web.Request, method: Method, *, token: object) -> None:
        header = request.headers.get("Authorization", "")
        # An app's own token is taken in the header alone.
        given = header.removeprefix("Bearer ") if header else token if method.caller == "bot" else None
        if not given:
            raise RefusalError("not_authed")
        whose = next((w for w, t in self._tokens.items() if hmac.compare_digest(str(given).encode(), t)), None)
        if whose is None:
            raise RefusalError("invalid_auth")
        if whose != method.caller:
            raise RefusalError("not_allowed_token_type")

    def _answer(self, method: Method, *, arguments: Json, fault: Fault | None) -> tuple[int, Json, dict[str, str]]:
        wait = round(fault.seconds) if fault and fault.kind == "429" else self._rates.wait(method.name)
        if wait or (fault and fault.kind == "429"):
            return 429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(wait)}
        if fault and fault.kind == "500":
            return 500, {"ok": False, "error": "internal_error"}, {}
        if method.scopes:
            self._world.need_scope(*method.scopes)
        return 200, method.handler(self._world, method.read(arguments)), {}


async def _arguments(request: web.Request) -> dict[str, Any]:
    given: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except json.JSONDecodeError as error:
            raise RefusalError("invalid_json") from error
        if not isinstance(body, dict):
            raise RefusalError("json_not_object")
        given |= body
    elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    elif request.can_read_body:
        raise RefusalError("invalid_post_type")
    return {key: value for key, value in given.items() if value is not None}
