"""The table of releases: order, and whose data a release opens."""

import pytest

from devtools.cockroach import release


@pytest.mark.parametrize(
    ("series", "oldest"),
    [
        pytest.param("2.1", "2.0", id="one step"),
        pytest.param("19.1", "2.1", id="over the change of numbering"),
        pytest.param("24.1", "23.2", id="last of one step"),
        pytest.param("24.2", "24.1", id="innovation after regular"),
        pytest.param("24.3", "24.1", id="regular over an innovation"),
        pytest.param("25.1", "24.3", id="innovation of a new year"),
        pytest.param("25.2", "24.3", id="regular over an innovation of its year"),
        pytest.param("25.4", "25.2", id="regular to regular"),
    ],
)
def test_a_release_opens_data_of_its_predecessors(series: str, oldest: str) -> None:
    assert release.oldest_readable(series) == oldest


def test_order_is_that_of_release_not_of_numbers() -> None:
    assert release.position("2.1") < release.position("19.1") < release.position("25.2")


@pytest.mark.parametrize(("version", "series"), [("v25.2.3", "25.2"), ("v25.2.0-alpha.1", "25.2"), ("2.1.0", "2.1")])
def test_a_version_belongs_to_a_series(version: str, series: str) -> None:
    assert release.series_of(version) == series


def test_the_environment_picks_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKROACH_STANDIN_VERSION", "v24.3.1")

    assert release.running_version() == "v24.3.1"
