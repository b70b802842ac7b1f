"""What every way of asking people has in common: which decision counts, whose, and what is recorded of it.

Used by the card of a certificate (`approval`) and by the questions of a change (`gate`). Pure, but for the claims that
it reads; the state of a card and what a decision leads to are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from domain import roles
    from domain.configuration import ApprovalRule
    from domain.errors import RefusedError
    from domain.model import Person
    from domain.roles import PolicySnapshot
    from operations.certify import DecisionRecord
    from operations.messages import APPROVE, DENY, Decision
    from operations.queues import APPROVAL, APPROVERS, FINGERPRINT
    from workflows.base import claims_of
    from workflows.problems import refusal

_APPROVAL = SearchAttributeKey.for_keyword_list(APPROVAL)
_FINGERPRINT = SearchAttributeKey.for_keyword_list(FINGERPRINT)
_APPROVERS = SearchAttributeKey.for_keyword_list(APPROVERS)


def require_named(decision: Decision, *, approval_id: str, fingerprint: str) -> None:
    """Refuse a decision that names anything but what is asked now.

    Raises:
        ApplicationError: `decision.changed`.
    """
    claims = claims_of(decision)
    if (claims.approval_id, claims.fingerprint) != (approval_id, fingerprint):
        is_same = claims.fingerprint == fingerprint
        said = "a newer one took its place" if is_same else "the request changed since it was made"
        raise refusal(RefusedError("decision.changed", f"This card is old: {said}.", hint="See the newer card."))


def require_right(
    decision: Decision,
    *,
    policy: PolicySnapshot,
    rule: ApprovalRule,
    asked_by: Sequence[Person],
    records: Sequence[DecisionRecord],
    is_approval: bool,
) -> None:
    """Refuse whoever may not decide by the snapshot: role, four-eyes, not twice the same person.

    Raises:
        ApplicationError: The first reason's code, every reason's sentence.
    """
    verdict = roles.may_decide(
        policy,
        rule,
        claims_of(decision).person,
        asked_by=tuple(asked_by),
        approved_by=tuple(record.person for record in approvals(records)),
        is_approval=is_approval,
    )
    if not verdict.is_yes:
        said = "; ".join(reason.sentence() for reason in verdict.reasons)
        raise refusal(RefusedError(verdict.reasons[0].code, f"Refused: {said}."))


def record_of(decision: Decision, *, at: datetime) -> DecisionRecord:
    """Return what is kept of a decision: who, what, when, why."""
    claims = claims_of(decision)
    return DecisionRecord(
        verb=claims.verb,
        person=claims.person,
        at=at,
        approval_id=claims.approval_id or "",
        fingerprint=claims.fingerprint or "",
        reason=decision.reason.strip(),
    )


def approvals(records: Sequence[DecisionRecord]) -> list[DecisionRecord]:
    """Return those that say yes."""
    return [record for record in records if record.verb == APPROVE]


def denial(records: Sequence[DecisionRecord]) -> DecisionRecord | None:
    """Return the one that says no, if there is one."""
    return next((record for record in records if record.verb == DENY), None)


def names(records: Sequence[DecisionRecord]) -> str:
    """Name the people of decisions."""
    return ", ".join(record.person.name or record.person.id for record in records)


def asked_for(pairs: Sequence[tuple[str, str]], *, approvers: Sequence[str]) -> list[SearchAttributeUpdate[Any]]:
    """Return what makes a run findable by what it asks, without a worker.

    Args:
        pairs: Approval id and fingerprint of each open question; both lists keep this order.
        approvers: Who has approved.
    """
    return [
        _APPROVAL.value_set([approval_id for approval_id, _ in pairs]),
        _FINGERPRINT.value_set([fingerprint for _, fingerprint in pairs]),
        _APPROVERS.value_set(list(approvers)),
    ]
