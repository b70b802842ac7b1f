"""CA keys in memory: AuthorityPort with real certificates, so that what is signed can be verified."""

from __future__ import annotations

from datetime import datetime

from activities.clients.authority import KeyedAuthority, make_ca
from activities.ports import Authority
from domain.errors import OpsError
from domain.model import ClusterRef


class FakeAuthorities:
    """AuthorityPort in memory. `rival` is made by another signer between our look and our create."""

    def __init__(self) -> None:
        self.held: dict[str, KeyedAuthority] = {}
        self.made = 0
        self.rival: KeyedAuthority | None = None
        self.refusal: OpsError | None = None

    def put(self, ref: ClusterRef, *, days: int, now: datetime) -> KeyedAuthority:
        """Make a CA as if it had been there before."""
        self.held[str(ref)] = KeyedAuthority.load(*make_ca(ref, days=days, now=now))
        return self.held[str(ref)]

    async def find(self, ref: ClusterRef) -> Authority | None:
        if self.refusal:
            raise self.refusal
        return self.held.get(str(ref))

    async def make(self, ref: ClusterRef, *, days: int, now: datetime) -> tuple[Authority, bool]:
        if self.rival is not None:
            self.held[str(ref)] = self.rival
        if str(ref) in self.held:
            return self.held[str(ref)], False
        self.made += 1
        return self.put(ref, days=days, now=now), True
