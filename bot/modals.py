"""Modals: opened at once, while Slack still knows the trigger, and filled when there is something to say.

What they look like is `bot.cards`; what they are for is `bot.actions` and `bot.review`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from bot.cards.blocks import Json
from bot.slack_errors import translated
from domain.errors import BrokenError

_log = logging.getLogger(__name__)

#: The person closed it, or somebody drew it meanwhile: nothing is wrong, and nobody has to be told.
_LEFT = frozenset({"slack.not-found", "slack.hash-conflict"})


@dataclass(frozen=True)
class Opened:
    """A modal as it was opened; `hash` names that drawing."""

    id: str
    hash: str


async def open_modal(client: AsyncWebClient, *, trigger: str, view: Json) -> Opened:
    """Open a modal.

    Raises:
        OpsError: Slack does not: the trigger is older than three seconds, or Slack cannot be reached.
    """
    with translated("opening a dialog"):
        answer = await client.views_open(trigger_id=trigger, view=view)
    return Opened(id=answer["view"]["id"], hash=answer["view"]["hash"])


async def fill_modal(client: AsyncWebClient, opened: Opened, *, view: Json) -> None:
    """Draw a modal anew, unless it was closed or drawn by somebody else meanwhile.

    Raises:
        OpsError: Slack does not.
    """
    try:
        with translated("filling a dialog"):
            await client.views_update(view_id=opened.id, hash=opened.hash, view=view)
    except BrokenError as error:
        if error.code not in _LEFT:
            raise
        _log.info("dialog not filled", extra={"error_code": error.code})
