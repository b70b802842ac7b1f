"""People of the tests, and the pen that signs for them as the bot does after a click."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from domain.model import Person
from operations.base import Request, request_hash
from operations.messages import Decision, Token, Verb
from tokens.keyring import KeyRing, RingKey
from tokens.make import TokenSigner

ALICE = Person(team="T1", id="U1", name="Alice", groups=("S-OPS",))
BOB = Person(team="T1", id="U2", name="Bob", groups=("S-APPROVE",))
CAROL = Person(team="T1", id="U3", name="Carol", groups=("S-APPROVE",))
#: Holds both roles, as few people should.
DAVE = Person(team="T1", id="U4", name="Dave", groups=("S-OPS", "S-APPROVE"))
VIEWER = Person(team="T1", id="U5", name="Vera")
STRANGER = Person(team="T9", id="U2", name="Bob", groups=("S-APPROVE",))


class Pen:
    """A key pair of the bot: signs starts and decisions."""

    def __init__(self) -> None:
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._signer = TokenSigner(private, kid="test")
        now = datetime.now(UTC)
        self.ring_key = RingKey(
            kid="test",
            public_key=key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            not_before=now - timedelta(days=1),
            not_after=now + timedelta(days=1),
        )
        self.ring = KeyRing((self.ring_key,))

    def start(self, person: Person, operation: str, request: Request, *, workflow_id: str, request_id: str) -> Token:
        """Sign for a start."""
        return self._signer.issue(
            "start",
            person,
            workflow_id=workflow_id,
            now=datetime.now(UTC),
            request_id=request_id,
            request_hash=request_hash(operation, request),
        )

    def decision(
        self, verb: Verb, person: Person, *, workflow_id: str, reason: str = "", **fields: str | int
    ) -> Decision:
        """Sign for a click."""
        token = self._signer.issue(verb, person, workflow_id=workflow_id, now=datetime.now(UTC), **fields)
        return Decision(token=token, reason=reason)
