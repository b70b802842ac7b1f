"""Keys, rings and people for token tests. The keys are made anew for each run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from domain.model import Person
from operations.messages import Token
from tokens.keyring import KeyRing
from tokens.make import TokenSigner

NOW = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)
KID = "2026-11"
PERSON = Person(team="T1", id="U1", name="Älice „A“", groups=("S1", "S2"))
KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """The private key as its file holds it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey) -> str:
    """The public key as the ring holds it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def ring_text(key: Ed25519PrivateKey = KEY, *, days: int = 30, **changes: object) -> str:
    """The text of a ring with one key, valid some days before and after."""
    entry: dict[str, object] = {
        "kid": KID,
        "public_key": public_pem(key),
        "not_before": (NOW - timedelta(days=days)).isoformat(),
        "not_after": (NOW + timedelta(days=days)).isoformat(),
    }
    return json.dumps({"keys": [entry | changes]})


SIGNER = TokenSigner(private_pem(KEY), kid=KID)
RING = KeyRing.parse(ring_text())
APPROVE_FIELDS = {"run_id": "run-1", "approval_id": "ab12cd34", "fingerprint": "f" * 64}


def token(*, now: datetime = NOW) -> Token:
    """A good approval by the good signer."""
    return SIGNER.issue("approve", PERSON, workflow_id="crdb/x", now=now, **APPROVE_FIELDS)
