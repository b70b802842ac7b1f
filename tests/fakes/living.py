"""Kubernetes in memory that lives: pods are made, ask for certificates, run and get ready by themselves.

What controllers, kubelet, certagent and the database do between two of our calls, as far as a whole operation needs
it: `kubernetes` holds the objects and the API server's rules, `nodes` the database. Every reaction happens at once,
inside the write that causes it; a test may hold back that pods run or get ready.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from activities.manifests import labels
from activities.manifests.accounts import ca_config_map
from activities.manifests.statefulset import stateful_set
from activities.ports import CsrObject, CsrSeen, CsrSnapshot, Object
from domain.certificate import USAGES, Kind, SigningPolicy
from domain.configuration import Configuration
from domain.errors import TransientError
from domain.model import CLIENT_POD, STATEFULSET, ClusterRef, NodeRef
from tests.activities.world import request_pem
from tests.fakes.authority import FakeAuthorities
from tests.fakes.kubernetes import FakeKubernetes, Key, csr_json
from tests.fakes.nodes import FakeNodes

_CSR = "CertificateSigningRequest"
_Held = Literal["running", "ready"]


class LivingNodes(FakeNodes):
    """Nodes whose pods get ready when they serve."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.states = ["connection refused"] * count
        self.on_serve: Callable[[], None] | None = None

    def serve(self, cluster_id: str = "0f6d") -> None:
        super().serve(cluster_id)
        if self.on_serve is not None:
            self.on_serve()


class LivingKubernetes(FakeKubernetes):
    """One namespace with one cluster of ours, and the machines below it."""

    def __init__(self, configuration: Configuration, ref: ClusterRef) -> None:
        super().__init__()
        self.ref, self.policy = ref, SigningPolicy.of(configuration, ref)
        self.spec = configuration.spec(ref, nodes=None, version=None, storage=None)
        self.nodes = LivingNodes(self.spec.nodes)
        self.nodes.on_serve = lambda: self._do("ready", self._get_ready)
        self.authorities = FakeAuthorities()
        #: How often each object came into being: twice means that something was doubled.
        self.made: Counter[Key] = Counter()
        self.held: set[_Held] = set()
        #: Volumes hold certificates already: pods ask nobody.
        self.has_certificates = False
        #: How often the watch of requests delivers each event.
        self.deliveries = 1
        self.drops_csr_watch = False
        self.dropped_csr_watch = False
        self._later: dict[_Held, list[Callable[[], None]]] = {"running": [], "ready": []}
        self._administrate()

    # What a test does to the world.
    def stand(self) -> None:
        """A cluster that was deployed until its nodes wait for `init`."""
        now = datetime.now(UTC)
        authority = self.authorities.put(self.ref, days=100, now=now - timedelta(hours=1))
        self.put(ca_config_map(self.ref, operation_id="op-0", certificate_pem=authority.certificate_pem))
        self.has_certificates = True
        self.put(stateful_set(self.ref, self.spec, self.policy, operation_id="op-0"))

    def ask(self, pod: str) -> Object:
        """Let a pod ask for its certificate, as certagent does."""
        kind: Kind = "client" if pod == CLIENT_POD else "node"
        namespace = self.ref.namespace
        name = f"{namespace}.client.root" if kind == "client" else f"{namespace}.node.{pod}"
        csr = CsrObject(
            name=name,
            uid=f"csr-{name}",
            created_at=datetime.now(UTC),
            signer_name=f"crdbops.internal/{kind}",
            usages=USAGES[kind],
            expiration_seconds=31536000,
            username=self.policy.account(kind),
            pod=pod,
            pod_uid=self.find("Pod", pod, namespace=namespace)["metadata"]["uid"],
            request_pem=request_pem(self.policy, pod=pod),
            raw={"metadata": {"labels": labels.labels(self.ref)}},
        )
        return self.put(csr_json(csr))

    def release(self, what: _Held) -> None:
        """Let happen what was held."""
        self.held.discard(what)
        waiting, self._later[what] = self._later[what], []
        for act in waiting:
            act()

    # What the machines do.
    def put(self, item: Object) -> Object:
        key = self._key(item)
        is_new = key not in self.objects
        if is_new:
            self.made[key] += 1
        if key[0] == _CSR and is_new and self.drops_csr_watch and not self.dropped_csr_watch:
            self.dropped_csr_watch = True
            self.end_watches(TransientError("kubernetes.unreachable", "the watch broke"))
        stored = super().put(item)
        kind, _, name = key
        if kind == "StatefulSet" and is_new:
            for ordinal in range(stored["spec"]["replicas"]):
                self._make_node(NodeRef(ordinal=ordinal).pod, owner=stored["metadata"]["uid"])
        if kind == "Pod" and is_new:
            self._begin(name)
        if kind == _CSR and stored.get("status", {}).get("certificate"):
            pod = stored["spec"]["extra"]["authentication.kubernetes.io/pod-name"][0]
            self._do("running", lambda: self._run(pod))
        return stored

    def _do(self, what: _Held, act: Callable[[], None]) -> None:
        if what in self.held:
            self._later[what].append(act)
        else:
            act()

    def _make_node(self, name: str, *, owner: str) -> None:
        meta = {
            "name": name,
            "namespace": self.ref.namespace,
            "labels": labels.labels(self.ref, app=STATEFULSET),
            "annotations": {labels.OPERATION: "op-0"},
        }
        owners = [{"kind": "StatefulSet", "name": STATEFULSET, "controller": True, "uid": owner}]
        claim = {"kind": "PersistentVolumeClaim", "metadata": {**meta, "name": f"datadir-{name}"}}
        self.put({**claim, "status": {"phase": "Bound"}})
        self.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {**meta, "ownerReferences": owners},
                "spec": {"serviceAccountName": "cockroachdb"},
                "status": {"phase": "Pending"},
            }
        )

    def _begin(self, name: str) -> None:
        if self.has_certificates:
            self._do("running", lambda: self._run(name))
        else:
            self.ask(name)

    def _run(self, name: str) -> None:
        is_client = name == CLIENT_POD
        ended = {"name": "certagent", "state": {"terminated": {"exitCode": 0}}}
        status = {"phase": "Running", "initContainerStatuses": [ended]}
        self._set_status("Pod", name, status, is_ready=is_client)
        if not is_client and self.nodes.states[int(name[-1])] != "serving":
            self.nodes.states[int(name[-1])] = "waiting"

    def _get_ready(self) -> None:
        for ordinal in range(self.spec.nodes):
            self._set_status("Pod", NodeRef(ordinal=ordinal).pod, {}, is_ready=True)
        self._set_status("StatefulSet", STATEFULSET, {"readyReplicas": self.spec.nodes}, is_ready=False)

    def _set_status(self, kind: str, name: str, status: dict[str, Any], *, is_ready: bool) -> None:
        item = self.find(kind, name, namespace=self.ref.namespace)
        conditions = {"conditions": [{"type": "Ready", "status": "True"}]} if is_ready else {}
        super().put({**item, "status": {**item.get("status", {}), **status, **conditions}})

    def _administrate(self) -> None:
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.put({"kind": "Namespace", "metadata": {"name": self.ref.namespace, "labels": restricted}})
        self.put({"kind": "StorageClass", "metadata": {"name": self.spec.storage_class}})
        ready = [{"type": "Ready", "status": "True"}]
        status = {"allocatable": {"cpu": "64", "memory": "256Gi"}, "conditions": ready}
        self.put({"kind": "Node", "metadata": {"name": "machine-1"}, "spec": {}, "status": status})


