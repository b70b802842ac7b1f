"""Which release this program plays, and which releases' data a release opens.

Lives here: the ordered table of major series (a table, because 2.1 is older than 19.1) and the running version.
Not here: what a node does with a store of another release (store.py).
"""

import os
import sys

DEFAULT_VERSION = "v25.2.3"

# Oldest first. Innovation releases may be skipped, regular ones may not.
# fmt: off
SERIES: tuple[str, ...] = (
    "1.0", "1.1", "2.0", "2.1", "19.1", "19.2", "20.1", "20.2", "21.1", "21.2", "22.1", "22.2", "23.1", "23.2",
    "24.1", "24.2", "24.3", "25.1", "25.2", "25.3", "25.4", "26.1", "26.2", "26.3", "26.4",
)
# fmt: on
_INNOVATION = frozenset({"24.2", "25.1", "25.3", "26.1", "26.3"})


def running_version() -> str:
    """The version this process plays: environment, then a file VERSION beside the program, then the default."""
    asked = os.environ.get("COCKROACH_STANDIN_VERSION", "")
    if asked:
        return asked
    beside = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "VERSION")
    try:
        with open(beside, encoding="ascii") as file:
            return file.read().strip() or DEFAULT_VERSION
    except OSError:
        return DEFAULT_VERSION


def series_of(version: str) -> str:
    """The major series of a version: `25.2` of `v25.2.3`."""
    parts = version.removeprefix("v").split("-")[0].split(".")
    return ".".join(parts[:2])


def position(series: str) -> int:
    """Where a series stands in the order of releases; a series not in the table counts as newer than all."""
    return SERIES.index(series) if series in SERIES else len(SERIES)


def oldest_readable(series: str) -> str:
    """The oldest series whose data a binary of this series opens."""
    at = position(series)
    if at == 0:
        return series
    before = SERIES[at - 1]
    if series not in _INNOVATION and before in _INNOVATION and at >= 2:
        return SERIES[at - 2]
    return before
