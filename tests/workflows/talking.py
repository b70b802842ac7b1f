"""A fake chat: the chat activities of the bot, keeping what was shown and said.

It keeps the bot's promises: a repeated post finds the earlier one by its origin, an edit older than what is drawn is
dropped. It can be down, fail some calls, or lose its answer before or after the effect as a killed bot does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from operations.certify import CertifyStatus
from operations.chat import (
    SAY,
    SHOW_CARD,
    SHOW_GATE,
    SHOW_OBSERVATION,
    SHOW_OPERATION,
    MessageRef,
    Say,
    ShowCard,
    ShowGate,
    ShowObservation,
    ShowOperation,
)
from operations.gate import GateState, GateStatus
from operations.messages import CertifyState, OperationStatus
from operations.observe import ObserveStatus
from tests.workflows.waiting import until

#: States in which a child of the run draws, which cannot know what the run itself posted last.
_ENDED = frozenset(
    {
        "done",
        "nothing",
        "failed",
        "cancelled",
        "plan",
        "issued",
        "denied",
        "gone",
        "withdrawn",
        "final",
        "rolled-back",
        "stopped",
    }
)


@dataclass
class Shown:
    """One message: what it shows now and all it showed before."""

    channel: str
    ts: str
    origin: tuple[str, str, str]
    status: OperationStatus | CertifyStatus | GateStatus | ObserveStatus
    behind: str = ""
    states: list[str] = field(default_factory=list)


class Chat:
    """What one channel shows."""

    def __init__(self) -> None:
        self.messages: dict[str, Shown] = {}
        self.said: dict[str, Say] = {}
        self.repeated: list[str] = []
        self.calls: list[str] = []
        self.fails: dict[str, int] = {}
        self.is_down = False
        #: What a failed call asks for, as Slack does; without it the retry policy decides.
        self.retry_after: timedelta | None = None
        #: Activities that Slack refuses for good, as where the channel is gone.
        self.refuses: set[str] = set()
        self.loses: tuple[str, ...] = ()
        self.lost: list[str] = []
        #: Called around every effect with the activity's name and "before" or "after"; may raise.
        self.trouble: Callable[[str, str], Awaitable[None]] | None = None

    # --- what a test asks ---

    def cards(self, *states: CertifyState) -> list[CertifyStatus]:
        """The cards as they are shown now, oldest first; with states only those."""
        found = [m.status for m in self.messages.values() if isinstance(m.status, CertifyStatus)]
        return [card for card in found if not states or card.state in states]

    def gates(self, *states: GateState) -> list[GateStatus]:
        """The cards of questions as they are shown now, oldest first; with states only those."""
        found = [m.status for m in self.messages.values() if isinstance(m.status, GateStatus)]
        return [gate for gate in found if not states or gate.state in states]

    async def gate(self, *states: GateState, kind: str = "") -> GateStatus:
        """Wait for a question's card in one of these states: it is shown, and a redraw has named its end."""

        def matching() -> list[GateStatus]:
            return [g for g in self.gates(*states) if kind in ("", g.question.kind) and g.expires_at is not None]

        await until(lambda: bool(matching()))
        return matching()[-1]

    def observations(self) -> list[ObserveStatus]:
        """The cards of upgrades that are not final, as they are shown now."""
        return [m.status for m in self.messages.values() if isinstance(m.status, ObserveStatus)]

    def operation(self) -> OperationStatus:
        """The one operation's message as it is shown now."""
        (found,) = [m.status for m in self.messages.values() if isinstance(m.status, OperationStatus)]
        return found

    def shown_operation(self) -> OperationStatus | None:
        """The newest operation's message, if one was posted."""
        found = [m.status for m in self.messages.values() if isinstance(m.status, OperationStatus)]
        return found[-1] if found else None

    async def card(self, *states: CertifyState, csr: str = "", after: str = "") -> CertifyStatus:
        """Wait for a card in one of these states: of one request, or with another approval id than before."""

        def matching() -> list[CertifyStatus]:
            shown = self.cards(*states)
            return [c for c in shown if csr in ("", c.csr) and c.approval_id != after]

        await until(lambda: bool(matching()))
        return matching()[-1]

    # --- what the bot does ---

    def show(
        self, kind: str, payload: ShowOperation | ShowCard | ShowGate | ShowObservation, *, is_repeat: bool
    ) -> MessageRef:
        """Post or redraw."""
        status, ref = payload.status, payload.message
        origin = (status.workflow_id, status.run_id, kind)
        if ref is None and (is_repeat or status.state in _ENDED):
            ref = next(
                (MessageRef(channel=m.channel, ts=m.ts) for m in self.messages.values() if m.origin == origin), None
            )
        if ref is None:
            ts = f"{len(self.messages) + 1}.000"
            behind = payload.behind_workflow_id if isinstance(payload, ShowCard) else ""
            behind = payload.thread_ts if isinstance(payload, ShowGate | ShowObservation) else behind
            self.messages[ts] = Shown(payload.channel, ts, origin, status, behind, [status.state])
            roots = [m.ts for m in self.messages.values() if behind and m.origin[0] == behind]
            return MessageRef(channel=payload.channel, ts=ts, thread_ts=roots[-1] if roots else "")
        shown = self.messages[ref.ts]
        if status.sequence <= shown.status.sequence:
            return ref if payload.message is None else MessageRef(channel=ref.channel, ts="")
        shown.status = status
        shown.states.append(status.state)
        return ref

    def say(self, payload: Say, *, is_repeat: bool) -> MessageRef:
        """Say it once."""
        if payload.key in self.said and not is_repeat:
            self.repeated.append(payload.key)
        self.said.setdefault(payload.key, payload)
        return MessageRef(channel=payload.channel, ts="9.000")


