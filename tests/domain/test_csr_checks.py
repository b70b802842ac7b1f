"""Each check of a certificate signing request, alone, with what it says; good requests; looks.

Attacks stand in `test_csr_attacks`, the fingerprint in `test_csr_fingerprint`, hostile facts in `test_csr_hostile`.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.csr import CsrFacts, judge, passes_alone
from tests.domain.given import (
    CLIENT,
    NODE,
    NODE_REQUEST,
    NOW,
    POLICY,
    client,
    client_asking,
    client_of,
    node,
    node_asking,
    node_of,
)

ALL_HARD = [
    "csr.signature",
    "csr.one-block",
    "csr.account",
    "csr.subject",
    "csr.names",
    "csr.key",
    "csr.extensions",
    "csr.usages",
    "csr.bound-token",
    "csr.pod",
    "csr.ordinal",
    "csr.key-unused",
    "csr.only-request",
]


def _failed(facts: CsrFacts) -> list[str]:
    return [check.code for check in judge(facts, POLICY).failed]


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(NODE, id="a node asks for what is its own"),
        pytest.param(CLIENT, id="the client pod asks for root"),
        pytest.param(node(expiration_seconds=None), id="no lifetime is asked for"),
        pytest.param(node_asking(dns_names=tuple(reversed(NODE_REQUEST.dns_names))), id="names in another order"),
        pytest.param(node_asking(subject=(("CN", "node"), ("O", "Cockroach"))), id="subject in another order"),
        pytest.param(node_asking(key_type="RSA 2048"), id="an RSA key of 2048 bits"),
        pytest.param(node_asking(key_type="RSA 4096"), id="an RSA key of 4096 bits"),
        pytest.param(node(state="approved"), id="somebody approved it outside"),
    ],
)
def test_good_requests_pass_every_check(facts: CsrFacts) -> None:
    verdict = judge(facts, POLICY)

    assert verdict.failed == ()
    assert verdict.looks == ()
    assert verdict.is_approvable
    assert verdict.summary() == "17 of 17 checks pass"


def test_the_table_holds_every_hard_check_of_the_design_in_order() -> None:
    assert [check.code for check in judge(NODE, POLICY).checks if check.weight == "hard"] == ALL_HARD


@pytest.mark.parametrize(
    ("facts", "code", "found", "expected"),
    [
        pytest.param(
            node_asking(is_signature_valid=False), "csr.signature", "ecdsa-with-SHA256",
            "a signature by the request's own key", id="signed by another key",
        ),
        pytest.param(node_asking(pem_blocks=2), "csr.one-block", "2 PEM blocks", "exactly 1", id="two PEM blocks"),
        pytest.param(node_asking(pem_blocks=0), "csr.one-block", "0 PEM blocks", "exactly 1", id="no PEM block"),
        pytest.param(
            node(stamped_username="system:serviceaccount:crdb:default"), "csr.account",
            "system:serviceaccount:crdb:default", "system:serviceaccount:crdb:cockroachdb", id="another account",
        ),
        pytest.param(
            node_asking(subject=(("O", "Acme"), ("CN", "node"))), "csr.subject",
            "O=Acme, CN=node", "O=Cockroach, CN=node", id="another organization",
        ),
        pytest.param(
            node_asking(subject=()), "csr.subject", "empty", "O=Cockroach, CN=node", id="empty subject",
        ),
        pytest.param(
            node_asking(dns_names=NODE_REQUEST.dns_names[1:]), "csr.names",
            "missing DNS:cockroachdb-0.cockroachdb", None, id="a name is missing",
        ),
        pytest.param(
            node_asking(dns_names=(*NODE_REQUEST.dns_names, "localhost")), "csr.names",
            "one of them twice", None, id="a name stands twice",
        ),
        pytest.param(
            node_asking(key_type="RSA 1024"), "csr.key", "RSA 1024",
            "EC P-256 or RSA 2048 or RSA 3072 or RSA 4096", id="a short RSA key",
        ),
        pytest.param(
            node_asking(extensions=("2.5.29.17", "2.5.29.19")), "csr.extensions",
            "2.5.29.17, 2.5.29.19", "2.5.29.17", id="a second extension",
        ),
        pytest.param(
            node(usages=NODE.usages[1:]), "csr.usages", "missing digital signature", None, id="a usage is missing",
        ),
        pytest.param(
            node(stamped_pod_uid=""), "csr.bound-token", "a token bound to no pod",
            "the pod's own token, uid pod-uid-0", id="a token that is bound to no pod",
        ),
        pytest.param(
            node_of(instance="other"), "csr.pod", None,
            "cockroachdb-0 cockroachdb StatefulSet/cockroachdb shop crdb-chatops", id="a pod of another instance",
        ),
        pytest.param(
            node(replicas=0), "csr.ordinal", "ordinal 0", "the pod's own, below 0 replicas", id="no replicas wanted",
        ),
        pytest.param(
            node(replicas=None), "csr.ordinal", "ordinal 0", "the pod's own, below 0 replicas", id="no StatefulSet",
        ),
        pytest.param(
            node_of(ordinal=None), "csr.ordinal", "no ordinal", "the pod's own, below 3 replicas", id="no ordinal",
        ),
        pytest.param(
            node_of(ordinal=-1), "csr.ordinal", "ordinal -1", "the pod's own, below 3 replicas", id="below zero",
        ),
        pytest.param(
            node_of(ordinal=1), "csr.ordinal", "ordinal 1", "the pod's own, below 3 replicas",
            id="an ordinal that is not the pod's name's",
        ),
        pytest.param(
            node(same_key_in_cluster=("crdb.node.cockroachdb-1",)), "csr.key-unused",
            "crdb.node.cockroachdb-1", "no request of another pod with this key", id="another pod's key",
        ),
        pytest.param(
            node(good_siblings=("crdb.node.cockroachdb-0.ab",)), "csr.only-request",
            "crdb.node.cockroachdb-0.ab", "no second good request of this pod", id="a second good request",
        ),
    ],
)  # fmt: skip
def test_a_hard_check_fails_alone(facts: CsrFacts, code: str, found: str | None, expected: str | None) -> None:
    verdict = judge(facts, POLICY)

    assert [check.code for check in verdict.failed] == [code]
    assert found in (None, verdict.failed[0].found)
    assert expected in (None, verdict.failed[0].expected)
    assert not verdict.is_approvable
    assert verdict.summary() == "1 of 17 checks fail: nobody can approve this"


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        pytest.param(client_asking(dns_names=("localhost",)), ["csr.names"], id="a client asks for a name"),
        pytest.param(client_asking(extensions=("2.5.29.17",)), ["csr.extensions"], id="a client asks with SANs"),
        pytest.param(client(usages=NODE.usages), ["csr.usages"], id="a client asks to serve"),
        pytest.param(client(pod=None), ["csr.bound-token", "csr.pod"], id="the client pod is gone"),
        pytest.param(client_of(owner="ReplicaSet/x"), ["csr.pod"], id="the client pod belongs to something"),
        pytest.param(client_of(managed_by="Helm"), ["csr.pod"], id="the client pod is not ours"),
        pytest.param(client_of(account="cockroachdb"), ["csr.pod"], id="the client pod runs as the nodes' account"),
        pytest.param(node_of(owner="StatefulSet/other"), ["csr.pod"], id="a node pod of another StatefulSet"),
        pytest.param(node_of(owner=""), ["csr.pod"], id="a bare pod with a node's name"),
        pytest.param(node(pod=None), ["csr.bound-token", "csr.pod", "csr.ordinal"], id="the node's pod is gone"),
        pytest.param(node(pod=None, stamped_pod="", stamped_pod_uid=""),
                     ["csr.names", "csr.bound-token", "csr.pod", "csr.ordinal"], id="no pod at all"),
    ],
)  # fmt: skip
def test_the_failed_checks_are_named_together(facts: CsrFacts, codes: list[str]) -> None:
    assert _failed(facts) == codes


def test_a_request_of_no_signer_of_ours_fails_all_that_depends_on_its_kind() -> None:
    facts = node(signer_name="kubernetes.io/kube-apiserver-client")

    account = judge(facts, POLICY).failed[0]
    assert _failed(facts) == [
        "csr.account", "csr.subject", "csr.names", "csr.extensions", "csr.usages", "csr.bound-token", "csr.pod",
    ]  # fmt: skip
    assert account.found == "kubernetes.io/kube-apiserver-client"
    assert account.expected == "crdbops.internal/node or crdbops.internal/client"


def test_an_undecodable_request_says_why_and_fails_all_that_stands_in_it() -> None:
    facts = node(request=None, decode_error="not DER")

    verdict = judge(facts, POLICY)
    assert _failed(facts) == [
        "csr.signature", "csr.one-block", "csr.subject", "csr.names", "csr.key", "csr.extensions",
    ]  # fmt: skip
    assert verdict.failed[0].found == "not DER"
    assert judge(node(request=None), POLICY).failed[0].found == "not decodable"


def test_all_reasons_are_collected_and_not_just_the_first() -> None:
    facts = CLIENT.model_copy(
        update={
            "signer_name": "crdbops.internal/node",
            "request": NODE_REQUEST.model_copy(
                update={
                    "is_signature_valid": False, "pem_blocks": 3, "subject": (), "key_type": "DSA",
                    "extensions": ("1.2.3",), "dns_names": (),
                }
            ),
            "usages": (), "replicas": 0, "stamped_pod_uid": "x", "same_key_in_cluster": ("a",), "good_siblings": ("b",),
        }
    )  # fmt: skip

    assert _failed(facts) == ALL_HARD


@pytest.mark.parametrize(
    ("facts", "code", "found"),
    [
        pytest.param(node(seen_at=NOW + timedelta(minutes=31)), "csr.age", "1860 s", id="seen late"),
        pytest.param(node(seen_at=NOW - timedelta(seconds=61)), "csr.clock", "-61 s", id="made in the future"),
        pytest.param(node(expiration_seconds=31536001), "csr.lifetime", "365 days", id="asked for too long"),
        pytest.param(node(expiration_seconds=10**30), "csr.lifetime", None, id="asked for longer than time lasts"),
        pytest.param(node(same_key_elsewhere=("stranger",)), "csr.key-elsewhere", "stranger", id="a stranger's copy"),
    ],
)
def test_a_look_alone_is_shown_and_blocks_nobody(facts: CsrFacts, code: str, found: str | None) -> None:
    verdict = judge(facts, POLICY)

    assert [check.code for check in verdict.looks] == [code]
    assert found in (None, verdict.looks[0].found)
    assert verdict.is_approvable
    assert verdict.summary() == "1 of 17 checks needs a look"


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(node(seen_at=NOW + timedelta(minutes=30)), id="half an hour old"),
        pytest.param(node(seen_at=NOW - timedelta(seconds=60)), id="a minute in the future"),
        pytest.param(node(expiration_seconds=31536000), id="exactly the policy's lifetime"),
        pytest.param(node(expiration_seconds=600), id="ten minutes"),
    ],
)
def test_limits_of_looks_are_still_good(facts: CsrFacts) -> None:
    assert judge(facts, POLICY).looks == ()


def test_two_looks_are_counted_in_words() -> None:
    facts = node(seen_at=NOW + timedelta(hours=1), same_key_elsewhere=("x",))

    assert judge(facts, POLICY).summary() == "2 of 17 checks need a look"


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        pytest.param(None, "not asked for", id="none"),
        pytest.param(600, "600 s", id="less than a day"),
        pytest.param(90_000, "1 days", id="a day and something"),
    ],
)
def test_the_asked_lifetime_is_said(seconds: int | None, found: str) -> None:
    verdict = judge(node(expiration_seconds=seconds), POLICY)

    assert next(check for check in verdict.checks if check.code == "csr.lifetime").found == found


def test_a_request_passes_alone_whatever_its_siblings_are() -> None:
    assert passes_alone(node(good_siblings=("other",)), POLICY)
    assert not passes_alone(node(good_siblings=("other",), replicas=0), POLICY)


def test_what_a_stranger_wrote_is_shown_on_one_line_without_hidden_characters() -> None:
    verdict = judge(node_asking(subject=(("CN", "no\u202ede\n"), ("O", "Cock\x00roach"))), POLICY)

    assert verdict.failed[0].found == "CN=no\\u202ede\\u000a, O=Cock\\u0000roach"


def test_what_a_stranger_wrote_cannot_make_a_verdict_endless() -> None:
    flood = tuple(f"{n:05d}-{'x' * 240}" for n in range(5000))
    facts = node_asking(subject=(("CN", "x" * 10**6),)).model_copy(
        update={"same_key_elsewhere": flood, "same_key_in_cluster": flood, "good_siblings": flood}
    )

    assert len(judge(facts, POLICY).model_dump_json()) < 20_000


def test_a_text_that_just_fits_is_shown_whole() -> None:
    just, over = (judge(node_asking(key_type="x" * length), POLICY).failed[0].found for length in (1500, 1501))

    assert just == "x" * 1500
    assert over == "x" * 1500 + "… (1501 characters)"


def test_names_that_pass_are_shown_as_they_are() -> None:
    shown = next(check.found for check in judge(NODE, POLICY).checks if check.code == "csr.usages")

    assert shown == "client auth, digital signature, key encipherment, server auth"


def test_a_list_that_just_fits_is_shown_whole() -> None:
    facts = node(same_key_elsewhere=tuple(f"csr-{n:02d}" for n in range(12)))

    assert judge(facts, POLICY).looks[0].found.endswith("csr-10, csr-11")


def test_a_long_list_says_how_many_more_there_are() -> None:
    facts = node(same_key_elsewhere=tuple(f"csr-{n:02d}" for n in range(15)))

    assert judge(facts, POLICY).looks[0].found.endswith("csr-11, and 3 more")
