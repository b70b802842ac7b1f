"""Certificates with `cryptography`: read a request, read a certificate, check one against what must be in it.

Making certificates, which takes a CA's key, is `authority`. What has to be in one is `domain.certificate`; the verdict
over a request is `domain.csr`. Requests come from strangers: nothing in here raises on what they send.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from activities.payloads import IssuedCertificate
from domain.certificate import CertificateProfile
from domain.csr import RequestFacts

#: A request of a node is about 1 KiB. Kubernetes itself takes 1.5 MB; decoding that is nobody's duty.
_LARGEST = 32 * 1024
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_SHORT = {NameOID.COMMON_NAME: "CN", NameOID.ORGANIZATION_NAME: "O"}
#: The one public exponent that is in use; small and strange ones have been the way into RSA more than once.
_EXPONENT = 65537
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_EXTENDED = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}
#: What `cryptography` raises on bytes that are not what they should be.
T = TypeVar("T", bound=x509.ExtensionType)
_BAD = (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.DuplicateExtension, x509.InvalidVersion)


@lru_cache(maxsize=1024)
def decode_request(pem: bytes) -> tuple[RequestFacts | None, str]:
    """Read a PKCS#10 request; instead of it, what is wrong. Never raises, whatever was sent."""
    if len(pem) > _LARGEST:
        return None, f"{len(pem)} bytes, more than {_LARGEST}"
    try:
        # `cryptography` warns of names that are too long; what a stranger sends is no news of ours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _facts_of_request(pem), ""
    except _BAD as error:
        return None, f"no readable PKCS#10 request ({_text(str(error) or type(error).__name__)})"


def _facts_of_request(pem: bytes) -> RequestFacts:
    request = x509.load_pem_x509_csr(pem)
    return RequestFacts(
        pem_blocks=len(_BLOCK.findall(pem)),
        is_signature_valid=_has_valid_signature(request),
        signature_algorithm=_signature_algorithm(request),
        subject=_subject(request.subject),
        **_names(request.extensions),
        key_type=key_type(request),
        key_sha256=_key_hash(request),
        extensions=tuple(extension.oid.dotted_string for extension in request.extensions),
    )


def request_sha256(pem: bytes) -> str:
    """Return the sha256 of the request's DER; of the bytes as they came when it is not readable."""
    try:
        return hashlib.sha256(x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)).hexdigest()
    except _BAD:
        return hashlib.sha256(pem).hexdigest()


def key_type(request: x509.CertificateSigningRequest) -> str:
    """Name a key's type and size the way the signing policy does: ``EC P-256``, ``RSA 2048``."""
    key = request.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {_CURVES.get(key.curve.name, key.curve.name)}"
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        # Another exponent makes another type: no policy names it, so nobody can approve it.
        return f"RSA {key.key_size}" + ("" if exponent == _EXPONENT else f" with exponent {_text(str(exponent))}")
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    return "Ed448" if isinstance(key, ed448.Ed448PublicKey) else type(key).__name__


def fingerprint(certificate_pem: str | bytes) -> str:
    """Return the sha256 of the first certificate's DER, hex; "" when there is none."""
    pem = certificate_pem.encode() if isinstance(certificate_pem, str) else certificate_pem
    try:
        return hashlib.sha256(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)).hexdigest()
    except _BAD:
        return ""


def is_for_request(certificate_pem: bytes, request_pem: bytes) -> bool:
    """Whether a certificate holds the request's public key."""
    try:
        certificate, request = x509.load_pem_x509_certificate(certificate_pem), x509.load_pem_x509_csr(request_pem)
        return _spki(certificate) == _spki(request)
    except _BAD:
        return False


