"""What every operation's workflow understands: tokens, decisions, updates, signals, the status query.

Making and verifying tokens is `tokens`; rules about who may decide are `domain.roles`; names of chat messages are
`operations.chat`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from domain.model import ClusterRef, Person

Verb = Literal["start", "approve", "deny", "ask_again", "cancel", "retarget", "pause", "resume"]

#: Fields a token carries beside the common ones; any other is refused.
TOKEN_FIELDS: dict[Verb, frozenset[str]] = {
    "start": frozenset({"request_id", "request_hash"}),
    "approve": frozenset({"run_id", "approval_id", "fingerprint"}),
    "deny": frozenset({"run_id", "approval_id", "fingerprint"}),
    "ask_again": frozenset({"run_id", "approval_id"}),
    "cancel": frozenset({"run_id"}),
    "retarget": frozenset({"run_id", "nodes"}),
    "pause": frozenset({"run_id"}),
    "resume": frozenset({"run_id"}),
}
_BY_VERB: frozenset[str] = frozenset().union(*TOKEN_FIELDS.values())

# Names of updates, signals and queries. An update is named for what it does: that is what an auditor reads.
APPROVE = "approve"
DENY = "deny"
ASK_AGAIN = "ask_again"
CANCEL = "cancel"
RETARGET = "retarget"
PAUSE = "pause"
RESUME = "resume"
STATUS = "status"
ASKED_BY = "asked_by"
CERTIFICATE_CHANGED = "certificate_changed"
OUTSIDE = "outside_change"
STRANGERS_SEEN = "strangers_seen"
CROWD_SEEN = "crowd_seen"
UPGRADE_OVER = "upgrade_over"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Said = Annotated[str, Field(min_length=1)]


class Claims(_Message):
    """What a token says: who did what to which run, and when."""

    verb: Verb
    person: Person
    workflow_id: Said
    issued_at: AwareDatetime
    until: AwareDatetime
    request_id: Said | None = None
    request_hash: Said | None = None
    run_id: Said | None = None
    approval_id: Said | None = None
    fingerprint: Said | None = None
    nodes: int | None = Field(default=None, ge=1, le=99)

    @model_validator(mode="after")
    def _fields_of_verb(self) -> Claims:
        given = {name for name in _BY_VERB if getattr(self, name) is not None}
        wanted = TOKEN_FIELDS[self.verb]
        if given != wanted:
            raise ValueError(f"token {self.verb}: found {sorted(given)}, expected exactly {sorted(wanted)}")
        return self


class Token(_Message):
    """Claims as canonical JSON, signed with Ed25519 by the key named `kid`."""

    kid: str
    claims: str = Field(description="canonical JSON of Claims; the signature is over these bytes")
    signature: str = Field(description="base64")


class Decision(_Message):
    """The argument of every update: the person's signed token, and words where the verb wants them."""

    token: Token
    reason: str = Field(default="", max_length=500)


class DecisionReceipt(_Message):
    """The answer of an accepted update."""

    outcome: Literal["recorded", "already"] = "recorded"
    sentence: str = ""


class AskedBy(_Message):
    """Signal from a change to an open Certify: this person asked for what needs the certificate."""

    person: Person
    workflow_id: str
    run_id: str


CertifyState = Literal["reading", "pending", "expired", "decided", "approved", "issued", "denied", "failed", "gone"]


class CertificateChanged(_Message):
    """Signal from Certify to the running change: a card was opened or its request has ended."""

    csr: str
    csr_uid: str
    pod: str
    state: CertifyState
    reason: str = ""
    by: tuple[str, ...] = ()


class OutsideChange(_Message):
    """Signal from the CSR watch: the object changed or is missing."""

    seen: Literal["changed", "missing"]


class UpgradeOver(_Message):
    """Signal from finalize or rollback to who observes the upgrade: how it ended, in words without a full stop."""

    sentence: str
    outcome: Literal["final", "rolled-back"] = "final"


StepState = Literal["todo", "running", "person", "done", "skipped", "failed"]
OperationState = Literal["running", "person", "done", "nothing", "failed", "cancelled", "plan"]


class Step(_Message):
    """One stage that a person sees."""

    name: str
    title: str
    state: StepState = "todo"
    detail: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Problem(_Message):
    """Why an operation failed or waits, in the error tree's terms."""

    code: str
    message: str
    hint: str = ""


class Pause(_Message):
    """That somebody paused an operation: asked for at `at`, in effect once `before` says what it will go on with."""

    by: Person
    at: datetime
    before: str = ""
    until: datetime | None = Field(default=None, description="when it stops where it is, if nobody resumes it")

    def sentence(self) -> str:
        """Say who paused it and since when."""
        return f"paused by {self.by.name or self.by.id} since {self.at:%H:%M} UTC"


class OperationStatus(_Message):
    """All that the message of an operation shows; the answer of the `status` query."""

    operation: str
    ref: ClusterRef
    headline: str
    state: OperationState = "running"
    requester: Person
    workflow_id: str
    run_id: str
    sequence: int = 0
    steps: tuple[Step, ...] = ()
    plan: tuple[str, ...] = ()
    facts: tuple[str, ...] = Field(default=(), description="lines for the end: what exists now, how to connect")
    problem: Problem | None = None
    may_ask_again: bool = False
    may_cancel: bool = Field(default=True, description="false past the point that nothing takes back")
    may_pause: bool = Field(default=False, description="whether something is still to come that it can pause before")
    pause: Pause | None = None
    started_at: datetime
    ended_at: datetime | None = None
