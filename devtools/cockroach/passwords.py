"""Passwords of SQL users: kept as a salted hash in the vendor's SCRAM form, never in clear.

Not here: who may set one (statements.py, catalog.py).
"""

import base64
import hashlib
import hmac
import os

from devtools.cockroach.failure import RemoteError

_ROUNDS = 10_610  # the vendor's default cost
_SALT_BYTES = 16


def hashed(password: str) -> str:
    """`SCRAM-SHA-256$<rounds>:<salt>$<stored key>:<server key>` of a password."""
    if not password:
        raise RemoteError("empty passwords are not permitted", sqlstate="28P01")
    return _form(password, salt=os.urandom(_SALT_BYTES), rounds=_ROUNDS)


def matches(password: str, stored: str) -> bool:
    """Whether a hash was made of this password."""
    _, settings, _ = stored.split("$")
    rounds, salt = settings.split(":")
    return hmac.compare_digest(_form(password, salt=base64.b64decode(salt), rounds=int(rounds)), stored)


def _form(password: str, *, salt: bytes, rounds: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${rounds}:{texts[0]}${texts[1]}:{texts[2]}"
