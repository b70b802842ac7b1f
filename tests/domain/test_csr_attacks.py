"""What an intruder would send: who may not, what must not stand in it, and whom it must not block."""

from __future__ import annotations

import pytest

from domain.certificate import USAGES, is_expected_pod, node_names, profile_of
from domain.csr import CsrFacts, PodFacts, judge
from tests.domain.given import (
    CLIENT_POD,
    CLIENT_REQUEST,
    NODE,
    NODE_POD,
    NODE_REQUEST,
    POLICY,
    client,
    client_asking,
    node,
    node_asking,
    node_of,
)

NAMES = NODE_REQUEST.dns_names
NODE_ACCOUNT = "system:serviceaccount:crdb:cockroachdb"
ROOT_FROM_NODE = NODE.model_copy(
    update={
        "signer_name": "crdbops.internal/client",
        "usages": USAGES["client"],
        "request": CLIENT_REQUEST,
    }
)


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        # who asks
        pytest.param(ROOT_FROM_NODE, {"csr.account", "csr.pod"}, id="a node pod asks for root at the clients' signer"),
        pytest.param(
            node_asking(subject=(("O", "Cockroach"), ("CN", "root"))), {"csr.subject"},
            id="a node pod asks for root at the nodes' signer",
        ),
        pytest.param(
            client(signer_name="crdbops.internal/node", usages=USAGES["node"], request=NODE_REQUEST),
            {"csr.account", "csr.names", "csr.pod", "csr.ordinal"}, id="the client pod asks for a node's",
        ),
        pytest.param(
            client_asking(subject=(("O", "Cockroach"), ("CN", "node"))), {"csr.subject"},
            id="the client pod asks for CN=node at the clients' signer",
        ),
        pytest.param(
            client_asking(subject=(("O", "Cockroach"), ("CN", "admin"))), {"csr.subject"},
            id="the client pod asks for a SQL user that is not on the list",
        ),
        pytest.param(
            node(stamped_username="system:serviceaccount:other:cockroachdb"), {"csr.account"},
            id="the same account name in another namespace",
        ),
        pytest.param(node(stamped_username="alice@example.com"), {"csr.account"}, id="a person by kubectl"),
        pytest.param(node(stamped_username=""), {"csr.account"}, id="nobody"),
        pytest.param(
            node(stamped_username=NODE_ACCOUNT.upper()), {"csr.account"}, id="the account in another spelling",
        ),
        pytest.param(node(stamped_pod_uid="old-uid"), {"csr.bound-token"}, id="a token of the pod before it"),
        pytest.param(
            node(stamped_pod_uid="", pod=NODE_POD.model_copy(update={"uid": ""})), {"csr.bound-token"},
            id="no uid on either side",
        ),
        pytest.param(
            node(pod=PodFacts(name="shell", uid="pod-uid-0", account="cockroachdb"), stamped_pod="shell"),
            {"csr.names", "csr.pod", "csr.ordinal"}, id="a shell pod that runs as the nodes' account",
        ),
        pytest.param(
            node_of(name="cockroachdb-7", ordinal=7), {"csr.pod", "csr.ordinal"}, id="facts of another pod",
        ),
        pytest.param(
            client(stamped_pod="shell", pod=CLIENT_POD.model_copy(update={"name": "shell"})), {"csr.pod"},
            id="another pod that runs as the client's account and has its labels",
        ),
        pytest.param(
            node(stamped_pod="cockroachdb-00", pod=NODE_POD.model_copy(update={"name": "cockroachdb-00"}),
                 request=NODE_REQUEST.model_copy(update={"dns_names": node_names(POLICY, pod="cockroachdb-00")})),
            {"csr.pod", "csr.ordinal"}, id="a pod whose name only reads like a node's",
        ),
        # what is asked
        pytest.param(
            node_asking(dns_names=node_names(POLICY, pod="cockroachdb-1")), {"csr.names"},
            id="the names of another node",
        ),
        pytest.param(
            node_asking(dns_names=(*NAMES, "kubernetes.default.svc")), {"csr.names"}, id="a surplus name",
        ),
        pytest.param(node_asking(dns_names=(*NAMES, "*.crdb.svc")), {"csr.names"}, id="a wildcard beside its names"),
        pytest.param(
            node_asking(dns_names=tuple("*.cockroachdb" if n == "cockroachdb-0.cockroachdb" else n for n in NAMES)),
            {"csr.names"}, id="a wildcard in place of a name",
        ),
        pytest.param(node_asking(dns_names=()), {"csr.names"}, id="no names"),
        pytest.param(
            node_asking(dns_names=tuple(n.upper() for n in NAMES)), {"csr.names"}, id="its names in capitals",
        ),
        pytest.param(node_asking(ip_addresses=()), {"csr.names"}, id="no address"),
        pytest.param(node_asking(ip_addresses=("127.0.0.1", "10.0.0.1")), {"csr.names"}, id="a surplus address"),
        pytest.param(
            node_asking(dns_names=(*NAMES, "127.0.0.1"), ip_addresses=()), {"csr.names"},
            id="the address written as a DNS name",
        ),
        pytest.param(
            node_asking(other_names=("URI:spiffe://cluster/node",)), {"csr.names"}, id="a URI as a name",
        ),
        pytest.param(
            node_asking(dns_names=NAMES[1:], other_names=(NAMES[0],)), {"csr.names"},
            id="one of its names as another kind of name",
        ),
        pytest.param(node_asking(extensions=("2.5.29.17", "2.5.29.19")), {"csr.extensions"}, id="CA:TRUE"),
        pytest.param(node_asking(extensions=("2.5.29.17", "1.2.3.4")), {"csr.extensions"}, id="an unknown extension"),
        pytest.param(node_asking(extensions=("2.5.29.17",) * 2), {"csr.extensions"}, id="the SAN extension twice"),
        pytest.param(node_asking(key_type="RSA 1024"), {"csr.key"}, id="RSA of 1024 bits"),
        pytest.param(node_asking(key_type="Ed25519"), {"csr.key"}, id="Ed25519"),
        pytest.param(node_asking(key_type="EC P-224"), {"csr.key"}, id="a short curve"),
        pytest.param(node_asking(key_type=""), {"csr.key"}, id="a key of no type"),
        pytest.param(node(usages=USAGES["client"]), {"csr.usages"}, id="a client's usages at the nodes' signer"),
        pytest.param(node(usages=(*NODE.usages, "cert sign")), {"csr.usages"}, id="a node asks to sign"),
        pytest.param(node(usages=("any",)), {"csr.usages"}, id="any usage"),
        pytest.param(node(usages=(*NODE.usages, "server auth")), {"csr.usages"}, id="a usage twice"),
        pytest.param(
            node_asking(subject=(("O", "Cockroach"), ("O", "system:masters"), ("CN", "node"))), {"csr.subject"},
            id="system:masters as a second organization",
        ),
        pytest.param(
            node_asking(subject=(("O", "system:masters"), ("CN", "node"))), {"csr.subject"},
            id="system:masters in place of the organization",
        ),
        pytest.param(
            node_asking(subject=(("O", "Cockroach"), ("CN", "node"), ("CN", "root"))), {"csr.subject"},
            id="two common names",
        ),
        pytest.param(
            node_asking(subject=(("O", "Cockroach"), ("CN", "node"), ("CN", "node"))), {"csr.subject"},
            id="the same common name twice",
        ),
        pytest.param(
            node_asking(subject=(("O", "Cockroach"), ("CN", "node"), ("serialNumber", "1"))), {"csr.subject"},
            id="a serial number in the subject",
        ),
        pytest.param(node_asking(subject=(("O", "Cockroach"),)), {"csr.subject"}, id="no common name"),
        pytest.param(node_asking(subject=(("O", "Cockroach"), ("CN", ""))), {"csr.subject"}, id="empty common name"),
        pytest.param(
            node_asking(subject=(("O", "Cockroach"), ("CN", "nоde"))), {"csr.subject"}, id="a letter that looks alike",
        ),
        pytest.param(node_asking(subject=(("CN", "Cockroach"), ("O", "node"))), {"csr.subject"}, id="subject swapped"),
        pytest.param(
            node_asking(pem_blocks=2), {"csr.one-block"}, id="a second request behind the first",
        ),
        # when
        pytest.param(
            node(replicas=3, stamped_pod="cockroachdb-3", request=NODE_REQUEST.model_copy(
                update={"dns_names": node_names(POLICY, pod="cockroachdb-3")}
            ), pod=NODE_POD.model_copy(update={"name": "cockroachdb-3", "ordinal": 3})),
            {"csr.ordinal"}, id="an ordinal that scaling in took away",
        ),
    ],
)  # fmt: skip
def test_nobody_can_approve(facts: CsrFacts, codes: set[str]) -> None:
    verdict = judge(facts, POLICY)

    assert {check.code for check in verdict.failed} == codes
    assert not verdict.is_approvable


