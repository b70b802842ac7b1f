"""What the bot's tests start from: a configuration that fits the stand-in workspace, statuses small and largest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from domain.configuration import ApprovalRule, Configuration, parse_configuration
from domain.csr import Check, CsrVerdict
from domain.model import ClusterRef, Person
from domain.observation import Observation
from gateway.running import ApprovalTarget
from operations.certify import CertifyStatus, DecisionRecord, Evidence
from operations.gate import GateState, GateStatus, Question
from operations.messages import CertifyState, OperationState, OperationStatus, Problem, Step
from operations.observe import ObserveState, ObserveStatus
from operations.status import NodeRow, Part, Ranges, StatusResult
from tokens.make import TokenSigner

AT = datetime(2026, 11, 25, 14, 2, tzinfo=UTC)
TEAM = "T0CRDB"
CHANNEL = "C0OPS"
ERIN = Person(team=TEAM, id="U0ERIN", name="Erin Engineer", groups=("S0OPERATORS",))
ADA = Person(team=TEAM, id="U0ADA", name="Ada Approver", groups=("S0APPROVERS",))
REF = ClusterRef(site="dev", namespace="crdb", cluster="crdb")
CERTIFY_ID = "crdb/dev/csr/crdb.node.cockroachdb-1/6f1f"
CHANGE_ID = "crdb/dev/crdb/crdb/change"
OBSERVE_ID = "crdb/dev/crdb/crdb/observe"
RUN_ID = "0190f0aa-1111-7000-8000-000000000001"
APPROVAL_ID = "ab12cd34"
GATE_ID = "9a7e0001"
FINGERPRINT = "0123456789abcdef" * 4
NASTY = "<!channel> *bold* `code` _it_ & <https://evil.example|click> \u202e <@U0ADA>"

TOML = """
team = "T0CRDB"
[images]
agent = "local.invalid/agent:1"
[sites.dev]
[clusters.crdb]
site = "dev"
namespace = "crdb"
channel = "C0OPS"
version = "v25.2.3"
storage_class = "standard"
[clusters.shop]
site = "dev"
namespace = "shop"
channel = "C0PRV"
version = "v25.2.3"
storage_class = "standard"
[clusters.cart]
site = "dev"
namespace = "cart"
channel = "C0PRV"
version = "v25.2.3"
storage_class = "standard"
[roles.operator]
groups = ["S0OPERATORS"]
[roles.approver]
groups = ["S0APPROVERS"]
"""


def configuration(toml: str = TOML) -> Configuration:
    return parse_configuration(toml)


def signer() -> TokenSigner:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return TokenSigner(pem, kid="test")


def evidence(**more: object) -> Evidence:
    pod = "cockroachdb-1"
    base = f"{pod}.cockroachdb"
    fields: dict[str, object] = {
        "csr": "crdb.node.cockroachdb-1",
        "csr_uid": "6f1f",
        "kind": "node",
        "pod": pod,
        "owner": "StatefulSet/cockroachdb",
        "subject": "O=Cockroach, CN=node",
        "dns_names": ("localhost", base, f"{base}.crdb", f"{base}.crdb.svc", f"{base}.crdb.svc.cluster.local"),
        "ip_addresses": ("127.0.0.1",),
        "stamped_username": "system:serviceaccount:crdb:cockroachdb",
        "stamped_pod": pod,
        "stamped_pod_uid": "11111111-2222-3333-4444-555555555555",
        "key": "EC P-256",
        "key_sha256": "ab" * 32,
        "signature_algorithm": "ecdsa-with-SHA256",
        "signer_name": "crdbops.internal/node",
        "usages": ("digital signature", "key encipherment", "server auth", "client auth"),
        "lifetime": "365 days",
        "created_at": AT,
        "request_pem": "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
    }
    return Evidence.model_validate({**fields, **more})


TITLES = (
    "signed by its own key",
    "one PEM block",
    "asked by the right service account",
    "subject",
    "DNS names and IP addresses",
    "key type and size",
    "no other extension",
    "usages",
    "asked with the pod's own token",
    "pod is ours",
    "pod belongs to the wanted number of nodes",
    "key is this pod's alone",
    "only good request of this pod",
    "age when first seen",
    "clocks agree",
    "asked lifetime",
    "key is not seen outside the cluster",
)


def verdict(*, failing: int = 0, looking: int = 0, words: str = "something") -> CsrVerdict:
    outcomes = ["fail"] * failing + ["look"] * looking + ["pass"] * (len(TITLES) - failing - looking)
    checks = tuple(
        Check.model_validate(
            {
                "code": f"csr.check-{number}",
                "title": title,
                "weight": "look" if outcome == "look" else "hard",
                "outcome": outcome,
                "found": words,
                "expected": words,
            }
        )
        for number, (title, outcome) in enumerate(zip(TITLES, outcomes, strict=True))
    )
    return CsrVerdict(checks=checks, fingerprint=FINGERPRINT)


def card(state: CertifyState = "pending", **more: object) -> CertifyStatus:
    fields: dict[str, object] = {
        "ref": REF,
        "workflow_id": CERTIFY_ID,
        "run_id": RUN_ID,
        "csr": "crdb.node.cockroachdb-1",
        "csr_uid": "6f1f",
        "state": state,
        "sequence": 3,
        "approval_id": APPROVAL_ID,
        "evidence": evidence(),
        "verdict": verdict(),
        "asked_by": (ERIN,),
        "shown_at": AT,
        "expires_at": AT + timedelta(hours=1),
    }
    return CertifyStatus.model_validate({**fields, **more})


def question(**more: object) -> Question:
    fields: dict[str, object] = {
        "kind": "delete-volume",
        "headline": "Delete volume datadir-cockroachdb-4?",
        "if_yes": "The volume and the data on it are deleted; nothing brings them back.",
        "if_no": "The volume stays, and nothing uses it; /crdb scale asks again.",
        "evidence": ("node 5 on cockroachdb-4 is decommissioned since 12:04 UTC", "replicas on it: 0 of 164"),
        "facts": {"volume": "datadir-cockroachdb-4", "uid": "5d0c"},
        "yes": "Delete volume",
        "no": "Keep it",
        "destroys": "volume datadir-cockroachdb-4 of 100Gi with its data",
        "rule": ApprovalRule(approvals=2),
    }
    return Question.model_validate({**fields, **more})


def gate(state: GateState = "pending", *, asked: Question | None = None, **more: object) -> GateStatus:
    asked = asked or question()
    fields: dict[str, object] = {
        "ref": REF,
        "workflow_id": CHANGE_ID,
        "run_id": RUN_ID,
        "question": asked,
        "approval_id": GATE_ID,
        "fingerprint": asked.fingerprint,
        "state": state,
        "sequence": 3,
        "asked_by": (ERIN,),
        "asked_at": AT,
        "shown_at": AT,
        "expires_at": AT + timedelta(hours=1),
    }
    return GateStatus.model_validate({**fields, **more})


def largest_gate(state: GateState = "pending") -> GateStatus:
    """Everything as long as it can be, and full of markup."""
    long = (NASTY + " ") * 100
    return gate(
        state,
        asked=question(headline=long, if_yes=long, if_no=long, evidence=(long,) * 50, yes=long, no=long, destroys=long),
        asked_by=(ERIN, ADA) * 5,
        decisions=(decided("deny", "<!channel> " * 45),) * 20,
        sentence=long,
    )


def observation(state: ObserveState = "observed", **more: object) -> ObserveStatus:
    """An upgrade that is not final, a day after its last node."""
    fields: dict[str, object] = {
        "ref": REF,
        "workflow_id": OBSERVE_ID,
        "run_id": RUN_ID,
        "sequence": 4,
        "state": state,
        "version": "v25.4.1",
        "before": "v25.2.3",
        "since": AT,
        "until": AT + timedelta(days=1),
        "seen": Observation(version="v25.4.1", active="25.2", builds=("v25.4.1",)),
    }
    return ObserveStatus.model_validate({**fields, **more})


def largest_observation(state: ObserveState = "due") -> ObserveStatus:
    """Everything as long as it can be, and full of markup."""
    long = (NASTY + " ") * 100
    seen = Observation(version=long, active=long, builds=(long,) * 99, notices=(long,) * 99)
    people = ("S0APPROVERS", "U0ADA", "<!channel>") * 9
    return observation(
        state, version=long, before=long, seen=seen, sentence=long, noticed_at=AT, reminded=people, reminded_at=AT
    )


def target(**more: object) -> ApprovalTarget:
    fields: dict[str, object] = {
        "workflow_id": CERTIFY_ID,
        "run_id": RUN_ID,
        "approval_id": APPROVAL_ID,
        "fingerprint": FINGERPRINT,
        "state": "pending",
        "cluster": str(REF),
        "since": AT - timedelta(minutes=12),
    }
    return ApprovalTarget.model_validate({**fields, **more})


def decided(verb: str = "approve", reason: str = "") -> DecisionRecord:
    return DecisionRecord(verb=verb, person=ADA, at=AT, approval_id=APPROVAL_ID, fingerprint=FINGERPRINT, reason=reason)


def largest_card(state: CertifyState = "pending") -> CertifyStatus:
    """Everything as long as an attacker can make it, and full of markup."""
    long = (NASTY + " ") * 100
    return card(
        state,
        evidence=evidence(
            csr=("c" * 250),
            pod=long,
            owner=long,
            subject=long,
            dns_names=(("&<" * 126),) * 100,
            ip_addresses=("fe80:0000:0000:0000:0000:0000:0000:0001",) * 100,
            stamped_username=long,
            stamped_pod=long,
            stamped_pod_uid=long,
            key=long,
            signature_algorithm=long,
            signer_name=long,
            usages=(long,) * 10,
            lifetime=long,
            request_pem=long * 3,
            key_sha256=long,
        ),
        csr="c" * 250,
        verdict=verdict(failing=9, looking=8, words=long) if state != "expired" else verdict(),
        asked_by=(ERIN, ADA) * 5,
        decisions=(decided("deny", "<!channel> " * 45),) * 20,
        sentence=long,
        serial="9" * 100,
        not_after=AT,
    )


STEPS = (
    ("preflight", "Preflight"),
    ("authority", "Certificate authority"),
    ("objects", "Kubernetes objects"),
    ("certificates", "Certificates, approved by people"),
    ("running", "Nodes running, volumes bound"),
    ("init", "Initialized once"),
    ("ready", "All nodes ready"),
    ("sql", "SQL answers"),
)


def operation(state: OperationState = "running", *, ended: int = 3, **more: object) -> OperationStatus:
    now_state = {"person": "person", "failed": "failed", "cancelled": "failed"}.get(state, "running")
    steps = []
    for number, (name, title) in enumerate(STEPS):
        is_ended = number < ended or state in ("done", "nothing")
        step_state = "done" if is_ended else now_state if number == ended else "todo"
        steps.append(
            Step.model_validate(
                {
                    "name": name,
                    "title": title,
                    "state": step_state,
                    "detail": {"objects": "12 objects", "certificates": "1 of 4 in place"}.get(name, ""),
                    "started_at": AT if step_state != "todo" else None,
                    "ended_at": AT + timedelta(seconds=4 * number) if is_ended else None,
                }
            )
        )
    fields: dict[str, object] = {
        "operation": "deploy",
        "ref": REF,
        "headline": "Deploy crdb: 3 nodes, v25.2.3",
        "state": state,
        "requester": ERIN,
        "workflow_id": CHANGE_ID,
        "run_id": RUN_ID,
        "sequence": 7,
        "steps": tuple(steps),
        "plan": (
            "check Kubernetes, rights, storage, room and leftovers; refuse before anything is made",
            "send init to node 0 once; this cannot be undone",
        ),
        "started_at": AT,
        "ended_at": AT + timedelta(minutes=4) if state not in ("running", "person") else None,
    }
    return OperationStatus.model_validate({**fields, **more})


def largest_operation(state: OperationState = "failed") -> OperationStatus:
    long = (NASTY + " ") * 100
    step = Step(name="x", title=long, state="running", detail=long, started_at=AT)
    done = step.model_copy(update={"state": "done", "ended_at": AT + timedelta(hours=30)})
    return operation(
        state,
        headline=long,
        steps=(done,) * 12 + (step,) * 28,
        plan=(long,) * 40,
        facts=(long,) * 40,
        problem=Problem(code="x" * 200, message=long, hint=long),
        may_ask_again=True,
    )


def node_row(ordinal: int, **more: object) -> NodeRow:
    pod = f"cockroachdb-{ordinal}"
    fields: dict[str, object] = {
        "pod": pod,
        "phase": "Running",
        "is_ready": True,
        "node_id": str(ordinal + 1),
        "is_live": True,
        "build": "v25.2.3",
        "address": f"{pod}.cockroachdb.crdb.svc.cluster.local:26257",
        "image": "local.invalid/cockroach:v25.2.3",
        "is_draining": False,
        "membership": "active",
        "replicas": 42,
        "volume": "Bound 1Gi",
        "certificate": "present",
        "certificate_until": AT + timedelta(days=364, hours=1),
        "certificate_by": "node",
    }
    return NodeRow.model_validate({**fields, **more})


def status(count: int = 3, **more: object) -> StatusResult:
    fields: dict[str, object] = {
        "ref": REF,
        "taken_at": AT,
        "is_deployed": True,
        "wanted": count,
        "ready": count,
        "version": "v25.2.3",
        "nodes": tuple(node_row(n) for n in range(count)),
        "parts": (
            Part(name="pods and volumes", at=AT),
            Part(name="database", at=AT + timedelta(seconds=1), oldest=AT - timedelta(seconds=8)),
            Part(name="certificates", at=AT + timedelta(seconds=2)),
        ),
        "ranges": Ranges(under_replicated=0, unavailable=0),
        "client": "ready",
        "authority_until": AT + timedelta(days=1800),
    }
    return StatusResult.model_validate({**fields, **more})


def largest_status() -> StatusResult:
    """Everything as long as it can be, and full of markup."""
    long = (NASTY + " ") * 100
    row = node_row(
        0, pod=long, phase=long, is_ready=False, volume=long, certificate=long, certificate_until=None, node_id=long,
        build=long, address=long, image=long, membership=long, trouble=long, restarts=10**9, is_draining=True,
    )  # fmt: skip
    rows = tuple(row.model_copy(update={"image": f"{n}{long}", "address": f"{n}{long}"}) for n in range(99))
    return status(
        99,
        version=long,
        nodes=(*rows, *(row.model_copy(update={"pod": ""}) for _ in range(99))),
        database=long,
        pending_csrs=10**6,
        drift=(long,) * 30,
        parts=(*status().parts, Part(name="certificates", at=AT, reason=long), Part(name=long, at=AT, reason=long)),
        leftover_volumes=(long,) * 99,
        client=long,
        client_until=AT,
    )
