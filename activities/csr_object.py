"""A certificate signing request as Kubernetes holds it, read from its JSON. Pure.

What is inside the request is read by `activities.clients.pki`; facts for a verdict are gathered by
`activities.csr_facts`.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domain.csr import CsrState

#: An object of Kubernetes as its JSON says it.
Object = dict[str, Any]

#: Reasons of the conditions that we write, by which our own watch knows them.
APPROVED_REASON = "CrdbopsApproved"
DENIED_REASON = "CrdbopsDenied"
FAILED_REASON = "CrdbopsFailed"
OUR_REASONS = frozenset({APPROVED_REASON, DENIED_REASON, FAILED_REASON})

_POD = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


def _one(values: list[str] | None) -> str:
    return values[0] if values and len(values) == 1 else ""


def _bytes(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except ValueError:
        return b""


class Condition(BaseModel):
    """One condition of a CSR."""

    model_config = ConfigDict(frozen=True)

    type: str
    status: str
    reason: str = ""
    message: str = ""


class CsrObject(BaseModel):
    """A CSR. `username`, `pod` and `pod_uid` were stamped by the API server; the rest its sender wrote."""

    model_config = ConfigDict(frozen=True)

    name: str
    uid: str
    version: str = ""
    created_at: datetime
    signer_name: str
    usages: tuple[str, ...] = ()
    expiration_seconds: int | None = None
    username: str = ""
    pod: str = ""
    pod_uid: str = ""
    request_pem: bytes = b""
    conditions: tuple[Condition, ...] = ()
    certificate_pem: bytes = b""
    #: As the server sent it: what is written back is this with one thing added.
    raw: Object = Field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, item: Object) -> CsrObject:
        """Read the JSON of a CSR."""
        meta, spec, status = item["metadata"], item["spec"], item.get("status") or {}
        extra = spec.get("extra") or {}
        return cls(
            name=meta["name"],
            uid=meta["uid"],
            version=meta.get("resourceVersion", ""),
            created_at=datetime.fromisoformat(meta["creationTimestamp"]),
            signer_name=spec.get("signerName", ""),
            usages=tuple(spec.get("usages") or ()),
            expiration_seconds=spec.get("expirationSeconds"),
            username=spec.get("username", ""),
            pod=_one(extra.get(_POD)),
            pod_uid=_one(extra.get(_POD_UID)),
            request_pem=_bytes(spec.get("request")),
            conditions=tuple(
                Condition(
                    type=c.get("type", ""),
                    # Before v1 conditions had no status; what was written then counts as true.
                    status=c.get("status", "True"),
                    reason=c.get("reason", ""),
                    message=c.get("message", ""),
                )
                for c in status.get("conditions") or ()
            ),
            certificate_pem=_bytes(status.get("certificate")),
            raw=item,
        )

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type, if it is true."""
        return next((c for c in self.conditions if c.type == kind and c.status == "True"), None)

    @property
    def state(self) -> CsrState:
        """Where it stands. Denied and Failed win: nothing may be made of such a request."""
        if self.condition("Denied"):
            return "denied"
        if self.condition("Failed"):
            return "failed"
        if self.certificate_pem:
            return "issued"
        return "approved" if self.condition("Approved") else "pending"
