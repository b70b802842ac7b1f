"""A gate: a yes/no question that a running change asks people, with evidence, on a card of its own.

Here are the question, how it stands and how it ended. Asking and waiting is `workflows.gate`; who may decide is
`domain.roles`; how the card looks is `bot.cards.gate`. Certificates have their own card (`operations.certify`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from domain.canonical import canonical_hash
from domain.configuration import ApprovalRule
from domain.model import ClusterRef, Person
from operations.certify import DecisionRecord

#: The query by which a change answers how all its questions stand.
GATES = "gates"
#: The memo by which a change says what it asks, by approval id: readable without a worker.
ASKED = "asked"

GateState = Literal["pending", "approved", "denied", "expired", "withdrawn"]
GateOutcome = Literal["approved", "denied", "expired", "withdrawn"]


class Question(BaseModel):
    """What is asked, in the words that a person reads, and the facts that the answer is for.

    Whoever asks writes whole sentences that name the thing ("Delete volume datadir-cockroachdb-4?"); the card adds
    none of its own about it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(min_length=1, description="what sort of question, in kebab case, such as delete-volume")
    headline: str = Field(min_length=1, description="the question itself")
    if_yes: str = Field(min_length=1, description="what happens on yes")
    if_no: str = Field(min_length=1, description="what happens on no")
    evidence: tuple[str, ...] = Field(default=(), description="lines that a person decides by; figures may age")
    facts: dict[str, JsonValue] = Field(description="what the answer is for; nothing that changes by time")
    yes: str = Field(default="Approve", description="word on the button for yes")
    no: str = Field(default="Deny", description="word on the button for no")
    destroys: str = Field(default="", description="what a yes destroys for ever; said again before the click is sent")
    is_reason_required: bool = Field(default=True, description="whether a no needs a reason")
    rule: ApprovalRule

    @property
    def fingerprint(self) -> str:
        """Return the sha256 over what a yes is for: the words of the question and its facts.

        Evidence is not in it, nor are buttons and rule: the same question asked again has the same fingerprint.
        """
        named = ("kind", "headline", "if_yes", "if_no", "destroys", "facts")
        return canonical_hash(self.model_dump(mode="json", include=set(named)))

    @property
    def said_yes(self) -> str:
        """Return how a yes is told afterwards: by the word on its button, where it is one of its own."""
        return "Approved" if self.yes == "Approve" else f"“{self.yes}”"

    @property
    def said_no(self) -> str:
        """Return how a no is told afterwards."""
        return "Denied" if self.no == "Deny" else f"“{self.no}”"


class GateStatus(BaseModel):
    """All that a question's card shows."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    workflow_id: str
    run_id: str
    question: Question
    approval_id: str
    fingerprint: str
    state: GateState = "pending"
    sequence: int = 0
    asked_by: tuple[Person, ...] = Field(default=(), description="whoever may not approve alone: four-eyes")
    decisions: tuple[DecisionRecord, ...] = ()
    asked_at: datetime
    shown_at: datetime | None = None
    expires_at: datetime | None = None
    sentence: str = Field(default="", description="the status line, in words")


class Gates(BaseModel):
    """Every question that a change asked so far, oldest first; the answer of the query `gates`."""

    model_config = ConfigDict(frozen=True)

    gates: tuple[GateStatus, ...] = ()


class Decided(BaseModel):
    """How a question ended, for the change that asked it and for its record."""

    model_config = ConfigDict(frozen=True)

    outcome: GateOutcome
    approval_id: str
    fingerprint: str
    records: tuple[DecisionRecord, ...] = ()
    sentence: str = ""

    @property
    def is_yes(self) -> bool:
        """Whether enough people said yes, and nobody no."""
        return self.outcome == "approved"
