"""What the bot needs of Temporal, as a protocol: `gateway.client.OperationsClient` in production.

So that the bot can be tried without a Temporal server.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from domain.model import ClusterRef, Person
from gateway.client import Started
from gateway.looks import LookResult
from gateway.running import ApprovalTarget, Home, Running
from operations.base import Operation, Start
from operations.certify import CertifyStatus
from operations.gate import GateStatus
from operations.messages import Decision, DecisionReceipt, OperationStatus
from operations.observe import ObserveStatus


class GatewayPort(Protocol):
    """Start, decide, look, read; each raises errors of ours."""

    def url(self, workflow_id: str, *, run_id: str) -> str:
        """Return the address of a run in Temporal's Web UI."""

    async def is_healthy(self) -> bool:
        """Whether Temporal answers now."""

    async def start(
        self, operation: Operation, start: Start, *, ref: ClusterRef, requester: Person, summary: str
    ) -> Started:
        """Start a change under its cluster's lock."""

    async def running(self, ref: ClusterRef) -> Running | None:
        """Return who holds a cluster now."""

    async def home(self, workflow_id: str, *, run_id: str = "") -> Home:
        """Return where a change is shown."""

    async def target(self, workflow_id: str, *, run_id: str = "", approval_id: str = "") -> ApprovalTarget:
        """Return what a run asks a person for right now, of several the one of that id."""

    async def find_approval(self, approval_id: str) -> ApprovalTarget:
        """Return the run that asks under this approval id."""

    async def pending(self, *, limit: int = 20) -> tuple[ApprovalTarget, ...]:
        """Return what waits for a person, oldest first."""

    async def open_approvals(self, *, limit: int = 50) -> tuple[ApprovalTarget, ...]:
        """Return everything that is open under an approval id, expired or decided included, oldest first."""

    async def requests_of(self, ref: ClusterRef, *, limit: int = 50) -> tuple[ApprovalTarget, ...]:
        """Return the open certificate requests of one cluster, expired or decided included, oldest first."""

    async def runs(self, run_ids: Iterable[str]) -> tuple[ApprovalTarget, ...]:
        """Return what these runs ask for, open or closed."""

    async def decide(
        self, update: str, *, workflow_id: str, run_id: str, decision: Decision, update_id: str
    ) -> DecisionReceipt:
        """Send a signed decision to one run."""

    async def certify_status(self, workflow_id: str, *, run_id: str) -> CertifyStatus:
        """Ask the life of a CSR for all that its card shows."""

    async def gate_status(self, workflow_id: str, *, run_id: str, approval_id: str) -> GateStatus:
        """Ask a change for all that the card of one of its questions shows."""

    async def operation_status(self, workflow_id: str, *, run_id: str) -> OperationStatus:
        """Ask a change for all that its message shows."""

    async def observe_status(self, workflow_id: str, *, run_id: str) -> ObserveStatus:
        """Ask what observes an upgrade for all that its card shows."""

    async def look(
        self, operation: Operation, ref: ClusterRef, *, request_id: str, timeout: timedelta = timedelta(seconds=8)
    ) -> LookResult:
        """Look at a cluster."""

    async def last_seen(self, site: str) -> datetime | None:
        """Return when a worker of a site last asked for work."""
