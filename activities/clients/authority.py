"""A CA and what it makes: certificates from the signing profile, with the request's public key and nothing else of it.

The key lives in this object alone, in the signer's process. Reading it from its Secret is `secrets`; who may have a
certificate is decided before (`activities.signing`).
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from activities.clients import pki
from domain.certificate import ORGANIZATION, CertificateProfile
from domain.model import ClusterRef

_BACK = timedelta(minutes=5)
_EXTENDED = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}


class KeyedAuthority:
    """A CA certificate with its key. The key is never shown."""

    def __init__(self, certificate_pem: str, key: ec.EllipticCurvePrivateKey) -> None:
        self._pem = certificate_pem
        self._certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        self._key = key

    def __repr__(self) -> str:
        return f"KeyedAuthority({self.fingerprint[:12]})"

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> KeyedAuthority:
        """Read a CA from PEM.

        Raises:
            ValueError: Not a certificate and its EC key; says which, without their content.
        """
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
        except ValueError:
            raise ValueError("ca.crt holds no certificate") from None
        try:
            key = load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError):
            raise ValueError("ca.key holds no private key") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("ca.key is not the EC key of ca.crt")
        return cls(certificate_pem.decode(), key)

    @property
    def certificate_pem(self) -> str:
        """The public half."""
        return self._pem

    @property
    def fingerprint(self) -> str:
        """Sha256 of the DER certificate, hex."""
        return pki.fingerprint(self._pem)

    @property
    def not_before(self) -> datetime:
        """From when it is valid."""
        return self._certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """Until when it is valid."""
        return self._certificate.not_valid_after_utc

    def issue(
        self, request_pem: bytes, profile: CertificateProfile, *, not_before: datetime, not_after: datetime
    ) -> str:
        """Make a certificate from the profile; of the request the public key alone is taken."""
        public = x509.load_pem_x509_csr(request_pem).public_key()
        usages = profile.usages
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(profile.organization, profile.common_name))
            .issuer_name(self._certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                _key_usage(
                    digital_signature="digital signature" in usages, key_encipherment="key encipherment" in usages
                ),
                critical=True,
            )
            .add_extension(
                x509.ExtendedKeyUsage([oid for usage, oid in _EXTENDED.items() if usage in usages]), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in profile.dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in profile.ip_addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def make_ca(ref: ClusterRef, *, days: int, now: datetime) -> tuple[bytes, bytes]:
    """Make a self-signed CA for a cluster: (certificate, key), both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(ORGANIZATION, f"CA of {ref.cluster} in {ref.namespace}"[:64])
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _name(organization: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=key_encipherment,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
