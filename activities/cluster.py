"""Activities on a cluster's Kubernetes objects: plan, CA's ConfigMap, apply, how far it is, wait, ask again.

How objects are made is `applying`, what is seen before `preflight`, what pods say `progress`. CSRs are
`certificates` and `signing`; the database is `nodes` and `sql`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from temporalio import activity

from activities import applying, pods, preflight
from activities.clients import pki
from activities.csr_object import CsrObject, Object
from activities.manifests.accounts import ca_config_map
from activities.manifests.client_pod import client_pod
from activities.manifests.labels import ASK_AGAIN, selector_text
from activities.patience import Patience
from activities.payloads import (
    Applied,
    ApplyRequest,
    AskAgainRequest,
    CertificatesProgress,
    ClientPodRequest,
    ClusterRequest,
    DeployPlanned,
    InitPlanned,
    PlanDeployRequest,
    PlanInitRequest,
    PodsState,
    RecordCaRequest,
)
from activities.ports import ClusterPort
from activities.progress import certificate, expected_pods, pods_state
from activities.waiting import follow
from domain.certificate import SigningPolicy
from domain.configuration import Configuration
from domain.errors import BrokenError, InvalidRequestError
from domain.initialization import plan_init
from domain.model import CLIENT_POD, ClusterRef, NodeRef
from domain.preflight import plan_deploy

_IsDone = Callable[[dict[str, Object], PodsState, int], bool]


class ClusterActivities:
    """Activities of ops on Kubernetes."""

    def __init__(self, cluster: ClusterPort, configuration: Configuration) -> None:
        self._cluster = cluster
        self._configuration = configuration

    @activity.defn(name="cluster.plan")
    async def plan(self, request: PlanDeployRequest) -> DeployPlanned:
        """Gather ops' facts and decide. Repeating it only reads again."""
        ref = request.ref
        most = self._configuration.clusters[ref.cluster].max_nodes
        if request.nodes is not None and request.nodes > most:
            raise InvalidRequestError(
                "deploy.too-many-nodes",
                f"nodes: found {request.nodes}, expected at most {most} (max_nodes of {ref.cluster}).",
                hint="/crdb deploy nodes=3",
            )
        defaults = self._configuration.spec(ref, nodes=request.nodes, version=request.version, storage=request.storage)
        facts = await preflight.gather(self._cluster, self._configuration, ref, defaults)
        asked: dict[str, object] = {
            "nodes": request.nodes,
            "version": request.version,
            "storage": request.storage,
        }
        return DeployPlanned(plan=plan_deploy(ref, defaults, facts, request.signer, asked=asked), facts=facts)

    @activity.defn(name="cluster.plan_init")
    async def plan_init(self, request: PlanInitRequest) -> InitPlanned:
        """Gather what Kubernetes shows of a deployed cluster and decide. Repeating it only reads again."""
        facts = await preflight.gather_deployed(self._cluster, request.ref)
        if facts.recorded is not None:
            progress = await self.certificates(ClusterRequest(ref=request.ref, spec=facts.recorded))
            missing = tuple(
                f"{pod.pod} ({pod.detail or pod.state})"
                for pod in progress.pods
                if pod.pod != CLIENT_POD and pod.state != "present"
            )
            facts = facts.model_copy(update={"without_certificate": missing})
        return InitPlanned(plan=plan_init(request.ref, facts), facts=facts)

    @activity.defn(name="cluster.client_pod")
    async def client_pod(self, request: ClientPodRequest) -> None:
        """Have the client pod. Repeating it changes nothing: it is made only where it is missing or of another spec."""
        manifest = client_pod(request.ref, request.spec, self._policy(request.ref), operation_id=request.operation_id)
        await applying.ensure_pod(self._cluster, request.ref, manifest)

    @activity.defn(name="cluster.record_ca")
    async def record_ca(self, request: RecordCaRequest) -> None:
        """Publish the CA's certificate. Repeating it finds it there: it is created, and never overwritten."""
        ref = request.ref
        if pki.fingerprint(request.certificate_pem) != request.fingerprint:
            raise BrokenError("ca.differs", "Found a CA certificate of another fingerprint than was announced with it.")
        found = await self._cluster.get("ConfigMap", ref.ca_config_map, namespace=ref.namespace)
        if found is None:
            manifest = ca_config_map(
                ref, operation_id=activity.info().workflow_id or "", certificate_pem=request.certificate_pem
            )
            if await self._cluster.create(manifest) is not None:
                return
            found = await self._cluster.get("ConfigMap", ref.ca_config_map, namespace=ref.namespace) or {}
        applying.check_ours(ref, "ConfigMap", found)
        held = pki.fingerprint(found.get("data", {}).get("ca.crt", ""))
        if held != request.fingerprint:
            raise BrokenError(
                "ca.differs",
                f"ConfigMap/{ref.ca_config_map}: found CA {held[:12]}, expected {request.fingerprint[:12]}.",
                hint="Nodes trust the one that is published; find out where the other comes from.",
            )

    @activity.defn(name="cluster.apply")
    async def apply(self, request: ApplyRequest) -> Applied:
        """Make all objects. Repeating it changes nothing: server-side apply, and the StatefulSet is created once."""
        return Applied(objects=await applying.apply_all(self._cluster, request, self._policy(request.ref)))

    @activity.defn(name="cluster.certificates")
    async def certificates(self, request: ClusterRequest) -> CertificatesProgress:
        """Say how far each pod's certificate is. Repeating it only reads again."""
        ref, labels = request.ref, selector_text(request.ref)
        listing = await self._cluster.list("Pod", namespace=ref.namespace, labels=labels)
        requests = await self._cluster.list("CertificateSigningRequest", labels=labels)
        known = {item["metadata"]["name"]: item for item in listing.items}
        csrs = tuple(CsrObject.parse(item) for item in requests.items)
        policy = self._policy(ref)
        return CertificatesProgress(
            pods=tuple(certificate(name, known.get(name), csrs, policy) for name in expected_pods(request.spec.nodes))
        )

    @activity.defn(name="cluster.wait_running")
    async def wait_running(self, request: ClusterRequest) -> PodsState:
        """Wait until all nodes run, volumes are bound and the client pod is ready. Repeating it looks again."""

        def is_done(known: dict[str, Object], state: PodsState, nodes: int) -> bool:
            has_client = CLIENT_POD in known and pods.is_ready(known[CLIENT_POD])
            return state.running >= nodes and state.bound >= nodes and has_client

        return await self._wait(request, is_done)

    @activity.defn(name="cluster.wait_ready")
    async def wait_ready(self, request: ClusterRequest) -> PodsState:
        """Wait until all nodes are ready. Repeating it looks again."""
        return await self._wait(request, lambda _known, state, nodes: state.ready >= nodes)

    @activity.defn(name="cluster.ask_again")
    async def ask_again(self, request: AskAgainRequest) -> None:
        """Let certagent ask again. Repeating it sets the same value, which certagent acts upon once."""
        ref = request.ref
        for name in request.pods:
            found = await self._cluster.get("Pod", name, namespace=ref.namespace)
            # Without a pod nothing waits: the next one asks by itself.
            if found is not None:
                applying.check_ours(ref, "Pod", found)
                values = {ASK_AGAIN: request.value}
                await self._cluster.annotate("Pod", name, namespace=ref.namespace, values=values)

    def _policy(self, ref: ClusterRef) -> SigningPolicy:
        return SigningPolicy.of(self._configuration, ref)

    async def _wait(self, request: ClusterRequest, is_done: _IsDone) -> PodsState:
        """Follow the pods until done; the heartbeat says what is waited for. The deadline is the workflow's."""
        ref, nodes = request.ref, request.spec.nodes
        patience = Patience()
        bound, running = await self._bound(request), -1
        async with aclosing(
            follow(self._cluster, "Pod", namespace=ref.namespace, labels=selector_text(ref))
        ) as changes:
            async for known in changes:
                state = pods_state(known, nodes, bound=bound)
                if state.running != running or (state.running >= nodes and bound < nodes):
                    running, bound = state.running, await self._bound(request)
                    state = pods_state(known, nodes, bound=bound)
                activity.heartbeat(state)
                if is_done(known, state, nodes):
                    return state
                patience.bear(known[name] for name in expected_pods(nodes) if name in known)
        raise AssertionError("unreachable: following never ends by itself")

    async def _bound(self, request: ClusterRequest) -> int:
        ref = request.ref
        claims = await self._cluster.list("PersistentVolumeClaim", namespace=ref.namespace, labels=selector_text(ref))
        wanted = {f"datadir-{NodeRef(ordinal=n).pod}" for n in range(request.spec.nodes)}
        return sum(
            claim["metadata"]["name"] in wanted and claim.get("status", {}).get("phase") == "Bound"
            for claim in claims.items
        )
