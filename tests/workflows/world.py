"""One fake world: Kubernetes, its certificate requests, the signer's CA and the database, as far as workflows touch it.

State and rules stand here; the activities under their real names in `acting`, chat in `talking`, people in `people`.
Decisions are the real ones (`domain`). What cannot happen is refused and noted in `impossible`, which every test checks
at its end. With a file the state outlives the process, for tests that kill it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel
from temporalio.client import Client

from activities.payloads import RunningChange
from activities.ports import CsrSeen, CsrSnapshot
from domain.certificate import LOOPBACK, USAGES, Kind, SigningPolicy, node_names
from domain.configuration import Configuration
from domain.csr import CsrFacts, CsrState, CsrVerdict, PodFacts, RequestFacts, judge
from domain.errors import BrokenError
from domain.initialization import InitFacts
from domain.model import CLIENT_ACCOUNT, CLIENT_POD, NODE_ACCOUNT, ClusterRef, ClusterSpec, NodeRef
from domain.preflight import DeployFacts, LiveSet, SignerFacts
from tests.workflows.database import Claim, Member

Result = TypeVar("Result")
Moment = Literal["before", "after"]


class Pod(BaseModel):
    """A pod with its certagent."""

    name: str
    uid: str
    made_at: datetime
    csr: str = ""
    asked: int = 0
    has_certificate: bool = False
    version: str = "v25.2.3"


class Request(BaseModel):
    """A certificate signing request. `approved` holds the approval id, or `outside`."""

    name: str
    uid: str
    pod: str
    pod_uid: str
    username: str
    made_at: datetime
    approved: str = ""
    denied: str = ""
    failed: str = ""
    serial: str = ""
    surplus_name: str = ""
    is_ours: bool = True
    denied_by_us: bool = False

    @property
    def state(self) -> CsrState:
        """Where it stands."""
        if self.denied:
            return "denied"
        if self.failed:
            return "failed"
        if self.serial:
            return "issued"
        return "approved" if self.approved else "pending"


class State(BaseModel):
    """All that outlives a process."""

    ca: str = ""
    published: str = ""
    spec: ClusterSpec | None = None
    pods: dict[str, Pod] = {}
    requests: dict[str, Request] = {}
    init_target: int | None = None
    cluster_ids: dict[int, str] = {}
    members: list[Member] = []
    claims: dict[int, Claim] = {}
    certified: set[str] = set()
    active: str = "25.2"
    preserved: str = ""
    template: str = "v25.2.3"
    partition: int = 0
    calls: list[str] = []
    effects: list[str] = []
    impossible: list[str] = []
    killed: list[str] = []
    stopped: list[str] = []


def configuration(site: str, **approvals: object) -> Configuration:
    """A file with one site and one cluster; the approval rules of all kinds may differ from the defaults."""
    return Configuration.model_validate(
        {
            "team": "T1",
            "images": {"agent": "local.invalid/crdbops-agent:1", "database": "local.invalid/cockroach"},
            "sites": {site: {}},
            "clusters": {
                "shop": {
                    "site": site,
                    "namespace": "crdb",
                    "channel": f"C-{site}",
                    "version": "v25.2.3",
                    "storage_class": "crdbops-local",
                }
            },
            "roles": {"operator": {"groups": ["S-OPS"]}, "approver": {"groups": ["S-APPROVE"]}},
            "approvals": {kind: approvals for kind in ("node", "client", "client_root")},
        }
    )


class World:
    """The fake world of one site with one cluster.

    Args:
        configuration: The file that ops and signer read.
        client: Temporal, for what runs beside a workflow.
        file: Where the state is kept between processes; None keeps it in memory.
        kills: Activities at which this process ends itself: at the first attempt before the effect, then after it.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        client: Client,
        file: Path | None = None,
        kills: tuple[str, ...] = (),
    ) -> None:
        self.configuration = configuration
        self.client = client
        self.ref: ClusterRef = configuration.ref("shop")
        self.policy = SigningPolicy.of(configuration, self.ref)
        self._file, self._kills = file, kills
        self.state = State.model_validate_json(file.read_bytes()) if file and file.exists() else State()
        self.facts: dict[str, object] = {}
        self.signer_facts: dict[str, object] = {}
        self.silent_pods: set[str] = set()
        self.errors: dict[str, list[Exception]] = {}
        #: Raised after the effect: the answer is lost, and the next attempt finds what this one did.
        self.lost: dict[str, list[Exception]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        #: Takes the place of the change that runs on this cluster.
        self.behind: RunningChange | None = None
        #: Waits that do not see what they wait for.
        self.held: set[str] = set()
        #: Waits that have met their being held.
        self.waiting: set[str] = set()
        #: Replicas that leave each decommissioning node at each look, and what a trial says blocks it.
        self.moves = 12
        self.blocked: list[str] = []
        #: Of a drill: probes that SQL answers, what else stands there afterwards, and a pod that does not come back.
        self.answered = 8
        self.back: dict[str, object] = {}
        self.never_back = False
        self.killed_ago = timedelta(0)
        #: Of an upgrade: its terms, releases whose image nobody can pull (or one pod cannot), ranges short of copies
        #: at each look at all nodes, the active versions on the way to a new one, and what holds that up.
        self.terms: dict[str, object] = {}
        self.unpullable: set[str] = set()
        self.few: list[int] = []
        self.short = 0
        self.migration: list[str] = []
        self.holds = ""
        self._relists = 0

    # --- how an activity acts on it ---

    async def act(self, name: str, effect: Callable[[], Result]) -> Result:
        """Record the call, then do the effect in one go; die, wait or fail where a test wants it."""
        self.state.calls.append(name)
        self._die(name, "before")
        errors = self.errors.get(name)
        if errors:
            raise errors.pop(0)
        gate = self.gates.get(name)
        if gate is not None:
            await gate.wait()
        result = effect()
        self.save()
        self._die(name, "after")
        lost = self.lost.get(name)
        if lost:
            raise lost.pop(0)
        return result

    def did(self, effect: str) -> None:
        """Note an effect."""
        self.state.effects.append(effect)

    def refuse(self, sentence: str) -> BrokenError:
        """Note something that must never happen, and return the error that says so."""
        self.state.impossible.append(sentence)
        return BrokenError("world.impossible", sentence)

    def save(self) -> None:
        """Write the state down, all or nothing."""
        if self._file is not None:
            fresh = self._file.with_suffix(".new")
            fresh.write_text(self.state.model_dump_json())
            fresh.replace(self._file)

    def _die(self, name: str, moment: Moment) -> None:
        if name in self._kills and f"{moment} {name}" not in self.state.killed:
            self.state.killed.append(f"{moment} {name}")
            self.save()
            os.kill(os.getpid(), signal.SIGKILL)

    # --- Kubernetes ---

    def deploy_facts(self) -> DeployFacts:
        """What ops sees before a deploy."""
        facts = DeployFacts(
            server_version="v1.35.4",
            pod_security="restricted",
            room=9,
            recorded=self.state.spec,
            live=self._live(),
            has_client_pod=CLIENT_POD in self.state.pods,
            ca_fingerprint=self.state.published,
            policy_hash=self.policy.fingerprint(),
        )
        return facts.model_copy(update=self.facts)

    def init_facts(self) -> InitFacts:
        """What ops sees before an init."""
        pods, spec = self.state.pods, self.state.spec
        client = pods.get(CLIENT_POD)
        names = [NodeRef(ordinal=o).pod for o in range(spec.nodes if spec else 0)]
        facts = InitFacts(
            recorded=spec,
            live=self._live(),
            without_certificate=tuple(n for n in names if n not in pods or not pods[n].has_certificate),
            has_client_pod=client is not None,
            is_client_ready=client is not None and client.has_certificate,
        )
        return facts.model_copy(update=self.facts)

    def _live(self) -> LiveSet | None:
        spec = self.state.spec
        return spec and LiveSet(
            replicas=spec.nodes,
            ready=len(self.state.cluster_ids),
            database_image=spec.database_image,
            agent_image=spec.agent_image,
            storage=spec.storage,
        )

    def seen_by_signer(self) -> SignerFacts:
        """What the signer sees before a deploy."""
        facts = SignerFacts(ca_fingerprint=self.state.ca, policy_hash=self.policy.fingerprint())
        return facts.model_copy(update=self.signer_facts)

    def make_pods(self, spec: ClusterSpec) -> None:
        """Make the pods that are missing; each asks for its certificate at once, unless it is a silent one."""
        for name in (*(NodeRef(ordinal=o).pod for o in range(spec.nodes)), CLIENT_POD):
            if name not in self.state.pods:
                self.state.pods[name] = Pod(name=name, uid=f"uid-{name}-{self.ref.site}", made_at=datetime.now(UTC))
            pod = self.state.pods[name]
            pod.has_certificate = pod.has_certificate or name in self.state.certified
            if not pod.csr and not pod.has_certificate and name not in self.silent_pods:
                self.ask(pod)

    def keep_certificates(self, *pods: str) -> None:
        """A cluster that was deployed in part: these pods' volumes hold their certificates already."""
        self.stand()
        self.state.certified = set(pods)

    def wait_for_init(self) -> None:
        """A cluster that was deployed until all its nodes run and wait for `init`."""
        self.stand()
        assert self.state.spec is not None
        self.state.certified = {*(NodeRef(ordinal=o).pod for o in range(self.state.spec.nodes)), CLIENT_POD}
        self.make_pods(self.state.spec)

    def record_target(self, ordinal: int) -> None:
        """An earlier run recorded where `init` goes."""
        self.stand()
        assert self.state.spec is not None
        self.state.spec = self.state.spec.model_copy(update={"init_target": ordinal})
        self.state.init_target = ordinal

    def serve(self, *ids: int) -> None:
        """A cluster that was deployed and serves, with these node ids in the order of ordinals."""
        self.stand()
        assert self.state.spec is not None
        self.state.spec = self.state.spec.model_copy(update={"nodes": len(ids)})
        self.state.certified = {*(NodeRef(ordinal=o).pod for o in range(len(ids))), CLIENT_POD}
        self.make_pods(self.state.spec)
        self.state.certified = set()
        for ordinal, member in enumerate(ids):
            self.state.cluster_ids[ordinal] = "0b7e-one-cluster"
            self.state.members.append(Member(id=member, ordinal=ordinal))

    def join(self) -> int:
        """Let pods with a certificate join a cluster that serves; return how many nodes serve."""
        for pod in self.state.pods.values():
            ordinal = pod.name.rpartition("-")[2]
            is_node = pod.name != CLIENT_POD and self.state.cluster_ids
            if is_node and pod.has_certificate and int(ordinal) not in self.state.cluster_ids:
                self.state.cluster_ids[int(ordinal)] = "0b7e-one-cluster"
                ids = [member.id for member in self.state.members]
                claim = self.state.claims.pop(int(ordinal), None)
                back = [m for m in self.state.members if claim and m.id == claim.node_id]
                if back and back[0].membership == "decommissioned":
                    raise self.refuse(f"{pod.name} starts with the store of a decommissioned node")
                if back:
                    back[0].is_live = True
                else:
                    self.state.members.append(Member(id=max(ids, default=0) + 1, ordinal=int(ordinal)))
        return len(self.state.cluster_ids)

    def run_release(self, version: str) -> None:
        """All nodes run another release than the file's, and it is final."""
        self.stand_on(version)
        assert self.state.spec is not None
        self.state.spec = self.state.spec.model_copy(update={"upgraded_from": ""})
        self.state.active, self.state.preserved = version[1:].rpartition(".")[0], ""

    def stand_on(self, version: str) -> None:
        """All nodes run a new release, which is not final."""
        state = self.state
        assert state.spec is not None
        image = f"{state.spec.database_image.rpartition(':')[0]}:{version}"
        update = {"version": version, "database_image": image, "upgraded_from": state.spec.version}
        state.spec, state.template, state.preserved = state.spec.model_copy(update=update), version, state.active
        for member in state.members:
            member.build = version
        for pod in state.pods.values():
            pod.version = version

    def remake_client(self, version: str) -> None:
        """The client pod is deleted and made again; its key and certificate are in a Secret."""
        pods, older = self.state.pods, [m.build for m in self.state.members if m.build < version]
        if older:
            raise self.refuse(f"a client of {version} asks nodes of {older}")
        pods[CLIENT_POD] = pods[CLIENT_POD].model_copy(update={"uid": f"{pods[CLIENT_POD].uid}+", "version": version})
        self.did(f"client pod on {version}")

    def add_pod(self, ordinal: int = 0) -> Request:
        """A node pod that asks, in a cluster that stands; nobody deploys it now."""
        self.stand()
        name = NodeRef(ordinal=ordinal).pod
        pod = self.state.pods.setdefault(name, Pod(name=name, uid=f"uid-{name}", made_at=datetime.now(UTC)))
        return self.ask(pod)

    def stand(self) -> None:
        if self.state.spec is None:
            self.state.spec = self.configuration.spec(self.ref, nodes=None, version=None, storage=None)
            self.state.ca = self.state.published = "ca" * 32

    def ask(self, pod: Pod) -> Request:
        """Make a pod's certificate request; asked again it has another key and another name."""
        kind = "client" if pod.name == CLIENT_POD else "node"
        base = f"crdb.{kind}.{'root' if kind == 'client' else pod.name}"
        pod.asked += 1
        account = CLIENT_ACCOUNT if kind == "client" else NODE_ACCOUNT
        request = Request(
            name=base if pod.asked == 1 else f"{base}.{_sha(base, str(pod.asked))[:10]}",
            uid=f"csr-{_sha(self.ref.site, base, str(pod.asked))[:12]}",
            pod=pod.name,
            pod_uid=pod.uid,
            username=f"system:serviceaccount:{self.ref.namespace}:{account}",
            made_at=datetime.now(UTC),
        )
        pod.csr = request.name
        self.state.requests[request.name] = request
        return request

    def request(self, name: str, uid: str) -> Request | None:
        """The request of that name and uid, if it is there."""
        found = self.state.requests.get(name)
        return found if found is not None and found.uid == uid else None

    def kind_of(self, request: Request) -> Kind:
        """Whether it is a node's or a client's."""
        return "client" if request.pod == CLIENT_POD else "node"

    def verdict(self, request: Request) -> CsrVerdict:
        """The real verdict on a request."""
        return judge(self.csr_facts(request), self.policy)

    def csr_facts(self, request: Request) -> CsrFacts:
        kind, pod = self.kind_of(request), self.state.pods.get(request.pod)
        spec, is_node = self.state.spec, self.kind_of(request) == "node"
        names = node_names(self.policy, pod=request.pod) if is_node else ()
        return CsrFacts(
            name=request.name,
            uid=request.uid,
            created_at=request.made_at,
            seen_at=request.made_at,
            signer_name=self.policy.node_signer if is_node else self.policy.client_signer,
            usages=USAGES[kind],
            expiration_seconds=31536000,
            stamped_username=request.username,
            stamped_pod=request.pod,
            stamped_pod_uid=request.pod_uid,
            request=RequestFacts(
                pem_blocks=1,
                is_signature_valid=True,
                signature_algorithm="ecdsa-with-SHA256",
                subject=(("O", "Cockroach"), ("CN", "node" if is_node else "root")),
                dns_names=(*names, request.surplus_name) if request.surplus_name else names,
                ip_addresses=(LOOPBACK,) if is_node else (),
                key_type="EC P-256",
                key_sha256=_sha(request.uid),
                extensions=("2.5.29.17",) if is_node else (),
            ),
            request_sha256=_sha(request.uid, request.surplus_name),
            pod=pod
            and PodFacts(
                name=pod.name,
                uid=pod.uid,
                account=NODE_ACCOUNT if is_node else CLIENT_ACCOUNT,
                owner="StatefulSet/cockroachdb" if is_node else "",
                instance=self.ref.cluster,
                managed_by="crdb-chatops",
                ordinal=int(pod.name.rpartition("-")[2]) if is_node else None,
            ),
            replicas=len(self.state.pods.keys() - {CLIENT_POD}) if spec else None,
        )

    def issue(self, request: Request) -> None:
        """The certificate stands in the request; its pod takes it at once."""
        if not request.approved or request.denied or request.failed:
            raise self.refuse(f"{request.name} is signed while it is {request.state}")
        if not request.serial:
            request.serial = _sha(request.uid, "serial")[:16]
            self.did(f"issued {request.name}")
            self.state.pods[request.pod].has_certificate = True

    # --- the watch (CsrWatchPort) ---

    @property
    def reconnects(self) -> int:
        """How often the list was taken again."""
        return self._relists

    def relist(self) -> None:
        """Let the watch list everything again."""
        self._relists += 1

    async def watch(self) -> AsyncIterator[CsrSnapshot | CsrSeen]:
        """Yield a snapshot at each list, then every change."""
        relists, known = -1, dict[str, CsrSeen]()
        while True:
            now = {r.uid: self._seen(r, "added") for r in list(self.state.requests.values())}
            if relists != self._relists:
                relists, known = self._relists, now
                yield CsrSnapshot(items=tuple(now.values()))
                continue
            before, known = known, now
            for uid, seen in now.items():
                if before.get(uid) != seen:
                    yield seen if uid not in before else seen.model_copy(update={"kind": "modified"})
            for uid in before.keys() - now.keys():
                yield before[uid].model_copy(update={"kind": "deleted"})
            await asyncio.sleep(0.03)

    def _seen(self, request: Request, kind: Literal["added", "modified", "deleted"]) -> CsrSeen:
        return CsrSeen(
            kind=kind,
            name=request.name,
            uid=request.uid,
            username=request.username,
            signer_name=self.policy.node_signer,
            state=request.state,
            created_at=request.made_at,
            is_decided_by_us=request.denied_by_us or request.approved not in ("", "outside"),
        )


def _sha(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()
