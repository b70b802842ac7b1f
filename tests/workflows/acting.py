"""The activities of ops and signer under their real names, acting on the fake world.

Authorization, and what runs beside a workflow, are the real ones. The signer checks tokens, roles and four-eyes as the
real one does, with the real functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

from activities.authorization import AuthorizationActivities
from activities.clients.temporal import TemporalRunning
from activities.observing import ObservingActivities
from activities.payloads import (
    Applied,
    ApplyRequest,
    AskAgainRequest,
    Authorization,
    AuthorizeRequest,
    BehindRequest,
    CaCertificate,
    CertificatesProgress,
    ClientPodRequest,
    ClusterRequest,
    CsrReading,
    CsrRequest,
    DeployPlanned,
    EnsureCaRequest,
    FailRequest,
    InitOutcome,
    InitPlanned,
    InitRequest,
    IssuedCertificate,
    Judgement,
    NodesAnswers,
    OpenCertifies,
    PlanDeployRequest,
    PlanInitRequest,
    PodCertificate,
    PodsState,
    RecordCaRequest,
    RunningChange,
    SignerPreflightRequest,
    SignRequest,
    SqlAnswer,
    VerifyRequest,
    WriteDecisionRequest,
    WriteOutcome,
)
from domain.configuration import ApprovalRule
from domain.errors import NotReadyError, RefusedError
from domain.initialization import plan_init
from domain.model import CLIENT_POD, ClusterRef, ClusterSpec, NodeRef, Person
from domain.nodes import NodeAnswer
from domain.preflight import SignerFacts, plan_deploy
from domain.roles import PolicySnapshot, may_decide
from operations.base import LookStart
from operations.certify import Evidence
from operations.csr import CsrResult
from operations.status import StatusResult
from tests.workflows.drilling import Drilling
from tests.workflows.scaling import Scaling
from tests.workflows.upgrading import Upgrading
from tests.workflows.world import Request, World
from tokens.keyring import KeyRing
from tokens.verify import verify

_HOUR = timedelta(hours=1)


class Ops:
    """Activities of the ops role."""

    def __init__(self, world: World, ring: KeyRing) -> None:
        self.world = world
        self._authorization = AuthorizationActivities(world.configuration, ring)
        self._running = TemporalRunning(world.client)

    @activity.defn(name="operation.authorize")
    async def authorize(self, request: AuthorizeRequest) -> Authorization:
        await self.world.act("operation.authorize", lambda: None)
        return await self._authorization.authorize(request)

    @activity.defn(name="running.behind")
    async def behind(self, request: BehindRequest) -> RunningChange:
        change = await self._behind(request.ref)
        return await self.world.act("running.behind", lambda: change)

    async def _behind(self, ref: ClusterRef) -> RunningChange:
        return self.world.behind or await self._running.change(ref)

    @activity.defn(name="running.open_certifies")
    async def open_certifies(self, request: BehindRequest) -> OpenCertifies:
        found = await self._running.certifies(request.ref)
        return await self.world.act("running.open_certifies", lambda: found)

    @activity.defn(name="cluster.plan")
    async def plan(self, request: PlanDeployRequest) -> DeployPlanned:
        def effect() -> DeployPlanned:
            world, wishes = self.world, {"nodes": request.nodes, "version": request.version, "storage": request.storage}
            defaults = world.configuration.spec(
                request.ref, nodes=request.nodes, version=request.version, storage=request.storage
            )
            facts = world.deploy_facts()
            plan = plan_deploy(request.ref, defaults, facts, request.signer, asked=dict(wishes))
            return DeployPlanned(plan=plan, facts=facts)

        return await self.world.act("cluster.plan", effect)

    @activity.defn(name="cluster.plan_init")
    async def plan_init(self, request: PlanInitRequest) -> InitPlanned:
        def effect() -> InitPlanned:
            facts = self.world.init_facts()
            return InitPlanned(plan=plan_init(request.ref, facts), facts=facts)

        return await self.world.act("cluster.plan_init", effect)

    @activity.defn(name="cluster.client_pod")
    async def client_pod(self, request: ClientPodRequest) -> None:
        def effect() -> None:
            if CLIENT_POD not in self.world.state.pods:
                self.world.make_pods(request.spec)
                self.world.did("made client pod")
            elif self.world.state.pods[CLIENT_POD].version != request.spec.version:
                self.world.remake_client(request.spec.version)

        await self.world.act("cluster.client_pod", effect)

    @activity.defn(name="cluster.record_ca")
    async def record_ca(self, request: RecordCaRequest) -> None:
        def effect() -> None:
            state = self.world.state
            if request.fingerprint != state.ca or state.published not in ("", request.fingerprint):
                raise self.world.refuse(f"CA {request.fingerprint} is published over {state.published}")
            if not state.published:
                state.published = request.fingerprint
                self.world.did("published CA")

        await self.world.act("cluster.record_ca", effect)

    @activity.defn(name="cluster.apply")
    async def apply(self, request: ApplyRequest) -> Applied:
        def effect() -> Applied:
            state = self.world.state
            if not state.published:
                raise self.world.refuse("objects are applied before the CA is published")
            if not state.pods:
                self.world.did("applied objects")
            if state.spec is None:
                state.spec, state.init_target = request.spec, request.spec.init_target
            elif _without_target(state.spec) != _without_target(request.spec):
                raise self.world.refuse("the recorded spec is overwritten")
            self.world.make_pods(state.spec)
            return Applied(objects=("Service/cockroachdb", "StatefulSet/cockroachdb", f"Pod/{CLIENT_POD}"))

        return await self.world.act("cluster.apply", effect)

    @activity.defn(name="cluster.certificates")
    async def certificates(self, request: ClusterRequest) -> CertificatesProgress:
        return await self.world.act("cluster.certificates", lambda: CertificatesProgress(pods=tuple(self._pods())))

    def _pods(self) -> list[PodCertificate]:
        rows: list[PodCertificate] = []
        for pod in self.world.state.pods.values():
            csr = self.world.state.requests.get(pod.csr)
            rows.append(
                PodCertificate(
                    pod=pod.name,
                    pod_uid=pod.uid,
                    state="present" if pod.has_certificate else csr.state if csr else "starting",
                    csr=pod.csr,
                    detail="" if csr else "certagent does not answer",
                    pod_created_at=pod.made_at,
                )
            )
        return rows

    @activity.defn(name="cluster.ask_again")
    async def ask_again(self, request: AskAgainRequest) -> None:
        def effect() -> None:
            for name in request.pods:
                pod = self.world.state.pods[name]
                csr = self.world.state.requests.get(pod.csr)
                if csr is not None and (csr.denied or csr.failed):
                    self.world.ask(pod)
                    self.world.did(f"asked again {name}")

        await self.world.act("cluster.ask_again", effect)

    @activity.defn(name="cluster.wait_running")
    async def wait_running(self, request: ClusterRequest) -> PodsState:
        nodes = request.spec.nodes
        await self._follow(
            "cluster.wait_running", lambda: all(pod.has_certificate for pod in self.world.state.pods.values())
        )
        return await self.world.act("cluster.wait_running", lambda: PodsState(running=nodes, ready=0, bound=nodes))

    @activity.defn(name="cluster.wait_ready")
    async def wait_ready(self, request: ClusterRequest) -> PodsState:
        nodes = request.spec.nodes
        await self._follow("cluster.wait_ready", lambda: self.world.join() >= nodes)
        return await self.world.act("cluster.wait_ready", lambda: PodsState(running=nodes, ready=nodes, bound=nodes))

    async def _follow(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait as a watch does: heartbeats belong to the loop that looks."""
        while name in self.world.held or not ready():
            activity.heartbeat()
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                self.world.state.stopped.append(name)
                raise

    @activity.defn(name="certificates.read")
    async def read(self, request: CsrRequest) -> CsrReading:
        return await self.world.act("certificates.read", lambda: self._reading(request))

    def _reading(self, asked: CsrRequest) -> CsrReading:
        world, request = self.world, self.world.request(asked.csr, asked.csr_uid)
        if request is None:
            return CsrReading(is_there=False, gone_because="the request was deleted")
        pod = world.state.pods.get(request.pod)
        if request.state == "pending" and (pod is None or pod.uid != request.pod_uid):
            return CsrReading(is_there=False, gone_because="its pod does not exist any more")
        return CsrReading(
            is_there=True,
            state=request.state,
            evidence=_evidence(world, request),
            verdict=world.verdict(request),
            rule=_rule(world, request),
            policy=PolicySnapshot.of(world.configuration),
            channel=world.configuration.clusters[asked.ref.cluster].channel,
            is_approved_by_us=request.approved not in ("", "outside"),
            condition=request.denied or request.failed,
        )

    @activity.defn(name="certificates.approve")
    async def approve(self, asked: WriteDecisionRequest) -> WriteOutcome:
        behind = await self._behind(asked.ref)

        def effect() -> WriteOutcome:
            request = self.world.request(asked.csr, asked.csr_uid)
            if request is None:
                return WriteOutcome(outcome="gone")
            if self.world.verdict(request).fingerprint != asked.fingerprint:
                return WriteOutcome(outcome="changed")
            if request.denied or request.failed:
                return WriteOutcome(outcome="opposite", sentence=f"It was {request.state} meanwhile.")
            if request.approved == asked.approval_id:
                return WriteOutcome(outcome="already")
            if request.approved not in ("", "outside"):
                raise self.world.refuse(f"{request.name} is approved under a second id")
            if {person.id for person in behind.askers} - {person.id for person in asked.asked_by}:
                return WriteOutcome(outcome="asked", behind=behind)
            request.approved = asked.approval_id
            self.world.did(f"approved {request.name}")
            return WriteOutcome(outcome="written")

        return await self.world.act("certificates.approve", effect)

    @activity.defn(name="certificates.deny")
    async def deny(self, asked: WriteDecisionRequest) -> WriteOutcome:
        def effect() -> WriteOutcome:
            request = self.world.request(asked.csr, asked.csr_uid)
            if request is None:
                return WriteOutcome(outcome="gone")
            if request.denied:
                return WriteOutcome(outcome="already")
            if request.approved:
                return WriteOutcome(outcome="opposite")
            request.denied, request.denied_by_us = asked.reason, True
            self.world.did(f"denied {request.name}")
            return WriteOutcome(outcome="written")

        return await self.world.act("certificates.deny", effect)

    @activity.defn(name="certificates.verify")
    async def verify(self, asked: VerifyRequest) -> IssuedCertificate:
        def effect() -> IssuedCertificate:
            request = self.world.request(asked.csr, asked.csr_uid)
            if request is None or not request.serial:
                raise self.world.refuse(f"{asked.csr} is verified before it is issued")
            return _certificate(request)

        return await self.world.act("certificates.verify", effect)

    @activity.defn(name="nodes.observe")
    async def observe(self, request: ClusterRequest) -> NodesAnswers:
        def effect() -> NodesAnswers:
            return NodesAnswers(answers=tuple(self._answer(ordinal) for ordinal in range(request.spec.nodes)))

        return await self.world.act("nodes.observe", effect)

    def _answer(self, ordinal: int) -> NodeAnswer:
        pod = self.world.state.pods.get(NodeRef(ordinal=ordinal).pod)
        if pod is None or not pod.has_certificate:
            return NodeAnswer(ordinal=ordinal, state="unreachable", detail="connection refused")
        cluster_id = self.world.state.cluster_ids.get(ordinal, "")
        return NodeAnswer(ordinal=ordinal, state="serving" if cluster_id else "waiting-for-init", cluster_id=cluster_id)

    @activity.defn(name="nodes.record_target")
    async def record_target(self, request: InitRequest) -> None:
        def effect() -> None:
            state = self.world.state
            if state.spec is None or state.init_target not in (None, request.target):
                raise self.world.refuse("init's target is recorded twice")
            if state.init_target is None:
                state.init_target = request.target
                self.world.did(f"recorded target {request.target}")

        await self.world.act("nodes.record_target", effect)

    @activity.defn(name="nodes.init")
    async def init(self, request: InitRequest) -> InitOutcome:
        def effect() -> InitOutcome:
            state = self.world.state
            if request.target != state.init_target:
                raise self.world.refuse(f"init goes to node {request.target}, recorded is {state.init_target}")
            if state.cluster_ids:
                return InitOutcome(outcome="already")
            state.cluster_ids = {ordinal: "0b7e-one-cluster" for ordinal in range(request.spec.nodes)}
            self.world.did(f"init {request.target}")
            return InitOutcome(outcome="initialized")

        return await self.world.act("nodes.init", effect)

    @activity.defn(name="sql.check")
    async def check(self, request: ClusterRequest) -> SqlAnswer:
        def effect() -> SqlAnswer:
            ids = set(self.world.state.cluster_ids.values())
            if len(ids) != 1:
                raise NotReadyError("sql.silent", "No node serves yet.", retry_after=timedelta(seconds=1))
            return SqlAnswer(cluster_id=ids.pop(), version="25.2", seconds=0.1)

        return await self.world.act("sql.check", effect)

    @activity.defn(name="look.status")
    async def status(self, look: LookStart) -> StatusResult:
        nodes = len(self.world.state.cluster_ids)
        result = StatusResult(ref=look.ref, taken_at=datetime.now(UTC), is_deployed=nodes > 0, ready=nodes)
        return await self.world.act("look.status", lambda: result)

    @activity.defn(name="look.csr")
    async def csr(self, look: LookStart) -> CsrResult:
        return await self.world.act("look.csr", lambda: CsrResult(ref=look.ref, taken_at=datetime.now(UTC)))


