"""Log lines of a node on standard error, in the shape of the vendor's: severity, time, source, text.

Not here: the banner, which goes to standard output (banner.py).
"""

import sys
from datetime import UTC, datetime


def _write(severity: str, text: str) -> None:
    at = datetime.now(UTC).strftime("%y%m%d %H:%M:%S.%f")
    sys.stderr.write(f"{severity}{at} 1 stand-in \u22ee {text}\n")
    sys.stderr.flush()


def info(text: str) -> None:
    """Something happened as it should."""
    _write("I", text)


def warning(text: str) -> None:
    """Something is wrong and will be tried again."""
    _write("W", text)


def error(text: str) -> None:
    """Something is wrong and will not mend itself."""
    _write("E", text)
