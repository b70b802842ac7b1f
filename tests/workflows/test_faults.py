"""The fault matrix: {deploy, certify, init}, every step, every fault that can meet it: nothing lost or doubled.

Cells that do not apply are in `fault_cells` with their reason. Workers are killed in `test_killed`, since that needs
processes; the server dies in `test_faults_outage`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.workflows import test_killed
from tests.workflows.fault_cells import CELLS, FAULTS, STEPS, Fault, Step, reason_against
from tests.workflows.fault_runs import KILLED, RUNS, Run, play_faults
from tests.workflows.fault_table import render
from tests.workflows.stage import Grounds

pytestmark = pytest.mark.faults

PLAYED = [
    pytest.param(step, fault, id=f"{step.operation}-{step.name}-{fault}")
    for step, fault in CELLS
    if fault not in ("worker killed", KILLED) and not reason_against(step, fault)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs(grounds: Grounds, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Run]]:
    """Play all columns side by side, and print what was seen."""
    played = await play_faults(grounds.temporal)
    page = render(played, date="this run")
    (tmp_path_factory.mktemp("faults") / "fault-matrix.md").write_text(page)
    print(page)
    yield played


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("step", "fault"), PLAYED)
async def test_a_fault_at_any_step_loses_and_doubles_nothing(runs: list[Run], step: Step, fault: Fault) -> None:
    (run,) = [one for one in runs if fault in one.faults and step in one.steps]

    assert run.problems == []
    assert run.was_met(step, fault), f"{run.name} never met {fault} at {step.name}"


def test_every_cell_is_played_or_has_its_reason() -> None:
    planned = {(step, fault) for steps, faults in RUNS for step in steps for fault in faults}
    open_cells = {cell for cell in CELLS if not reason_against(*cell)}

    assert {cell for cell in open_cells - planned if cell[1] != "worker killed"} == set()
    assert {fault for _, fault in CELLS} == set(FAULTS)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.operation}-{step.name}")
def test_a_worker_is_killed_at_every_step_by_the_crash_matrix(step: Step) -> None:
    killed = {
        name for story, names in test_killed.GROUPS for name in names if step.operation != "init" or story == "init"
    }

    assert killed & set(step.activities) or reason_against(step, "worker killed")
