"""Reviewing several requests: the modal behind "Review 3 requests", and its submit, which decides each by itself.

Nothing called a batch exists beyond this: every ticked request gets its own token and its own update, exactly as a
click on its card would. How it looks is `bot.cards.review`; checking, signing and sending is `bot.decisions`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from bot.actions import SLOW_SECONDS, Actions
from bot.asker import Asker
from bot.cards import review as cards
from bot.cards.approvals import what_is_asked
from bot.cards.blocks import Json
from bot.cards.failure import plain_message, sentence
from bot.cards.review import Pick, Result, Row
from bot.clicks import ButtonValue, Click
from bot.decisions import Decisions
from bot.guard import broken
from bot.messages import Messages
from bot.modals import fill_modal, open_modal
from bot.people import Identity, People
from bot.ports import GatewayPort
from bot.slack_errors import translated
from domain.errors import OpsError, TransientError
from gateway.running import ApprovalTarget
from operations.certify import CertifyStatus

_log = logging.getLogger(__name__)

#: What is skipped because it is not any more what was ticked.
_CHANGED = frozenset({"decision.changed", "decision.not-yet"})
#: A modal that is not found for so long was closed.
_CLOSED_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_ALREADY = frozenset({"decision.already", "decision.closed"})


@dataclass(frozen=True)
class Modal:
    """The modal that shows results: Slack's id of it, and the name that it was given when the submit was answered."""

    id: str
    name: str


