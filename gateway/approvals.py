"""What waits for people, as Temporal alone knows it: open requests by approval id, by cluster, by run.

Mixed into `gateway.client`, which signs off decisions; what the attributes mean is `gateway.running`. No worker is
asked, so all of it works while none is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from domain.errors import RefusedError
from domain.model import ClusterRef
from gateway.failures import unreachable
from gateway.running import ApprovalTarget, targets_of
from operations.queues import APPROVAL, CLUSTER, STATE

#: One call to Temporal; a person waits behind it.
CALL = timedelta(seconds=5)
#: The open life of a certificate signing request.
_OPEN_CERTIFY = "WorkflowType = 'Certify' AND ExecutionStatus = 'Running'"


class ApprovalReads:
    """Reads what is asked of people.

    Args:
        client: Connected by `gateway.connect`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find_approval(self, approval_id: str) -> ApprovalTarget:
        """Return the run that asks under this approval id.

        Raises:
            InvalidRequestError: No open request carries it.
            TransientError: `temporal.unreachable`.
        """
        # The id comes from a person: only what an id is made of may reach the query.
        name = _plain(approval_id)
        found = await self.pending(limit=1, more=f"AND {APPROVAL} = '{name}'") if name else ()
        asked = next((target for target in found if target.approval_id == name), None)
        if asked is None:
            raise RefusedError(
                "approval.unknown",
                f"Found no open request with approval id {name or '(empty)'}, expected the id printed on a card.",
                hint="for example /crdb approve ab12cd34",
            )
        return asked

    async def pending(self, *, limit: int = 20, more: str = "") -> tuple[ApprovalTarget, ...]:
        """Return what waits for a person, certificates and questions of changes, oldest first.

        Raises:
            TransientError: `temporal.unreachable`.
        """
        return await self._targets(f"ExecutionStatus = 'Running' AND {STATE} = 'pending' {more}".strip(), limit)

    async def open_approvals(self, *, limit: int = 50) -> tuple[ApprovalTarget, ...]:
        """Return everything that is open under an approval id, expired or decided included, oldest first.

        Raises:
            TransientError: `temporal.unreachable`.
        """
        found = await self._targets(f"ExecutionStatus = 'Running' AND {APPROVAL} IS NOT NULL", limit)
        return tuple(target for target in found if target.approval_id)

    async def requests_of(self, ref: ClusterRef, *, limit: int = 50) -> tuple[ApprovalTarget, ...]:
        """Return the open certificate requests of one cluster, expired or decided included, oldest first.

        Raises:
            TransientError: `temporal.unreachable`.
        """
        found = await self._targets(f"{_OPEN_CERTIFY} AND {CLUSTER} = '{ref}' AND {APPROVAL} IS NOT NULL", limit)
        return tuple(target for target in found if target.approval_id)

    async def runs(self, run_ids: Iterable[str]) -> tuple[ApprovalTarget, ...]:
        """Return what these runs ask for, open or closed; a run that is not known is left out.

        Raises:
            TransientError: `temporal.unreachable`.
        """
        names = sorted({_plain(run_id) for run_id in run_ids} - {""})
        if not names:
            return ()
        listed = ", ".join(f"'{name}'" for name in names)
        return await self._targets(f"RunId IN ({listed})", len(names))

    async def _targets(self, query: str, limit: int) -> tuple[ApprovalTarget, ...]:
        try:
            found = [e async for e in self._client.list_workflows(query, limit=limit, rpc_timeout=CALL)]
            asked = [targets_of(e, await e.memo()) for e in sorted(found, key=lambda e: e.start_time)]
        except RPCError as error:
            raise unreachable(error) from error
        return tuple(target for targets in asked for target in targets)


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isalnum() or c in "-_")
