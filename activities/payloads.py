"""What goes into activities and comes out: names, hashes and public certificates, never a secret.

One object a message, so that a field can be added later. The activities themselves stand in the modules named in each
docstring.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.configuration import ApprovalRule, Approvals, RoleName
from domain.csr import CsrState, CsrVerdict
from domain.initialization import InitFacts, InitPlan
from domain.model import ClusterRef, ClusterSpec, Person
from domain.nodes import NodeAnswer
from domain.preflight import DeployFacts, DeployPlan, SignerFacts
from domain.roles import PolicySnapshot
from operations.certify import Evidence
from operations.messages import Token


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True)


# authorization: operation.authorize (ops)
class AuthorizeRequest(_Payload):
    """Check the start token of a change."""

    operation: str
    ref: ClusterRef
    request_hash: str
    request_id: str
    token: Token
    workflow_id: str
    is_first_run: bool
    started_at: datetime


class Authorization(_Payload):
    """Who asked, under which rules, and where to speak."""

    requester: Person
    policy: PolicySnapshot
    channel: str
    role: RoleName = "operator"
    approvals: Approvals = Approvals()


# cluster: cluster.plan, cluster.plan_init, cluster.record_ca, cluster.apply, cluster.client_pod, cluster.certificates,
# cluster.wait_running, cluster.wait_ready, cluster.ask_again (ops)
class PlanDeployRequest(_Payload):
    """Gather ops' facts and decide with the signer's."""

    ref: ClusterRef
    nodes: int | None
    version: str | None
    storage: str | None
    signer: SignerFacts


class DeployPlanned(_Payload):
    """The plan and the facts it stands on."""

    plan: DeployPlan
    facts: DeployFacts


class PlanInitRequest(_Payload):
    """Gather ops' facts about a cluster that shall be initialized."""

    ref: ClusterRef


class InitPlanned(_Payload):
    """The plan and the facts it stands on."""

    plan: InitPlan
    facts: InitFacts


class ClientPodRequest(_Payload):
    """Have the client pod of a deployed cluster as its recorded spec says."""

    ref: ClusterRef
    spec: ClusterSpec
    operation_id: str


class RecordCaRequest(_Payload):
    """Publish the CA's certificate in its ConfigMap; never overwrite another."""

    ref: ClusterRef
    certificate_pem: str
    fingerprint: str


class ApplyRequest(_Payload):
    """Apply all objects of a cluster. On `resume` replicas, image, partition and volume templates are left alone."""

    ref: ClusterRef
    spec: ClusterSpec
    mode: Literal["first", "resume"]
    operation_id: str


class Applied(_Payload):
    """What was applied, as Kind/name."""

    objects: tuple[str, ...]


class ClusterRequest(_Payload):
    """About a cluster as it was recorded."""

    ref: ClusterRef
    spec: ClusterSpec


class PodCertificate(_Payload):
    """How far one pod's certificate is.

    no-pod: not made yet. starting: no CSR yet. pending: asked, waits for a person. approved: waits for the signer.
    issued: the certificate stands in the CSR, certagent is taking it. present: certagent has put the files in place.
    denied, failed: certagent waits until somebody asks again.
    """

    pod: str
    pod_uid: str = ""
    state: Literal["no-pod", "starting", "pending", "approved", "issued", "present", "denied", "failed"]
    csr: str = ""
    detail: str = ""
    pod_created_at: datetime | None = None


