"""`/crdb whoami`: which roles the asking person holds here, and why or why not."""

from __future__ import annotations

from operations.base import Operation, Request


class WhoamiRequest(Request):
    """What can be asked of whoami."""


OPERATION = Operation(
    name="whoami",
    summary="say which roles you hold, and why",
    example="/crdb whoami",
    kind="talk",
    role="viewer",
    request=WhoamiRequest,
)
