"""From the facts of a certificate signing request (CSR) to a verdict with all reasons.

A table of checks, each `hard` (a failed one makes the request approvable by nobody) or `look` (a person should see
it). Decoding PEM is `activities.clients.pki`; gathering the facts is `activities.certificates`; what a certificate
must look like is `domain.certificate`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from domain.canonical import canonical_hash
from domain.certificate import ORGANIZATION, USAGES, Kind, SigningPolicy, is_expected_pod, profile_of
from domain.model import CLIENT_ACCOUNT, NODE_ACCOUNT, STATEFULSET, NodeRef

CsrState = Literal["pending", "approved", "denied", "failed", "issued"]

#: A request seen later than this after it was made deserves a look: certagent's is seen within seconds.
_OLD = timedelta(minutes=30)
#: Clocks of the API server and of ours may differ by this much.
_SKEW = timedelta(seconds=60)
#: The subject alternative name extension, the only one that a request of certagent carries.
_SAN_OID = "2.5.29.17"
_DAY = 24 * 60 * 60
#: What is found was written by a stranger: a card, a payload and a log line get this much of it.
_MOST_TEXT = 1500
_MOST_NAMES = 12


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class RequestFacts(_Facts):
    """What stands in the PKCS#10 request itself, as its sender wrote it."""

    pem_blocks: int
    is_signature_valid: bool
    signature_algorithm: str
    subject: tuple[tuple[str, str], ...]
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    key_type: str
    key_sha256: str
    extensions: tuple[str, ...] = ()


class PodFacts(_Facts):
    """The pod that the API server stamped on the request, as it exists now."""

    name: str
    uid: str
    account: str
    owner: str = ""
    instance: str = ""
    managed_by: str = ""
    ordinal: int | None = None


class CsrFacts(_Facts):
    """All that a verdict looks at. Fields named `stamped_*` were written by the API server and can be trusted."""

    name: str
    uid: str
    state: CsrState = "pending"
    created_at: AwareDatetime
    seen_at: AwareDatetime
    signer_name: str
    usages: tuple[str, ...]
    expiration_seconds: int | None = None
    stamped_username: str
    stamped_pod: str = ""
    stamped_pod_uid: str = ""
    request: RequestFacts | None
    decode_error: str = ""
    request_sha256: str
    pod: PodFacts | None = None
    replicas: int | None = None
    same_key_in_cluster: tuple[str, ...] = ()
    same_key_elsewhere: tuple[str, ...] = ()
    good_siblings: tuple[str, ...] = ()


class Check(_Facts):
    """One line of the evidence."""

    code: str
    title: str
    weight: Literal["hard", "look"]
    outcome: Literal["pass", "look", "fail"]
    found: str = ""
    expected: str = ""


class CsrVerdict(_Facts):
    """Every check with its outcome, and the fingerprint of what was judged."""

    checks: tuple[Check, ...]
    fingerprint: str

    @property
    def failed(self) -> tuple[Check, ...]:
        """The failed hard checks."""
        return tuple(check for check in self.checks if check.outcome == "fail")

    @property
    def looks(self) -> tuple[Check, ...]:
        """The checks that a person should look at."""
        return tuple(check for check in self.checks if check.outcome == "look")

    @property
    def is_approvable(self) -> bool:
        """Whether anybody may approve: no hard check failed."""
        return not self.failed

    def summary(self) -> str:
        """Say the sum of the checks in words."""
        if self.failed:
            return f"{len(self.failed)} of {len(self.checks)} checks fail: nobody can approve this"
        if self.looks:
            return (
                f"{len(self.looks)} of {len(self.checks)} checks {'needs' if len(self.looks) == 1 else 'need'} a look"
            )
        return f"{len(self.checks)} of {len(self.checks)} checks pass"


Outcome = tuple[bool, str, str]  # passes, found, expected
_Hard = Callable[[CsrFacts, SigningPolicy, Kind | None], Outcome]


def _readable(text: str) -> str:
    """Return a stranger's text fit to be shown: one line, nothing invisible or turning the text round, not endless."""
    shown = text[:_MOST_TEXT]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown)
    return shown if len(text) <= _MOST_TEXT else f"{shown}… ({len(text)} characters)"


def _set(values: tuple[str, ...]) -> str:
    names = sorted(values)
    rest = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*names[:_MOST_NAMES], *rest]) or "none"


def _differences(found: tuple[str, ...], expected: tuple[str, ...]) -> str:
    missing, surplus = set(expected) - set(found), set(found) - set(expected)
    parts = [f"missing {_set(tuple(missing))}"] if missing else []
    parts += [f"surplus {_set(tuple(surplus))}"] if surplus else []
    if not parts and len(found) != len(set(found)):
        parts = ["one of them twice"]
    return "; ".join(parts) or _set(found)