def test_two_good_requests_of_one_pod_block_each_other() -> None:
    first, second = node(name="a", good_siblings=("b",)), node(name="b", uid="u2", good_siblings=("a",))

    assert not judge(first, POLICY).is_approvable
    assert not judge(second, POLICY).is_approvable


def test_a_bad_request_beside_it_blocks_no_good_one() -> None:
    bad = node_asking(key_type="RSA 1024")

    # The gatherer counts a sibling only if it passes alone (`passes_alone`), so this one never gets into the facts.
    assert not judge(bad, POLICY).is_approvable
    assert judge(NODE, POLICY).is_approvable


def test_a_strangers_copy_of_the_key_is_shown_but_blocks_nobody() -> None:
    verdict = judge(node(same_key_elsewhere=("stranger.csr",)), POLICY)

    assert verdict.is_approvable
    assert [check.code for check in verdict.looks] == ["csr.key-elsewhere"]


def test_a_copy_of_the_key_by_another_pod_of_the_cluster_blocks() -> None:
    assert not judge(node(same_key_in_cluster=("crdb.node.cockroachdb-2",)), POLICY).is_approvable


def test_a_policy_that_lists_node_as_a_client_still_signs_no_node_for_the_client_pod() -> None:
    policy = POLICY.model_copy(update={"client_users": ("root", "node")})
    facts = client_asking(subject=(("O", "Cockroach"), ("CN", "node")))

    assert [check.code for check in judge(facts, policy).failed] == ["csr.subject"]


