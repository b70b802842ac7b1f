"""The search for secrets, without a world: it finds each spelling, and public halves are no secrets."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from devtools.scenarios.leaks import Place, search
from devtools.scenarios.secrets_of_run import Secret

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
OLD_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
NUMBER = KEY.private_numbers().private_value.to_bytes(32)
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
SECRETS = [Secret.of_key("key", PEM), Secret.of_text("token", TOKEN)]


def _found(content: bytes) -> set[str]:
    return {leak.secret for leak in search([Place("history", "event 1", content)], SECRETS)}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(PEM.encode(), "key", id="PEM"),
        pytest.param(OLD_PEM.encode(), "key", id="PEM of the old kind"),
        pytest.param(json.dumps({"data": {"x": PEM}}).encode(), "key", id="PEM in JSON"),
        pytest.param(json.dumps(json.dumps({"x": PEM})).encode(), "key", id="PEM in JSON in JSON"),
        pytest.param(base64.b64encode(b"ab" + PEM.encode()), "key", id="base64 of PEM, off by two"),
        pytest.param(base64.b64encode(json.dumps({"x": "".join(PEM.split(chr(10)))}).encode()), "key", id="payload"),
        pytest.param(NUMBER, "key", id="its number"),
        pytest.param(f"value {NUMBER.hex()} end".encode(), "key", id="its number in hex"),
        pytest.param(f"value {NUMBER.hex().upper()}".encode(), "key", id="its number in capital hex"),
        pytest.param(base64.urlsafe_b64encode(NUMBER), "key", id="its number as in a JWK"),
        pytest.param(f"Authorization: Bearer {TOKEN}".encode(), "token", id="token"),
        pytest.param(f"…{TOKEN[40:]}".encode(), "token", id="the end of a token"),
        pytest.param(base64.b64encode(b"x" + TOKEN.encode()), "token", id="token in base64"),
    ],
)
def test_a_secret_is_found_in_every_spelling(content: bytes, name: str) -> None:
    assert _found(content) == {name}
    assert _found(b"before " + content + b" after") == {name}


def test_what_is_public_is_no_leak() -> None:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert _found(public + base64.b64encode(public)) == set()
    assert _found(TOKEN[:40].encode()) == set()


def test_a_secret_does_not_show_itself_in_a_failed_test() -> None:
    assert PEM.splitlines()[1] not in repr(SECRETS)
    assert repr(SECRETS[1]) == "Secret(name='token')"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(ed25519.Ed25519PrivateKey.generate(), id="Ed25519"),
        pytest.param(rsa.generate_private_key(65537, 2048), id="RSA"),
    ],
)
def test_other_kinds_of_keys_are_found_too(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    leaks = search([Place("log", "worker.log", pem)], [Secret.of_key("key", pem.decode())])

    assert [(leak.secret, leak.place) for leak in leaks] == [("key", "worker.log")]
