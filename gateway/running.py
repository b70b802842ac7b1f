"""What Temporal knows of a run without any worker: memo and search attributes, as typed values.

Asking Temporal for them is `gateway.client`; what a run itself answers is its `status` query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from domain.errors import BusyError
from domain.model import Person
from operations.gate import ASKED
from operations.queues import APPROVAL, APPROVERS, CLUSTER, FINGERPRINT, STATE

_APPROVAL = SearchAttributeKey.for_keyword_list(APPROVAL)
_FINGERPRINT = SearchAttributeKey.for_keyword_list(FINGERPRINT)
_APPROVERS = SearchAttributeKey.for_keyword_list(APPROVERS)
_STATE = SearchAttributeKey.for_keyword(STATE)
_CLUSTER = SearchAttributeKey.for_keyword(CLUSTER)


class ApprovalTarget(BaseModel):
    """What a run asks a person for right now. `approval_id` empty: nothing.

    `approved_by`: ids of who has approved what a certificate's run asks for; of a change's several questions nobody is
    named, since the run names all approvers together.
    """

    model_config = ConfigDict(frozen=True)

    workflow_id: str
    run_id: str
    approval_id: str = ""
    fingerprint: str = ""
    state: str = ""
    cluster: str = ""
    question: str = ""
    approved_by: tuple[str, ...] = ()
    is_open: bool = True
    since: datetime | None = None


class Running(BaseModel):
    """Who holds a cluster: the newest change of its lock, with what its memo says."""

    model_config = ConfigDict(frozen=True)

    workflow_id: str
    run_id: str
    is_open: bool
    operation: str
    request_id: str = ""
    requester: Person | None = None
    summary: str = ""
    since: datetime
    url: str
    channel: str = ""
    root_ts: str = ""

    def error(self) -> BusyError:
        """Return the refusal that whoever comes second gets."""
        who = f"<@{self.requester.id}>" if self.requester else "somebody"
        since = f"{self.since:%Y-%m-%d %H:%M} UTC"
        return BusyError(
            "cluster.busy",
            f"Found {self.operation} running, asked for by {who} at {since}; expected no other operation.",
            hint="Wait until it ends, or ask for /crdb cancel.",
            operation=self.operation,
            requester=self.requester.id if self.requester else "",
            since=self.since.isoformat(),
            url=self.url,
            workflow_id=self.workflow_id,
            run_id=self.run_id,
            channel=self.channel,
            root_ts=self.root_ts,
        )


@dataclass(frozen=True)
class Home:
    """Where a change is shown: channel and root message, empty until its root was posted."""

    channel: str = ""
    root_ts: str = ""


def targets_of(execution: WorkflowExecution, memo: Mapping[str, Any] | None = None) -> tuple[ApprovalTarget, ...]:
    """Read what a run asks for out of its search attributes: one for each question, in the order they were asked.

    Args:
        execution: The run.
        memo: Where its memo was read: the questions' words are there.
    """
    words = (memo or {}).get(ASKED) or {}
    attributes = execution.typed_search_attributes
    names, fingerprints = attributes.get(_APPROVAL) or [], attributes.get(_FINGERPRINT) or []
    if len(names) != len(fingerprints):
        return ()  # written together, so this is no run of ours: nothing of it is signed
    return tuple(
        _asks_nothing(execution).model_copy(
            update={"approval_id": name, "fingerprint": fingerprint, "question": str(words.get(name, ""))}
        )
        for name, fingerprint in zip(names, fingerprints, strict=True)
    )


def target_of(
    execution: WorkflowExecution, memo: Mapping[str, Any] | None = None, *, approval_id: str = ""
) -> ApprovalTarget:
    """Return the question of that id, else the first one; without an approval id when the run asks nothing."""
    found = targets_of(execution, memo)
    return next((t for t in found if t.approval_id == approval_id), found[0] if found else _asks_nothing(execution))


def _asks_nothing(execution: WorkflowExecution) -> ApprovalTarget:
    attributes = execution.typed_search_attributes
    return ApprovalTarget(
        workflow_id=execution.id,
        run_id=execution.run_id,
        state=attributes.get(_STATE) or "",
        cluster=attributes.get(_CLUSTER) or "",
        approved_by=tuple(attributes.get(_APPROVERS) or ()) if execution.workflow_type == "Certify" else (),
        is_open=execution.status == WorkflowExecutionStatus.RUNNING,
        since=execution.start_time,
    )


def running_of(execution: WorkflowExecution, memo: Mapping[str, Any], *, url: str) -> Running:
    """Read who holds a lock out of the memo."""
    requester = memo.get("requester")
    return Running(
        workflow_id=execution.id,
        run_id=execution.run_id,
        is_open=execution.status == WorkflowExecutionStatus.RUNNING,
        operation=str(memo.get("operation") or execution.workflow_type.lower()),
        request_id=str(memo.get("request_id") or ""),
        requester=Person.model_validate(requester) if isinstance(requester, dict) else None,
        summary=str(memo.get("summary") or ""),
        since=execution.start_time,
        url=url,
        channel=str(memo.get("channel") or ""),
        root_ts=str(memo.get("root_ts") or ""),
    )
