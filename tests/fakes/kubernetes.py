"""Kubernetes in memory: ClusterPort and CsrPort over one store of objects.

It keeps the API server's rules that the activities lean on (versions, create or conflict, immutable fields, conditions
that exclude each other, Secrets as metadata alone) and records every call. No controllers run: a test moves pods and
CSRs by hand. Nodes of the database are `nodes`, CA keys `authority`.
"""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime
from typing import Any

from activities.ports import Condition, CsrObject, Event, Listing, Object, Rule
from domain.errors import BrokenError, OpsError, TransientError
from domain.model import STATEFULSET, ClusterRef

Key = tuple[str, str, str]


def conflict(name: str = "") -> TransientError:
    """What a write on an old version, or a create over an existing object, is answered with."""
    return TransientError("kubernetes.conflict", f"{name}: the object has been modified")


class FakeKubernetes:
    """ClusterPort in memory."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.missing: set[str] = set()
        self.version = "v1.35.4"
        self.faults: dict[str, list[OpsError]] = {}
        self._clock = 0
        self._watches: list[tuple[str, str, asyncio.Queue[Event | OpsError | None]]] = []

    # What a test does to the world.
    def put(self, item: Object) -> Object:
        """Set an object as if another client had written it."""
        key = self._key(item)
        before = self.objects.get(key)
        stored = copy.deepcopy(item)
        self._clock += 1
        meta = stored["metadata"]
        meta.setdefault("uid", before["metadata"]["uid"] if before else f"uid-{self._clock}")
        meta.setdefault("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        meta["resourceVersion"] = str(self._clock)
        self.objects[key] = stored
        self._tell(key, Event(kind="modified" if before else "added", object=stored, version=str(self._clock)))
        return stored

    def remove(self, kind: str, name: str, *, namespace: str = "") -> None:
        """Remove an object as if another client had."""
        self._clock += 1
        gone = self.objects.pop((kind, namespace, name))
        self._tell((kind, namespace, name), Event(kind="deleted", object=gone, version=str(self._clock)))

    def end_watches(self, error: OpsError | None = None) -> None:
        """End all watches, in good order or with an error."""
        for _, _, queue in self._watches:
            queue.put_nowait(error)

    def fail(self, verb: str, *errors: OpsError) -> None:
        """Let the next calls of a verb fail."""
        self.faults.setdefault(verb, []).extend(errors)

    def writes(self) -> list[tuple[str, str, str]]:
        """The calls that change something."""
        return [
            call
            for call in self.calls
            if call[0] in ("apply", "create", "annotate", "resize", "roll", "delete", "put-status")
        ]

    def find(self, kind: str, name: str, *, namespace: str = "") -> Object:
        """An object that has to be there."""
        return self.objects[kind, namespace, name]

    # ClusterPort
    async def server_version(self) -> str:
        self._record("version", "", "")
        return self.version

    async def missing_rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        self._record("review", "", "")
        return tuple(rule for rule in rules if rule.sentence() in self.missing)

    async def get(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        self._record("get", kind, name)
        found = self.objects.get((kind, namespace, name))
        return _shown(found) if found is not None else None

    async def list(self, kind: str, *, namespace: str = "", labels: str = "") -> Listing:
        self._record("list", kind, namespace)
        wanted = dict(part.split("=") for part in labels.split(",") if part)
        items = tuple(
            _shown(item)
            for (its_kind, its_namespace, _), item in sorted(self.objects.items())
            if its_kind == kind
            and (not namespace or its_namespace == namespace)
            and wanted.items() <= (item["metadata"].get("labels") or {}).items()
        )
        return Listing(items=items, version=str(self._clock))

    async def watch(self, kind: str, *, namespace: str, labels: str, version: str) -> AsyncGenerator[Event, None]:
        self._record("watch", kind, namespace)
        if int(version) != self._clock:
            raise TransientError("kubernetes.expired", "too old resource version")
        queue: asyncio.Queue[Event | OpsError | None] = asyncio.Queue()
        entry = (kind, namespace, queue)
        self._watches.append(entry)
        try:
            while True:
                event = await queue.get()
                if event is None:
                    return
                if isinstance(event, OpsError):
                    raise event
                yield event
        finally:
            self._watches.remove(entry)

    async def apply(self, manifest: Object) -> Object:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        self._record("apply", kind, name)
        before = self.objects.get(self._key(manifest))
        if before is None:
            return _shown(self.put(manifest))
        after = _merged(before, manifest)
        if kind in ("StatefulSet", "Pod") and after["spec"] != before["spec"]:
            raise BrokenError("kubernetes.invalid", f"{kind}/{name}: the spec is immutable here")
        return _shown(before if after == before else self.put(after))

    async def create(self, manifest: Object) -> Object | None:
        self._record("create", manifest["kind"], manifest["metadata"]["name"])
        return None if self._key(manifest) in self.objects else _shown(self.put(manifest))

    async def annotate(
        self, kind: str, name: str, *, namespace: str, values: dict[str, str], version: str = ""
    ) -> None:
        self._record("annotate", kind, name)
        found = self.objects.get((kind, namespace, name))
        if found is None:
            raise BrokenError("kubernetes.not-found", f"{kind}/{name}: not found")
        if version and found["metadata"]["resourceVersion"] != version:
            raise conflict(name)
        self.put(_merged(found, {"metadata": {"annotations": values}}))

    async def resize(self, name: str, *, namespace: str, replicas: int, values: dict[str, str], version: str) -> None:
        self._record("resize", "StatefulSet", f"{name} {replicas}")
        found = self.objects.get(("StatefulSet", namespace, name))
        if found is None:
            raise BrokenError("kubernetes.not-found", f"StatefulSet/{name}: not found")
        if found["metadata"]["resourceVersion"] != version:
            raise conflict(name)
        self.put(_merged(found, {"metadata": {"annotations": values}, "spec": {"replicas": replicas}}))

    async def roll(
        self,
        name: str,
        *,
        namespace: str,
        images: dict[str, str],
        init_images: dict[str, str],
        partition: int,
        values: dict[str, str],
        version: str,
    ) -> None:
        self._record("roll", "StatefulSet", f"{name} {partition}")
        found = self.objects.get(("StatefulSet", namespace, name))
        if found is None:
            raise BrokenError("kubernetes.not-found", f"StatefulSet/{name}: not found")
        if found["metadata"]["resourceVersion"] != version:
            raise conflict(name)
        pod = found["spec"]["template"]["spec"]
        template = {
            "containers": _with_images(pod["containers"], images),
            "initContainers": _with_images(pod.get("initContainers", ()), init_images),
        }
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
        spec = {"updateStrategy": strategy, "template": {"spec": template}}
        self.put(_merged(found, {"metadata": {"annotations": values}, "spec": spec}))

    async def delete(self, kind: str, name: str, *, namespace: str, uid: str) -> None:
        self._record("delete", kind, name)
        found = self.objects.get((kind, namespace, name))
        if found is not None and found["metadata"]["uid"] == uid:
            self.remove(kind, name, namespace=namespace)

    def _record(self, verb: str, kind: str, name: str) -> None:
        self.calls.append((verb, kind, name))
        if self.faults.get(verb):
            raise self.faults[verb].pop(0)

    def _tell(self, key: Key, event: Event) -> None:
        for kind, namespace, queue in self._watches:
            if (kind, namespace) == key[:2]:
                queue.put_nowait(event)

    @staticmethod
    def _key(item: Object) -> Key:
        meta = item["metadata"]
        return str(item["kind"]), str(meta.get("namespace", "")), str(meta["name"])


class FakeCsrs:
    """CsrPort over the same store; several of them stand for several identities."""

    def __init__(self, kubernetes: FakeKubernetes) -> None:
        self.kubernetes = kubernetes
        self.written: list[tuple[str, str]] = []

    def add(self, csr: CsrObject) -> None:
        """Put a CSR into the world as its fields say."""
        self.kubernetes.put(csr_json(csr))

    async def missing_rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return await self.kubernetes.missing_rules(rules)

    async def get(self, name: str) -> CsrObject | None:
        found = await self.kubernetes.get("CertificateSigningRequest", name)
        return CsrObject.parse(found) if found else None

    async def list(self, signers: tuple[str, ...]) -> tuple[CsrObject, ...]:
        listing = await self.kubernetes.list("CertificateSigningRequest")
        parsed = (CsrObject.parse(item) for item in listing.items)
        return tuple(csr for csr in parsed if csr.signer_name in signers)

    async def pods(self, namespace: str) -> tuple[Object, ...]:
        return (await self.kubernetes.list("Pod", namespace=namespace)).items

    async def pod(self, namespace: str, name: str) -> Object | None:
        return await self.kubernetes.get("Pod", name, namespace=namespace)

    async def stateful_set(self, namespace: str) -> Object | None:
        return await self.kubernetes.get("StatefulSet", STATEFULSET, namespace=namespace)

    async def published_ca(self, ref: ClusterRef) -> str:
        found = await self.kubernetes.get("ConfigMap", ref.ca_config_map, namespace=ref.namespace)
        return str((found or {}).get("data", {}).get("ca.crt", ""))

    async def decide(self, csr: CsrObject, condition: Condition) -> None:
        if condition.type not in ("Approved", "Denied"):
            raise BrokenError("kubernetes.invalid", f"{condition.type} is not written by an approver")
        self._write(csr, condition=condition)

    async def issue(self, csr: CsrObject, certificate_pem: str) -> None:
        self._write(csr, certificate=certificate_pem)

    async def fail(self, csr: CsrObject, condition: Condition) -> None:
        if condition.type != "Failed":
            raise BrokenError("kubernetes.invalid", f"{condition.type} is not written by a signer")
        self._write(csr, condition=condition)

    def _write(self, csr: CsrObject, *, condition: Condition | None = None, certificate: str = "") -> None:
        self.kubernetes._record("put-status", "CertificateSigningRequest", csr.name)
        item = copy.deepcopy(self.kubernetes.find("CertificateSigningRequest", csr.name))
        if item["metadata"]["resourceVersion"] != csr.version:
            raise conflict(csr.name)
        status = item.setdefault("status", {})
        if certificate:
            if status.get("certificate"):
                raise BrokenError("kubernetes.invalid", "updates may not modify existing certificate content")
            status["certificate"] = base64.b64encode(certificate.encode()).decode()
        if condition:
            types = {c["type"] for c in status.setdefault("conditions", [])} | {condition.type}
            if {"Approved", "Denied"} <= types:
                raise BrokenError("kubernetes.invalid", "Approved and Denied conditions are mutually exclusive")
            status["conditions"].append(condition.model_dump())
        self.written.append((csr.name, condition.type if condition else "certificate"))
        self.kubernetes.put(item)


def csr_json(csr: CsrObject) -> Object:
    """The JSON of a CSR as the API server would show it."""
    extra = {"authentication.kubernetes.io/pod-name": [csr.pod], "authentication.kubernetes.io/pod-uid": [csr.pod_uid]}
    status: dict[str, Any] = {"conditions": [condition.model_dump() for condition in csr.conditions]}
    if csr.certificate_pem:
        status["certificate"] = base64.b64encode(csr.certificate_pem).decode()
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {
            "name": csr.name,
            "uid": csr.uid,
            "creationTimestamp": csr.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "labels": csr.raw.get("metadata", {}).get("labels", {}),
        },
        "spec": {
            "signerName": csr.signer_name,
            "usages": list(csr.usages),
            **({"expirationSeconds": csr.expiration_seconds} if csr.expiration_seconds else {}),
            "username": csr.username,
            "extra": extra if csr.pod_uid else {},
            "request": base64.b64encode(csr.request_pem).decode(),
        },
        "status": status,
    }


def _shown(item: Object) -> Object:
    shown = copy.deepcopy(item)
    if shown.get("kind") == "Secret":
        shown.pop("data", None)
        shown["kind"] = "PartialObjectMetadata"
    return shown


def _with_images(containers: Iterable[dict[str, Any]], images: dict[str, str]) -> list[dict[str, Any]]:
    """Containers merged by name; one that is named and not there would be added, which is nobody's wish here."""
    unknown = images.keys() - {container["name"] for container in containers}
    if unknown:
        raise AssertionError(f"no containers {sorted(unknown)}")
    return [{**container, "image": images.get(container["name"], container["image"])} for container in containers]


def _merged(before: Any, change: Any) -> Any:
    if isinstance(before, dict) and isinstance(change, dict):
        return {**before, **{name: _merged(before.get(name), value) for name, value in change.items()}}
    return copy.deepcopy(change)
