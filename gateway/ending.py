"""How a process that spoke to Temporal ends: at once, with its output written.

Temporal's core runs threads of its own. While the interpreter is being taken apart, one of them may still want its
lock, and Python then aborts the process after all its work is done (seen in one of six short runs). To be called as the
last line of every such program; drop it once the core joins its threads at exit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import NoReturn

_log = logging.getLogger(__name__)


def end(code: int) -> NoReturn:
    """Write what is buffered and end the process with an exit code."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def end_within(seconds: float) -> None:
    """End the process with 1 unless it has come to its end by itself until then; to be called on its event loop.

    A worker of the SDK may never come to the end of its stop (seen with temporalio 1.35.0, in one of some thousand;
    what it waited for could not be seen any more). Who ended the worker from outside kills it then; nobody does where
    it ended itself.
    """
    asyncio.get_running_loop().call_later(seconds, _give_up, seconds)


def _give_up(seconds: float) -> None:
    _log.error("process did not stop in time", extra={"seconds": seconds})
    end(1)
