"""One filled-in object of each message that crosses Temporal between processes: what the stored payloads are made of.

`python -m tests.operations.samples` writes the stored payloads of models that have none yet; it never changes one,
since an old payload is in somebody's history.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from domain.configuration import ApprovalRule
from domain.csr import judge
from domain.model import ClusterRef, Person
from domain.observation import Observation
from operations.approvals import ApprovalsRequest
from operations.base import LookStart, Start
from operations.certify import CertifyResult, CertifyStart, CertifyStatus, DecisionRecord, Evidence
from operations.chat import MessageRef, Say, ShowCard, ShowGate, ShowObservation, ShowOperation
from operations.crowd import CrowdResult, CrowdSeen, CrowdStart
from operations.csr import CsrRequest, CsrResult, CsrRow
from operations.decide import ApproveRequest, CancelRequest, DenyRequest, HelpRequest, PauseRequest, ResumeRequest
from operations.deploy import DeployRequest, DeployResult, DeployStart
from operations.drill import DrillRequest, DrillResult, DrillStart
from operations.finalize import FinalizeRequest, FinalizeResult, FinalizeStart
from operations.gate import Decided, Gates, GateStatus, Question
from operations.init import InitRequest, InitResult, InitStart
from operations.messages import (
    AskedBy,
    CertificateChanged,
    Claims,
    Decision,
    DecisionReceipt,
    OperationStatus,
    OutsideChange,
    Pause,
    Problem,
    Step,
    Token,
    UpgradeOver,
)
from operations.observe import ObserveStatus
from operations.rollback import RollbackRequest, RollbackResult, RollbackStart
from operations.scale import ScaleRequest, ScaleResult, ScaleStart
from operations.status import NodeRow, Part, Ranges, StatusRequest, StatusResult
from operations.strangers import StrangersResult, StrangersSeen, StrangersStart
from operations.upgrade import UpgradeRequest, UpgradeResult, UpgradeStart
from operations.whoami import WhoamiRequest
from tests.domain.given import NODE, POLICY

PAYLOADS = Path(__file__).parent / "payloads"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
REF = ClusterRef(site="main", namespace="crdb", cluster="shop")
ALICE = Person(team="T1", id="U1", name="Alice", groups=("S1",))
CHANGE, RUN = "crdb/main/crdb/shop/change", "3f0c6a6e-0000-4000-8000-000000000001"

_TOKEN = Token(kid="2026-11", claims='{"verb":"cancel"}', signature="c2ln")
_CLAIMS = Claims(
    verb="approve", person=ALICE, workflow_id=CHANGE, issued_at=AT, until=AT, run_id=RUN, approval_id="ab12cd34",
    fingerprint="f" * 64,
)  # fmt: skip
_STEP = Step(name="init", title="init once", state="running", detail="node 0", started_at=AT, ended_at=AT)
_PROBLEM = Problem(code="init.mixed", message="Nodes differ.", hint="Look at them.")
_PAUSE = Pause(by=ALICE, at=AT, before="cockroachdb-1 on v25.4.1", until=AT)
_OPERATION = OperationStatus(
    operation="deploy", ref=REF, headline="deploy shop", state="failed", requester=ALICE, workflow_id=CHANGE,
    run_id=RUN, sequence=7, steps=(_STEP,), plan=("one",), facts=("two",), problem=_PROBLEM, may_ask_again=True,
    may_cancel=False, may_pause=True, pause=_PAUSE,
    started_at=AT, ended_at=AT,
)  # fmt: skip
_EVIDENCE = Evidence(
    csr="crdb.node.cockroachdb-0", csr_uid="u", kind="node", pod="cockroachdb-0", owner="StatefulSet/cockroachdb",
    subject="O=Cockroach, CN=node", dns_names=("localhost",), ip_addresses=("127.0.0.1",),
    stamped_username="system:serviceaccount:crdb:cockroachdb", stamped_pod="cockroachdb-0", stamped_pod_uid="p",
    key="EC P-256", key_sha256="a" * 64, signature_algorithm="ecdsa-with-SHA256", signer_name="crdbops.internal/node",
    usages=("client auth",), lifetime="365 days", created_at=AT, request_pem="-----BEGIN CERTIFICATE REQUEST-----",
)  # fmt: skip
_RECORD = DecisionRecord(
    verb="approve", person=ALICE, at=AT, approval_id="ab12cd34", fingerprint="f" * 64, reason="looks right"
)
_CARD = CertifyStatus(
    ref=REF, workflow_id="crdb/main/csr/x/u", run_id=RUN, csr="x", csr_uid="u", state="pending", sequence=2,
    approval_id="ab12cd34", evidence=_EVIDENCE, verdict=judge(NODE, POLICY), approvals_wanted=2, role="approver",
    asked_by=(ALICE,), decisions=(_RECORD,), shown_at=AT, expires_at=AT, sentence="waits", serial="1f", not_after=AT,
)  # fmt: skip
_QUESTION = Question(
    kind="delete-volume", headline="Delete volume datadir-cockroachdb-4?", if_yes="The volume is deleted.",
    if_no="The volume stays.", evidence=("node 5 is decommissioned",), facts={"volume": "datadir-cockroachdb-4"},
    yes="Delete", no="Keep", destroys="datadir-cockroachdb-4", is_reason_required=False, rule=ApprovalRule(approvals=2),
)  # fmt: skip
_GATE = GateStatus(
    ref=REF, workflow_id=CHANGE, run_id=RUN, question=_QUESTION, approval_id="ab12cd34",
    fingerprint=_QUESTION.fingerprint, state="approved", sequence=2, asked_by=(ALICE,), decisions=(_RECORD,),
    asked_at=AT, shown_at=AT, expires_at=AT, sentence="Approved by Alice.",
)  # fmt: skip
_MESSAGE = MessageRef(channel="C1", ts="1764072000.000100", thread_ts="1764072000.000000")
_OBSERVATION = ObserveStatus(
    ref=REF, workflow_id="crdb/main/crdb/shop/observe", run_id=RUN, sequence=3, state="due", version="v25.4.1",
    before="v25.2.3", since=AT, until=AT, noticed_at=AT, reminded=("S1",), reminded_at=AT, sentence="waits",
    seen=Observation(
        version="v25.4.1", active="25.2", builds=("v25.4.1",), notices=("ranges lack copies",), outcome="", sentence=""
    ),
)  # fmt: skip
_SAY = Say(
    channel="C1", thread_ts="1764072000.000000", key="observe-remind-1:r", kind="warning", text="not final",
    mention="U1", audience=("S1",), about=_MESSAGE,
)  # fmt: skip
_SCALE = ScaleRequest(ref=REF, nodes=4, plan=True, decommission_dead=True)
_UPGRADE = UpgradeRequest(ref=REF, version="v25.4.1", backup="taken", plan=True)
_FINALIZE = FinalizeRequest(ref=REF, plan=True)
_ROLLBACK = RollbackRequest(ref=REF, plan=True)
_DRILL = DrillRequest(ref=REF, drill="kill-node", node=1, plan=True)
_PART = Part(name="database", at=AT, oldest=AT, reason="slow")
_NODE_ROW = NodeRow(
    pod="cockroachdb-0", phase="Running", is_ready=True, restarts=1, volume="Bound", certificate="present", node_id="1",
    is_live=True, build="v25.2.3", address="cockroachdb-0.cockroachdb:26257", image="cockroach:v25.2.3",
    is_draining=False, membership="active", replicas=42, certificate_until=AT, certificate_by="node", trouble="none",
)  # fmt: skip
_DEPLOY = DeployRequest(ref=REF, nodes=3, version="v25.2.3", storage="100Gi", plan=True)
_INIT = InitRequest(ref=REF, plan=True)

SAMPLES: tuple[BaseModel, ...] = (
    _TOKEN,
    _CLAIMS,
    Decision(token=_TOKEN, reason="wrong pod"),
    DecisionReceipt(outcome="already", sentence="Recorded before."),
    UpgradeOver(sentence="rolled back to v25.2.3", outcome="rolled-back"),
    AskedBy(person=ALICE, workflow_id=CHANGE, run_id=RUN),
    CertificateChanged(csr="x", csr_uid="u", pod="cockroachdb-0", state="issued", reason="r", by=("U1",)),
    OutsideChange(seen="missing"),
    _STEP,
    _PROBLEM,
    _PAUSE,
    _OPERATION,
    Start(request_id="r1", token=_TOKEN),
    LookStart(operation="status", ref=REF),
    _DEPLOY,
    DeployStart(request_id="r1", token=_TOKEN, request=_DEPLOY),
    _SCALE,
    ScaleStart(request_id="r1", token=_TOKEN, request=_SCALE),
    ScaleResult(
        outcome="scaled",
        nodes=3,
        before=5,
        added=("cockroachdb-3",),
        decommissioned=(4, 5),
        volumes_kept=("datadir-cockroachdb-3",),
        volumes_deleted=("datadir-cockroachdb-4",),
        certificates=("crdb.node.cockroachdb-3",),
        decided_by=("Bob",),
        plan=("one",),
    ),
    _UPGRADE,
    UpgradeStart(request_id="r1", token=_TOKEN, request=_UPGRADE),
    UpgradeResult(
        outcome="awaiting-finalization",
        version="v25.4.1",
        before="v25.2.3",
        active="25.2",
        rolled=("cockroachdb-2", "cockroachdb-1", "cockroachdb-0"),
        backup="taken",
        decided_by=("Bob",),
        plan=("one",),
    ),
    _FINALIZE,
    FinalizeStart(request_id="r1", token=_TOKEN, request=_FINALIZE),
    FinalizeResult(
        outcome="finalized", version="v25.4.1", active="25.4", before="25.2", decided_by=("Bob",), plan=("one",)
    ),
    _ROLLBACK,
    RollbackStart(request_id="r1", token=_TOKEN, request=_ROLLBACK),
    RollbackResult(
        outcome="rolled-back",
        version="v25.2.3",
        before="v25.4.1",
        rolled=("cockroachdb-2",),
        decided_by=("Bob",),
        plan=("one",),
    ),
    _DRILL,
    DrillStart(request_id="r1", token=_TOKEN, request=_DRILL),
    DrillResult(
        outcome="survived",
        pod="cockroachdb-1",
        node_id=3,
        volume="datadir-cockroachdb-1 (pvc-1)",
        gone_seconds=2.1,
        ready_seconds=8.4,
        healthy_seconds=12.0,
        sql_asked=8,
        sql_answered=8,
        longest_gap_seconds=1.1,
        plan=("one",),
    ),
    DeployResult(
        outcome="deployed",
        nodes=3,
        version="v25.2.3",
        cluster_id="c",
        certificates=("1f",),
        decided_by=("U1",),
        plan=("one",),
    ),
    _INIT,
    InitStart(request_id="r1", token=_TOKEN, request=_INIT),
    InitResult(outcome="initialized", nodes=3, target=0, cluster_id="c", version="25.2", plan=("one",)),
    StatusRequest(ref=REF),
    _NODE_ROW,
    _PART,
    Ranges(under_replicated=1, unavailable=0),
    StatusResult(
        ref=REF,
        taken_at=AT,
        is_deployed=True,
        wanted=3,
        ready=3,
        version="v25.2.3",
        database="not asked",
        nodes=(_NODE_ROW,),
        pending_csrs=1,
        drift=("nodes",),
        parts=(_PART,),
        ranges=Ranges(under_replicated=1, unavailable=0),
        leftover_volumes=("datadir-cockroachdb-4",),
        client="ready",
        client_until=AT,
        authority_until=AT,
    ),
    CsrRequest(ref=REF),
    CsrRow(
        name="x", uid="u", pod="cockroachdb-0", state="pending", summary="17 of 17", created_at=AT, waits_for_place=True
    ),
    CsrResult(
        ref=REF, taken_at=AT, rows=(CsrRow(name="x", uid="u", pod="p", state="issued", summary="", created_at=AT),)
    ),
    ApproveRequest(id="ab12cd34"),
    DenyRequest(id="ab12cd34", reason="wrong pod"),
    CancelRequest(ref=REF),
    PauseRequest(ref=REF),
    ResumeRequest(ref=REF),
    HelpRequest(verb="deploy"),
    ApprovalsRequest(),
    WhoamiRequest(),
    CertifyStart(ref=REF, csr="x", csr_uid="u"),
    _EVIDENCE,
    _RECORD,
    _CARD,
    CertifyResult(
        state="issued",
        csr="x",
        csr_uid="u",
        fingerprint="f" * 64,
        decisions=(_RECORD,),
        asked_by=(ALICE,),
        serial="1f",
        not_after=AT,
        sentence="issued",
    ),
    _MESSAGE,
    ShowOperation(channel="C1", status=_OPERATION, message=_MESSAGE),
    ShowCard(channel="C1", status=_CARD, behind_workflow_id=CHANGE, behind_run_id=RUN, message=_MESSAGE),
    StrangersStart(site="main", channel="C1"),
    StrangersSeen(count=7, examples=("x by alice",), worker="a1"),
    StrangersResult(count=7, examples=("x by alice",)),
    CrowdStart(ref=REF, channel="C1"),
    CrowdSeen(waiting=3),
    CrowdResult(most=3),
    _QUESTION,
    _GATE,
    Gates(gates=(_GATE,)),
    Decided(
        outcome="approved",
        approval_id="ab12cd34",
        fingerprint=_QUESTION.fingerprint,
        records=(_RECORD,),
        sentence="Approved by Alice.",
    ),
    _OBSERVATION,
    ShowObservation(channel="C1", status=_OBSERVATION, thread_ts="1764072000.000000", message=_MESSAGE, say=_SAY),
    ShowGate(channel="C1", status=_GATE, thread_ts="1764072000.000100", message=_MESSAGE),
    Say(
        channel="C1",
        thread_ts="1.0",
        key="end:1",
        kind="end",
        text="done",
        mention="U1",
        audience=("S1", "U2"),
        about=_MESSAGE,
    ),
)


def path_of(model: type[BaseModel]) -> Path:
    """Where the stored payload of a model lies."""
    return PAYLOADS / f"{model.__name__}.json"


def write_missing() -> list[Path]:
    """Write the payloads that are not stored yet."""
    missing = [sample for sample in SAMPLES if not path_of(type(sample)).exists()]
    for sample in missing:
        path_of(type(sample)).write_text(sample.model_dump_json(indent=1) + "\n")
    return [path_of(type(sample)) for sample in missing]


if __name__ == "__main__":
    write_missing()