class Signer:
    """Activities of the signer role."""

    def __init__(self, world: World, ring: KeyRing) -> None:
        self.world, self._ring = world, ring

    @activity.defn(name="signing.preflight")
    async def preflight(self, request: SignerPreflightRequest) -> SignerFacts:
        return await self.world.act("signing.preflight", self.world.seen_by_signer)

    @activity.defn(name="signing.ensure_ca")
    async def ensure_ca(self, request: EnsureCaRequest) -> CaCertificate:
        def effect() -> CaCertificate:
            state, is_new = self.world.state, not self.world.state.ca
            if is_new and request.expected != "none":
                raise RefusedError("ca.missing", f"Found no CA key, expected {request.expected}.")
            if is_new:
                state.ca = "ca" * 32
                self.world.did("made CA")
            return CaCertificate(certificate_pem="public", fingerprint=state.ca, is_new=is_new)

        return await self.world.act("signing.ensure_ca", effect)

    @activity.defn(name="signing.judge")
    async def judge(self, asked: SignRequest) -> Judgement:
        def effect() -> Judgement:
            request = self.world.request(asked.csr, asked.csr_uid)
            if request is None:
                return Judgement(outcome="gone")
            if self.world.verdict(request).fingerprint != asked.fingerprint:
                return Judgement(outcome="changed")
            try:
                self._check(request, asked)
            except RefusedError as error:
                return Judgement(outcome="no", sentence=error.message)
            return Judgement(outcome="yes")

        return await self.world.act("signing.judge", effect)

    @activity.defn(name="signing.sign")
    async def sign(self, asked: SignRequest) -> IssuedCertificate:
        def effect() -> IssuedCertificate:
            request = self.world.request(asked.csr, asked.csr_uid)
            if request is None:
                raise RefusedError("certify.gone", "The request is not there any more.")
            self._check(request, asked)
            self.world.issue(request)
            return _certificate(request)

        return await self.world.act("signing.sign", effect)

    @activity.defn(name="signing.fail")
    async def fail(self, asked: FailRequest) -> None:
        def effect() -> None:
            request = self.world.request(asked.csr, asked.csr_uid)
            if request is not None and not request.failed:
                if request.serial or not request.approved:
                    raise self.world.refuse(f"Failed is set on {request.name}, which is {request.state}")
                request.failed = f"{asked.reason}: {asked.message}"
                self.world.did(f"failed {request.name}")

        await self.world.act("signing.fail", effect)

    def _check(self, request: Request, asked: SignRequest) -> None:
        """What the signer wants to see before it signs."""
        people: list[Person] = []
        for token in asked.tokens:
            claims = verify(token, self._ring)
            seen = (claims.verb, claims.workflow_id, claims.approval_id, claims.fingerprint)
            wanted = ("approve", asked.workflow_id, asked.approval_id, self.world.verdict(request).fingerprint)
            if seen != wanted:
                raise RefusedError("signing.other-token", f"A token says {seen}, expected {wanted}.")
            verdict = may_decide(
                PolicySnapshot.of(self.world.configuration),
                _rule(self.world, request),
                claims.person,
                asked_by=asked.asked_by,
                approved_by=tuple(people),
                is_approval=True,
            )
            verdict.require("signing.not-allowed", f"{claims.person.name} may not approve")
            people.append(claims.person)
        if len(people) < _rule(self.world, request).approvals:
            raise RefusedError("signing.too-few", f"Found {len(people)} approvals.")


