"""What the fake world knows of the database's members and of volumes whose pod is gone."""

from __future__ import annotations

from pydantic import BaseModel

from domain.health import Membership, NodeStatus


class Member(BaseModel):
    """One node as the database lists it. `ordinal` None: its address is forgotten."""

    id: int
    ordinal: int | None
    membership: Membership = "active"
    is_live: bool = True
    is_draining: bool = False
    replicas: int = 12
    is_noted: bool = False
    build: str = "v25.2.3"

    def status(self) -> NodeStatus:
        """Its row; where a decommissioned node was only its volume tells, if that was noted."""
        is_known = self.ordinal is not None and self.membership != "decommissioned"
        return NodeStatus(
            id=self.id,
            address=f"cockroachdb-{self.ordinal}.cockroachdb.crdb:26257" if is_known else "",
            noted_at=self.ordinal if self.is_noted else None,
            build=self.build,
            is_live=self.is_live,
            membership=self.membership,
            is_draining=self.is_draining,
            replicas=self.replicas,
        )


class Claim(BaseModel):
    """A volume without its pod."""

    ordinal: int
    node_id: int | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return f"datadir-cockroachdb-{self.ordinal}"
