"""What is good for a while only: trigger ids (3 s, once), response addresses (30 min, 5 times), sockets (30 s, once).

What comes in at a response address is handled in `responses.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from devtools.console.messages import Message
from devtools.console.refusal import RefusalError

TRIGGER_SECONDS = 3.0
RESPONSE_SECONDS = 30 * 60.0
RESPONSE_USES = 5
LINK_SECONDS = 30.0


@dataclass
class Trigger:
    """A trigger id's owner and age."""

    user: str
    issued_at: float
    is_used: bool = False
    is_from_modal: bool = False


@dataclass
class ResponseTicket:
    """`source` is the message whose button was clicked; none for a slash command."""

    user: str
    channel: str
    issued_at: float
    source: Message | None = None
    uses: int = 0


class Tickets:
    """The trigger ids and response addresses given out so far."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._triggers: dict[str, Trigger] = {}
        self._responses: dict[str, ResponseTicket] = {}
        self._links: dict[str, float] = {}

    def issue_link(self) -> str:
        """Make the ticket with which the app may open one socket."""
        ticket = secrets.token_urlsafe(24)
        self._links[ticket] = self._clock()
        return ticket

    def use_link(self, ticket: str) -> None:
        """Use a socket's ticket up, or refuse."""
        issued_at = self._links.pop(ticket, None)
        if issued_at is None or self._clock() - issued_at > LINK_SECONDS:
            raise RefusalError("invalid_ticket", detail="ask apps.connections.open for an address of its own")

    def issue_trigger(self, user: str, *, is_from_modal: bool = False) -> str:
        """Make a trigger id."""
        trigger_id = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**9)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = Trigger(user, self._clock(), is_from_modal=is_from_modal)
        return trigger_id

    def use_trigger(self, trigger_id: str) -> Trigger:
        """Use a trigger id up, or refuse as Slack does."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise RefusalError("invalid_trigger_id")
        if self._clock() - trigger.issued_at > TRIGGER_SECONDS:
            raise RefusalError("expired_trigger_id")
        if trigger.is_used:
            raise RefusalError("exchanged_trigger_id")
        trigger.is_used = True
        return trigger

    def issue_response(self, user: str, *, channel: str, source: Message | None = None) -> str:
        """Make the last part of a response address."""
        name = secrets.token_urlsafe(24)
        self._responses[name] = ResponseTicket(user, channel, self._clock(), source)
        return name

    def use_response(self, name: str) -> ResponseTicket:
        """Count one use of a response address, or refuse."""
        ticket = self._responses.get(name)
        if ticket is None or self._clock() - ticket.issued_at > RESPONSE_SECONDS:
            raise RefusalError("expired_url")
        if ticket.uses >= RESPONSE_USES:
            raise RefusalError("used_url")
        ticket.uses += 1
        return ticket
