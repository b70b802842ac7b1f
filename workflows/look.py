"""`Look`: one short, lock-free reading of Kubernetes and the database for a person who asked."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from operations.base import LookStart
    from operations.csr import CsrResult
    from operations.status import StatusResult
    from workflows.retries import LOOK

_RESULTS: dict[str, type[BaseModel]] = {"status": StatusResult, "csr": CsrResult}


@workflow.defn(name="Look")
class LookWorkflow:
    """1. Run the operation's reading activity and return what it saw. Nothing is changed, so nothing is undone."""

    @workflow.run
    async def run(self, start: LookStart) -> Any:
        """Read and return."""
        return await workflow.execute_activity(
            f"look.{start.operation}",
            start,
            result_type=_RESULTS[start.operation],
            summary=f"{start.operation} of {start.ref.cluster}",
            **LOOK,
        )
