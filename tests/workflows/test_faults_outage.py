"""The fault matrix's dearest column: Temporal is killed in the middle of a step and started again with its database.

One step of each operation here; all of them are played in the cluster stage, where time is at hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflows.fault_cells import STEPS, Step
from tests.workflows.fault_runs import KILLED, play_outage

pytestmark = pytest.mark.faults

CHOSEN = frozenset({("deploy", "init"), ("certify", "sign"), ("init", "running")})
OTHERS = [step for step in STEPS if (step.operation, step.name) not in CHOSEN]


async def _survive(folder: Path, steps: list[Step]) -> None:
    runs = await play_outage(folder, steps=steps)

    assert {run.name: run.problems for run in runs if run.problems} == {}
    assert [step for run in runs for step in run.steps if not run.was_met(step, KILLED)] == []


@pytest.mark.timeout(300)
async def test_a_server_killed_in_the_middle_of_a_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    await _survive(tmp_path, [step for step in STEPS if (step.operation, step.name) in CHOSEN])


@pytest.mark.cluster
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, len(OTHERS), 5))
async def test_a_server_killed_at_any_other_step_loses_and_doubles_nothing(tmp_path: Path, first: int) -> None:
    await _survive(tmp_path, OTHERS[first : first + 5])