def ops_activities(world: World, ring: KeyRing) -> list[Callable[..., Any]]:
    """All activities on the ops queue."""
    upgrading = Upgrading(world)
    observing = ObservingActivities(upgrading, pause=timedelta(hours=8))
    served = (Ops(world, ring), Scaling(world), Drilling(world), upgrading, observing)
    return [method for one in served for method in _methods(one)]


def signer_activities(world: World, ring: KeyRing) -> list[Callable[..., Any]]:
    """All activities on the signer's queue."""
    return _methods(Signer(world, ring))


def activity_names(methods: Sequence[Callable[..., Any]]) -> list[str]:
    """The names under which activities are registered."""
    return [str(activity._Definition.must_from_callable(method).name) for method in methods]


def _methods(served: object) -> list[Callable[..., Any]]:
    found = [getattr(served, name) for name in dir(served)]
    return [method for method in found if hasattr(method, "__temporal_activity_definition")]


def _without_target(spec: ClusterSpec) -> ClusterSpec:
    return spec.model_copy(update={"init_target": None})


def _rule(world: World, request: Request) -> ApprovalRule:
    rules = world.configuration.approvals
    return rules.client_root if world.kind_of(request) == "client" else rules.node


def _certificate(request: Request) -> IssuedCertificate:
    begin = request.made_at
    return IssuedCertificate(
        serial=request.serial, not_before=begin, not_after=begin + 24 * 365 * _HOUR, sha256=request.uid
    )


def _evidence(world: World, request: Request) -> Evidence:
    facts = world.csr_facts(request)
    assert facts.request is not None
    return Evidence(
        csr=request.name,
        csr_uid=request.uid,
        kind=world.kind_of(request),
        pod=request.pod,
        owner="StatefulSet/cockroachdb",
        subject="O=Cockroach",
        dns_names=facts.request.dns_names,
        ip_addresses=facts.request.ip_addresses,
        stamped_username=request.username,
        stamped_pod=request.pod,
        stamped_pod_uid=request.pod_uid,
        key="EC P-256",
        key_sha256=facts.request.key_sha256,
        signature_algorithm="ecdsa-with-SHA256",
        signer_name=facts.signer_name,
        usages=facts.usages,
        lifetime="365 days",
        created_at=request.made_at,
    )
