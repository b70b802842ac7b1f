"""Ten thousand requests of strangers, as real PEM, decoded and judged: no wrong yes, no wrong no, no error."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.clients import pki
from domain.certificate import USAGES, Kind
from domain.csr import CsrFacts, PodFacts, judge
from tests.activities.csr_corpus import PODS, Corpus, Made, armored, rsa_request
from tests.activities.world import NOW, World

WORLD = World()
POLICY = WORLD.policy
KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = x509.Name(
    [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cockroach"), x509.NameAttribute(NameOID.COMMON_NAME, "root")]
)

#: What can be wrong around a good request: each with the fields of the facts that it changes.
AROUND: list[dict[str, Any]] = [
    *[{}] * 6,
    {"stamped_username": "system:serviceaccount:otherdb:cockroachdb"},
    {"stamped_username": "system:serviceaccount:crdb:default"},
    {"stamped_username": "kubernetes-admin", "stamped_pod": "", "stamped_pod_uid": ""},
    {"stamped_pod_uid": "uid-of-a-pod-before"},
    {"stamped_pod_uid": ""},
    {"usages": ("cert sign",)},
    {"usages": (*USAGES["node"], "any")},
    {"signer_name": "kubernetes.io/kube-apiserver-client"},
    {"pod": None},
    {"instance": "other"},
    {"owner": "ReplicaSet/cockroachdb"},
    {"managed_by": ""},
    {"replicas": None, "same_key_in_cluster": ("crdb.node.cockroachdb-1",)},
    {"good_siblings": ("crdb.node.cockroachdb-0.twin",)},
]


GOOD = x509.CertificateSigningRequestBuilder().subject_name(ROOT).sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def _facts(pem: bytes, kind: Kind, around: dict[str, Any]) -> CsrFacts:
    request, error = pki.decode_request(pem)
    pod = PODS[kind]
    good = CsrFacts(
        name=f"crdb.{kind}.{pod}",
        uid="csr-1",
        created_at=NOW,
        seen_at=NOW,
        signer_name=f"crdbops.internal/{kind}",
        usages=USAGES[kind],
        expiration_seconds=31536000,
        stamped_username=POLICY.account(kind),
        stamped_pod=pod,
        stamped_pod_uid=f"uid-of-{pod}",
        request=request,
        decode_error=error,
        request_sha256=pki.request_sha256(pem),
        pod=PodFacts(
            name=pod,
            uid=f"uid-of-{pod}",
            account="cockroachdb-client" if kind == "client" else "cockroachdb",
            owner=around.get("owner", "" if kind == "client" else "StatefulSet/cockroachdb"),
            instance=around.get("instance", "shop"),
            managed_by=around.get("managed_by", "crdb-chatops"),
            ordinal=None if kind == "client" else 0,
        ),
        replicas=3,
    )
    return good.model_copy(update={name: value for name, value in around.items() if name in CsrFacts.model_fields})


@pytest.mark.timeout(180)
def test_of_ten_thousand_requests_the_good_ones_and_no_others_can_be_approved() -> None:
    corpus, chance = Corpus(POLICY, seed=20261125), random.Random(7)
    made = [corpus.make() for _ in range(2500)]
    drawn: list[tuple[Made, Kind, dict[str, Any]]] = [
        (one, kind, around) for one in made for kind in ("node", "client") for around in ({}, chance.choice(AROUND))
    ]

    wrong, seen, largest = [], Counter[tuple[bool, bool]](), 0
    for one, kind, around in drawn:
        facts = _facts(one.pem, kind, around)
        verdict = judge(facts, POLICY)
        is_good = kind in one.good and not around
        seen[verdict.is_approvable, is_good] += 1
        if verdict.is_approvable != is_good:
            wrong.append((one.story, kind, around, [(c.code, c.found) for c in verdict.failed]))
        # What is shown and stored is printable, ends, and can be written as JSON.
        shown = [text for check in verdict.checks for text in (check.found, check.expected)]
        assert all(text.isprintable() for text in shown)
        largest = max(largest, len(facts.model_dump_json()), len(verdict.model_dump_json()))

    assert len(drawn) == 10_000
    assert not wrong, f"{len(wrong)} wrong, the first: {wrong[:3]}"
    assert seen[True, True] > 500
    assert seen[False, False] > 5000
    assert largest < 400_000


@pytest.fixture(scope="module")
def cube() -> rsa.RSAPrivateKey:
    """Of a modulus for which all powers of three are exponents."""
    return rsa.generate_private_key(3, 2048)


@pytest.fixture(scope="module")
def usual() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    "exponent", [1, 3, 9, 3**10, 3**11, 3**41, 3**1290], ids=lambda e: f"{e:.10g}" if e < 2**99 else "huge"
)
def test_an_rsa_key_of_another_exponent_can_be_approved_by_nobody(
    cube: rsa.RSAPrivateKey, usual: rsa.RSAPrivateKey, exponent: int
) -> None:
    strange = _facts(armored(rsa_request(ROOT, exponent, cube)), "client", {})
    good = _facts(armored(rsa_request(ROOT, 65537, usual)), "client", {})

    assert judge(good, POLICY).is_approvable
    assert not judge(strange, POLICY).is_approvable


@settings(max_examples=150, deadline=None, database=None)
@given(
    st.text(min_size=1, max_size=64), st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.SURNAME])
)
def test_a_subject_of_any_text_is_read_shown_and_refused(text: str, oid: x509.ObjectIdentifier) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # making a name that is too long is the point
            subject = x509.Name([*ROOT, x509.NameAttribute(oid, text, _validate=False)])
            pem = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(KEY, hashes.SHA256())
    except ValueError:
        return  # a text that no encoding can hold

    verdict = judge(_facts(pem.public_bytes(Encoding.PEM), "client", {}), POLICY)

    assert [check.code for check in verdict.failed] == ["csr.subject"]
    assert all(check.found.isprintable() for check in verdict.checks)


@settings(max_examples=150, deadline=None, database=None)
@given(st.integers(0, len(GOOD) - 12), st.binary(min_size=1, max_size=6), st.integers(0, 6))
def test_a_good_request_with_any_bytes_overwritten_never_raises(at: int, new: bytes, old: int) -> None:
    changed = GOOD[:at] + new + GOOD[at + old :]

    verdict = judge(_facts(armored(changed), "client", {}), POLICY)

    assert changed == GOOD or not verdict.is_approvable