def _signature(f: CsrFacts, _p: SigningPolicy, _k: Kind | None) -> Outcome:
    if f.request is None:
        return False, f.decode_error or "not decodable", "a PKCS#10 request"
    return f.request.is_signature_valid, f.request.signature_algorithm, "a signature by the request's own key"


def _one_block(f: CsrFacts, _p: SigningPolicy, _k: Kind | None) -> Outcome:
    blocks = f.request.pem_blocks if f.request else 0
    return blocks == 1, f"{blocks} PEM blocks", "exactly 1"


def _account(f: CsrFacts, p: SigningPolicy, k: Kind | None) -> Outcome:
    if k is None:
        return False, f.signer_name, f"{p.node_signer} or {p.client_signer}"
    return f.stamped_username == p.account(k), f.stamped_username, p.account(k)


def _user(f: CsrFacts) -> str:
    names = [value for kind, value in f.request.subject if kind == "CN"] if f.request else []
    return names[0] if len(names) == 1 else ""


def _subject(f: CsrFacts, p: SigningPolicy, k: Kind | None) -> Outcome:
    subject = f.request.subject if f.request else ()
    found = ", ".join(f"{kind}={value}" for kind, value in subject) or "empty"
    names = ("node",) if k == "node" else tuple(u for u in p.client_users if u != "node")
    expected = f"O={ORGANIZATION}, CN={' or '.join(names) or 'nobody'}"
    is_exact = sorted(subject) == sorted((("O", ORGANIZATION), ("CN", _user(f)))) and _user(f) in names
    return k is not None and is_exact, found, expected


def _names(f: CsrFacts, p: SigningPolicy, k: Kind | None) -> Outcome:
    if f.request is None or k is None:
        return False, "not readable", "the names of its pod"
    wanted = profile_of(p, kind=k, pod=f.stamped_pod, user=_user(f))
    # With their kind in front: an address written as a DNS name is another name.
    found = (
        *(f"DNS:{name}" for name in f.request.dns_names),
        *(f"IP:{address}" for address in f.request.ip_addresses),
        *(f"other:{name}" for name in f.request.other_names),
    )
    expected = (*(f"DNS:{name}" for name in wanted.dns_names), *(f"IP:{address}" for address in wanted.ip_addresses))
    return sorted(found) == sorted(expected), _differences(found, expected), f"exactly {_set(expected)}"


def _key(f: CsrFacts, p: SigningPolicy, _k: Kind | None) -> Outcome:
    found = f.request.key_type if f.request else "none"
    return found in p.key_types, found, " or ".join(p.key_types)


def _extensions(f: CsrFacts, _p: SigningPolicy, k: Kind | None) -> Outcome:
    found = f.request.extensions if f.request else ()
    allowed = {_SAN_OID} if k == "node" else set()
    return f.request is not None and set(found) <= allowed and len(found) <= 1, _set(found), _set(tuple(allowed))


def _usages(f: CsrFacts, _p: SigningPolicy, k: Kind | None) -> Outcome:
    expected = USAGES[k] if k else ()
    return k is not None and sorted(f.usages) == sorted(expected), _differences(f.usages, expected), _set(expected)


def _bound(f: CsrFacts, _p: SigningPolicy, k: Kind | None) -> Outcome:
    found = f"{f.stamped_pod} ({f.stamped_pod_uid})" if f.stamped_pod_uid else "a token bound to no pod"
    current = f.pod.uid if f.pod else ""
    is_bound = bool(f.stamped_pod_uid) and f.stamped_pod_uid == current and k is not None
    return is_bound, found, f"the pod's own token, uid {current or 'of an existing pod'}"


def _ours(f: CsrFacts, p: SigningPolicy, k: Kind | None) -> Outcome:
    pod = f.pod
    if pod is None:
        return False, f"{f.stamped_pod or 'no pod'}, which does not exist", f"a pod of {p.ref.cluster}"
    if k is None or not is_expected_pod(kind=k, pod=pod.name):
        return False, pod.name, f"a {k or 'node or client'} pod of {p.ref.cluster}"
    account = NODE_ACCOUNT if k == "node" else CLIENT_ACCOUNT
    owner = f"StatefulSet/{STATEFULSET}" if k == "node" else ""
    found = (pod.name, pod.account, pod.owner, pod.instance, pod.managed_by)
    wanted = (f.stamped_pod, account, owner, p.ref.cluster, "crdb-chatops")
    return found == wanted, " ".join(x for x in found if x), " ".join(x for x in wanted if x)


