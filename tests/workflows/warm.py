"""Imported by the fork server alone: what a worker does once per process is done before the first is forked.

Every workflow is imported and prepared, and the SDK names the code after all modules: half of what a start takes.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.worker._worker import load_default_build_id

from worker import sandbox, workflow_classes


async def _prepare() -> None:
    for one in workflow_classes():
        sandbox().prepare_workflow(workflow._Definition.must_from_class(one))


asyncio.run(_prepare())
load_default_build_id()
