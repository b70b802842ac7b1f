"""The fingerprint: the same for what was shown, another for anything that decides, and untouched by time."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from domain.canonical import canonical_hash
from domain.certificate import SigningPolicy
from domain.csr import CsrFacts, fingerprint, judge
from domain.model import ClusterRef
from tests.domain.given import NODE, NODE_POD, NODE_REQUEST, NOW, POLICY, node, node_of

SHOWN = judge(NODE, POLICY).fingerprint


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(NODE.model_copy(), id="the same facts"),
        pytest.param(node(seen_at=NOW + timedelta(days=3)), id="looked at days later"),
        pytest.param(node(seen_at=NOW + timedelta(days=3), created_at=NOW + timedelta(days=2)), id="other clocks"),
        pytest.param(node(usages=tuple(reversed(NODE.usages))), id="usages in another order"),
        pytest.param(node(state="approved"), id="approved meanwhile"),
        pytest.param(node(same_key_elsewhere=("stranger",)), id="a stranger copied the key meanwhile"),
        pytest.param(node(replicas=5), id="the cluster grew meanwhile"),
    ],
)
def test_it_names_the_same_however_often_and_late_one_looks(facts: CsrFacts) -> None:
    assert judge(facts, POLICY).fingerprint == SHOWN


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(node(uid="another"), id="another object of the same name"),
        pytest.param(node(request_sha256="ee" * 32), id="another request"),
        pytest.param(node(signer_name="crdbops.internal/client"), id="another signer"),
        pytest.param(node(usages=NODE.usages[1:]), id="other usages"),
        pytest.param(node(expiration_seconds=600), id="another lifetime"),
        pytest.param(node(expiration_seconds=None), id="no lifetime"),
        pytest.param(node(expiration_seconds=0), id="a lifetime of nothing"),
        pytest.param(node(stamped_username="system:serviceaccount:crdb:default"), id="another account"),
        pytest.param(
            node(stamped_pod_uid="u2", pod=NODE_POD.model_copy(update={"uid": "u2"})), id="the pod was made anew"
        ),
        pytest.param(node(replicas=0), id="a check fails now"),
        pytest.param(node(good_siblings=("x",)), id="a second good request came"),
        pytest.param(node_of(managed_by=""), id="the pod is not ours any more"),
    ],
)
def test_it_differs_for_whatever_decides(facts: CsrFacts) -> None:
    assert judge(facts, POLICY).fingerprint != SHOWN


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"leaf_days": 366}, id="leaf lifetime"),
        pytest.param({"ca_days": 1}, id="CA lifetime"),
        pytest.param({"cluster_domain": "k8s.local"}, id="cluster domain"),
        pytest.param({"client_users": ("root", "app")}, id="client users"),
        pytest.param({"key_types": ("EC P-256",)}, id="key types"),
        pytest.param({"client_signer": "crdbops.internal/other"}, id="client signer"),
        pytest.param({"ref": ClusterRef(site="main", namespace="crdb", cluster="other")}, id="cluster"),
    ],
)
def test_it_differs_under_another_signing_policy(change: dict[str, object]) -> None:
    policy: SigningPolicy = POLICY.model_copy(update=change)

    assert policy.fingerprint() != POLICY.fingerprint()
    assert judge(NODE, policy).fingerprint != SHOWN


def test_the_order_in_which_failures_are_found_does_not_matter() -> None:
    one = fingerprint(NODE, POLICY, failed=["csr.pod", "csr.names"])

    assert one == fingerprint(NODE, POLICY, failed=["csr.names", "csr.pod"])


def test_it_is_the_same_today_as_when_this_test_was_written() -> None:
    """Cards outlive a release: a fingerprint that changes by itself would refuse every open click."""
    assert SHOWN == "d60378c0332189c38b0268ede449feb16e21475df2d8c67ad86e759230e962a1"


def test_a_canonical_text_is_sorted_dense_and_utf8() -> None:
    assert canonical_hash({"b": [1, "é"], "a": None}) == sha256('{"a":null,"b":[1,"é"]}'.encode()).hexdigest()


def test_a_text_with_half_a_character_has_a_hash_too() -> None:
    assert canonical_hash("\ud800") != canonical_hash("\udfff")


def test_facts_of_a_subject_need_no_place_of_their_own_since_the_request_hash_covers_them() -> None:
    same_bytes = node(request=NODE_REQUEST.model_copy(update={"signature_algorithm": "other"}))

    assert judge(same_bytes, POLICY).fingerprint == SHOWN
