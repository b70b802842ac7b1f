"""What a person does in the workspace, told to the bot: commands, clicks, submits, closing, App Home.

Each method answers what the person would notice: `{"ok": true}` or an error in Slack's words. What the bot is told is
in `payloads.py`, how it travels in `delivery.py`; what it says in return comes by `webapi.py` and `responses.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from devtools.console import inputs, payloads
from devtools.console.block_ids import find_element
from devtools.console.delivery import Answer, Delivery, Envelope
from devtools.console.escaping import escape, with_mentions
from devtools.console.limits_text import Json
from devtools.console.manifest import Command
from devtools.console.messages import Message
from devtools.console.methods_views import checked_view
from devtools.console.refusal import RefusalError
from devtools.console.responses import say_acknowledgement
from devtools.console.views import View
from devtools.console.workspace import Channel, Persona
from devtools.console.world import World

# Slack tries an event again at once, after a minute and after five; only the waits are settable.
EVENT_RETRY_SECONDS = (0.0, 60.0, 300.0)


class Interactions:
    """Everything that a person can do in the workspace."""

    def __init__(
        self,
        world: World,
        *,
        delivery: Delivery,
        verification_token: str,
        event_retry_seconds: tuple[float, ...] = EVENT_RETRY_SECONDS,
    ) -> None:
        self._world = world
        self._delivery = delivery
        self._make = payloads.Payloads(world, verification_token=verification_token)
        self._retries = event_retry_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Stop trying events again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def type_text(self, persona: Persona, *, channel: str, text: str, thread_ts: str | None = None) -> Json:
        """What the composer does with a line: a slash command goes to the bot, anything else is a message."""
        place = self._seat(persona, channel)
        if not text.strip():
            raise RefusalError("no_text")
        if place.is_archived:
            raise RefusalError("is_archived")
        if not text.startswith("/"):
            return self._write(persona, place, text=text, thread_ts=thread_ts)
        name, _, rest = text.partition(" ")
        if thread_ts:
            self._world.notice(place.id, user=persona.id, text=f"{name} is not supported in threads. Sorry!")
            return {"ok": False, "error": "not_supported_in_threads"}
        command = self._world.manifest.command(name)
        if command is None:
            known = ", ".join(one.name for one in self._world.manifest.commands)
            self._world.notice(
                place.id, user=persona.id, text=f"`{escape(name)}` is not a valid command. There is: {known}"
            )
            return {"ok": False, "error": "unknown_command"}
        return await self._run_command(persona, place, command=command, text=rest.strip())

    def _write(self, persona: Persona, place: Channel, *, text: str, thread_ts: str | None) -> Json:
        if thread_ts and self._world.messages.find(place.id, ts=thread_ts) is None:
            raise RefusalError("thread_not_found")
        body = with_mentions(text, channels=self._world.channels_of(persona.id))
        message = Message(place.id, self._world.messages.next_ts(), persona.id, body, thread_ts=thread_ts)
        self._world.messages.add(message)
        return {"ok": True, "ts": message.ts}

    async def _run_command(self, persona: Persona, place: Channel, *, command: Command, text: str) -> Json:
        if command.should_escape:
            text = with_mentions(text, channels=self._world.channels_of(persona.id))
        payload = self._make.command(persona, place, name=command.name, text=text)
        answer = await self._delivery.deliver(Envelope("slash_commands", command.name, payload, command.url))
        if answer.error is None:
            try:
                say_acknowledgement(self._world, answer.body, channel=place.id, user=persona.id)
            except RefusalError as refusal:
                answer = Answer(error=refusal.error, detail=str(refusal.beside))
        if answer.error is not None:
            failed = f'{command.name} failed with the error "{answer.error}"'
            self._world.notice(place.id, user=persona.id, text=failed)
        return _outcome(answer)

    async def click(
        self, persona: Persona, *, channel: str, ts: str, block_id: str | None, action_id: str, value: Any = None
    ) -> Json:
        """Use an element of a message: a button, a menu, a tick box."""
        place = self._seat(persona, channel)
        messages = self._world.messages
        message = messages.find(place.id, ts=ts) or messages.find_ephemeral(place.id, ts=ts)
        if message is None or message.only_for not in (None, persona.id):
            raise RefusalError("message_not_found")
        blocks = message.blocks + [block for part in message.attachments for block in part.get("blocks", [])]
        block, element = _find(blocks, block_id=block_id, action_id=action_id)
        entry = self._use(element, value=value)
        action = self._make.action(block, element, entry=entry)
        if element["type"] not in ("button", "overflow"):
            message.inputs.setdefault(block["block_id"], {})[element["action_id"]] = entry
        payload = self._make.click_on_message(persona, place, message=message, action=action)
        return await self._interact(payload)

    async def click_in_view(
        self, persona: Persona, *, view_id: str, block_id: str | None, action_id: str, value: Any = None
    ) -> Json:
        """Use an element of a modal or of App Home."""
        view = self._own_view(persona, view_id)
        block, element = _find(view.blocks, block_id=block_id, action_id=action_id)
        entry = self._use(element, value=value)
        if element["type"] not in ("button", "overflow"):
            view.values.setdefault(block["block_id"], {})[element["action_id"]] = entry
            self._world.views.touch()
        if block["type"] == "input" and not block.get("dispatch_action"):
            return {"ok": True}
        payload = self._make.click_in_view(persona, view, action=self._make.action(block, element, entry=entry))
        return await self._interact(payload)

    def _use(self, element: Json, *, value: Any) -> Json:
        if element["type"] != "button":
            return inputs.filled(element, value)
        if value is not None and value != element.get("value"):
            detail = f"the button's value is {element.get('value')!r}, not {value!r}"
            raise RefusalError("no_such_action", detail=detail)
        return {}

    async def submit(self, persona: Persona, *, view_id: str, values: Json) -> Json:
        """Press a modal's submit button. `values` adds to what is in its inputs already."""
        view = self._own_view(persona, view_id)
        if "submit" not in view.content:
            raise RefusalError("no_submit", detail="this modal has no submit button; close it instead")
        inputs.apply(view.blocks, values=view.values, given=values)
        found = inputs.problems(view.blocks, values=view.values)
        if found:
            return {"ok": False, "error": "client_validation", "errors": found}
        payload = self._make.submission(persona, view)
        answer = await self._delivery.deliver(self._interactive(payload))
        if answer.error is not None:
            return _outcome(answer)
        try:
            return self._after_submit(view, body=answer.body)
        except RefusalError as refusal:
            return refusal.answer()

    def _after_submit(self, view: View, *, body: Any) -> Json:
        views = self._world.views
        action = body.get("response_action") if isinstance(body, dict) else None
        if action is None:
            if body not in (None, "", {}):
                raise RefusalError(
                    "invalid_response", detail=f"expected an empty answer or a response_action, found {body!r}"
                )
            views.close(view)
        elif action == "errors":
            return _field_errors(view, errors=body.get("errors"))
        elif action == "update":
            views.update(view, content=checked_view(body.get("view"), kind="modal"))
        elif action == "push":
            views.push(view.user, content=checked_view(body.get("view"), kind="modal"))
        elif action == "clear":
            views.clear(view.user)
        else:
            raise RefusalError("invalid_response_action", detail=f"errors, update, push or clear; found {action!r}")
        return {"ok": True}

    async def close_view(self, persona: Persona, *, view_id: str, is_cleared: bool = False) -> Json:
        """Leave a modal by its close button, or the whole stack by its cross (`is_cleared`)."""
        view = self._own_view(persona, view_id)
        stack = self._world.views.stack(persona.id)
        closed = list(reversed(stack)) if is_cleared or view.content.get("clear_on_close") else [view]
        self._world.views.close(stack[0] if closed[-1] is stack[0] else view)
        answers = [
            await self._delivery.deliver(self._interactive(self._make.closed(persona, one, is_cleared=is_cleared)))
            for one in closed
            if one.content.get("notify_on_close")
        ]
        failed = next((answer for answer in answers if answer.error is not None), Answer())
        return _outcome(failed)

    async def open_home(self, persona: Persona, *, tab: str = "home") -> Json:
        """Open the app's page: the bot hears app_home_opened when its manifest asks for that event."""
        if "app_home_opened" not in self._world.manifest.events:
            return {"ok": True, "detail": "the manifest does not ask for app_home_opened"}
        event = self._make.home_opened(persona, tab=tab)
        envelope = Envelope("events_api", "app_home_opened", event, self._world.manifest.events_url)
        answer = await self._delivery.deliver(envelope)
        if answer.error is not None:
            self._retry(envelope, error=answer.error)
        return _outcome(answer)

    def _retry(self, envelope: Envelope, *, error: str) -> None:
        task = asyncio.create_task(self._deliver_again(envelope, error=error))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_again(self, envelope: Envelope, *, error: str) -> None:
        reason = "http_timeout" if error == "operation_timeout" else "http_error"
        for number, seconds in enumerate(self._retries, start=1):
            await asyncio.sleep(seconds)
            again = replace(envelope, retry_number=number, retry_reason=reason)
            if (await self._delivery.deliver(again)).error is None:
                return

    def _interactive(self, payload: Json) -> Envelope:
        return Envelope("interactive", payload["type"], payload, self._world.manifest.interactivity_url)

    async def _interact(self, payload: Json) -> Json:
        if not self._world.manifest.is_interactive:
            raise RefusalError("interactivity_disabled", detail="the manifest does not enable interactivity")
        return _outcome(await self._delivery.deliver(self._interactive(payload)))

    def _seat(self, persona: Persona, channel: str) -> Channel:
        place = self._world.find_channel(channel)
        if place is None:
            raise RefusalError("channel_not_found")
        if persona.id not in place.seats:
            raise RefusalError("not_in_channel")
        return place

    def _own_view(self, persona: Persona, view_id: str) -> View:
        view = self._world.views.find(view_id=view_id)
        if view is None or view.user != persona.id:
            raise RefusalError("view_not_found")
        return view


def _find(blocks: list[Json], *, block_id: str | None, action_id: str) -> tuple[Json, Json]:
    found = find_element(blocks, block_id=block_id, action_id=action_id)
    if found is None:
        raise RefusalError("no_such_action", detail=f"there is no element {action_id!r} in block {block_id or '(any)'}")
    return found


def _field_errors(view: View, *, errors: Any) -> Json:
    """Slack shows errors beside inputs alone: for any other block the person sees nothing but a general failure."""
    names = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    wrong = sorted(set(errors) - names) if isinstance(errors, dict) else []
    if not isinstance(errors, dict) or not errors or wrong:
        detail = f"errors must name input blocks ({', '.join(sorted(names)) or 'none'}); found {wrong or errors!r}"
        raise RefusalError("invalid_errors", detail=detail)
    return {"ok": False, "error": "view_errors", "errors": errors}


def _outcome(answer: Answer) -> Json:
    if answer.error is None:
        return {"ok": True}
    return {"ok": False, "error": answer.error, "detail": answer.detail}
