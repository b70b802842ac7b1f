"""Keys and rings that cannot be read: what is said, and that nothing of a key is in it."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from domain.errors import InvalidRequestError
from tests.tokens.keys import KEY, KID, NOW, private_pem, public_pem, ring_text
from tokens.keyring import KeyRing
from tokens.make import TokenSigner

P256 = generate_private_key(SECP256R1())
P256_PUBLIC = P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
X25519_PUBLIC = (
    X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)


@pytest.mark.parametrize(
    ("pem", "found"),
    [
        pytest.param(b"", "no readable private key", id="nothing"),
        pytest.param(b"secret words", "no readable private key", id="no PEM"),
        pytest.param(private_pem(KEY)[:60], "no readable private key", id="cut off"),
        pytest.param(public_pem(KEY).encode(), "no readable private key", id="a public key"),
        pytest.param(
            P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "another kind of key", id="P-256"
        ),
        pytest.param(
            KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
            "a key with a passphrase", id="with a passphrase",
        ),
    ],
)  # fmt: skip
def test_a_signing_key_that_is_none_is_refused_without_repeating_it(pem: bytes, found: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"Found {found}, expected an Ed25519 private key in PEM") as caught:
        TokenSigner(pem, kid=KID)

    assert caught.value.code == "token.bad-key"
    assert "openssl genpkey -algorithm ed25519" in caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        pytest.param("", "token.bad-ring", "file: Invalid JSON", id="nothing"),
        pytest.param("[]", "token.bad-ring", "file: Input should be an object", id="a list"),
        pytest.param("{}", "token.bad-ring", "keys: Field required", id="no keys"),
        pytest.param(ring_text(color="red"), "token.bad-ring", "keys.0.color: Extra inputs", id="an unknown field"),
        pytest.param(ring_text(kid=""), "token.bad-ring", "keys.0.kid", id="a key without a name"),
        pytest.param(ring_text(not_after="2027-01-01T00:00:00"), "token.bad-ring", "timezone", id="no zone"),
        pytest.param(ring_text(not_after=NOW.isoformat(), not_before=NOW.isoformat()), "token.bad-ring",
                     "not_before is not before not_after", id="dates in the wrong order"),
        pytest.param(ring_text(public_key="x"), "token.bad-key", "expected an Ed25519 public", id="no PEM"),
        pytest.param(ring_text(public_key=P256_PUBLIC), "token.bad-key", "expected an Ed25519 public", id="P-256"),
        pytest.param(ring_text(public_key=X25519_PUBLIC), "token.bad-key", "expected an Ed25519 public", id="X25519"),
    ],
)  # fmt: skip
def test_a_ring_that_cannot_be_read_is_refused(text: str, code: str, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        KeyRing.parse(text)

    assert caught.value.code == code
    assert said in caught.value.message


def test_a_private_key_put_into_the_ring_by_mistake_is_not_repeated() -> None:
    private = private_pem(KEY).decode()
    by_field = ring_text(private_key=private)
    by_value = ring_text(public_key=private)

    for text in (by_field, by_value):
        with pytest.raises(InvalidRequestError) as caught:
            KeyRing.parse(text)
        assert "PRIVATE" not in str(caught.value)
        assert private.splitlines()[1] not in str(caught.value)


def test_a_name_stands_for_one_key() -> None:
    twice = json.dumps({"keys": json.loads(ring_text())["keys"] * 2})

    with pytest.raises(InvalidRequestError, match=f"Key {KID}: found twice in the ring"):
        KeyRing.parse(twice)


def test_an_empty_ring_knows_nobody() -> None:
    assert KeyRing.parse('{"keys": []}').key(KID, at=NOW) is None
