"""The signer's own check of people's decisions: every token, by its own keys, its own policy and its own clock. Pure.

It trusts neither bot nor ops; only who asked for the operation comes from ops. The request itself is judged in
`domain.csr`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from activities.payloads import SignRequest
from domain.configuration import ApprovalRule, Configuration
from domain.errors import RefusedError
from domain.model import Person
from domain.roles import PolicySnapshot, may_decide
from domain.verdict import Reason, Verdict
from operations.messages import Claims
from operations.queues import certify_id
from tokens.keyring import KeyRing
from tokens.verify import SKEW, verify

#: A decision is good for so long; then somebody has to look again.
OLDEST = timedelta(hours=24)


def check_decisions(
    request: SignRequest,
    *,
    ring: KeyRing,
    configuration: Configuration,
    rule: ApprovalRule,
    fingerprint: str,
    now: datetime,
) -> Verdict:
    """Judge whether enough people, each allowed to, approved exactly this request.

    Args:
        request: What shall be signed, with all tokens.
        ring: Public keys.
        configuration: The signer's own.
        rule: The rule of this signer and user, by the signer's own configuration.
        fingerprint: What the signer itself computed from the CSR as it is.
        now: The signer's clock.
    """
    policy = PolicySnapshot.of(configuration)
    reasons: list[Reason] = []
    people: list[Person] = []
    for number, token in enumerate(request.tokens, start=1):
        where = f"decision {number}"
        try:
            claims = verify(token, ring)
        except RefusedError as error:
            reasons.append(_reason("certify.bad-token", where, error.message, "a token signed by the bot"))
            continue
        reasons += _against_claims(claims, request, fingerprint=fingerprint, now=now, where=where)
        verdict = may_decide(
            policy, rule, claims.person, asked_by=request.asked_by, approved_by=tuple(people), is_approval=True
        )
        reasons += verdict.reasons
        people.append(claims.person)
    different = len({(person.team, person.id) for person in people})
    if different < rule.approvals:
        reasons.append(
            _reason("certify.too-few", "approvals", f"{different} people", f"{rule.approvals} different people")
        )
    return Verdict(reasons=tuple(reasons))


def _against_claims(
    claims: Claims, request: SignRequest, *, fingerprint: str, now: datetime, where: str
) -> list[Reason]:
    workflow = certify_id(site=request.ref.site, name=request.csr, uid=request.csr_uid)
    table = (
        ("verb", claims.verb, "approve"),
        ("workflow", claims.workflow_id, workflow),
        ("workflow of the request", request.workflow_id, workflow),
        ("approval", claims.approval_id, request.approval_id),
        ("fingerprint", claims.fingerprint, fingerprint),
    )
    reasons = [
        _reason("certify.other-decision", f"{where}, {field}", str(found), wanted)
        for field, found, wanted in table
        if found != wanted
    ]
    age = now - claims.issued_at
    if not -SKEW <= age <= OLDEST:
        reasons.append(_reason("certify.too-old", where, f"decided {age} ago", "at most 24 hours ago"))
    return reasons


def _reason(code: str, field: str, found: str, expected: str) -> Reason:
    return Reason(code=code, field=field, found=found, expected=expected)
