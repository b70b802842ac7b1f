"""Lines of progress: who calls decides where they go.

Not a log: a person waits in front of these. The node's programs log into the cluster's state folder.
"""

import sys
import time
from collections.abc import Callable

Report = Callable[[str], None]


def to_stderr(text: str) -> None:
    """Print a line that is seen at once."""
    print(text, file=sys.stderr, flush=True)


def silent(text: str) -> None:
    """Print nothing."""


def elapsed(since: float) -> str:
    """Time since a reading of time.monotonic(), as people write it."""
    minutes, seconds = divmod(round(time.monotonic() - since), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
