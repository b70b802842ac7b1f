"""The outermost guard of work that goes on after the acknowledgement: every error becomes words and a log line.

What is expected to go wrong is handled where it does; here ends what nobody foresaw.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from contextlib import suppress

from bot.asker import Asker
from bot.cards.failure import failure_message
from bot.messages import Messages
from domain.errors import BrokenError, OpsError, TransientError

_log = logging.getLogger(__name__)

#: A bot that is stopped says so this long, no longer.
_LAST_WORD_SECONDS = 3.0


def broken(error: BaseException, *, what: str) -> tuple[BrokenError, str]:
    """Log an error that nobody foresaw; return what a person is told, and the id under which the log has it."""
    reference = secrets.token_hex(4)
    _log.error("request failed", exc_info=error, extra={"request": what, "error_id": reference})
    told = BrokenError("bot.broken", "The bot could not do this.", hint="Its log has more under the error id.")
    return told, reference


async def guarded(
    work: Awaitable[None], *, asker: Asker, messages: Messages, what: str, is_start: bool = False
) -> None:
    """Do work; tell the person when it fails.

    Args:
        work: What to do.
        asker: Who is told.
        messages: How.
        what: Name of the request, for the log.
        is_start: Somebody asked for something: say that nothing was started.
    """
    try:
        await work
    except OpsError as error:
        level = logging.ERROR if isinstance(error, BrokenError) else logging.INFO
        _log.log(level, "request refused", extra={"request": what, "person": asker.user, "error_code": error.code})
        await asker.tell(failure_message(error, is_start=is_start), messages=messages)
    except asyncio.CancelledError:
        # Whatever was sent carries an id, so that asking again does nothing twice.
        _log.warning("request broken off", extra={"request": what, "person": asker.user})
        stopped = TransientError(
            "bot.stopped",
            "The bot was stopped before this was done.",
            hint="Look what the message shows, or ask again.",
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await asker.tell(failure_message(stopped), messages=messages)
        raise
    except Exception as error:  # noqa: BLE001 - the last place where an error can still be told to the person
        told, reference = broken(error, what=what)
        await asker.tell(failure_message(told, reference=reference), messages=messages)