class Bot:
    """Serves the chat activities for many channels."""

    def __init__(self) -> None:
        self.channels: dict[str, Chat] = {}

    def chat(self, channel: str) -> Chat:
        """The chat of a channel."""
        return self.channels.setdefault(channel, Chat())

    @activity.defn(name=SHOW_OPERATION)
    async def show_operation(self, payload: ShowOperation) -> MessageRef:
        return await self._answer(
            SHOW_OPERATION, payload.channel, lambda c, again: c.show("operation", payload, is_repeat=again)
        )

    @activity.defn(name=SHOW_CARD)
    async def show_card(self, payload: ShowCard) -> MessageRef:
        return await self._answer(SHOW_CARD, payload.channel, lambda c, again: c.show("card", payload, is_repeat=again))

    @activity.defn(name=SHOW_GATE)
    async def show_gate(self, payload: ShowGate) -> MessageRef:
        kind = f"gate {payload.status.approval_id}"
        return await self._answer(SHOW_GATE, payload.channel, lambda c, again: c.show(kind, payload, is_repeat=again))

    @activity.defn(name=SHOW_OBSERVATION)
    async def show_observation(self, payload: ShowObservation) -> MessageRef:
        def effect(chat: Chat, again: bool) -> MessageRef:
            if payload.say is not None:
                chat.say(payload.say, is_repeat=again)
            return chat.show("observation", payload, is_repeat=again)

        return await self._answer(SHOW_OBSERVATION, payload.channel, effect)

    @activity.defn(name=SAY)
    async def say(self, payload: Say) -> MessageRef:
        return await self._answer(SAY, payload.channel, lambda c, again: c.say(payload, is_repeat=again))

    async def _answer(self, name: str, channel: str, effect: Callable[[Chat, bool], MessageRef]) -> MessageRef:
        chat = self.chat(channel)
        chat.calls.append(name)
        if chat.is_down or chat.fails.get(name, 0) > 0:
            chat.fails[name] = chat.fails.get(name, 0) - 1
            raise ApplicationError("chat does not answer", next_retry_delay=chat.retry_after)
        if name in chat.refuses:
            raise ApplicationError("Slack knows no such channel.", non_retryable=True)
        if chat.trouble is not None:
            await chat.trouble(name, "before")
        self._lose(chat, name, "before")
        answer = effect(chat, activity.info().attempt > 1)
        self._lose(chat, name, "after")
        if chat.trouble is not None:
            await chat.trouble(name, "after")
        return answer

    def _lose(self, chat: Chat, name: str, moment: str) -> None:
        """Never answer, as a bot that was killed: the attempt ends by its time-out."""
        if name in chat.loses and f"{moment} {name}" not in chat.lost:
            chat.lost.append(f"{moment} {name}")
            activity.raise_complete_async()

    def activities(self) -> list[Callable[..., Any]]:
        """All chat activities."""
        return [self.show_operation, self.show_card, self.show_gate, self.show_observation, self.say]
