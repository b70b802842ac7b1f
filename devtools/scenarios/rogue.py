"""A request that must never be approved: made with one pod's own bound token, with the names of another pod.

It is what an intruder in a database pod could do with what is in it.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devtools.scenarios.driver import Driver
from devtools.stack import REF


def ask_with_names_of(driver: Driver, *, pod: str, victim: str, name: str) -> None:
    """Create a node CSR named `name` with the bound token of `pod` and the names of `victim`."""
    uid = json.loads(driver.kubectl("get", "pod", pod, "-o", "json"))["metadata"]["uid"]
    token = driver.kubectl(
        *("create", "token", "cockroachdb", "--bound-object-kind", "Pod"),
        *("--bound-object-name", pod, "--bound-object-uid", uid),
    ).strip()
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(_request(victim)).decode(),
            "signerName": "crdbops.internal/node",
            "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
            "expirationSeconds": 31536000,
        },
    }
    request = urllib.request.Request(
        f"{driver.stack.cluster.server}/apis/certificates.k8s.io/v1/certificatesigningrequests",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    authority = json.loads(driver.kubectl("get", "configmap", "kube-root-ca.crt", "-o", "json"))["data"]["ca.crt"]
    context = ssl.create_default_context(cadata=authority)
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        assert answer.status == 201, answer.status


def _request(victim: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    namespace = REF.namespace
    bases = (f"{victim}.cockroachdb", "cockroachdb-public")
    names = ["localhost"] + [
        f"{base}{end}"
        for base in bases
        for end in ("", f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local")
    ]
    alternative = x509.SubjectAlternativeName(
        [*(x509.DNSName(n) for n in names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cockroach"),
            x509.NameAttribute(NameOID.COMMON_NAME, "node"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)
