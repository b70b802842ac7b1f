"""Which release this program plays, which releases' data a release opens, and the way from one to the next.

Lives here: the ordered table of major series (a table, because 2.1 is older than 19.1), the running version, and the
values of an active version: a series, or a place on the way from one to another, `25.2-upgrading-to-25.4-step-003`.
Not here: what a node does with a store of another release (store.py), when the active version moves (finalizer.py).
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
STEPS = 4  # values in between; the vendor's has some dozens
_UPGRADING, _STEP = "-upgrading-to-", "-step-"
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
    """The major series of a version: `25.2` of `v25.2.3`; of one on its way the series it comes from."""
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


def goal(version: str) -> str:
    """The series that an active version is, or is on its way to: older binaries do not open its data."""
    return version.partition(_UPGRADING)[2].partition(_STEP)[0] or version


def after(version: str, *, to: str) -> str:
    """The active version that comes next on the way to a series."""
    step = progress(version)[1] + 1
    return to if step > STEPS else f"{series_of(version)}{_UPGRADING}{to}{_STEP}{step:03}"


def progress(version: str) -> tuple[int, int]:
    """How far an active version is: the larger, the later; none at all is the earliest."""
    return (position(series_of(version)), int(version.partition(_STEP)[2] or 0)) if version else (-1, 0)


def is_outdated(series: str, *, by: str) -> bool:
    """Whether a binary of this series is too old for an active version."""
    return position(series) < position(goal(by))


def is_ahead(series: str, *, of: str) -> bool:
    """Whether a binary of this series is too new for an active version."""
    return position(series_of(of)) < position(oldest_readable(series))
