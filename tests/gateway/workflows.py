"""Small workflows of the product's types, so that the gateway can be tried on a real Temporal server alone."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from operations.base import LookStart
    from operations.certify import CertifyStart, CertifyStatus
    from operations.deploy import DeployStart
    from operations.gate import ASKED, Gates
    from operations.messages import Decision, DecisionReceipt, OperationStatus
    from operations.queues import APPROVAL, FINGERPRINT, STATE
    from operations.status import StatusResult
    from tests.bot import given


def show(state: str, pairs: list[tuple[str, str]]) -> None:
    """Say what is asked, each approval id with its fingerprint."""
    names, fingerprints = [name for name, _ in pairs], [fingerprint for _, fingerprint in pairs]
    workflow.upsert_search_attributes(
        [
            SearchAttributeKey.for_keyword(STATE).value_set(state),
            SearchAttributeKey.for_keyword_list(APPROVAL).value_set(names),
            SearchAttributeKey.for_keyword_list(FINGERPRINT).value_set(fingerprints),
        ]
    )


def refused(code: str, sentence: str) -> ApplicationError:
    facts = {"code": code, "message": sentence, "hint": "Try another."}
    return ApplicationError(sentence, facts, type="RefusedError", non_retryable=True)


@workflow.defn(name="Deploy")
class DeployWorkflow:
    @workflow.init
    def __init__(self, start: DeployStart) -> None:
        self.is_over = False
        self.ran = 0

    @workflow.run
    async def run(self, start: DeployStart) -> int:
        await workflow.wait_condition(lambda: self.is_over)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.ran

    @workflow.signal
    def place(self) -> None:
        workflow.upsert_memo({"channel": "C0OPS", "root_ts": "1.2"})

    @workflow.signal
    def ask(self, pairs: list[tuple[str, str]]) -> None:
        show("pending" if pairs else "running", pairs)
        workflow.upsert_memo({ASKED: {name: f"Really {name}?" for name, _ in pairs}})

    @workflow.query(name="gates")
    def gates(self) -> Gates:
        info = workflow.info()
        return Gates(gates=(given.gate(workflow_id=info.workflow_id, run_id=info.run_id),))

    @workflow.query(name="status")
    def status(self) -> OperationStatus:
        info = workflow.info()
        return given.operation(workflow_id=info.workflow_id, run_id=info.run_id)

    @workflow.update(name="cancel")
    async def cancel(self, decision: Decision) -> DecisionReceipt:
        self.ran += 1
        self.is_over = True
        return DecisionReceipt(sentence="Stopping before the next step.")

    @cancel.validator
    def _may_cancel(self, decision: Decision) -> None:
        pass


@workflow.defn(name="Certify")
class CertifyWorkflow:
    @workflow.init
    def __init__(self, start: CertifyStart) -> None:
        self.start = start
        self.ran = 0
        self.is_over = False

    @workflow.run
    async def run(self, start: CertifyStart) -> int:
        show("pending", [(start.csr_uid, "f" * 64)])
        await workflow.wait_condition(lambda: self.is_over, timeout=timedelta(minutes=5))
        return self.ran

    @workflow.signal
    def end(self) -> None:
        self.is_over = True

    @workflow.query(name="status")
    def status(self) -> CertifyStatus:
        info = workflow.info()
        return given.card(workflow_id=info.workflow_id, run_id=info.run_id)

    @workflow.update(name="approve")
    async def approve(self, decision: Decision) -> DecisionReceipt:
        self.ran += 1
        return DecisionReceipt(sentence=f"Recorded {self.ran}.")

    @approve.validator
    def _may_approve(self, decision: Decision) -> None:
        if decision.reason == "refuse":
            raise refused("approval.four-eyes", "Refused: somebody else must decide.")
        if decision.reason == "intercepted":
            # What the worker's interceptor sends: the whole sentence as text, the code as the only detail.
            said = "The click is too old. [token.expired] Hint: Click again."
            raise ApplicationError(said, "token.expired", type="RefusedError", non_retryable=True)


@workflow.defn(name="Look")
class LookWorkflow:
    @workflow.run
    async def run(self, start: LookStart) -> StatusResult:
        if start.ref.cluster == "broken":
            facts = {"code": "kube.gone", "message": "Found no API.", "hint": "h"}
            raise ApplicationError("x", facts, type="BrokenError", non_retryable=True)
        return given.status(ref=start.ref)


ALL = (DeployWorkflow, CertifyWorkflow, LookWorkflow)
