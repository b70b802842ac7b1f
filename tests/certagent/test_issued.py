"""Checks of an issued certificate as a table: each differs from the good one in one point, and that point is named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from certagent.arguments import Options
from certagent.issued import OTHER_CA, leaf_pem, load_ca, reasons_against
from certagent.request import load_key, make_key
from tests.certagent.authority import CLIENT, SERVER, Authority, Wish

NODE = Wish(names=("localhost", "a.shop"), addresses=("127.0.0.1",))
ROOT = Wish(common_name="root", extended=(CLIENT,))
CA, OTHER = Authority(), Authority("Other CA")
KEY = make_key()


def options(kind: str) -> Options:
    is_node = kind == "node"
    nowhere = Path("/nowhere")
    return Options(
        type=kind,
        cluster="shop",
        namespace="shop",
        pod="a",
        pod_uid="u",
        user="" if is_node else "root",
        signer_name="crdbops.internal/node",
        dns_names=("a.shop", "localhost") if is_node else (),
        ip_addresses=("127.0.0.1",) if is_node else (),
        expiration_seconds=600,
        ca_file=nowhere,
        certs_dir=nowhere,
        store_dir=nowhere,
        secret=None,
        ask_again_file=nowhere,
        termination_log=nowhere,
        api_server="https://127.0.0.1:1",
        token_file=nowhere,
        api_ca_file=nowhere,
    )


def reasons(wish: Wish, *, kind: str = "node", key_pem: bytes = KEY, ca_pem: bytes = CA.pem) -> str:
    certificate = CA.issue(load_key(KEY).public_key(), wish)
    return "; ".join(
        reasons_against(certificate, key_pem=key_pem, ca_pem=ca_pem, options=options(kind), now=datetime.now(UTC))
    )


@pytest.mark.parametrize(("kind", "wish"), [("node", NODE), ("client", ROOT)])
def test_finds_nothing_against_what_was_asked_for(kind: str, wish: Wish) -> None:
    assert reasons(wish, kind=kind) == ""


def test_finds_nothing_against_a_certificate_of_the_old_ca_in_a_bundle() -> None:
    assert reasons(NODE, ca_pem=OTHER.pem + CA.pem) == ""


def _changed(**changes: object) -> Wish:
    return Wish(**(vars(NODE) | changes))


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        pytest.param(_changed(names=("localhost",)), "names are missing: a.shop", id="a name short"),
        pytest.param(_changed(names=(*NODE.names, "evil")), "names were not asked for: evil", id="a name more"),
        pytest.param(_changed(addresses=("10.0.0.1",)), "names were not asked for: 10.0.0.1", id="another address"),
        pytest.param(
            _changed(names=(), addresses=()), "names are missing: 127.0.0.1, a.shop, localhost", id="no names"
        ),
        pytest.param(_changed(common_name="root"), "expected O=Cockroach and CN=node", id="another name"),
        pytest.param(_changed(organization="system:masters"), "expected O=Cockroach", id="another organization"),
        pytest.param(_changed(extended=(SERVER,)), "its extended key usage is serverAuth", id="a usage short"),
        pytest.param(
            _changed(extended=(SERVER, CLIENT, ExtendedKeyUsageOID.CODE_SIGNING)),
            "codeSigning, serverAuth, expected clientAuth, serverAuth",
            id="a usage more",
        ),
        pytest.param(_changed(extended=()), "its extended key usage is missing", id="no usages"),
        pytest.param(_changed(has_encipherment=False), "lacks digital signature or key encipherment", id="key usage"),
        pytest.param(_changed(is_ca=True), "it could sign other certificates", id="a ca"),
        pytest.param(_changed(starts_in=timedelta(hours=1)), "it is not valid before", id="of the future"),
        pytest.param(
            _changed(starts_in=timedelta(days=-364), ends_in=timedelta(minutes=30)), "it ends at", id="in its last hour"
        ),
        pytest.param(_changed(ends_in=timedelta(seconds=-1)), "it ends at", id="over"),
    ],
)
def test_names_what_differs(wish: Wish, reason: str) -> None:
    assert reason in reasons(wish)


def test_names_every_difference_at_once() -> None:
    found = reasons(_changed(names=("localhost",), common_name="root", is_ca=True))

    assert found.count(";") == 2


def test_names_another_key() -> None:
    assert reasons(NODE, key_pem=make_key()) == "its public key is not this pod's key"


def test_names_the_ca_of_another_cluster() -> None:
    found = reasons(NODE, ca_pem=OTHER.pem)

    assert found.startswith(OTHER_CA)
    assert "issuer found CN=Cockroach CA, CA expected CN=Other CA" in found


def test_a_ca_of_the_same_name_with_another_key_is_another_ca() -> None:
    assert reasons(NODE, ca_pem=Authority().pem).startswith(OTHER_CA)


def test_a_short_lived_certificate_is_used_until_its_last_tenth() -> None:
    assert reasons(_changed(starts_in=timedelta(0), ends_in=timedelta(minutes=10))) == ""


def test_the_client_certificate_of_a_node_is_no_client_certificate() -> None:
    found = reasons(NODE, kind="client")

    assert "CN=root" in found
    assert "names were not asked for" in found
    assert "expected clientAuth" in found


def test_a_ca_file_without_a_ca_is_refused() -> None:
    with pytest.raises(ValueError, match="CA:TRUE"):
        load_ca(CA.issue(load_key(KEY).public_key(), NODE))


def test_only_the_first_certificate_of_a_chain_is_kept() -> None:
    leaf = CA.issue(load_key(KEY).public_key(), NODE)

    assert leaf_pem(leaf + CA.pem) == leaf


def test_garbage_is_no_certificate() -> None:
    found = reasons_against(b"x", key_pem=KEY, ca_pem=CA.pem, options=options("node"), now=datetime.now(UTC))

    assert found == ("it is no certificate in PEM",)