def facts_of(certificate_pem: bytes) -> IssuedCertificate | None:
    """Return a certificate's public facts; None when it is not readable."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        der = certificate.public_bytes(Encoding.DER)
    except _BAD:
        return None
    return IssuedCertificate(
        serial=format(certificate.serial_number, "x"),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=hashlib.sha256(der).hexdigest(),
    )


def reasons_against(
    certificate_pem: bytes, *, request_pem: bytes, ca_pem: str, profile: CertificateProfile, now: datetime
) -> tuple[str, ...]:
    """Return everything that is wrong with an issued certificate; empty: it is what was approved."""
    try:
        chain = x509.load_pem_x509_certificates(certificate_pem)
        authorities = x509.load_pem_x509_certificates(ca_pem.encode())
        certificate = chain[0]
        reasons = [] if is_for_request(certificate_pem, request_pem) else ["its key is not the request's key"]
        if not any(_is_issued_by(certificate, authority) for authority in authorities):
            reasons.append("it is not signed by the published CA")
        reasons += _profile_reasons(certificate, profile)
        reasons += _date_reasons(certificate, authorities, profile, now)
    except _BAD as error:
        return (f"it is not readable ({_text(str(error) or type(error).__name__)})",)
    return tuple(reasons)


def _profile_reasons(certificate: x509.Certificate, profile: CertificateProfile) -> list[str]:
    reasons = []
    subject = sorted(_subject(certificate.subject))
    wanted = sorted((("O", profile.organization), ("CN", profile.common_name)))
    if subject != wanted:
        reasons.append(f"subject: found {subject}, expected {wanted}")
    names = _names(certificate.extensions)
    found = sorted((*names["dns_names"], *names["ip_addresses"], *names["other_names"]))
    expected = sorted((*profile.dns_names, *profile.ip_addresses))
    if found != expected:
        reasons.append(f"names: found {found}, expected {expected}")
    extended = _value(certificate, x509.ExtendedKeyUsage)
    usages = {usage.dotted_string for usage in extended} if extended else set()
    if usages != {oid.dotted_string for name, oid in _EXTENDED.items() if name in profile.usages}:
        reasons.append(f"extended key usage: found {sorted(usages)}, expected that of {sorted(profile.usages)}")
    usage = _value(certificate, x509.KeyUsage)
    if usage is None or not (usage.digital_signature and usage.key_encipherment) or usage.key_cert_sign:
        reasons.append("key usage: expected digital signature and key encipherment, and no signing of certificates")
    basic = _value(certificate, x509.BasicConstraints)
    if basic is not None and basic.ca:
        reasons.append("it is a CA")
    return reasons


def _date_reasons(
    certificate: x509.Certificate, authorities: list[x509.Certificate], profile: CertificateProfile, now: datetime
) -> list[str]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    reasons = []
    if not begins <= now + timedelta(minutes=1) or not now < ends:
        reasons.append(f"it is valid from {begins} to {ends}, and now is {now}")
    # Five minutes back at the front; one more for clocks.
    if ends - begins > timedelta(days=profile.days, minutes=6):
        reasons.append(f"it lives for {ends - begins}, expected at most {profile.days} days")
    if all(ends > authority.not_valid_after_utc for authority in authorities):
        reasons.append("it outlives its CA")
    return reasons


def _has_valid_signature(request: x509.CertificateSigningRequest) -> bool:
    try:
        return bool(request.is_signature_valid)
    except _BAD:
        return False


def _signature_algorithm(request: x509.CertificateSigningRequest) -> str:
    oid = request.signature_algorithm_oid
    return oid._name if oid._name != "Unknown OID" else oid.dotted_string


def _subject(name: x509.Name) -> tuple[tuple[str, str], ...]:
    return tuple((_SHORT.get(attribute.oid, attribute.oid.dotted_string), _text(attribute.value)) for attribute in name)


def _names(extensions: x509.Extensions) -> dict[str, tuple[str, ...]]:
    dns: list[str] = []
    addresses: list[str] = []
    others: list[str] = []
    for extension in extensions:
        if extension.oid != ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
            continue
        for name in extension.value:
            if isinstance(name, x509.DNSName):
                dns.append(_text(name.value))
            elif isinstance(name, x509.IPAddress):
                addresses.append(_text(str(name.value)))
            else:
                others.append(f"{type(name).__name__}: {_text(str(name.value))}")
    return {"dns_names": tuple(dns), "ip_addresses": tuple(addresses), "other_names": tuple(others)}


def _text(value: str | bytes) -> str:
    """Make a stranger's text harmless to show: printable, and not endless."""
    text = value if isinstance(value, str) else value.hex()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:253])


def _spki(thing: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return thing.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_hash(request: x509.CertificateSigningRequest) -> str:
    return hashlib.sha256(_spki(request)).hexdigest()


def _value(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except _BAD:
        return False
    return True
