"""Histories of released versions still replay: the workflows give the same commands in the same order.

A failure here means that runs in flight would break: put the change behind `workflow.patched()`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import worker
from devtools.histories import replayer
from gateway.connect import DATA_CONVERTER
from operations.deploy import DeployStart
from tests.replay.record import FOLDER, STORIES
from tests.workflows.people import Pen

_MINUTE = timedelta(minutes=1)
HISTORIES = sorted(FOLDER.glob("*/*.json"))


@workflow.defn(name="Deploy", sandboxed=False)
class AlteredDeploy:
    """Looks at the signer before it asks who may."""

    @workflow.run
    async def run(self, start: DeployStart) -> None:
        await workflow.execute_activity("signing.preflight", schedule_to_close_timeout=_MINUTE)


def read(path: Path) -> WorkflowHistory:
    text = path.read_text()
    first = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(first["workflowId"], text)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_stored_history_replays(path: Path) -> None:
    result = await replayer(Pen().ring).replay_workflow(read(path))

    assert result.replay_failure is None


async def test_workflow_code_touches_nothing_that_a_sandbox_forbids() -> None:
    ours = [name for name in worker.SHARED if name != "workflows"]
    strict = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*ours))

    for path in HISTORIES:
        result = await replayer(Pen().ring, runner=strict).replay_workflow(read(path))
        assert result.replay_failure is None, path.stem


def test_every_version_has_every_story() -> None:
    names = {story.__name__ for story in STORIES}
    stored = {folder.name: {path.stem for path in folder.glob("*.json")} for folder in FOLDER.iterdir()}

    changed = stored.pop("next")

    assert changed <= names
    assert stored
    assert stored == dict.fromkeys(stored, names)


async def test_a_changed_order_of_activities_is_caught() -> None:
    altered = Replayer(
        workflows=[AlteredDeploy], data_converter=DATA_CONVERTER, workflow_runner=UnsandboxedWorkflowRunner()
    )

    with pytest.raises(workflow.NondeterminismError):
        await altered.replay_workflow(read(HISTORIES[0].with_stem("deploy_happy")))
