"""The private key and the request for a certificate: PKCS#10 and the Kubernetes object around it.

Only what was asked for stands here; whether it is granted is decided by `domain/csr.py` and a person. What was issued
is checked in `issued.py`.
"""

import base64
import hashlib
import ipaddress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certagent.arguments import Options

ORGANIZATION = "Cockroach"
USAGES = {
    "node": ("digital signature", "key encipherment", "server auth", "client auth"),
    "client": ("digital signature", "key encipherment", "client auth"),
}


def make_key() -> bytes:
    """Make a P-256 key, as unencrypted PKCS#8 PEM: the form that CockroachDB reads."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a stored key. The error names no content of it.

    Raises:
        ValueError: it is no P-256 private key.
    """
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the stored key is no P-256 private key in PEM")
    return key


def public_key_der(key_pem: bytes) -> bytes:
    """Return the key's public half as DER SubjectPublicKeyInfo: what identifies it everywhere."""
    return (
        load_key(key_pem)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def key_hash(key_pem: bytes) -> str:
    """Return sha256 of the public key in hex; the first ten digits stand in names."""
    return hashlib.sha256(public_key_der(key_pem)).hexdigest()


def hashed_csr_name(options: Options, *, key_pem: bytes) -> str:
    """Return the CSR's name for a key that is not the first of its pod."""
    return f"{options.base_csr_name}.{key_hash(key_pem)[:10]}"


def request_pem(options: Options, *, key_pem: bytes) -> bytes:
    """Build the PKCS#10: O and CN, for a node its names, no other extension (usages stand in the object)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
                x509.NameAttribute(NameOID.COMMON_NAME, options.common_name),
            ]
        )
    )
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in options.dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in options.ip_addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(load_key(key_pem), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def csr_object(options: Options, *, name: str, key_pem: bytes) -> dict[str, Any]:
    """Build the object to create, with the labels that every object of the cluster carries."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/name": "cockroachdb",
                "app.kubernetes.io/instance": options.cluster,
                "app.kubernetes.io/managed-by": "crdb-chatops",
                "app.kubernetes.io/part-of": "crdb-chatops",
            },
        },
        "spec": {
            "request": base64.b64encode(request_pem(options, key_pem=key_pem)).decode(),
            "signerName": options.signer_name,
            "usages": list(USAGES[options.type]),
            "expirationSeconds": options.expiration_seconds,
        },
    }
