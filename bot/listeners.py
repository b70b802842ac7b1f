"""The listeners that Bolt calls, and the middleware before them: acknowledge first, always, then work in a task.

What the work is stands in `bot.requests` (commands) and `bot.actions` (clicks); which listener hears what is `bot.app`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from slack_bolt.async_app import AsyncAck
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.actions import Actions
from bot.asker import Asker, asker_of
from bot.cards.details import LONGEST, PRESET, PRESET_BLOCK, REASON, REASON_BLOCK, SHORTEST, reason_of, sorry_view
from bot.cards.failure import failure_message
from bot.cards.home import home_view
from bot.cards.review import BLOCK as REVIEW_BLOCK
from bot.cards.review import TICKS, Pick, Result, results_view
from bot.clicks import Click, click_of, click_of_private
from bot.command import is_start
from bot.deliveries import Deliveries
from bot.guard import guarded
from bot.messages import Messages
from bot.people import ROLES, People
from bot.ports import GatewayPort
from bot.requests import Requests
from bot.review import Modal, Review
from bot.slack_errors import translated
from bot.tasks import Tasks
from domain.configuration import RoleName
from domain.errors import InvalidRequestError, OpsError, RefusedError
from gateway.running import ApprovalTarget

_log = logging.getLogger(__name__)

Body = dict[str, Any]
Next = Callable[[], Awaitable[BoltResponse]]


class OwnWorkspace:
    """Middleware: only people who act from our own workspace get any further.

    It answers by acknowledging: a middleware that stops a request without that leaves the person with a time-out.
    """

    def __init__(self, team: str, actions: Actions, tasks: Tasks) -> None:
        self._team = team
        self._actions = actions
        self._tasks = tasks

    async def check(self, body: Body, ack: AsyncAck, next: Next) -> BoltResponse:
        """Let a request pass, or answer it."""
        asker = asker_of(body)
        if asker.team == self._team and body.get("is_enterprise_install") not in (True, "true"):
            return await next()
        error = RefusedError("role.stranger", "Only people of this workspace may act here.")
        _log.info("stranger refused", extra={"person": asker.user, "team": asker.team, "request": body.get("type")})
        if body.get("command"):
            return await ack(text=failure_message(error, is_start=True).text)
        if body.get("type") == "view_submission":
            return await ack(response_action="update", view=sorry_view("Only people of this workspace may act here."))
        if body.get("type") == "block_actions":
            self._tasks.spawn(self._actions.refuse_stranger(asker, _click_or_none(body), error))
        return await ack()


class Listeners:
    """What Bolt calls. Each acknowledges, then leaves the work to a task."""

    def __init__(
        self,
        client: AsyncWebClient,
        requests: Requests,
        actions: Actions,
        review: Review,
        people: People,
        gateway: GatewayPort,
        messages: Messages,
        tasks: Tasks,
    ) -> None:
        self._client = client
        self._requests = requests
        self._actions = actions
        self._review = review
        self._people = people
        self._gateway = gateway
        self._messages = messages
        self._tasks = tasks
        self._deliveries = Deliveries()

    def _go_on(
        self, work: Coroutine[Any, Any, None], asker: Asker, body: Body, what: str, *, is_start: bool = False
    ) -> None:
        if not self._deliveries.is_first(body):
            work.close()
            _log.info("delivered again", extra={"request": what, "person": asker.user})
            return
        self._tasks.spawn(guarded(work, asker=asker, messages=self._messages, what=what, is_start=is_start))

    async def command(self, ack: AsyncAck, body: Body) -> None:
        """Answer a typed command."""
        await ack()
        asker = asker_of(body)

        async def work() -> None:
            text, trigger = str(body.get("text") or ""), str(body.get("trigger_id") or "")
            answer = await self._requests.answer(asker, text, trigger=trigger)
            await asker.tell(answer, messages=self._messages)

        self._go_on(work(), asker, body, "command", is_start=is_start(str(body.get("text") or "")))

    def click(
        self, name: str, work: Callable[[Asker, Click], Awaitable[None]]
    ) -> Callable[[AsyncAck, Body], Awaitable[None]]:
        """Make the listener of a button that needs nothing but who and which."""

        async def listener(ack: AsyncAck, body: Body) -> None:
            await ack()
            asker = asker_of(body)

            async def read_and_work() -> None:
                await work(asker, click_of(body))

            self._go_on(read_and_work(), asker, body, name)

        return listener

    async def deny(self, ack: AsyncAck, body: Body) -> None:
        """Open the modal that asks why."""
        await ack()
        asker = asker_of(body)

        async def work() -> None:
            await self._actions.open_deny(asker, click_of(body), trigger=str(body.get("trigger_id") or ""))

        self._go_on(work(), asker, body, "deny")

    async def details(self, ack: AsyncAck, body: Body) -> None:
        """Open the modal with all the evidence."""
        await ack()
        asker = asker_of(body)

        async def work() -> None:
            await self._actions.open_details(asker, click_of(body), trigger=str(body.get("trigger_id") or ""))

        self._go_on(work(), asker, body, "details")

    async def deny_reason(self, ack: AsyncAck, body: Body) -> None:
        """Take the reason; what is wrong with it is said inside the modal."""
        view = body.get("view") or {}
        values = (view.get("state") or {}).get("values") or {}
        option = ((values.get(PRESET_BLOCK) or {}).get(PRESET) or {}).get("selected_option") or {}
        typed = str(((values.get(REASON_BLOCK) or {}).get(REASON) or {}).get("value") or "")
        reason = reason_of(str(option.get("value") or "other"), typed)
        if not SHORTEST <= len(reason.strip()) <= LONGEST:
            said = f"Found {len(typed.strip())} characters, expected {SHORTEST} to {LONGEST}, such as: wrong pod"
            await ack(response_action="errors", errors={REASON_BLOCK: said})
            return
        await ack()
        sender = asker_of(body)

        async def work() -> None:
            click = click_of_private(str(view.get("private_metadata") or ""))
            asker = Asker(user=sender.user, team=sender.team, channel=click.channel, thread_ts=click.thread_ts)
            await self._actions.deny(asker, click, reason)

        self._go_on(work(), sender, body, "deny reason")

    async def review(self, ack: AsyncAck, body: Body) -> None:
        """Open the modal with all open requests of a cluster."""
        await ack()
        asker = asker_of(body)

        async def work() -> None:
            await self._review.open(asker, click_of(body), trigger=str(body.get("trigger_id") or ""))

        self._go_on(work(), asker, body, "review")

    async def reviewed(self, ack: AsyncAck, body: Body) -> None:
        """Decide what is ticked; the modal stays, and says what came of each."""
        view = body.get("view") or {}
        picks = _picks(view)
        if not picks:
            said = "Found nothing ticked, expected at least one request"
            await ack(response_action="errors", errors={f"{REVIEW_BLOCK}0": said})
            return
        modal = Modal(id=str(view.get("id") or ""), name=f"review-{secrets.token_hex(8)}")
        waiting = [Result(label) for label in picks.values()]
        await ack(response_action="update", view=results_view(waiting, name=modal.name))
        sender = asker_of(body)

        async def work() -> None:
            click = click_of_private(str(view.get("private_metadata") or ""))
            asker = Asker(user=sender.user, team=sender.team, channel=click.channel, thread_ts=click.thread_ts)
            await self._review.submit(asker, click, picks, modal=modal)

        self._go_on(work(), sender, body, "review submitted")

    async def link(self, ack: AsyncAck, body: Body) -> None:
        """Redraw the message of a link button, whose click is sent as well."""
        await ack()
        click = _click_or_none(body)
        if click is not None:
            self._go_on(self._actions.redraw(click), asker_of(body), body, "link")

    async def old_button(self, ack: AsyncAck, body: Body) -> None:
        """Answer what no listener knows."""
        await ack()
        asker = asker_of(body)
        self._go_on(self._actions.old_button(asker, _click_or_none(body)), asker, body, "old button")

    async def home(self, event: Body, body: Body) -> None:
        """Show a person's home."""
        asker = asker_of(body)
        if event.get("tab") != "home":
            return
        self._go_on(self._publish_home(asker), asker, body, "home")

    async def _publish_home(self, asker: Asker) -> None:
        roles: list[RoleName] = []
        problem = ""
        pending: tuple[ApprovalTarget, ...] = ()
        try:
            identity = await self._people.identify(asker.user, team_id=asker.team)
            roles = [role for role in ROLES if self._people.holds(identity, role)]
            pending = await self._gateway.pending(limit=8)
        except OpsError as error:
            problem = f"{failure_message(error).text}"
        view = home_view(roles=roles, pending=pending, problem=problem)
        with translated("showing the home tab"):
            await self._client.views_publish(user_id=asker.user, view=view)


def _picks(view: Body) -> dict[Pick, str]:
    """Read what is ticked in a review, each with its label, in the order shown."""
    values = (view.get("state") or {}).get("values") or {}
    picks: dict[Pick, str] = {}
    for block in sorted(name for name in values if name.startswith(REVIEW_BLOCK)):
        for option in (values[block].get(TICKS) or {}).get("selected_options") or ():
            pick = Pick.parse(str(option.get("value") or ""))
            if pick is not None:
                picks[pick] = str((option.get("text") or {}).get("text") or pick.approval_id)
    return picks


def _click_or_none(body: Body) -> Click | None:
    try:
        return click_of(body)
    except InvalidRequestError:
        return None