class LivingCsrWatch:
    """CsrWatchPort over all namespaces of a site: lists, follows, lists again when the watch broke."""

    def __init__(self, namespaces: Sequence[LivingKubernetes]) -> None:
        self._namespaces = namespaces
        self._queue: asyncio.Queue[CsrSeen | None] = asyncio.Queue()
        self.reconnects = 0

    async def watch(self) -> AsyncGenerator[CsrSnapshot | CsrSeen, None]:
        tasks = [asyncio.create_task(self._follow(one)) for one in self._namespaces]
        try:
            while True:
                seen = await self._queue.get()
                if seen is not None:
                    yield seen
                    continue
                listings = [await one.list(_CSR) for one in self._namespaces]
                yield CsrSnapshot(items=tuple(_seen("added", item) for found in listings for item in found.items))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, one: LivingKubernetes) -> None:
        if one is self._namespaces[0]:
            self._queue.put_nowait(None)
        while True:
            listing = await one.list(_CSR)
            try:
                async for event in one.watch(_CSR, namespace="", labels="", version=listing.version):
                    for _ in range(one.deliveries):
                        self._queue.put_nowait(_seen(event.kind, event.object))
            except TransientError:
                self.reconnects += 1
                self._queue.put_nowait(None)


def _seen(kind: str, item: Object) -> CsrSeen:
    csr = CsrObject.parse(item)
    reasons = {condition.reason for condition in csr.conditions}
    return CsrSeen.model_validate(
        {
            "kind": kind,
            "name": csr.name,
            "uid": csr.uid,
            "username": csr.username,
            "signer_name": csr.signer_name,
            "state": csr.state,
            "created_at": csr.created_at,
            "is_decided_by_us": any(reason.startswith("Crdbops") for reason in reasons),
        }
    )
