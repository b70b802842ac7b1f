"""What a person is shown of a CSR, and which approval rule it falls under. Pure."""

from __future__ import annotations

from datetime import timedelta

from activities.csr_object import CsrObject
from domain.certificate import SigningPolicy
from domain.configuration import ApprovalRule, Configuration
from domain.csr import CsrFacts
from operations.certify import Evidence

#: A request is shown in Details up to this many characters; a good one has about 700.
_LONGEST_PEM = 4000


def common_name(facts: CsrFacts) -> str:
    """Return the one CN of the request, "" when there is none or more."""
    names = [value for kind, value in facts.request.subject if kind == "CN"] if facts.request else []
    return names[0] if len(names) == 1 else ""


def rule_of(configuration: Configuration, policy: SigningPolicy, facts: CsrFacts) -> ApprovalRule:
    """Return the rule of this signer and user. Root has its own, since it may do everything."""
    approvals = configuration.approvals
    if policy.kind_of(facts.signer_name) != "client":
        return approvals.node
    return approvals.client_root if common_name(facts) == "root" else approvals.client


def evidence_of(csr: CsrObject, facts: CsrFacts, policy: SigningPolicy) -> Evidence:
    """Return what is shown."""
    request = facts.request
    return Evidence(
        csr=facts.name,
        csr_uid=facts.uid,
        kind=policy.kind_of(facts.signer_name) or facts.signer_name,
        pod=facts.pod.name if facts.pod else facts.stamped_pod,
        owner=facts.pod.owner if facts.pod else "",
        subject=", ".join(f"{kind}={value}" for kind, value in request.subject) if request else facts.decode_error,
        dns_names=request.dns_names if request else (),
        ip_addresses=(*request.ip_addresses, *request.other_names) if request else (),
        stamped_username=facts.stamped_username,
        stamped_pod=facts.stamped_pod,
        stamped_pod_uid=facts.stamped_pod_uid,
        key=request.key_type if request else "",
        key_sha256=request.key_sha256 if request else "",
        signature_algorithm=request.signature_algorithm if request else "",
        signer_name=facts.signer_name,
        usages=facts.usages,
        lifetime=_lifetime(facts, policy),
        created_at=facts.created_at,
        request_pem=csr.request_pem[:_LONGEST_PEM].decode("ascii", errors="replace"),
    )


def _lifetime(facts: CsrFacts, policy: SigningPolicy) -> str:
    most = timedelta(days=policy.leaf_days)
    if facts.expiration_seconds is None:
        return f"{policy.leaf_days} days (none asked for)"
    asked = timedelta(seconds=facts.expiration_seconds)
    if asked > most:
        return f"{policy.leaf_days} days (asked for {asked.days})"
    return f"{asked.days} days" if asked.days else f"{asked.seconds // 60} minutes"
