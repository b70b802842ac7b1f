"""From a CSR as the API server gives it to what the decision looks at.

Reading and judging are apart: `api.py` reads, this translates, `decision.py` decides.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certagent.api import Object, decoded
from certagent.arguments import Options
from certagent.decision import CsrState, Found
from certagent.issued import reasons_against
from certagent.kept import Kept
from certagent.request import public_key_der

# Stamped by the API server for a token that is bound to a pod (Kubernetes 1.22 and later).
_POD_UID = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A CSR, and what people have said about it."""

    found: Found
    resource_version: str
    certificate_pem: bytes | None
    words: str  # reason and message of the denied or failed condition


def read_facts(csr: Object, *, kept: Kept, ca_pem: bytes, options: Options, now: datetime) -> Reading:
    """Translate; the certificate, if there is one, is checked here."""
    certificate = decoded(csr.get("status", {}).get("certificate"))
    state, words = _state(csr, has_certificate=certificate is not None)
    has_our_key = bool(kept.key_pem) and _asked_key(csr) == public_key_der(kept.key_pem or b"")
    reasons: tuple[str, ...] = ()
    if has_our_key and state is CsrState.ISSUED and certificate and kept.key_pem:
        reasons = reasons_against(certificate, key_pem=kept.key_pem, ca_pem=ca_pem, options=options, now=now)
    metadata = csr["metadata"]
    return Reading(
        found=Found(
            uid=metadata.get("uid", ""),
            state=state,
            has_our_key=has_our_key,
            pod_uid=(csr["spec"].get("extra", {}).get(_POD_UID) or [""])[0],
            reasons=reasons,
        ),
        resource_version=metadata.get("resourceVersion", ""),
        certificate_pem=certificate,
        words=words,
    )


def _state(csr: Object, *, has_certificate: bool) -> tuple[CsrState, str]:
    conditions = {condition["type"]: condition for condition in csr.get("status", {}).get("conditions", [])}
    for name, state in (("Denied", CsrState.DENIED), ("Failed", CsrState.FAILED)):
        if name in conditions:
            said = conditions[name]
            return state, ": ".join(part for part in (said.get("reason"), said.get("message")) if part)
    if "Approved" not in conditions:
        return CsrState.PENDING, ""
    return (CsrState.ISSUED if has_certificate else CsrState.APPROVED), ""


def _asked_key(csr: Object) -> bytes | None:
    try:
        request = x509.load_pem_x509_csr(decoded(csr["spec"]["request"]) or b"")
    except ValueError:
        return None
    return request.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
