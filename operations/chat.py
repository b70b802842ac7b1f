"""Names and payloads of the chat activities, which the bot serves on its own queue.

Payloads carry state, never blocks: how it looks is `bot.cards`. Slack is a view; the truth is in the workflow.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from operations.certify import CertifyStatus
from operations.gate import GateStatus
from operations.messages import OperationStatus
from operations.observe import ObserveStatus

SHOW_OPERATION = "chat.show_operation"
SHOW_CARD = "chat.show_card"
SHOW_GATE = "chat.show_gate"
SHOW_OBSERVATION = "chat.show_observation"
SAY = "chat.say"


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MessageRef(_Payload):
    """A message that exists: its channel and Slack timestamp. `ts` empty: an edit that was dropped as outdated."""

    channel: str
    ts: str
    thread_ts: str = Field(default="", description="root of the thread it stands in; empty: in the channel itself")

    @property
    def thread(self) -> str:
        """The thread in which more is said about it: the one it stands in, or its own."""
        return self.thread_ts or self.ts


class ShowOperation(_Payload):
    """Post the root message of an operation (`message` None) or redraw it.

    The activity returns the message. On a repeated attempt of a post it first looks for the message that an earlier
    attempt left, by its metadata (workflow id, run id).
    """

    channel: str
    status: OperationStatus
    message: MessageRef | None = None


class ShowCard(_Payload):
    """Post a certificate's card into the thread of the operation behind it (or the channel), or redraw it.

    `behind` names the change whose memo tells channel and root message (`memo: channel, root_ts`); after 30 s
    without them the card goes to `channel` itself.
    """

    channel: str
    status: CertifyStatus
    behind_workflow_id: str = ""
    behind_run_id: str = ""
    message: MessageRef | None = None


class ShowGate(_Payload):
    """Post the card of a change's question into the change's thread, or redraw it.

    `thread_ts` is the root message; empty, the change's memo names it (`channel`, `root_ts`) within 30 s, else the card
    goes to `channel` itself.
    """

    channel: str
    status: GateStatus
    thread_ts: str = ""
    message: MessageRef | None = None


class Say(_Payload):
    """Say one milestone in a thread. `key` makes a repeat harmless: it stands in the message's metadata."""

    channel: str
    thread_ts: str = Field(description="empty: in the channel itself")
    key: str
    kind: Literal["milestone", "warning", "end"]
    text: str = Field(description="plain text; untrusted parts are escaped by the bot; <t:SECONDS> is an instant")
    mention: str = ""
    audience: tuple[str, ...] = Field(default=(), description="ids of user groups and people who are mentioned")
    about: MessageRef | None = Field(default=None, description="the message that is meant; the bot adds a link to it")


class ShowObservation(_Payload):
    """Post the card of an upgrade that is not final into the upgrade's thread, or redraw it; `say` goes with it.

    One activity for both: what is said in the thread is what the card shows from then on, and a week of it shall be few
    events of the history.
    """

    channel: str
    status: ObserveStatus
    thread_ts: str = ""
    message: MessageRef | None = None
    say: Say | None = None
