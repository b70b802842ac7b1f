"""How a process that spoke to Temporal ends: at once, with its output written.

Temporal's core runs threads of its own. While the interpreter is being taken apart, one of them may still want its
lock, and Python then aborts the process after all its work is done (seen in one of six short runs). To be called as the
last line of every such program; drop it once the core joins its threads at exit.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn


def end(code: int) -> NoReturn:
    """Write what is buffered and end the process with an exit code."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
