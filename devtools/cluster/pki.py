"""Certificates of a dev cluster: one CA, a pair for each component, the key that signs ServiceAccount tokens.

They live in the cluster's state folder and are worth nothing elsewhere. The database's certificates are the
product's: `activities/clients/pki.py`.
"""

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devtools.cluster.layout import API_SERVICE_ADDRESS, CLUSTER_DOMAIN, NODE_ADDRESS, Layout

LIFETIME = timedelta(days=365)
# What lives shorter than this is made again at the next start.
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Pair:
    """One certificate to be made; `hosts` makes it a serving one."""

    file: str
    common_name: str
    organization: str | None = None
    hosts: tuple[str, ...] = ()


def pairs(nodes: Sequence[Layout]) -> tuple[Pair, ...]:
    """Everything that the components of these nodes need, the first of which has the control plane."""
    kubernetes = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    api_hosts = ("localhost", *kubernetes, f"kubernetes.default.svc.{CLUSTER_DOMAIN}")
    return (
        Pair("apiserver", "kube-apiserver", hosts=(*api_hosts, "127.0.0.1", NODE_ADDRESS, API_SERVICE_ADDRESS)),
        *(pair for node in nodes for pair in _kubelet(node)),
        Pair("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Pair("admin", "kubernetes-admin", "system:masters"),
        Pair("controller-manager", "system:kube-controller-manager"),
        Pair("scheduler", "system:kube-scheduler"),
        Pair("proxy", "system:kube-proxy"),
        Pair("provisioner", "crdbops-local-provisioner"),
        Pair("front-proxy-client", "front-proxy-client"),
    )


def _kubelet(node: Layout) -> tuple[Pair, Pair]:
    name = f"system:node:{node.node}"
    hosts = (node.node, node.address, "127.0.0.1")
    return (
        Pair(node.pair("kubelet-server"), name, "system:nodes", hosts=hosts),
        Pair(node.pair("kubelet-client"), name, "system:nodes"),
    )


def ensure(folder: Path, *, nodes: Sequence[Layout], now: datetime | None = None) -> bool:
    """Make what is missing or soon over in `folder`; True if anything was made.

    The CA and the token key stay as long as they can, so that objects of an earlier run stay valid.
    """
    instant = now or datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    wanted = pairs(nodes)
    ca_lives = _lives(folder / "ca.crt", instant=instant) and (folder / "ca.key").exists()
    if ca_lives and (folder / "sa.key").exists() and all(_whole(folder, pair, instant=instant) for pair in wanted):
        return False
    if not (folder / "sa.key").exists():
        token_key = ec.generate_private_key(ec.SECP256R1())
        public = token_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(folder / "sa.pub", public)
        _write_key(folder / "sa.key", token_key)
    if not ca_lives:
        for pair in wanted:  # signed by a CA that is about to go
            (folder / f"{pair.file}.crt").unlink(missing_ok=True)
        ca_key = ec.generate_private_key(ec.SECP256R1())
        _write_key(folder / "ca.key", ca_key)
        _write(folder / "ca.crt", _pem(_ca(ca_key, instant=instant)))
    issuer = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    issuer_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    for pair in wanted:
        if _whole(folder, pair, instant=instant):
            continue  # it may be in use, while another node joins
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(folder / f"{pair.file}.key", key)
        _write(
            folder / f"{pair.file}.crt", _pem(_leaf(pair, key, issuer=issuer, issuer_key=issuer_key, instant=instant))
        )
    return True


def _lives(certificate: Path, *, instant: datetime) -> bool:
    if not certificate.exists():
        return False
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc > instant + RENEW_BEFORE


def _whole(folder: Path, pair: Pair, *, instant: datetime) -> bool:
    return (folder / f"{pair.file}.key").exists() and _lives(folder / f"{pair.file}.crt", instant=instant)


def _ca(key: ec.EllipticCurvePrivateKey, *, instant: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crdbops-dev-cluster-ca")])
    usage = {"key_cert_sign": True, "crl_sign": True}
    return (
        _builder(name, issuer=name, key=key, instant=instant, lifetime=10 * LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    pair: Pair,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    instant: datetime,
) -> x509.Certificate:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, pair.common_name)]
    if pair.organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, pair.organization))
    usage = ExtendedKeyUsageOID.SERVER_AUTH if pair.hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(x509.Name(attributes), issuer=issuer.subject, key=key, instant=instant, lifetime=LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_encipherment=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if pair.hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(_names(pair.hosts)), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    return [x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]


def _builder(
    subject: x509.Name,
    *,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    instant: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(instant - timedelta(minutes=5))
        .not_valid_after(instant + lifetime)
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
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write(
        path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a start that is killed here leaves no half of a file."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    part.replace(path)
