"""What a click does: decide, ask again, cancel, pause, resume, show details; and always: redraw the clicked message.

Signing and sending is `bot.decisions`; which listener calls what is `bot.app`. Everything here runs after Slack has
its acknowledgement.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Literal

from slack_sdk.web.async_client import AsyncWebClient

from bot.asker import Asker
from bot.cards.blocks import Json
from bot.cards.details import deny_view, details_view, loading_view, sorry_view
from bot.cards.evidence import card_message, whose_of
from bot.cards.failure import failure_message, plain_message, sentence
from bot.cards.gate import gate_deny_view, gate_message
from bot.cards.observation import observation_message
from bot.clicks import Click
from bot.decisions import Decisions
from bot.messages import Messages, Origin
from bot.modals import fill_modal, open_modal
from bot.people import People
from bot.ports import GatewayPort
from bot.requests import Requests
from bot.roots import Roots
from domain.errors import OpsError, RefusedError
from operations.certify import CertifyStatus
from operations.chat import MessageRef
from operations.gate import GateStatus
from operations.messages import DecisionReceipt
from tokens.make import LIFETIME

_log = logging.getLogger(__name__)

#: After this a person hears that their click still waits for a worker.
SLOW_SECONDS = 6.0
#: From a decision on a certificate to the redraw of its card: mostly it is issued by then, and one edit shows both.
_SETTLES_SECONDS = 0.25
#: Slack forgets a trigger after three seconds: a check that takes longer is left to the submit.
_CHECK_SECONDS = 1.2
#: Refusals that others in the thread should know of.
_TOLD_IN_THREAD = {
    "role.stranger": "who is not of this workspace",
    "approval.four-eyes": "who asked for it: somebody else must decide",
}
_TOLD_KEPT = 500


class Actions:
    """Does what a click says.

    Args:
        client: Slack's Web API, for modals.
        gateway: Temporal.
        people: Who somebody is.
        decisions: Signs and sends decisions.
        messages: Posts and redraws.
        roots: Draws root messages.
        requests: Starts changes.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        gateway: GatewayPort,
        people: People,
        decisions: Decisions,
        messages: Messages,
        roots: Roots,
        requests: Requests,
    ) -> None:
        self._client = client
        self._gateway = gateway
        self._people = people
        self._decisions = decisions
        self._messages = messages
        self._roots = roots
        self._requests = requests
        self._told: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    async def approve(self, asker: Asker, click: Click) -> None:
        """Approve what the card asks."""
        await self._decided(asker, click, self._certify("approve", asker, click), doing="approve")

    async def deny(self, asker: Asker, click: Click, reason: str) -> None:
        """Deny what the card asks."""
        await self._decided(asker, click, self._certify("deny", asker, click, reason), doing="deny")

    async def deny_now(self, asker: Asker, click: Click) -> None:
        """Say no to a question that asks for no reason."""
        await self.deny(asker, click, "")

    async def ask_again(self, asker: Asker, click: Click) -> None:
        """Ask again, on a card or for a change."""

        async def work() -> DecisionReceipt:
            identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
            return await self._decisions.ask_again(click, identity)

        await self._decided(asker, click, work(), doing="ask again")

    async def cancel(self, asker: Asker, click: Click) -> None:
        """Cancel a change."""
        await self._steer("cancel", asker, click)

    async def pause(self, asker: Asker, click: Click) -> None:
        """Hold a change before its next node."""
        await self._steer("pause", asker, click)

    async def resume(self, asker: Asker, click: Click) -> None:
        """Let a paused change go on."""
        await self._steer("resume", asker, click)

    async def _steer(self, verb: Literal["cancel", "pause", "resume"], asker: Asker, click: Click) -> None:
        async def work() -> DecisionReceipt:
            identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
            return await self._decisions.steer(verb, click, identity)

        await self._decided(asker, click, work(), doing=verb)

    async def retarget(self, asker: Asker, click: Click) -> None:
        """Send the change that runs to another number; its own message says the rest."""

        async def work() -> DecisionReceipt:
            identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
            receipt = await self._decisions.retarget(click, identity)
            await asker.tell(plain_message(receipt.sentence or "Recorded."), messages=self._messages)
            return receipt

        # The button stands on an answer that only this person sees: there is nothing to redraw.
        await self._decided(asker, click.model_copy(update={"ts": ""}), work(), doing="change")

    async def start(self, name: str, asker: Asker, click: Click) -> None:
        """Start the change that a button of an upgrade that is not final leads to, as its command does."""

        async def work() -> DecisionReceipt:
            # Of this upgrade alone: the card of one that is over starts nothing, whatever runs by now.
            target = await self._gateway.target(click.value.workflow_id, run_id=click.value.run_id)
            if not target.is_open:
                hint = f"/crdb {name} asks for it by hand."
                raise RefusedError("decision.closed", "This upgrade is not observed any more.", hint=hint)
            started = await self._requests.start(name, click.value.ref, asker, trigger=click.stamp)
            await asker.tell(started, messages=self._messages)
            return DecisionReceipt()

        await self._decided(asker, click, work(), doing=f"ask for {name} of")

    async def open_deny(self, asker: Asker, click: Click, *, trigger: str) -> None:
        """Open the modal that asks why, unless it is known by then that the person may not deny."""
        try:
            await self._open_deny(asker, click, trigger=trigger)
        finally:
            await self.redraw(click)

    async def _open_deny(self, asker: Asker, click: Click, *, trigger: str) -> None:
        status = None
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
                status = await self._decisions.may_open(click, identity)
        except TimeoutError:
            pass  # the trigger is worth three seconds; everything is checked again at the submit
        except OpsError as error:
            await self._refused(asker, click, error, doing="deny")
            return
        view: Json
        if click.value.is_gate:
            question = status.question if isinstance(status, GateStatus) else None
            view = gate_deny_view(question, private=click.private())
        else:
            card = status if isinstance(status, CertifyStatus) else None
            whose = whose_of(card) if card else "this request"
            fingerprint = card.verdict.fingerprint if card and card.verdict else ""
            view = deny_view(whose=f"Certificate for {whose}", fingerprint=fingerprint, private=click.private())
        await open_modal(self._client, trigger=trigger, view=view)

    async def open_details(self, asker: Asker, click: Click, *, trigger: str) -> None:
        """Open the modal with all the evidence; it is filled when the workflow has answered."""
        try:
            await self._open_details(asker, click, trigger=trigger)
        finally:
            await self.redraw(click)

    async def _open_details(self, asker: Asker, click: Click, *, trigger: str) -> None:
        opened = await open_modal(self._client, trigger=trigger, view=loading_view())
        view: Json
        try:
            await self._people.identify(asker.user, team_id=asker.team)
            status = await self._gateway.certify_status(click.value.workflow_id, run_id=click.value.run_id)
            view = details_view(status)
        except OpsError as error:
            view = sorry_view(" ".join(part for part in (sentence(error), error.hint) if part))
        await fill_modal(self._client, opened, view=view)

    async def old_button(self, asker: Asker, click: Click | None) -> None:
        """Answer a button that no release knows any more, and redraw its message."""
        said = (
            "This button is of an older release. The message has been drawn again."
            if click
            else ("This button is of an older release. Use the newest card.")
        )
        await asker.tell(plain_message(said), messages=self._messages)
        if click is not None:
            await self.redraw(click)

    async def redraw(self, click: Click) -> None:
        """Draw the clicked message as its workflow says it is now; without an answer it stays as it is."""
        if not click.channel or not click.ts:
            return
        value = click.value
        ref = MessageRef(channel=click.channel, ts=click.ts)
        try:
            if value.is_observation:
                seen = await self._gateway.observe_status(value.workflow_id, run_id=value.run_id)
                message = observation_message(seen, url=self._gateway.url(value.workflow_id, run_id=value.run_id))
                await self._messages.edit(ref, message, sequence=seen.sequence, state=seen.state, is_repair=True)
            elif value.is_certify:
                card = await self._gateway.certify_status(value.workflow_id, run_id=value.run_id)
                message = card_message(card, url=self._gateway.url(value.workflow_id, run_id=value.run_id))
                await self._messages.edit(ref, message, sequence=card.sequence, state=card.state, is_repair=True)
            elif value.is_gate:
                gate = await self._gateway.gate_status(
                    value.workflow_id, run_id=value.run_id, approval_id=value.approval_id
                )
                message = gate_message(gate, url=self._gateway.url(value.workflow_id, run_id=value.run_id))
                await self._messages.edit(ref, message, sequence=gate.sequence, state=gate.state, is_repair=True)
            else:
                await self._roots.redraw(ref, workflow_id=value.workflow_id, run_id=value.run_id, is_repair=True)
        except OpsError as error:
            _log.info("message not redrawn", extra={"error_code": error.code, "workflow_id": value.workflow_id})

    async def _certify(self, verb: str, asker: Asker, click: Click, reason: str = "") -> DecisionReceipt:
        identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
        return await self._decisions.certify("approve" if verb == "approve" else "deny", click, identity, reason=reason)

    async def _decided(self, asker: Asker, click: Click, work: Awaitable[DecisionReceipt], *, doing: str) -> None:
        """Wait for a decision, say what came of it where that is news, and redraw the message."""
        task = asyncio.ensure_future(work)
        is_recorded = False
        try:
            done, _ = await asyncio.wait((task,), timeout=SLOW_SECONDS)
            if not done:
                until = datetime.now(UTC) + LIFETIME
                said = f"No worker has taken your click yet. It is sent again by itself until {until:%H:%M} UTC."
                await asker.tell(plain_message(said), messages=self._messages)
            receipt = await task
            is_recorded = True
            if receipt.outcome == "already" and receipt.sentence:
                await asker.tell(plain_message(receipt.sentence), messages=self._messages)
        except OpsError as error:
            await self._refused(asker, click, error, doing=doing)
        finally:
            task.cancel()
            own = asyncio.current_task()
            # A bot that is being stopped has no time for it; the workflow draws its own changes.
            if own is None or not own.cancelling():
                if is_recorded and click.value.is_certify:
                    await asyncio.sleep(_SETTLES_SECONDS)
                await self.redraw(click)

    async def _refused(self, asker: Asker, click: Click, error: OpsError, *, doing: str) -> None:
        """Tell the person; log it, since a refusal leaves nothing in any history; tell the thread what matters."""
        _log.info(
            "click refused",
            extra={
                "verb": doing,
                "person": asker.user,
                "team": asker.team,
                "error_code": error.code,
                "workflow_id": click.value.workflow_id,
                "run_id": click.value.run_id,
            },
        )
        await asker.tell(failure_message(error), messages=self._messages)
        why = _TOLD_IN_THREAD.get(error.code)
        if why is not None and click.channel and click.ts:
            await self.tell_thread(asker, click, f"tried to {doing} this, {why}. Nothing was decided.", error.code)

    async def tell_thread(self, asker: Asker, click: Click, said: str, code: str) -> None:
        """Say in the thread of a clicked message what somebody tried; once a person, request and reason."""
        key = (asker.user, click.value.approval_id or click.value.run_id, code)
        if key in self._told:
            return  # once a person and request: nobody can fill a thread by clicking
        self._told[key] = None
        if len(self._told) > _TOLD_KEPT:
            self._told.popitem(last=False)
        origin = Origin(click.value.workflow_id, click.value.run_id, "refused", ":".join(key))
        try:
            await self._messages.post(
                plain_message(said, about=asker.user),
                channel=click.channel,
                origin=origin,
                thread_ts=click.thread_ts or click.ts,
            )
        except OpsError as error:
            _log.info("refusal not told in the thread", extra={"error_code": error.code})

    async def refuse_stranger(self, asker: Asker, click: Click | None, error: OpsError) -> None:
        """Tell a stranger no, and the thread that they tried."""
        if click is None:
            await asker.tell(failure_message(error), messages=self._messages)
            return
        await self._refused(asker, click, error, doing="use a button of")
        await self.redraw(click)
