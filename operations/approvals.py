"""`/crdb approvals`: what waits for a person right now, in every cluster; Temporal alone knows it, without a worker."""

from __future__ import annotations

from operations.base import Operation, Request


class ApprovalsRequest(Request):
    """What can be asked of approvals."""


OPERATION = Operation(
    name="approvals",
    summary="list what waits for a decision, oldest first",
    example="/crdb approvals",
    kind="talk",
    role="viewer",
    request=ApprovalsRequest,
)