def test_a_policy_without_client_users_signs_for_nobody() -> None:
    verdict = judge(client(), POLICY.model_copy(update={"client_users": ()}))

    assert [check.code for check in verdict.failed] == ["csr.subject"]
    assert verdict.failed[0].expected == "O=Cockroach, CN=nobody"


def test_users_on_the_list_are_good() -> None:
    policy = POLICY.model_copy(update={"client_users": ("root", "app")})

    assert judge(client_asking(subject=(("O", "Cockroach"), ("CN", "app"))), policy).is_approvable


@pytest.mark.parametrize(
    ("pod", "is_expected"),
    [
        pytest.param("cockroachdb-0", True, id="the first node"),
        pytest.param("cockroachdb-98", True, id="the last node there can be"),
        pytest.param("cockroachdb-00", False, id="leading zero"),
        pytest.param("cockroachdb-01", False, id="leading zero before a digit"),
        pytest.param("cockroachdb-", False, id="no ordinal"),
        pytest.param("cockroachdb", False, id="no dash"),
        pytest.param("cockroachdb--1", False, id="a negative ordinal"),
        pytest.param("cockroachdb-+1", False, id="a sign"),
        pytest.param("cockroachdb-1 ", False, id="a space behind"),
        pytest.param("cockroachdb-1\n", False, id="a line break behind"),
        pytest.param("cockroachdb-²", False, id="a superscript digit"),
        pytest.param("cockroachdb-٣", False, id="an Arabic digit"),
        pytest.param("cockroachdb-\uff11", False, id="a full-width digit"),
        pytest.param("cockroachdb-" + "9" * 5000, False, id="more digits than an integer is read from"),
        pytest.param("xcockroachdb-1", False, id="something in front"),
        pytest.param("other-1", False, id="another StatefulSet"),
        pytest.param("cockroachdb-client-secure", False, id="the client pod"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_a_nodes_pod_is_known_by_its_exact_name(pod: str, is_expected: bool) -> None:
    assert is_expected_pod(kind="node", pod=pod) is is_expected


@pytest.mark.parametrize(
    ("pod", "is_expected"),
    [
        pytest.param("cockroachdb-client-secure", True, id="the client pod"),
        pytest.param("cockroachdb-0", False, id="a node"),
        pytest.param("cockroachdb-client-secure-0", False, id="a longer name"),
    ],
)
def test_the_client_pod_is_known_by_its_exact_name(pod: str, is_expected: bool) -> None:
    assert is_expected_pod(kind="client", pod=pod) is is_expected


def test_a_nodes_certificate_names_its_pod_and_the_public_service() -> None:
    profile = profile_of(POLICY, kind="node", pod="cockroachdb-2")

    assert profile.dns_names == (
        "cockroachdb-2.cockroachdb",
        "cockroachdb-2.cockroachdb.crdb",
        "cockroachdb-2.cockroachdb.crdb.svc",
        "cockroachdb-2.cockroachdb.crdb.svc.cluster.local",
        "cockroachdb-public",
        "cockroachdb-public.crdb",
        "cockroachdb-public.crdb.svc",
        "cockroachdb-public.crdb.svc.cluster.local",
        "localhost",
    )
    assert (profile.common_name, profile.organization, profile.ip_addresses) == ("node", "Cockroach", ("127.0.0.1",))
    assert profile.usages == ("client auth", "digital signature", "key encipherment", "server auth")


def test_a_clients_certificate_names_its_user_and_no_host() -> None:
    profile = profile_of(POLICY, kind="client", pod=CLIENT_POD.name, user="app")

    assert (profile.common_name, profile.dns_names, profile.ip_addresses) == ("app", (), ())
    assert "server auth" not in profile.usages
