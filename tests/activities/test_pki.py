"""Certificates: requests from strangers, certificates from the profile, checks of what was issued."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.clients import pki
from activities.clients.authority import KeyedAuthority, make_ca
from domain.certificate import CertificateProfile, profile_of
from domain.model import CLIENT_POD
from tests.activities.world import NOW, Key, World, request_pem

WORLD = World()
GOOD = request_pem(WORLD.policy, pod="cockroachdb-0")
AUTHORITY = KeyedAuthority.load(*make_ca(WORLD.ref, days=1825, now=NOW))
ANOTHER = KeyedAuthority.load(*make_ca(WORLD.ref, days=1825, now=NOW))
PROFILE = profile_of(WORLD.policy, kind="node", pod="cockroachdb-0")


def issue(profile: CertificateProfile = PROFILE, *, authority: KeyedAuthority = AUTHORITY, days: float = 365) -> bytes:
    begins = NOW - timedelta(minutes=5)
    return authority.issue(GOOD, profile, not_before=begins, not_after=NOW + timedelta(days=days)).encode()


def reasons(
    pem: bytes, *, request: bytes = GOOD, profile: CertificateProfile = PROFILE, at: timedelta = timedelta()
) -> str:
    found = pki.reasons_against(
        pem, request_pem=request, ca_pem=AUTHORITY.certificate_pem, profile=profile, now=NOW + at
    )
    return "; ".join(found)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_refused_and_never_raise(garbage: bytes) -> None:
    facts, error = pki.decode_request(garbage)

    assert facts is None
    assert error
    assert len(pki.request_sha256(garbage)) == 64


@settings(max_examples=150, deadline=None)
@given(st.integers(min_value=60, max_value=len(GOOD) - 60), st.sampled_from(list(b"ABCDEFGHabcdefgh0123456789+/")))
def test_a_request_with_one_letter_changed_never_raises(at: int, letter: int) -> None:
    changed = GOOD[:at] + bytes([letter]) + GOOD[at + 1 :]

    facts, error = pki.decode_request(changed)

    assert (facts is None) == bool(error)
    assert changed == GOOD or facts is None or not facts.is_signature_valid


def test_a_request_is_read_with_names_key_and_extension() -> None:
    facts, error = pki.decode_request(GOOD)

    assert error == ""
    assert facts is not None
    assert facts.is_signature_valid
    assert facts.subject == (("O", "Cockroach"), ("CN", "node"))
    assert sorted(facts.dns_names) == sorted(PROFILE.dns_names)
    assert facts.ip_addresses == ("127.0.0.1",)
    assert facts.key_type == "EC P-256"
    assert facts.extensions == ("2.5.29.17",)
    assert facts.signature_algorithm == "ecdsa-with-SHA256"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        pytest.param(lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), "RSA 2048", id="rsa"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), "EC P-384", id="another curve"),
        pytest.param(ed25519.Ed25519PrivateKey.generate, "Ed25519", id="edwards"),
    ],
)
def test_key_types_are_named_as_the_policy_names_them(make: Callable[[], Key], found: str) -> None:
    facts, _ = pki.decode_request(request_pem(WORLD.policy, pod="cockroachdb-0", key=make()))

    assert facts is not None
    assert facts.key_type == found


def test_other_kinds_of_names_and_unknown_extensions_are_shown() -> None:
    names = [
        x509.DNSName("localhost"),
        x509.UniformResourceIdentifier("https://example.org"),
        x509.RFC822Name("root@example.org"),
        x509.IPAddress(ipaddress.ip_network("10.0.0.0/8")),
    ]
    extra = [(x509.BasicConstraints(ca=True, path_length=None), True)]

    facts, _ = pki.decode_request(request_pem(WORLD.policy, pod="cockroachdb-0", names=names, extensions=extra))

    assert facts is not None
    assert facts.other_names == ("UniformResourceIdentifier: https://example.org", "RFC822Name: root@example.org")
    assert facts.ip_addresses == ("10.0.0.0/8",)
    assert "2.5.29.19" in facts.extensions


def test_unprintable_letters_of_a_subject_are_replaced() -> None:
    subject = [(NameOID.ORGANIZATION_NAME, "Cockroach"), (NameOID.COMMON_NAME, "no\u202ede\n")]

    facts, _ = pki.decode_request(request_pem(WORLD.policy, pod="cockroachdb-0", subject=subject))

    assert facts is not None
    assert facts.subject[1] == ("CN", "no�de�")


def test_two_blocks_are_counted_and_a_huge_request_is_not_decoded() -> None:
    two, _ = pki.decode_request(GOOD + GOOD)
    huge, error = pki.decode_request(GOOD + b"\n" * 40_000)

    assert two is not None
    assert two.pem_blocks == 2
    assert huge is None
    assert "more than 32768" in error


def test_an_issued_node_certificate_has_what_the_database_asks_for() -> None:
    certificate = x509.load_pem_x509_certificate(issue())

    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment
    assert not usage.key_cert_sign
    assert set(extended) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.issuer == x509.load_pem_x509_certificate(AUTHORITY.certificate_pem.encode()).subject
    assert reasons(issue()) == ""


def test_a_client_certificate_has_no_names_and_is_no_server() -> None:
    profile = profile_of(WORLD.policy, kind="client", pod=CLIENT_POD, user="root")
    certificate = x509.load_pem_x509_certificate(issue(profile))

    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert reasons(issue(profile), profile=profile) == ""


def test_two_certificates_of_one_request_have_different_serials() -> None:
    one, two = pki.facts_of(issue()), pki.facts_of(issue())

    assert one is not None
    assert two is not None
    assert one.serial != two.serial


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        pytest.param(issue(authority=ANOTHER), "not signed by", id="another CA"),
        pytest.param(issue(PROFILE.model_copy(update={"common_name": "root"})), "subject", id="another subject"),
        pytest.param(issue(PROFILE.model_copy(update={"dns_names": ("localhost",)})), "names", id="other names"),
        pytest.param(issue(PROFILE.model_copy(update={"usages": ("client auth",)})), "extended key usage", id="usages"),
        pytest.param(issue(days=366), "it lives for", id="too long a life"),
        pytest.param(issue(days=1826), "outlives its CA", id="longer than its CA"),
        pytest.param(b"garbage", "not readable", id="garbage"),
    ],
)
def test_a_certificate_that_is_not_what_was_approved_is_refused(pem: bytes, said: str) -> None:
    assert said in reasons(pem)


def test_a_certificate_for_another_key_is_refused() -> None:
    assert "key is not the request's" in reasons(issue(), request=request_pem(WORLD.policy, pod="cockroachdb-0"))


def test_a_certificate_out_of_its_time_is_refused() -> None:
    assert "it is valid from" in reasons(issue(), at=timedelta(days=366))
    assert "it is valid from" in reasons(issue(), at=timedelta(minutes=-30))


def test_a_ca_is_a_p256_ca_of_its_days_and_never_shows_its_key() -> None:
    certificate = x509.load_pem_x509_certificate(AUTHORITY.certificate_pem.encode())

    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.ca
    assert constraints.path_length == 0
    assert certificate.not_valid_after_utc == NOW + timedelta(days=1825)
    assert repr(AUTHORITY) == f"KeyedAuthority({pki.fingerprint(AUTHORITY.certificate_pem)[:12]})"


def test_a_ca_with_another_key_is_refused_without_its_content() -> None:
    certificate, _ = make_ca(WORLD.ref, days=1, now=NOW)
    _, key = make_ca(WORLD.ref, days=1, now=NOW)

    with pytest.raises(ValueError, match=r"ca\.key is not the EC key of ca\.crt"):
        KeyedAuthority.load(certificate, key)
    with pytest.raises(ValueError, match=r"ca\.key holds no private key"):
        KeyedAuthority.load(certificate, b"nonsense")
