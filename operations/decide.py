"""`/crdb approve`, `deny`, `cancel`, `pause`, `resume`: the text form of the buttons, and `/crdb help`."""

from __future__ import annotations

from pydantic import Field

from operations.base import ClusterRequest, Operation, Request


class ApproveRequest(Request):
    """Approve what a card asks."""

    id: str = Field(min_length=4, max_length=64, description="approval id printed on the card")


class DenyRequest(Request):
    """Deny what a card asks; the reason goes into the record."""

    id: str = Field(min_length=4, max_length=64, description="approval id printed on the card")
    reason: str = Field(min_length=5, max_length=500, description='why, in quotes, such as "wrong pod"')


class CancelRequest(ClusterRequest):
    """Stop the running operation of a cluster before its next step."""


class PauseRequest(ClusterRequest):
    """Hold the running operation of a cluster before its next node."""


class ResumeRequest(ClusterRequest):
    """Let the paused operation of a cluster go on."""


class HelpRequest(Request):
    """Say what can be asked for."""

    verb: str = Field(default="", description="the command to explain")


APPROVE = Operation(
    name="approve",
    summary="approve what a card asks (same as its button)",
    example="/crdb approve ab12cd34",
    kind="decision",
    role="approver",
    request=ApproveRequest,
)
DENY = Operation(
    name="deny",
    summary="deny what a card asks, with a reason",
    example='/crdb deny ab12cd34 "wrong pod"',
    kind="decision",
    role="approver",
    request=DenyRequest,
    beside="approve",
)
CANCEL = Operation(
    name="cancel",
    summary="stop the running operation before its next step",
    example="/crdb cancel",
    kind="decision",
    role="operator",
    request=CancelRequest,
)
PAUSE = Operation(
    name="pause",
    summary="hold a running upgrade or rollback before its next node, and let it go on",
    example="/crdb pause",
    kind="decision",
    role="operator",
    request=PauseRequest,
    beside="cancel",
)
RESUME = Operation(
    name="resume",
    summary="let a paused upgrade or rollback go on, planned anew from what is there",
    example="/crdb resume",
    kind="decision",
    role="operator",
    request=ResumeRequest,
    beside="cancel",
)
HELP = Operation(
    name="help",
    summary="say what can be asked for",
    example="/crdb help deploy",
    kind="talk",
    role="viewer",
    request=HelpRequest,
)
