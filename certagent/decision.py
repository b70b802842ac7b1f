"""The decision: from what is kept and what is found to the one thing to do next. Pure; no clock, no I/O.

Who gathers the facts and does what is decided here is `life.py`; it decides anew after every effect, so that a run that
is killed anywhere is the same as one that goes on.
"""

from dataclasses import dataclass
from enum import StrEnum

from certagent.kept import Kept


class CsrState(StrEnum):
    """Where a CSR stands, by its conditions and certificate."""

    PENDING = "pending"
    APPROVED = "approved"  # but not issued yet
    ISSUED = "issued"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The CSR that exists under the name in question."""

    uid: str
    state: CsrState
    has_our_key: bool = True
    pod_uid: str = ""  # stamped by the API server for a pod's token; empty for other tokens
    reasons: tuple[str, ...] = ()  # against its certificate, if issued


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is looked at."""

    kept: Kept
    pod_uid: str
    ask_again: str  # the file's value now
    base_name: str
    hashed_name: str = ""  # for the kept key; empty without one
    stored_reasons: tuple[str, ...] = ()  # against the kept certificate
    found: Found | None = None


@dataclass(frozen=True, kw_only=True)
class UseStored:
    """Key and certificate are kept and good: write the files, ask nobody."""


@dataclass(frozen=True, kw_only=True)
class AskAnew:
    """Make a new key and ask with it; `is_hashed`: the plain name is taken."""

    is_hashed: bool
    event: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Ask with the kept key under this name."""

    name: str
    event: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Adopt:
    """The CSR is ours but its uid is not kept yet: keep it."""

    uid: str


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Wait for a person, or for the signer if approved."""

    state: CsrState


@dataclass(frozen=True, kw_only=True)
class Take:
    """Issued and good: keep the certificate."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Denied or failed: keep that and wait until somebody asks again. `state` is None if the CSR is collected."""

    uid: str
    state: CsrState | None


@dataclass(frozen=True, kw_only=True)
class Refuse:
    """Issued, but not what may be used."""

    reasons: tuple[str, ...]


Action = UseStored | AskAnew | Ask | Adopt | Wait | Take | Hold | Refuse


def decide(facts: Facts) -> Action:
    """Say what to do next."""
    kept, found = facts.kept, facts.found
    if kept.key_pem is None:
        return AskAnew(is_hashed=False, event="key needed", reason="no key is kept")
    if kept.certificate_pem is not None:
        if not facts.stored_reasons:
            return UseStored()
        return AskAnew(is_hashed=False, event="stored certificate unusable", reason="; ".join(facts.stored_reasons))
    if found is not None and found.has_our_key:
        return _with_ours(facts, found)
    return _without_ours(facts, is_taken=found is not None)


def _is_asked_again(facts: Facts) -> bool:
    # An empty value is a pod without the annotation, made anew after the one that was asked again; nobody asked.
    return facts.ask_again not in ("", facts.kept.ask_again)


def _with_ours(facts: Facts, found: Found) -> Action:
    match found.state:
        case CsrState.DENIED | CsrState.FAILED:
            if _is_asked_again(facts):
                return AskAnew(is_hashed=True, event="asked again", reason=f"the CSR before was {found.state}")
            return Hold(uid=found.uid, state=found.state)
        case CsrState.ISSUED if not found.reasons:
            return Take()
        case CsrState.ISSUED:
            if _is_asked_again(facts):
                return AskAnew(is_hashed=True, event="asked again", reason="the certificate before was refused")
            return Refuse(reasons=found.reasons)
    if (found.pod_uid or facts.kept.pod_uid) != facts.pod_uid:
        return AskAnew(
            is_hashed=True,
            event="csr of another pod",
            reason="the pod that asked is gone; a person decides on this pod's own request",
        )
    if facts.kept.csr_uid != found.uid:
        return Adopt(uid=found.uid)
    return Wait(state=found.state)


def _without_ours(facts: Facts, *, is_taken: bool) -> Action:
    kept = facts.kept
    if kept.csr_uid and kept.decided_csr_uid == kept.csr_uid:
        if _is_asked_again(facts):
            return AskAnew(is_hashed=True, event="asked again", reason="the CSR before was denied or failed")
        return Hold(uid=kept.csr_uid, state=None)
    if kept.pod_uid != facts.pod_uid:
        return AskAnew(is_hashed=is_taken, event="csr of another pod", reason="the kept key was made for another pod")
    if is_taken:
        if kept.csr_name == facts.hashed_name:
            return AskAnew(is_hashed=True, event="csr name taken", reason="another key was asked for under this name")
        return Ask(
            name=facts.hashed_name, event="csr name taken", reason="another key was asked for under the plain name"
        )
    if kept.csr_uid:
        return Ask(name=kept.csr_name, event="csr vanished", reason="it was deleted before anybody decided")
    return Ask(name=kept.csr_name or facts.base_name, event="csr missing", reason="it was not asked for yet")