class Review:
    """Opens and submits the review of a cluster's open requests.

    Args:
        client: Slack's Web API, for modals.
        gateway: Temporal.
        people: Who somebody is.
        decisions: Signs and sends decisions.
        messages: Says what came of it when the modal is gone.
        actions: Redraws the clicked message, and tells the thread what matters.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        gateway: GatewayPort,
        people: People,
        decisions: Decisions,
        messages: Messages,
        actions: Actions,
    ) -> None:
        self._client = client
        self._gateway = gateway
        self._people = people
        self._decisions = decisions
        self._messages = messages
        self._actions = actions

    async def open(self, asker: Asker, click: Click, *, trigger: str) -> None:
        """Open the modal at once, then fill it with every open request of the cluster, or with why not."""
        try:
            await self._open(asker, click, trigger=trigger)
        finally:
            await self._actions.redraw(click)

    async def _open(self, asker: Asker, click: Click, *, trigger: str) -> None:
        opened = await open_modal(self._client, trigger=trigger, view=cards.loading_view())
        view: Json
        try:
            identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
            self._decisions.require_approver(identity)
            rows = await self._rows(click, identity)
            view = cards.review_view(rows, cluster=click.value.ref.cluster, private=click.private())
        except OpsError as error:
            self._note(asker.user, click.value, error)
            view = cards.sorry_view(" ".join(part for part in (sentence(error), error.hint) if part))
        await fill_modal(self._client, opened, view=view)

    async def _rows(self, click: Click, identity: Identity) -> list[Row]:
        targets = await self._gateway.requests_of(click.value.ref)
        clicks = [_click_on(target, target.approval_id) for target in targets]
        statuses = await asyncio.gather(*(self._decisions.status(each) for each in clicks))
        return [self._row(*pair, identity) for pair in zip(targets, statuses, strict=True)]

    def _row(self, target: ApprovalTarget, status: CertifyStatus | None, identity: Identity) -> Row:
        if status is None:
            pick = Pick(target.approval_id, target.fingerprint, target.run_id)
            return cards.silent_row(what_is_asked(target), pick)
        return cards.row_of(status, objection=self._decisions.objection(identity, status))

    async def submit(self, asker: Asker, click: Click, picks: dict[Pick, str], *, modal: Modal) -> None:
        """Decide each ticked request by itself, and say what came of each.

        Args:
            asker: Who submits.
            click: The button that opened the modal.
            picks: What is ticked, each with its label.
            modal: Where the results are shown.
        """
        try:
            identity = await self._people.identify(asker.user, team_id=asker.team, is_fresh=True)
            results = await self._decide_all(identity, picks, modal=modal)
        except OpsError as error:
            self._note(asker.user, click.value, error)
            results = [_refusal(error, label) for label in picks.values()]
        await self._tell_thread(asker, click, results)
        if not await self._show(results, modal):
            await asker.tell(plain_message(cards.results_text(results)), messages=self._messages)
        await self._actions.redraw(click)

    async def _decide_all(self, identity: Identity, picks: dict[Pick, str], *, modal: Modal) -> list[Result]:
        """Decide all side by side, so that one that waits for a worker holds up no other."""
        tasks = [asyncio.ensure_future(self._decide(identity, pick, label)) for pick, label in picks.items()]
        try:
            _, waiting = await asyncio.wait(tasks, timeout=SLOW_SECONDS)
            if waiting:
                so_far = zip(tasks, picks.values(), strict=True)
                await self._show([_result(task, label) for task, label in so_far], modal)
                await asyncio.wait(waiting)
            return [_result(task, label) for task, label in zip(tasks, picks.values(), strict=True)]
        finally:
            for task in tasks:
                task.cancel()

    async def _decide(self, identity: Identity, pick: Pick, label: str) -> Result:
        """Approve one request, if it is still what was shown."""
        target: ApprovalTarget | None = None
        try:
            target = next(iter(await self._gateway.runs((pick.run_id,))), None)
            if target is None:
                return Result(label, "changed", "it is not there any more")
            click = _click_on(target, pick.approval_id)
            receipt = await self._decisions.certify("approve", click, identity, fingerprint=pick.fingerprint)
        except OpsError as error:
            workflow_id = target.workflow_id if target else ""
            self._note(identity.person.id, ButtonValue(workflow_id=workflow_id, run_id=pick.run_id), error)
            if error.code in _ALREADY:
                said = await self._how_it_ended(target) or error.message.removeprefix("Already decided.").strip()
                return Result(label, "already", said, error.code)
            return _refusal(error, label)
        if receipt.outcome == "already":
            return Result(label, "already", receipt.sentence)
        said = receipt.sentence.removeprefix("Recorded").strip(" .;")
        return Result(label, "approved", said)

    async def _how_it_ended(self, target: ApprovalTarget | None) -> str:
        """Say by whom a request was decided, when its workflow says it quickly."""
        status = await self._decisions.status(_click_on(target, target.approval_id)) if target else None
        if status is None:
            return ""
        who = ", ".join(record.person.name or record.person.id for record in status.decisions)
        by = f"by {who}" if who else ""
        return status.sentence or " ".join(part for part in (status.state, by) if part)

    async def _show(self, results: list[Result], modal: Modal) -> bool:
        """Draw the results into the modal; False when it is not open any more."""
        view = cards.results_view(results, name=modal.name)
        # By the name it has only since the submit was acknowledged: no drawing can come before that one and be lost.
        until = time.monotonic() + _CLOSED_SECONDS
        error = await self._not_drawn(view, external_id=modal.name)
        while error == "slack.not-found" and time.monotonic() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            error = await self._not_drawn(view, external_id=modal.name)
        if error == "slack.not-found":
            error = await self._not_drawn(view, view_id=modal.id)
        if error:
            _log.info("review not shown", extra={"error_code": error})
        return not error

    async def _not_drawn(self, view: Json, **which: str) -> str:
        """Draw a modal; return the code of why not, or ''."""
        try:
            with translated("filling a dialog"):
                await self._client.views_update(view=view, **which)
        except OpsError as error:
            return error.code
        return ""

    async def _tell_thread(self, asker: Asker, click: Click, results: list[Result]) -> None:
        """Say where others see it that somebody tried to approve what they had asked for themselves."""
        own = sum(result.code == "approval.four-eyes" for result in results)
        if own:
            what = "a request that they" if own == 1 else f"{own} requests that they"
            said = f"tried to approve {what} asked for: somebody else must decide. Nothing was decided there."
            await self._actions.tell_thread(asker, click, said, "approval.four-eyes")

    def _note(self, person: str, value: ButtonValue, error: OpsError) -> None:
        """Log a refusal, which leaves nothing in any history."""
        _log.info(
            "click refused",
            extra={
                "verb": "review",
                "person": person,
                "error_code": error.code,
                "workflow_id": value.workflow_id,
                "run_id": value.run_id,
            },
        )


def _refusal(error: OpsError, label: str) -> Result:
    """Say why a request was not approved."""
    if error.code in _CHANGED:
        return Result(label, "changed", "it changed since it was shown", error.code)
    said = sentence(error)
    if error.code == "decision.not-recorded":
        said = "no worker took it, nothing was decided; review it again"
    return Result(label, "unrecorded" if isinstance(error, TransientError) else "refused", said, error.code)


def _result(task: asyncio.Future[Result], label: str) -> Result:
    if not task.done():
        return Result(label)
    error = task.exception()
    if error is None:
        return task.result()
    _, reference = broken(error, what="review")
    return Result(label, "unrecorded", f"the bot could not do this; error id {reference}", "bot.broken")


def _click_on(target: ApprovalTarget, approval_id: str) -> Click:
    """Return what a click on the card of a request would say."""
    return Click(value=ButtonValue(workflow_id=target.workflow_id, run_id=target.run_id, approval_id=approval_id))
