"""Which release may follow which."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequestError
from domain.releases import (
    TABLE,
    by_pattern,
    is_beyond,
    is_newer,
    is_settled,
    legal_next,
    may_leave,
    may_roll_back,
    newest,
    release_of,
    route,
    series_of,
)

SERIES = [series for series, _ in TABLE]


@pytest.mark.parametrize(
    ("version", "series"),
    [
        ("v25.4.1", "25.4"), ("25.2", "25.2"), ("v2.1.11", "2.1"), ("25.2-upgrading-to-25.4-step-014", "25.2"),
        ("v25.10.1", "25.10"), ("20.1-12", "20.1"), ("", ""), ("latest", ""), ("v24", ""),
    ],
)  # fmt: skip
def test_the_series_of_a_release_a_build_or_an_active_version(version: str, series: str) -> None:
    assert series_of(version) == series


@pytest.mark.parametrize(
    ("image", "release"),
    [
        ("cockroachdb/cockroach:v25.4.1", "v25.4.1"), ("host:5000/cockroach:v25.4.1", "v25.4.1"), ("cockroach", ""),
        ("cockroach:latest", ""), ("host:5000/cockroach", ""), ("cockroach:v25.4.1@sha256:00", ""),
    ],
)  # fmt: skip
def test_the_release_that_an_image_names(image: str, release: str) -> None:
    assert release_of(image) == release


@pytest.mark.parametrize(
    ("series", "after"),
    [
        pytest.param("1.1", ("2.0",), id="one step, in the old days"),
        pytest.param("2.1", ("19.1",), id="2.1 is older than 19.1"),
        pytest.param("23.2", ("24.1",), id="up to the first with an innovation behind it"),
        pytest.param("24.1", ("24.2", "24.3"), id="the first innovation may be skipped"),
        pytest.param("24.2", ("24.3",), id="none is skipped from an innovation"),
        pytest.param("24.3", ("25.1", "25.2"), id="across a year"),
        pytest.param("25.1", ("25.2",), id="from an innovation to the next regular"),
        pytest.param("25.2", ("25.3", "25.4"), id="within a year"),
        pytest.param("26.3", ("26.4",), id="one before the end of the table"),
        pytest.param("26.4", (), id="the end of the table"),
    ],
)
def test_what_may_follow(series: str, after: tuple[str, ...]) -> None:
    assert legal_next(series) == after


@pytest.mark.parametrize(
    ("start", "end", "way"),
    [
        pytest.param("24.1", "25.4", ("24.1", "24.3", "25.2", "25.4"), id="innovations are skipped"),
        pytest.param("24.2", "25.3", ("24.2", "24.3", "25.2", "25.3"), id="from one innovation to another"),
        pytest.param("2.1", "19.2", ("2.1", "19.1", "19.2"), id="past the change of numbering"),
        pytest.param("25.4", "25.2", (), id="never back"),
        pytest.param("25.4", "25.4", (), id="never to itself"),
    ],
)
def test_the_shortest_way(start: str, end: str, way: tuple[str, ...]) -> None:
    assert route(start, to=end) == way


@given(st.sampled_from(SERIES), st.sampled_from(SERIES))
def test_every_step_of_a_way_is_legal_and_no_way_is_shorter(start: str, end: str) -> None:
    way = route(start, to=end)

    reached, steps = {start}, 0
    while way and end not in reached:
        reached, steps = {after for one in reached for after in legal_next(one)}, steps + 1
    assert all(after in legal_next(before) for before, after in pairwise(way))
    assert bool(way) == is_newer(end, than=start)
    assert len(way) == (steps + 1 if way else 0)


@pytest.mark.parametrize(
    ("release", "active", "may"),
    [
        pytest.param("v25.2.3", "25.2", True, id="not final"),
        pytest.param("v24.1.5", "24.1", True, id="also where an innovation was skipped"),
        pytest.param("v25.2.3", "25.4", False, id="final"),
        pytest.param("v25.2.3", "25.2-upgrading-to-25.4-step-014", False, id="becoming final"),
        pytest.param("v25.2.3", "", False, id="not known"),
    ],
)
def test_the_way_back_is_open_until_the_active_version_moves(release: str, active: str, may: bool) -> None:
    assert may_roll_back(release, active=active) is may
    assert is_settled(active) is ("-" not in active and active != "")


def test_a_series_that_the_table_lacks_is_asked_about_and_not_guessed() -> None:
    with pytest.raises(InvalidRequestError, match=r"found '27\.1', expected one of 1\.1 to 26\.4") as caught:
        route("26.4", to="27.1")
    assert caught.value.code == "upgrade.unknown-series"
    with pytest.raises(InvalidRequestError):
        legal_next("22.3")


@given(st.sampled_from(SERIES), st.sampled_from(SERIES))
def test_what_a_later_table_allows_an_earlier_one_asks_about_and_what_it_refused_is_never_allowed(
    start: str, known: str
) -> None:
    past = [after for after in legal_next(start) if is_newer(after, than=known)]

    assert not past or may_leave(start, newest=known)
    assert all(is_beyond(after, newest=known) for after in past)


@pytest.mark.parametrize(
    ("series", "known", "may"),
    [
        pytest.param("26.4", "26.4", True, id="from the newest"),
        pytest.param("26.2", "26.3", True, id="past an innovation that is the newest"),
        pytest.param("26.3", "26.3", True, id="from an innovation that is the newest"),
        pytest.param("27.1", "26.4", True, id="from one that people went to before"),
        pytest.param("26.2", "26.4", False, id="past a regular one"),
        pytest.param("26.3", "26.4", False, id="from the innovation before"),
        pytest.param("25.2", "26.4", False, id="from far below"),
    ],
)
def test_from_where_people_are_asked_about_a_newer_series(series: str, known: str, may: bool) -> None:
    assert may_leave(series, newest=known) is may


@pytest.mark.parametrize(
    ("series", "is_past"),
    [("27.1", True), ("26.9", True), ("26.5", True), ("26.4", False), ("25.9", False), ("19.3", False), ("3.1", False)],
)
def test_only_a_number_above_the_newest_is_one_of_a_newer_series(series: str, is_past: bool) -> None:
    assert is_beyond(series, newest=newest()) is is_past
    assert not is_beyond(series, newest="")


@pytest.mark.parametrize(
    ("series", "after"),
    [
        ("26.4", ("27.1", "27.2")), ("27.1", ("27.2",)), ("26.2", ("26.3", "26.4")), ("26.3", ("26.4",)),
        ("26.9", ()), ("24.3", ()), ("27.0", ()),
    ],
)  # fmt: skip
def test_what_would_follow_if_all_went_on_as_it_did(series: str, after: tuple[str, ...]) -> None:
    assert by_pattern(series) == after


@pytest.mark.parametrize("series", [series for series in SERIES if series >= "25.1"][:-2])
def test_the_pattern_is_that_of_the_table(series: str) -> None:
    assert by_pattern(series) == legal_next(series)
