"""What keeps an upgrade from becoming final, and the values that the active version passes."""

import pytest

from devtools.cockroach import release
from devtools.cockroach.finalizer import Runs, held_by
from devtools.cockroach.roster import ACTIVE, DECOMMISSIONED, DECOMMISSIONING

NEW, OLD = "v25.4.1", "v25.2.3"
UP: Runs = (ACTIVE, True, NEW)


@pytest.mark.parametrize(
    ("node", "why"),
    [
        pytest.param(UP, "", id="all run the release"),
        pytest.param((ACTIVE, True, "v25.4.0"), "", id="patches do not matter"),
        pytest.param((ACTIVE, True, OLD), "not all nodes are running 25.4 yet: n2 runs v25.2.3", id="older binary"),
        pytest.param((ACTIVE, False, NEW), "n2 required, but unavailable", id="dead"),
        pytest.param((DECOMMISSIONING, True, NEW), "n2 is still decommissioning", id="decommissioning"),
        pytest.param((DECOMMISSIONING, False, ""), "n2 is still decommissioning", id="decommissioning and dead"),
        pytest.param((DECOMMISSIONED, False, ""), "", id="decommissioned"),
    ],
)
def test_every_node_that_belongs_to_the_cluster_has_to_live_and_run_it(node: Runs, why: str) -> None:
    assert held_by({1: UP, 2: node, 3: UP}, to="25.4") == why


def test_the_active_version_passes_values_in_between() -> None:
    passed = ["25.2"]
    while passed[-1] != "25.4":
        passed.append(release.after(passed[-1], to="25.4"))

    assert passed[1] == "25.2-upgrading-to-25.4-step-001"
    assert passed[-2:] == [f"25.2-upgrading-to-25.4-step-{release.STEPS:03}", "25.4"]
    assert sorted(passed, key=release.progress) == passed
    assert release.progress("") < release.progress("1.0")


@pytest.mark.parametrize(
    ("series", "active", "is_outdated", "is_ahead"),
    [
        pytest.param("25.2", "25.2", False, False, id="its own"),
        pytest.param("25.4", "25.2", False, False, id="not final yet"),
        pytest.param("25.2", "25.2-upgrading-to-25.4-step-001", True, False, id="no way back once it is on its way"),
        pytest.param("25.4", "25.2-upgrading-to-25.4-step-001", False, False, id="on its way"),
        pytest.param("25.2", "25.4", True, False, id="final"),
        pytest.param("26.2", "25.2", False, True, id="skips a regular release"),
        pytest.param("26.2", "25.4-upgrading-to-26.1-step-002", False, False, id="skips an innovation release"),
        pytest.param("26.2", "25.2-upgrading-to-25.4-step-002", False, True, id="before the last one is final"),
        pytest.param("2.1", "19.1", True, False, id="2.1 is older than 19.1"),
    ],
)
def test_whose_data_a_binary_opens(series: str, active: str, is_outdated: bool, is_ahead: bool) -> None:
    assert release.is_outdated(series, by=active) is is_outdated
    assert release.is_ahead(series, of=active) is is_ahead
