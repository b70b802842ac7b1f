"""Checks of an issued certificate before anything is written: key, CA, subject, names, usages, validity.

Every reason is returned, never only the first. The same checks decide whether a stored certificate can still be used.
How a refusal is told and what follows from it stand in `decision.py` and `life.py`.
"""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certagent.arguments import Options
from certagent.request import ORGANIZATION, public_key_der

OTHER_CA = "it was issued by the CA of another cluster"

# A certificate in its last hour (or last tenth, if it is short-lived) would strand the database soon after its start.
LAST_HOUR = timedelta(hours=1)
_USAGES = {
    "node": {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH},
    "client": {ExtendedKeyUsageOID.CLIENT_AUTH},
}


def load_ca(ca_pem: bytes) -> list[x509.Certificate]:
    """Read the CA file; it may hold several certificates while the CA is being replaced.

    Raises:
        ValueError: it holds no CA certificate.
    """
    certificates = x509.load_pem_x509_certificates(ca_pem)
    authorities = [certificate for certificate in certificates if _is_ca(certificate)]
    if not authorities:
        raise ValueError("it holds no certificate with basic constraint CA:TRUE")
    return authorities


def leaf_pem(chain_pem: bytes) -> bytes:
    """Return the first certificate of the chain alone: the only one that CockroachDB looks at.

    Raises:
        ValueError: there is none.
    """
    return x509.load_pem_x509_certificates(chain_pem)[0].public_bytes(serialization.Encoding.PEM)


def reasons_against(
    certificate_pem: bytes, *, key_pem: bytes, ca_pem: bytes, options: Options, now: datetime
) -> tuple[str, ...]:
    """Say everything that is wrong with a certificate; nothing means that it may be used."""
    try:
        certificate = x509.load_pem_x509_certificates(certificate_pem)[0]
    except ValueError:
        return ("it is no certificate in PEM",)
    reasons = []
    if _public_der(certificate) != public_key_der(key_pem):
        reasons.append("its public key is not this pod's key")
    reasons += _against_ca(certificate, ca_pem=ca_pem)
    reasons += _against_subject(certificate, options=options)
    reasons += _against_names(certificate, options=options)
    reasons += _against_usages(certificate, options=options)
    reasons += _against_validity(certificate, now=now)
    return tuple(reasons)


def _public_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _is_issued_by(certificate: x509.Certificate, *, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _against_ca(certificate: x509.Certificate, *, ca_pem: bytes) -> list[str]:
    authorities = load_ca(ca_pem)
    if any(_is_issued_by(certificate, authority=authority) for authority in authorities):
        return []
    expected = " or ".join(authority.subject.rfc4514_string() for authority in authorities)
    return [
        f"{OTHER_CA}: it does not verify against the CA file "
        f"(issuer found {certificate.issuer.rfc4514_string()}, CA expected {expected})"
    ]


def _against_subject(certificate: x509.Certificate, *, options: Options) -> list[str]:
    found = sorted((attribute.oid.dotted_string, str(attribute.value)) for attribute in certificate.subject)
    expected = sorted(
        [
            (NameOID.ORGANIZATION_NAME.dotted_string, ORGANIZATION),
            (NameOID.COMMON_NAME.dotted_string, options.common_name),
        ]
    )
    if found == expected:
        return []
    return [
        f"its subject is {certificate.subject.rfc4514_string()}, expected O={ORGANIZATION} and CN={options.common_name}"
    ]


def _against_names(certificate: x509.Certificate, *, options: Options) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = {name.value if isinstance(name, x509.DNSName) else _other_name(name) for name in names}
    except x509.ExtensionNotFound:
        found = set()
    expected = {*options.dns_names, *options.ip_addresses}
    reasons = []
    if expected - found:
        reasons.append(f"names are missing: {', '.join(sorted(expected - found))}")
    if found - expected:
        reasons.append(f"names were not asked for: {', '.join(sorted(found - expected))}")
    return reasons


def _other_name(name: x509.GeneralName) -> str:
    return str(name.value) if isinstance(name, x509.IPAddress) else f"{type(name).__name__} {name.value}"


def _against_usages(certificate: x509.Certificate, *, options: Options) -> list[str]:
    reasons = []
    try:
        extended = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        extended = set()
    if extended != _USAGES[options.type]:
        found, expected = (", ".join(sorted(oid._name for oid in some)) for some in (extended, _USAGES[options.type]))
        reasons.append(f"its extended key usage is {found or 'missing'}, expected {expected}")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        has_both = usage.digital_signature and usage.key_encipherment
        is_authority = usage.key_cert_sign or usage.crl_sign or _is_ca(certificate)
    except x509.ExtensionNotFound:
        has_both, is_authority = False, _is_ca(certificate)
    if not has_both:
        reasons.append("its key usage lacks digital signature or key encipherment")
    if is_authority:
        reasons.append("it could sign other certificates, which a node or client never may")
    return reasons


def _against_validity(certificate: x509.Certificate, *, now: datetime) -> list[str]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if start > now:
        return [
            f"it is not valid before {start:%Y-%m-%d %H:%M:%S} UTC and it is {now:%Y-%m-%d %H:%M:%S} UTC here (clock?)"
        ]
    if end - now < min(LAST_HOUR, (end - start) / 10):
        return [f"it ends at {end:%Y-%m-%d %H:%M:%S} UTC and it is {now:%Y-%m-%d %H:%M:%S} UTC"]
    return []
