"""Certificates for the contract suite: an authority that makes folders for `--certs-dir`, right or wrong.

The suite's processes are in nodes.py.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
LOOPBACK = ("localhost", "127.0.0.1")


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cockroach"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_encipherment=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """One CA and the folders it fills."""

    def __init__(self, name: str = "Cockroach CA") -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        builder = builder.add_extension(_usage(is_ca=True), critical=True)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )

    def write(
        self,
        folder: Path,
        file_name: str,
        *,
        common_name: str,
        names: Sequence[str] = (),
        usages: Sequence[ObjectIdentifier] = BOTH,
        mode: int = 0o400,
    ) -> int:
        """Write `<file_name>.crt` and `.key`; returns the serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(common_name), key)
        builder = builder.add_extension(_usage(is_ca=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pem = serialization.Encoding.PEM
        (folder / f"{file_name}.crt").write_bytes(certificate.public_bytes(pem))
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = folder / f"{file_name}.key"
        path.unlink(missing_ok=True)
        path.write_bytes(secret)
        path.chmod(mode)
        return certificate.serial_number

    def ca(self, folder: Path) -> Path:
        """A folder with this authority's ca.crt."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ca.crt").write_bytes(self.pem)
        return folder

    def node(self, folder: Path, *, common_name: str = "node", names: Sequence[str] = LOOPBACK) -> Path:
        """A folder that makes a node."""
        self.write(self.ca(folder), "node", common_name=common_name, names=names)
        return folder

    def client(self, folder: Path, *, user: str = "root", common_name: str = "") -> Path:
        """A folder that makes a client."""
        self.write(self.ca(folder), f"client.{user}", common_name=common_name or user, usages=CLIENT)
        return folder
