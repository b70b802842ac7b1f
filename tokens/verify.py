"""Checking tokens: signature, key dates, canonical form, and, where asked, the clock.

Whether the person may do it is not asked here (`domain.roles`).
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from pydantic import ValidationError

from domain.errors import RefusedError
from operations.messages import Claims, Token
from tokens.keyring import KeyRing
from tokens.make import canonical_claims

#: Clocks of bot and worker may differ by this much.
SKEW = timedelta(seconds=60)


def verify(token: Token, ring: KeyRing) -> Claims:
    """Return what a token says, if a key of the ring signed it while the key was valid.

    Raises:
        RefusedError: `token.invalid`, with which part was wrong; the token itself is never in the message.
    """
    try:
        claims = Claims.model_validate_json(token.claims)
        signature = base64.b64decode(token.signature, validate=True)
    except (ValidationError, binascii.Error, ValueError):
        raise _invalid("it is not readable") from None
    if canonical_claims(claims) != token.claims:
        raise _invalid("it is not in canonical form")
    key = ring.key(token.kid, at=claims.issued_at)
    if key is None:
        raise _invalid("its key is unknown or was not valid then")
    try:
        key.verify(signature, token.claims.encode())
    except InvalidSignature:
        raise _invalid("its signature is wrong") from None
    if not timedelta(0) < claims.until - claims.issued_at <= timedelta(minutes=10):
        raise _invalid("its lifetime is out of range")
    return claims


def verify_fresh(token: Token, ring: KeyRing, *, now: datetime) -> Claims:
    """Return what a token says, if it is valid and its time has come and not passed.

    Raises:
        RefusedError: `token.invalid` or `token.expired`.
    """
    claims = verify(token, ring)
    if now > claims.until + SKEW:
        raise RefusedError("token.expired", "The click is too old.", hint="Click again.")
    if now < claims.issued_at - SKEW:
        raise RefusedError(
            "token.expired", "The click is from the future: the clocks differ.", hint="Check the clocks."
        )
    return claims


def _invalid(why: str) -> RefusedError:
    return RefusedError("token.invalid", f"The signed decision was refused: {why}.", hint="Click again.")
