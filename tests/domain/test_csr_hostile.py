"""Thousands of made-up facts: judging never raises, and only what equals good facts is approvable.

Hypothesis draws texts and numbers nobody thought of, a few hundred times (drawing is dear); a seeded draw from pools of
values that come near good ones gives the thousands.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.csr import CsrFacts, PodFacts, RequestFacts, judge, passes_alone
from tests.domain.given import CLIENT, NODE, POLICY

#: Words that stand somewhere in good facts too, so that hostile ones come near them.
WORDS = [
    "", "node", "root", "Cockroach", "localhost", "127.0.0.1", "cockroachdb", "cockroachdb-0", "cockroachdb-1",
    "cockroachdb-client-secure", "pod-uid-0", "pod-uid-c", "crdb", "shop", "crdb-chatops", "system:masters",
    "StatefulSet/cockroachdb", "crdbops.internal/node", "crdbops.internal/client", "EC P-256", "RSA 1024", "Ed25519",
    "system:serviceaccount:crdb:cockroachdb", "system:serviceaccount:crdb:cockroachdb-client", "2.5.29.17",
    "2.5.29.19", "server auth", "client auth", "digital signature", "key encipherment", "cert sign", "²", "٣",
    "cockroachdb-٣", "cockroachdb-" + "9" * 5000, "*", "\u202e", "\x00", "\ud800",
]  # fmt: skip
TEXT = st.one_of(st.sampled_from(WORDS), st.text(max_size=8))
TEXTS = st.lists(TEXT, max_size=4).map(tuple)
NUMBER = st.one_of(st.integers(), st.integers(-2, 4))
OPTIONAL = st.one_of(st.none(), NUMBER)
BOOLEAN = st.booleans()
SUBJECT = st.lists(st.tuples(st.sampled_from(["O", "CN", "OU", "serialNumber", ""]), TEXT), max_size=3).map(tuple)
ENDS_OF_TIME = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
INSTANT = st.one_of(st.datetimes(timezones=st.just(UTC)), st.sampled_from(ENDS_OF_TIME))

REQUEST: dict[str, st.SearchStrategy[Any]] = {
    "pem_blocks": NUMBER, "is_signature_valid": BOOLEAN, "signature_algorithm": TEXT, "subject": SUBJECT,
    "dns_names": TEXTS, "ip_addresses": TEXTS, "other_names": TEXTS, "key_type": TEXT, "key_sha256": TEXT,
    "extensions": TEXTS,
}  # fmt: skip
POD: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXT, "uid": TEXT, "account": TEXT, "owner": TEXT, "instance": TEXT, "managed_by": TEXT,
    "ordinal": OPTIONAL,
}  # fmt: skip
OUTER: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXT, "uid": TEXT, "state": st.sampled_from(["pending", "approved", "denied", "failed", "issued"]),
    "created_at": INSTANT, "seen_at": INSTANT, "signer_name": TEXT, "usages": TEXTS, "expiration_seconds": OPTIONAL,
    "stamped_username": TEXT, "stamped_pod": TEXT, "stamped_pod_uid": TEXT, "decode_error": TEXT,
    "request_sha256": TEXT, "replicas": OPTIONAL, "same_key_in_cluster": TEXTS, "same_key_elsewhere": TEXTS,
    "good_siblings": TEXTS,
}  # fmt: skip
#: What no hard check looks at: names for people, time, and what only the fingerprint or a look reads.
FREE = {
    "name", "uid", "state", "created_at", "seen_at", "expiration_seconds", "decode_error", "request_sha256",
    "same_key_elsewhere",
}  # fmt: skip
FREE_REQUEST = {"signature_algorithm", "key_sha256"}
KEY_TYPES = set(POLICY.key_types)


@st.composite
def _changed(draw: st.DrawFn, good: Any, fields: dict[str, st.SearchStrategy[Any]], *, most: int) -> Any:
    """The good object with a few fields drawn anew."""
    names = draw(st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True))
    return good.model_copy(update={name: draw(fields[name]) for name in names})


@st.composite
def hostile(draw: st.DrawFn) -> CsrFacts:
    """Facts near good ones: any of the three parts changed in some fields, or a part missing."""
    good = draw(st.sampled_from([NODE, CLIENT]))
    facts: CsrFacts = draw(_changed(good, OUTER, most=4))
    request = draw(st.one_of(st.none(), _changed(good.request, REQUEST, most=3), st.just(good.request)))
    pod = draw(st.one_of(st.none(), _changed(good.pod, POD, most=3), st.just(good.pod)))
    return facts.model_copy(update={"request": request, "pod": pod})


def _is_canonical(facts: CsrFacts) -> bool:
    """An oracle of its own: all that is not free equals the good facts of its kind, lists as bags of values."""
    good = NODE if facts.signer_name == NODE.signer_name else CLIENT
    return (
        _core(facts, free=FREE | {"request", "pod", "replicas"})
        == _core(good, free=FREE | {"request", "pod", "replicas"})
        and _is_good_request(facts.request, good=good.request)
        and facts.pod is not None
        and _is_good_pod(facts.pod, good=good)
        and (good is CLIENT or (facts.replicas or 0) > 0)
    )


def _is_good_request(request: RequestFacts | None, *, good: RequestFacts | None) -> bool:
    if request is None or good is None or request.key_type not in KEY_TYPES:
        return False
    free = FREE_REQUEST | {"key_type", "extensions"}
    # A node's request whose reader lists no SAN extension although it has the names is still the same request.
    has_good_extensions = request.extensions in ((), good.extensions)
    return has_good_extensions and _core(request, free=free) == _core(good, free=free)


def _is_good_pod(pod: PodFacts, *, good: CsrFacts) -> bool:
    free = {"ordinal"} if good is CLIENT else set()
    return good.pod is not None and _core(pod, free=free) == _core(good.pod, free=free)


def _core(model: CsrFacts | RequestFacts | PodFacts, *, free: set[str]) -> dict[str, object]:
    values = {name: getattr(model, name) for name in type(model).model_fields if name not in free}
    return {name: sorted(value) if isinstance(value, tuple) else value for name, value in values.items()}


#: Pools for the seeded draw, by the type of the good value.
NUMBERS = [None, 0, 1, 2, -1, 3, 10**30]


def _drawn(chance: random.Random, good: Any, fields: dict[str, st.SearchStrategy[Any]]) -> Any:
    """The good object with up to three fields drawn anew, from what comes near good values."""
    changes: dict[str, object] = {}
    for name in chance.sample(sorted(fields), chance.randrange(4)):
        value = getattr(good, name)
        if isinstance(value, bool):
            changes[name] = chance.random() < 0.5
        elif isinstance(value, datetime):
            changes[name] = chance.choice([*ENDS_OF_TIME, NODE.created_at])
        elif name == "subject":
            changes[name] = chance.choice([good.subject[::-1], good.subject * 2, (), (("CN", chance.choice(WORDS)),)])
        elif isinstance(value, tuple):
            extra = tuple(chance.choices(WORDS, k=chance.randrange(2)))
            changes[name] = chance.choice([value, value[::-1], value[1:], value + value[:1], value + extra])
        elif isinstance(value, str):
            changes[name] = chance.choice([value, *WORDS])
        else:
            changes[name] = chance.choice(NUMBERS)
    # Of a request the count and of a node's pod the ordinal are numbers that must be there.
    if good.__class__ is RequestFacts and changes.get("pem_blocks", 1) is None:
        changes["pem_blocks"] = 0
    return good.model_copy(update=changes)


def _seeded(chance: random.Random) -> CsrFacts:
    good = chance.choice([NODE, CLIENT])
    facts: CsrFacts = _drawn(chance, good, OUTER) if chance.random() < 0.6 else good
    request = _drawn(chance, good.request, REQUEST) if chance.random() < 0.4 else good.request
    pod = _drawn(chance, good.pod, POD) if chance.random() < 0.4 else good.pod
    request, pod = (None if chance.random() < 0.02 else part for part in (request, pod))
    return facts.model_copy(update={"request": request, "pod": pod})


def test_thousands_near_good_facts_pass_only_where_they_equal_good_ones() -> None:
    chance = random.Random(20261125)
    drawn = [_seeded(chance) for _ in range(3000)]

    judged = [(judge(facts, POLICY).is_approvable, _is_canonical(facts)) for facts in drawn]

    seen = Counter(judged)
    assert [facts for facts, (is_yes, is_good) in zip(drawn, judged, strict=True) if is_yes != is_good] == []
    assert min(seen[True, True], seen[False, False]) > 300  # both kinds were really drawn


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile())
def test_hostile_facts_never_raise_and_pass_only_where_they_equal_good_ones(facts: CsrFacts) -> None:
    verdict = judge(facts, POLICY)

    assert verdict.is_approvable == _is_canonical(facts)
    assert verdict.summary()
    assert len(verdict.fingerprint) == 64


@settings(max_examples=100, deadline=None, database=None)
@given(st.fixed_dictionaries({name: OUTER[name] for name in FREE}))
def test_what_is_free_never_decides(free: dict[str, object]) -> None:
    assert judge(NODE.model_copy(update=free), POLICY).is_approvable


@settings(max_examples=50, deadline=None, database=None)
@given(TEXTS)
def test_siblings_only_ever_block(siblings: tuple[str, ...]) -> None:
    facts = NODE.model_copy(update={"good_siblings": siblings})

    assert passes_alone(facts, POLICY)
    assert judge(facts, POLICY).is_approvable == (siblings == ())


@settings(max_examples=50, deadline=None, database=None)
@given(st.timedeltas())
def test_the_fingerprint_does_not_age(age: timedelta) -> None:
    try:
        seen_at = NODE.created_at + age
    except OverflowError:
        return

    later = NODE.model_copy(update={"seen_at": seen_at})
    assert judge(later, POLICY).fingerprint == judge(NODE, POLICY).fingerprint
