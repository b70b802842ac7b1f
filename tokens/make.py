"""Making tokens: the bot alone holds the private key.

Verification stands in `tokens.verify`.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from domain.canonical import canonical_json
from domain.errors import InvalidRequestError
from domain.model import Person
from operations.messages import Claims, Token, Verb

#: A token is for one click: long enough for retries, short enough that a stolen one is useless soon.
LIFETIME = timedelta(minutes=2)


def canonical_claims(claims: Claims) -> str:
    """Return the bytes that are signed, as text: sorted keys, no spaces, no empty fields."""
    return canonical_json(claims.model_dump(mode="json", exclude_none=True))


class TokenSigner:
    """Signs claims with one Ed25519 key, named by its `kid`.

    Raises:
        InvalidRequestError: `token.bad-key`; the message says nothing of what was read.
    """

    def __init__(self, private_key_pem: bytes, *, kid: str) -> None:
        self._key = _load(private_key_pem)
        self.kid = kid

    def sign(self, claims: Claims) -> Token:
        """Sign claims as they stand."""
        text = canonical_claims(claims)
        signature = base64.b64encode(self._key.sign(text.encode())).decode()
        return Token(kid=self.kid, claims=text, signature=signature)

    def issue(self, verb: Verb, person: Person, *, workflow_id: str, now: datetime, **fields: str | int) -> Token:
        """Sign a token for one act of a person, valid from now for `LIFETIME`."""
        claims = Claims.model_validate(
            {
                "verb": verb,
                "person": person,
                "workflow_id": workflow_id,
                "issued_at": now,
                "until": now + LIFETIME,
                **fields,
            }
        )
        return self.sign(claims)


def _load(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, UnsupportedAlgorithm):
        found = "no readable private key"
    except TypeError:
        found = "a key with a passphrase"
    else:
        if isinstance(key, Ed25519PrivateKey):
            return key
        found = "another kind of key"
    raise InvalidRequestError(
        "token.bad-key",
        f"Found {found}, expected an Ed25519 private key in PEM without a passphrase.",
        hint="openssl genpkey -algorithm ed25519",
    )
