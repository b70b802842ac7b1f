"""The page and its API at `/_page/…`: state, commands, clicks, submits, news, the record of calls, faults, sockets.

What a person's act does is in `interactions.py`; what they see in `snapshot.py`; the page itself in `static/`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from devtools.console.faults import Fault, Faults
from devtools.console.interactions import Interactions
from devtools.console.limits_text import Json
from devtools.console.recorder import Recorder
from devtools.console.refusal import RefusalError
from devtools.console.snapshot import snapshot
from devtools.console.sockets import REFRESH_SECONDS, Sockets
from devtools.console.workspace import PERSONAS, Persona, find_persona
from devtools.console.world import World

STATIC = Path(__file__).parent / "static"
# A quiet line is kept open by a comment, so that a lost one is noticed.
KEEP_ALIVE_SECONDS = 15.0
Act = Callable[[Json], Awaitable[Json]]


class Page:
    """The people's side of the stand-in."""

    def __init__(
        self, world: World, *, interactions: Interactions, recorder: Recorder, faults: Faults, sockets: Sockets
    ) -> None:
        self._world = world
        self._sockets = sockets
        self._do = interactions
        self._recorder = recorder
        self._faults = faults
        self._closing = asyncio.Event()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Put the page and its API into a server."""
        acts: dict[str, Act] = {
            "command": self._command,
            "click": self._click,
            "submit": self._submit,
            "close": self._close,
            "home": self._home,
            "faults": self._add_fault,
            "sockets": self._end_sockets,
        }
        for name, act in acts.items():
            router.add_post(f"/_page/{name}", _json_only(act))
        router.add_get("/_page/state", self._state)
        router.add_get("/_page/events", self._events)
        router.add_get("/_page/calls", self._calls)
        router.add_get("/_page/sockets", self._count_sockets)
        router.add_get("/_page/faults", self._list_faults)
        router.add_delete("/_page/faults", self._clear_faults)
        router.add_get("/", self._index)
        router.add_get("/archives/{channel}/{message}", self._index)
        router.add_static("/static/", STATIC)

    def close(self) -> None:
        """End the open news lines, which would hold up the server's end."""
        self._closing.set()

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    async def _state(self, request: web.Request) -> web.StreamResponse:
        try:
            answer = snapshot(self._world, _persona(dict(request.query)))
        except RefusalError as refusal:
            return web.json_response(refusal.answer(), status=400)
        return web.json_response(answer)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        changed = self._world.subscribe()
        changed.set()
        try:
            while not self._closing.is_set():
                if await self._wait_for(changed):
                    changed.clear()
                    line = f"event: change\ndata: {json.dumps({'version': self._world.version})}\n\n"
                    await response.write(line.encode())
                else:
                    await response.write(b": still here\n\n")
        except ConnectionResetError:
            pass
        finally:
            self._world.unsubscribe(changed)
        return response

    async def _wait_for(self, changed: asyncio.Event) -> bool:
        waits = [asyncio.create_task(changed.wait()), asyncio.create_task(self._closing.wait())]
        await asyncio.wait(waits, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return changed.is_set()

    async def _calls(self, request: web.Request) -> web.StreamResponse:
        since = request.query.get("since", "0")
        if not since.isdecimal():
            refusal = RefusalError("invalid_arguments", detail="since is the number of a record, for example 12")
            return web.json_response(refusal.answer(), status=400)
        return web.json_response(
            {"ok": True, "calls": [record.to_json() for record in self._recorder.since(int(since))]}
        )

    async def _command(self, body: Json) -> Json:
        thread_ts = body.get("thread_ts")
        return await self._do.type_text(
            _persona(body), channel=_text(body, "channel"), text=_text(body, "text"), thread_ts=thread_ts
        )

    async def _click(self, body: Json) -> Json:
        persona, action_id = _persona(body), _text(body, "action_id")
        block_id, value = body.get("block_id"), body.get("value")
        if "view_id" in body:
            view_id = _text(body, "view_id")
            return await self._do.click_in_view(
                persona, view_id=view_id, block_id=block_id, action_id=action_id, value=value
            )
        channel, ts = _text(body, "channel"), _text(body, "ts")
        return await self._do.click(
            persona, channel=channel, ts=ts, block_id=block_id, action_id=action_id, value=value
        )

    async def _submit(self, body: Json) -> Json:
        return await self._do.submit(_persona(body), view_id=_text(body, "view_id"), values=body.get("values") or {})

    async def _close(self, body: Json) -> Json:
        is_cleared = bool(body.get("is_cleared"))
        return await self._do.close_view(_persona(body), view_id=_text(body, "view_id"), is_cleared=is_cleared)

    async def _home(self, body: Json) -> Json:
        return await self._do.open_home(_persona(body), tab=str(body.get("tab", "home")))

    async def _add_fault(self, body: Json) -> Json:
        self._faults.add(Fault.parse(body))
        return {"ok": True, "faults": self._faults.to_json()}

    async def _end_sockets(self, body: Json) -> Json:
        act, seconds = body.get("act"), body.get("seconds", REFRESH_SECONDS)
        if act not in ("drop", "refresh") or not isinstance(seconds, int | float):
            detail = f'act must be drop or refresh, seconds a number; for example {{"act": "drop"}}; found {act!r}'
            raise RefusalError("invalid_arguments", detail=detail)
        ended = self._sockets.drop() if act == "drop" else await self._sockets.refresh(seconds=seconds)
        return {"ok": True, "ended": ended}

    async def _count_sockets(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, "sockets": self._sockets.count})

    async def _list_faults(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, "faults": self._faults.to_json()})

    async def _clear_faults(self, request: web.Request) -> web.StreamResponse:
        self._faults.clear()
        return web.json_response({"ok": True, "faults": []})


def _json_only(act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler that takes JSON alone: a form of a foreign page cannot send that without asking first."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            refusal = RefusalError("json_only", detail="send Content-Type: application/json")
            return web.json_response(refusal.answer(), status=415)
        try:
            body = await request.json()
            if not isinstance(body, dict):
                raise RefusalError("json_not_object")
            return web.json_response(await act(body))
        except json.JSONDecodeError:
            return web.json_response(RefusalError("invalid_json").answer(), status=400)
        except RefusalError as refusal:
            return web.json_response(refusal.answer())

    return handle


def _text(body: Json, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise RefusalError("invalid_arguments", detail=f"missing {key}: a string is expected")
    return value


def _persona(body: Json) -> Persona:
    found = find_persona(str(body.get("persona", "")))
    if found is None:
        known = ", ".join(persona.key for persona in PERSONAS)
        raise RefusalError("unknown_persona", detail=f"persona is one of {known}; found {body.get('persona')!r}")
    return found
