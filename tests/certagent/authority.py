"""A CA for tests: issues what the policy would, or something that differs in one point. The real one is the signer."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to put into a certificate."""

    common_name: str = "node"
    organization: str = "Cockroach"
    names: Sequence[str] = ()
    addresses: Sequence[str] = ()
    extended: Sequence[x509.ObjectIdentifier] = (SERVER, CLIENT)
    starts_in: timedelta = timedelta(minutes=-5)
    ends_in: timedelta = timedelta(days=365)
    has_encipherment: bool = True
    is_ca: bool = False


class Authority:
    def __init__(self, name: str = "Cockroach CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self.name, self.key.public_key(), Wish(is_ca=True, extended=()))
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue_for(self, request_pem: bytes, wish: Wish) -> bytes:
        return self.issue(x509.load_pem_x509_csr(request_pem).public_key(), wish)

    def issue(self, public_key: object, wish: Wish) -> bytes:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, wish.organization),
                x509.NameAttribute(NameOID.COMMON_NAME, wish.common_name),
            ]
        )
        return self._build(subject, public_key, wish).public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _build(self, subject: x509.Name, public_key: object, wish: Wish) -> x509.Certificate:
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + wish.starts_in)
            .not_valid_after(now + wish.ends_in)
            .add_extension(x509.BasicConstraints(ca=wish.is_ca, path_length=None), critical=True)
            .add_extension(_key_usage(wish), critical=True)
        )
        if wish.extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(wish.extended)), critical=False)
        general: list[x509.GeneralName] = [x509.DNSName(name) for name in wish.names]
        general += [x509.IPAddress(ipaddress.ip_address(address)) for address in wish.addresses]
        if general:
            builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _key_usage(wish: Wish) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=wish.has_encipherment,
        key_cert_sign=wish.is_ca,
        crl_sign=wish.is_ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