def _ordinal(f: CsrFacts, _p: SigningPolicy, k: Kind | None) -> Outcome:
    if k == "client":
        return True, "no ordinal", "no ordinal"
    ordinal = f.pod.ordinal if f.pod else None
    replicas = f.replicas or 0
    is_named_so = (
        f.pod is not None and ordinal is not None and ordinal >= 0 and f.pod.name == NodeRef(ordinal=ordinal).pod
    )
    found = "no ordinal" if ordinal is None else f"ordinal {ordinal}"
    return is_named_so and (ordinal or 0) < replicas, found, f"the pod's own, below {replicas} replicas"


def _key_unused(f: CsrFacts, _p: SigningPolicy, _k: Kind | None) -> Outcome:
    return not f.same_key_in_cluster, _set(f.same_key_in_cluster), "no request of another pod with this key"


def _alone(f: CsrFacts, _p: SigningPolicy, _k: Kind | None) -> Outcome:
    return not f.good_siblings, _set(f.good_siblings), "no second good request of this pod"


_HARD: tuple[tuple[str, str, _Hard], ...] = (
    ("csr.signature", "signed by its own key", _signature),
    ("csr.one-block", "one PEM block", _one_block),
    ("csr.account", "asked by the right service account", _account),
    ("csr.subject", "subject", _subject),
    ("csr.names", "DNS names and IP addresses", _names),
    ("csr.key", "key type and size", _key),
    ("csr.extensions", "no other extension", _extensions),
    ("csr.usages", "usages", _usages),
    ("csr.bound-token", "asked with the pod's own token", _bound),
    ("csr.pod", "pod is ours", _ours),
    ("csr.ordinal", "pod belongs to the wanted number of nodes", _ordinal),
    ("csr.key-unused", "key is this pod's alone", _key_unused),
    ("csr.only-request", "only good request of this pod", _alone),
)


def judge(facts: CsrFacts, policy: SigningPolicy) -> CsrVerdict:
    """Judge a request: all hard checks, all looks, and the fingerprint of what was judged."""
    kind = policy.kind_of(facts.signer_name)
    checks: list[Check] = []
    for code, title, test in _HARD:
        passes, found, expected = test(facts, policy, kind)
        checks.append(
            Check(
                code=code,
                title=title,
                weight="hard",
                outcome="pass" if passes else "fail",
                found=_readable(found),
                expected=_readable(expected),
            )
        )
    checks.extend(_looks(facts, policy))
    failed = sorted(check.code for check in checks if check.outcome == "fail")
    return CsrVerdict(checks=tuple(checks), fingerprint=fingerprint(facts, policy, failed=failed))


def passes_alone(facts: CsrFacts, policy: SigningPolicy) -> bool:
    """Whether a request passes every hard check when no sibling is considered."""
    return judge(facts.model_copy(update={"good_siblings": ()}), policy).is_approvable


def fingerprint(facts: CsrFacts, policy: SigningPolicy, *, failed: list[str]) -> str:
    """Return the sha256 that names what was shown; nothing in it changes by time."""
    return canonical_hash(
        {
            "csr_uid": facts.uid,
            "request_sha256": facts.request_sha256,
            "signer_name": facts.signer_name,
            "usages": sorted(facts.usages),
            "expiration_seconds": facts.expiration_seconds,
            "username": facts.stamped_username,
            "pod_uid": facts.stamped_pod_uid,
            "policy": policy.fingerprint(),
            "failed": sorted(failed),
        }
    )


def _looks(facts: CsrFacts, policy: SigningPolicy) -> list[Check]:
    age = facts.seen_at - facts.created_at
    said_age = f"{int(age.total_seconds())} s"
    # Plain integers: what is asked may be beyond what a timedelta holds.
    seconds = facts.expiration_seconds
    table = (
        ("csr.age", "age when first seen", age <= _OLD, said_age, f"at most {int(_OLD.total_seconds())} s"),
        ("csr.clock", "clocks agree", age >= -_SKEW, said_age, f"at most {int(_SKEW.total_seconds())} s in the future"),
        (
            "csr.lifetime",
            "asked lifetime",
            seconds is None or seconds <= policy.leaf_days * _DAY,
            "not asked for" if seconds is None else f"{seconds // _DAY} days" if seconds >= _DAY else f"{seconds} s",
            f"at most {policy.leaf_days} days (it will be cut)",
        ),
        (
            "csr.key-elsewhere",
            "key is not seen outside the cluster",
            not facts.same_key_elsewhere,
            _set(facts.same_key_elsewhere),
            "none",
        ),
    )
    return [
        Check(
            code=c, title=t, weight="look", outcome="pass" if ok else "look", found=_readable(found), expected=expected
        )
        for c, t, ok, found, expected in table
    ]
