"""Which releases of CockroachDB there are, and which may follow which.

A table and not a calculation: 2.1 is older than 19.1, and what comes after the newest row is asked about, not guessed.
Rows are only ever appended, so that what a run decided by an earlier table it decides again; where it matters what the
newest row is, the run has seen it (`newest`). What an upgrade does is `domain.upgrade`; a release such as `v25.4.1`
belongs to the series `25.4`.

People are asked about a series past the newest where some later table could allow it. Every later table begins with our
rows, so what leaves out one of ours that may not be left out is refused in all of them, and so is a number that should
stand among our rows and does not. That a number is higher is all that is known of the others.
"""

from __future__ import annotations

import re
from typing import Literal

from domain.errors import InvalidRequestError

Kind = Literal["regular", "innovation"]

#: When the last row was appended.
AS_OF = "2026-11"

_R: Kind = "regular"
_I: Kind = "innovation"
#: Oldest first, as the vendor's release support policy lists them: 24.2 was the first innovation release; from 25 on
#: the first and third of a year are.
TABLE: tuple[tuple[str, Kind], ...] = (
    ("1.1", _R), ("2.0", _R), ("2.1", _R), ("19.1", _R), ("19.2", _R), ("20.1", _R), ("20.2", _R), ("21.1", _R),
    ("21.2", _R), ("22.1", _R), ("22.2", _R), ("23.1", _R), ("23.2", _R), ("24.1", _R), ("24.2", _I), ("24.3", _R),
    ("25.1", _I), ("25.2", _R), ("25.3", _I), ("25.4", _R), ("26.1", _I), ("26.2", _R), ("26.3", _I), ("26.4", _R),
)  # fmt: skip

#: What goes on from an upgrade that is neither final nor rolled back.
WAYS_ON = "/crdb upgrade VERSION goes on with it, /crdb finalize makes it final, /crdb rollback leads back"

_ORDER = {series: place for place, (series, _) in enumerate(TABLE)}
_SERIES = re.compile(r"v?([0-9]{1,4}\.[0-9]{1,4})(?![0-9])")
_RELEASE = re.compile(r"v[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}")


def series_of(version: str) -> str:
    """Return the series of a release, a build or an active version, also of one that is being migrated; else ""."""
    match = _SERIES.match(version)
    return match[1] if match else ""


def release_of(image: str) -> str:
    """Return the release that an image's tag names; "" where it names none."""
    tag = image.rpartition(":")[2]
    return tag if _RELEASE.fullmatch(tag) else ""


def is_settled(active: str) -> bool:
    """Whether an active version is a series and nothing in between, as it is while the database migrates."""
    return active == series_of(active) != ""


def is_known(series: str) -> bool:
    """Whether the table has it."""
    return series in _ORDER


def known() -> str:
    """Say what the table knows."""
    return f"one of {TABLE[0][0]} to {TABLE[-1][0]}, which the table of {AS_OF} knows"


def newest() -> str:
    """Return the newest series of the table as it is now."""
    return TABLE[-1][0]


def is_beyond(series: str, *, newest: str) -> bool:
    """Whether a series comes after the newest that was known, by its number; never where none was."""
    return newest != "" and _number(series) > _number(newest)


def may_leave(series: str, *, newest: str) -> bool:
    """Whether some later table could allow one step from a series past the newest that was known.

    So it is from that one, from the regular one before it where it is an innovation, and from any past it.

    Raises:
        InvalidRequestError: `upgrade.unknown-series`.
    """
    if is_beyond(series, newest=newest):
        return True
    here, end = _place(series), _place(newest)
    return here == end or (here + 1 == end and TABLE[here][1] == "regular" and TABLE[end][1] == "innovation")


def by_pattern(series: str) -> tuple[str, ...]:
    """Return what may follow a series if all goes on as since 25.1; nothing for a number that is not of that pattern.

    The vendor's release support policy: four series a year, of which the first and the third are innovations.
    """
    year, number = _number(series)
    if year < 25 or not 1 <= number <= 4:
        return ()
    place = 4 * year + number
    after = (place, place + 1) if number % 2 == 0 else (place,)
    return tuple(f"{one // 4}.{one % 4 + 1}" for one in after)


def is_newer(series: str, *, than: str) -> bool:
    """Whether a series is newer than another.

    Raises:
        InvalidRequestError: `upgrade.unknown-series`.
    """
    return _place(series) > _place(than)


def legal_next(series: str) -> tuple[str, ...]:
    """Return the series that an upgrade may go to: the next one, and the one behind it where an innovation is skipped.

    Raises:
        InvalidRequestError: `upgrade.unknown-series`.
    """
    here = _place(series)
    after = TABLE[here + 1 : here + 3]
    may_skip = len(after) == 2 and TABLE[here][1] == "regular" and after[0][1] == "innovation"
    return tuple(name for name, _ in (after if may_skip else after[:1]))


def route(series: str, *, to: str) -> tuple[str, ...]:
    """Return the fewest legal steps from a series to a newer one, both included; nothing when it is not newer.

    Going as far as is legal at each step is never longer: every regular series reaches the next regular one.

    Raises:
        InvalidRequestError: `upgrade.unknown-series`.
    """
    end, found = _place(to), [series]
    if _place(series) >= end:
        return ()
    while found[-1] != to:
        found.append([one for one in legal_next(found[-1]) if _place(one) <= end][-1])
    return tuple(found)


def may_roll_back(release: str, *, active: str) -> bool:
    """Whether nodes may go back to a release: as long as the active version is its series, and nothing migrates."""
    return is_settled(active) and series_of(release) == active


def _number(series: str) -> tuple[int, int]:
    year, _, number = series.partition(".")
    return int(year), int(number)


def _place(series: str) -> int:
    if series not in _ORDER:
        raise InvalidRequestError(
            "upgrade.unknown-series", f"Release series: found {series!r}, expected {known()}.", hint="such as 25.4"
        )
    return _ORDER[series]
