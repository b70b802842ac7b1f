"""The fault matrix as a table with what was seen; `python -m tests.workflows.fault_table` plays it and writes the page.

The cells are `fault_cells`, the runs `fault_runs`; workers are killed by `test_killed`, whose cells are named here.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.settings import TemporalSettings
from tests.e2e.test_faults_on_kubernetes import BESIDE, DEPLOY, INIT
from tests.workflows.fault_cells import FAULTS, STEPS, Fault, Step, reason_against
from tests.workflows.fault_runs import Run, play_faults, play_outage
from tests.workflows.server import running_server

PAGE = Path("docs/reference/fault-matrix.md")

_HEAD = """# Fault matrix

What was seen on {date}, written by `python -m tests.workflows.fault_table`; do not edit by hand.

Every operation is played on a real Temporal server with the production's workflows and activities; behind their ports
stand fakes that count. ✓: the fault was met at this step, the operation ended well, nothing was lost, nothing doubled:
one `init`, one authority, one object of each name, one certificate for each request, one decision, one root message and
one card for each request. What is seen of these faults on a real Kubernetes is in
[when X dies](../explanation/when-x-dies.md).

"""

_ON_KUBERNETES = """## On a real Kubernetes

Chosen cells, in one world: `tests/e2e/test_faults_on_kubernetes.py`. Workers are killed there by
`test_killed_on_kubernetes.py` and by the scenario `faults`.
"""


def render(runs: Iterable[Run], *, date: str) -> str:
    """Return the page."""
    played = {(step, fault): run for run in runs for step in run.steps for fault in run.faults}
    reasons = sorted({reason for step in STEPS for fault in FAULTS if (reason := reason_against(step, fault))})
    marks = {reason: f"{number}" for number, reason in enumerate(reasons, start=1)}
    lines = [
        "| operation | step | " + " | ".join(FAULTS) + " |",
        "| --- | --- |" + " --- |" * len(FAULTS),
    ]
    for step in STEPS:
        cells = [_cell(step, fault, played.get((step, fault)), marks) for fault in FAULTS]
        lines.append(f"| {step.operation} | {step.name} | {' | '.join(cells)} |")
    lines += ["", "A number: the cell does not apply.", ""]
    lines += [f"{mark}. {reason}" for reason, mark in marks.items()]
    lines += ["", "k: killed before and after each activity of the step by `tests/workflows/test_killed.py`.", ""]
    lines += ["| fault | as it is played |", "| --- | --- |"]
    lines += [f"| {fault} | {how} |" for fault, how in FAULTS.items()]
    lines += ["", _ON_KUBERNETES]
    chosen = [name for name, *_ in (*DEPLOY, *INIT)]
    lines += [f"- {name}" for name in sorted([*chosen, *BESIDE])]
    return _HEAD.format(date=date) + "\n".join(lines) + "\n"


def _cell(step: Step, fault: Fault, run: Run | None, marks: dict[str, str]) -> str:
    reason = reason_against(step, fault)
    if reason:
        return marks[reason]
    if fault == "worker killed":
        return "k"
    if run is None:
        return "not played"
    if not run.was_met(step, fault):
        return "not met"
    return "✓" if not run.problems else f"✗ {'; '.join(run.problems)}"


async def _play(temporal: TemporalSettings) -> list[Run]:
    runs = await play_faults(temporal)
    with TemporaryDirectory(prefix="crdb-outage-") as folder:
        # A few at a time: each waits in the middle of its step until all have come there.
        for number in range(0, len(STEPS), 4):
            runs += await play_outage(Path(folder) / str(number), steps=STEPS[number : number + 4])
    return runs


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with running_server() as found:
        page = render(asyncio.run(_play(found)), date=f"{datetime.now(UTC):%Y-%m-%d}")
    PAGE.write_text(page)
    sys.stdout.write(page)
