"""The ring of public keys by which tokens are checked: each with its name and the dates it may be used between.

The file is JSON: ``{"keys": [{"kid": "2026-11", "public_key": "<PEM>", "not_before": "...", "not_after": "..."}]}``.
Old keys stay in it, so that the archive can be checked years later.
"""

from __future__ import annotations

from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import InvalidRequestError


class RingKey(BaseModel):
    """One public key with its dates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kid: str = Field(min_length=1)
    public_key: str
    not_before: AwareDatetime
    not_after: AwareDatetime

    @model_validator(mode="after")
    def _dates_in_order(self) -> RingKey:
        if self.not_before >= self.not_after:
            raise ValueError("not_before is not before not_after")
        return self


class _RingFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[RingKey, ...]


class KeyRing:
    """Public keys by name.

    Raises:
        InvalidRequestError: `token.bad-ring` for a name that stands twice, `token.bad-key` for another kind of key.
    """

    def __init__(self, keys: tuple[RingKey, ...]) -> None:
        self._keys: dict[str, tuple[RingKey, Ed25519PublicKey]] = {}
        for key in keys:
            if key.kid in self._keys:
                raise InvalidRequestError(
                    "token.bad-ring", f"Key {key.kid}: found twice in the ring, expected each name once."
                )
            self._keys[key.kid] = (key, _load(key))

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read a ring from the text of its file.

        Raises:
            InvalidRequestError: Not the JSON that is expected, or a key that is not Ed25519. What was read is not in
                the message: a private key may have been put there by mistake.
        """
        try:
            file = _RingFile.model_validate_json(text)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(str(p) for p in e['loc']) or 'file'}: {e['msg']}" for e in error.errors())
            raise InvalidRequestError(
                "token.bad-ring",
                f"The key ring cannot be read: {faults}.",
                hint='{"keys": [{"kid": "2026-11", "public_key": "<PEM>", "not_before": "2026-11-01T00:00:00Z", '
                '"not_after": "2027-11-01T00:00:00Z"}]}',
            ) from None
        return cls(file.keys)

    def key(self, kid: str, *, at: datetime) -> Ed25519PublicKey | None:
        """Return the key of that name if it may be used at that instant."""
        entry = self._keys.get(kid)
        if entry is None or not entry[0].not_before <= at <= entry[0].not_after:
            return None
        return entry[1]


def _load(key: RingKey) -> Ed25519PublicKey:
    try:
        public = load_pem_public_key(key.public_key.encode())
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if isinstance(public, Ed25519PublicKey):
        return public
    raise InvalidRequestError(
        "token.bad-key", f"Key {key.kid}: expected an Ed25519 public key in PEM.", hint="openssl pkey -in KEY -pubout"
    )