class CertificatesProgress(_Payload):
    """All pods of a cluster that need a certificate: every node, and the client pod."""

    pods: tuple[PodCertificate, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every pod has its certificate, or it stands in its CSR."""
        return bool(self.pods) and all(pod.state in ("present", "issued") for pod in self.pods)


class PodsState(_Payload):
    """Where pods and volumes stand, in words for the card."""

    running: int
    ready: int
    bound: int
    sentence: str = ""


class AskAgainRequest(_Payload):
    """Let certagent ask again in these pods: sets the annotation to `value`."""

    ref: ClusterRef
    pods: tuple[str, ...]
    value: str


# running: running.behind, running.open_certifies (ops; a Temporal client behind a port)
class BehindRequest(_Payload):
    """Ask for the running change of a cluster."""

    ref: ClusterRef


class RunningChange(_Payload):
    """The change that holds a cluster's lock; all empty when none does."""

    workflow_id: str = ""
    run_id: str = ""
    operation: str = ""
    requester: Person | None = None
    also_asked: tuple[Person, ...] = ()

    @property
    def askers(self) -> tuple[Person, ...]:
        """Everyone who asked for it."""
        return (self.requester, *self.also_asked) if self.requester is not None else ()


class OpenCertify(_Payload):
    """One open Certify workflow."""

    workflow_id: str
    run_id: str


class OpenCertifies(_Payload):
    """All open Certify workflows of a cluster."""

    runs: tuple[OpenCertify, ...] = ()


# certificates: certificates.read, certificates.approve, certificates.deny, certificates.verify (ops)
class CsrRequest(_Payload):
    """Which CSR object; the uid guards against another of the same name."""

    ref: ClusterRef
    csr: str
    csr_uid: str


class CsrReading(_Payload):
    """A CSR as it is now. `is_there` False: gone, or its pending request's pod no longer exists."""

    is_there: bool
    state: CsrState = "pending"
    evidence: Evidence | None = None
    verdict: CsrVerdict | None = None
    rule: ApprovalRule = ApprovalRule()
    policy: PolicySnapshot | None = None
    channel: str = ""
    is_approved_by_us: bool = False
    condition: str = ""
    gone_because: str = ""


class WriteDecisionRequest(_Payload):
    """Write Approved or Denied into the CSR, if it still is what was shown."""

    ref: ClusterRef
    csr: str
    csr_uid: str
    fingerprint: str
    approval_id: str
    people: tuple[Person, ...]
    reason: str = ""
    asked_by: tuple[Person, ...] = ()


class WriteOutcome(_Payload):
    """What became of a decision.

    `written`, `already` (by us, the same), `changed` (nothing written), `asked` (nothing written: who asked for the
    running change is not among those that the request names), `gone`, `opposite` (decided otherwise).
    """

    outcome: Literal["written", "already", "changed", "asked", "gone", "opposite"]
    sentence: str = ""
    behind: RunningChange = RunningChange()


class IssuedCertificate(_Payload):
    """The issued certificate's public facts after all checks."""

    serial: str
    not_before: datetime
    not_after: datetime
    sha256: str


class VerifyRequest(_Payload):
    """Check the issued certificate against what must be in it."""

    ref: ClusterRef
    csr: str
    csr_uid: str
    ca_fingerprint: str = ""


# signing: signing.preflight, signing.ensure_ca, signing.judge, signing.sign, signing.fail (signer)
class SignerPreflightRequest(_Payload):
    """Ask the signer what it sees."""

    ref: ClusterRef


class EnsureCaRequest(_Payload):
    """Make or find the CA.

    `expected` is the published fingerprint; "none" only when nothing of the cluster exists; "unknown" when something
    does and no CA is published: then a key that is held is taken and none is made.
    """

    ref: ClusterRef
    expected: str


class CaCertificate(_Payload):
    """A CA's public half. `fingerprint` is the sha256 of its DER certificate, hex."""

    certificate_pem: str
    fingerprint: str
    is_new: bool


class SignRequest(_Payload):
    """What the signer judges and signs: the CSR, what was shown, every token, and who asked."""

    ref: ClusterRef
    csr: str
    csr_uid: str
    workflow_id: str
    approval_id: str
    fingerprint: str
    tokens: tuple[Token, ...]
    asked_by: tuple[Person, ...]


class Judgement(_Payload):
    """`yes`, `changed` (another fingerprint now), `gone`, or `no` with the sentence."""

    outcome: Literal["yes", "changed", "gone", "no"]
    sentence: str = ""


class FailRequest(_Payload):
    """Set Failed on a CSR that was approved but shall not be signed."""

    ref: ClusterRef
    csr: str
    csr_uid: str
    reason: str
    message: str


# nodes and sql: nodes.observe, nodes.record_target, nodes.init, sql.check (ops)
class NodesAnswers(_Payload):
    """Every node's answer."""

    answers: tuple[NodeAnswer, ...]


class InitRequest(_Payload):
    """Send `init` to the recorded target."""

    ref: ClusterRef
    spec: ClusterSpec
    target: int


class InitOutcome(_Payload):
    """`initialized` now, or `already` before."""

    outcome: Literal["initialized", "already"]


class SqlAnswer(_Payload):
    """What SQL answered: the cluster id that all nodes share and the active version."""

    cluster_id: str
    version: str
    seconds: float
