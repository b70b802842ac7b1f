"""`Certify`: the life of one certificate signing request, from its card to its certificate.

Nobody types it: the watch of `events.csr` starts one for every pending CSR of our signers.
"""

from __future__ import annotations

import re
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from domain.csr import CsrVerdict
from domain.model import ClusterRef, Person
from operations.messages import CertifyState


class CertifyStart(BaseModel):
    """The argument of the workflow `Certify`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ref: ClusterRef
    csr: str
    csr_uid: str


class Evidence(BaseModel):
    """What a person is shown to decide. Everything in it was written by whoever asked, but for the `stamped` fields."""

    model_config = ConfigDict(frozen=True)

    csr: str
    csr_uid: str
    kind: str
    pod: str
    owner: str
    subject: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    stamped_username: str
    stamped_pod: str
    stamped_pod_uid: str
    key: str
    key_sha256: str
    signature_algorithm: str
    signer_name: str
    usages: tuple[str, ...]
    lifetime: str
    created_at: datetime
    request_pem: str = Field(default="", description="the request itself, public by nature; shown in Details")


class DecisionRecord(BaseModel):
    """A decision that was taken: who, what, when, why."""

    model_config = ConfigDict(frozen=True)

    verb: str
    person: Person
    at: datetime
    approval_id: str
    fingerprint: str
    reason: str = ""


class CertifyStatus(BaseModel):
    """All that a card shows; the answer of the `status` query."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    workflow_id: str
    run_id: str
    csr: str
    csr_uid: str
    state: CertifyState
    sequence: int = 0
    approval_id: str = ""
    evidence: Evidence | None = None
    verdict: CsrVerdict | None = None
    approvals_wanted: int = 1
    role: str = "approver"
    asked_by: tuple[Person, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    shown_at: datetime | None = None
    expires_at: datetime | None = None
    sentence: str = Field(default="", description="the status line, in words")
    serial: str = ""
    not_after: datetime | None = None

    @property
    def whose(self) -> str:
        """Whose certificate it is, in a few words; names in it were written by whoever asked."""
        evidence = self.evidence
        if evidence is None:
            return self.csr
        if evidence.kind == "node":
            return f"node {evidence.pod or evidence.stamped_pod or self.csr}"
        parts = (part.strip() for part in re.split(r"[,/]\s*", evidence.subject))
        return "client " + next((part[3:] for part in parts if part.startswith("CN=")), evidence.subject or "?")


class CertifyResult(BaseModel):
    """How it ended; the permanent record of who decided on what."""

    model_config = ConfigDict(frozen=True)

    state: CertifyState
    csr: str
    csr_uid: str
    fingerprint: str
    decisions: tuple[DecisionRecord, ...] = ()
    asked_by: tuple[Person, ...] = ()
    serial: str = ""
    not_after: datetime | None = None
    sentence: str = ""
