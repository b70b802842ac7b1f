"""Each workflow is prepared for the sandbox once per process of tests, as in a process of production.

The SDK prepares all workflows of a worker, or of a replayer, by importing and making each of them in the sandbox. What
that finds cannot change between two tests, of which every one makes a worker and a replayer.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.worker._worker import load_default_build_id
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from worker import sandbox, workflow_classes

_prepare = SandboxedWorkflowRunner.prepare_workflow
_prepared: set[type] = set()


def _prepare_once(runner: SandboxedWorkflowRunner, definition: workflow._Definition) -> None:
    if definition.cls not in _prepared:
        _prepare(runner, definition)
        _prepared.add(definition.cls)


def prepare_once() -> None:
    """Let the SDK pass over what it prepared before."""
    SandboxedWorkflowRunner.prepare_workflow = _prepare_once  # type: ignore[method-assign]


def prepare_all() -> None:
    """Do what the SDK does once per process: prepare every workflow, and name the code after all modules."""
    prepare_once()
    asyncio.run(_prepare_all())
    load_default_build_id()


async def _prepare_all() -> None:
    for one in workflow_classes():
        sandbox().prepare_workflow(workflow._Definition.must_from_class(one))
