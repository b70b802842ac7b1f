"""ClusterPort over the API server: objects as JSON, server-side apply, watches, access reviews.

CSRs are `csrs`, CA Secrets `secrets`, exec `execution`. `connect` is what a composition root calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from activities.clients.api import FIELD_MANAGER, METADATA_ONLY, Api, path
from activities.ports import Event, Listing, Object, Rule
from domain.errors import BrokenError, TransientError

#: So many reviews are asked at once: enough to hide the round trip, few enough not to be throttled.
_REVIEWS_AT_ONCE = 16
_EVENTS: dict[str, Any] = {"ADDED": "added", "MODIFIED": "modified", "DELETED": "deleted"}


async def connect(kubeconfig: Path) -> Api:
    """Open a client of one identity. Closed by ``async with`` or ``close()``."""
    return await Api.connect(kubeconfig)


async def missing_rules(api: Api, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Ask the API server for each right whether this identity holds it; return those that it does not."""
    gate = asyncio.Semaphore(_REVIEWS_AT_ONCE)

    async def is_allowed(rule: Rule) -> bool:
        attributes = rule.model_dump(exclude_defaults=True)
        async with gate:
            answer = await api.call(
                "POST",
                path("SelfSubjectAccessReview"),
                body={
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": attributes},
                },
            )
        return bool(answer.get("status", {}).get("allowed"))

    allowed = await asyncio.gather(*(is_allowed(rule) for rule in rules))
    return tuple(rule for rule, is_held in zip(rules, allowed, strict=True) if not is_held)


class KubeCluster:
    """Kubernetes as ops may use it."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def server_version(self) -> str:
        """Return the server's version."""
        return str((await self._api.call("GET", "/version"))["gitVersion"])

    async def missing_rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Return those of the rights that this identity does not hold."""
        return await missing_rules(self._api, rules)

    async def get(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        """Return an object, or None. A Secret comes as its metadata alone, so that its content never gets here."""
        found = await self._api.get(path(kind, namespace=namespace, name=name), accept=_accept(kind))
        return _checked(found, kind) if found is not None else None

    async def list(self, kind: str, *, namespace: str = "", labels: str = "") -> Listing:
        """Return all objects of a kind that carry the labels."""
        query = {"labelSelector": labels} if labels else None
        answer = await self._api.call("GET", path(kind, namespace=namespace), query=query, accept=_accept(kind))
        return Listing(
            items=tuple(answer.get("items") or ()), version=str(answer["metadata"].get("resourceVersion", ""))
        )

    async def watch(self, kind: str, *, namespace: str, labels: str, version: str) -> AsyncGenerator[Event, None]:
        """Yield changes after a version until the server ends the watch."""
        query = {"labelSelector": labels, "resourceVersion": version}
        async for event, item in self._api.watch(path(kind, namespace=namespace), query=query):
            if event in _EVENTS:
                yield Event(kind=_EVENTS[event], object=item, version=str(item["metadata"]["resourceVersion"]))

    async def apply(self, manifest: Object) -> Object:
        """Make an object like the manifest by server-side apply."""
        meta = manifest["metadata"]
        kind = str(manifest["kind"])
        where = path(kind, namespace=meta.get("namespace", ""), name=meta["name"])
        return _checked(await self._api.apply(where, manifest, accept=_accept(kind)), kind)

    async def create(self, manifest: Object) -> Object | None:
        """Create an object; None when one of that name exists."""
        meta, kind = manifest["metadata"], str(manifest["kind"])
        try:
            return await self._api.call(
                "POST",
                path(kind, namespace=meta.get("namespace", "")),
                body=manifest,
                accept=_accept(kind),
                query={"fieldManager": FIELD_MANAGER},
            )
        except TransientError as error:
            if error.code == "kubernetes.conflict":
                return None
            raise

    async def annotate(
        self, kind: str, name: str, *, namespace: str, values: dict[str, str], version: str = ""
    ) -> None:
        """Set annotations; with a version only if the object still has it."""
        meta: dict[str, Any] = {"annotations": values}
        if version:
            meta["resourceVersion"] = version
        await self._api.call(
            "PATCH",
            path(kind, namespace=namespace, name=name),
            body={"metadata": meta},
            content_type="application/merge-patch+json",
            query={"fieldManager": FIELD_MANAGER},
        )

    async def resize(self, name: str, *, namespace: str, replicas: int, values: dict[str, str], version: str) -> None:
        """Set replicas and annotations of a StatefulSet in one go, if it still has that version."""
        await self._api.call(
            "PATCH",
            path("StatefulSet", namespace=namespace, name=name),
            body={
                "metadata": {"resourceVersion": version, "annotations": values},
                "spec": {"replicas": replicas},
            },
            content_type="application/merge-patch+json",
            query={"fieldManager": FIELD_MANAGER},
        )

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
        """Set images of a StatefulSet's template, its partition and annotations in one go, if it has that version."""
        await self._api.call(
            "PATCH",
            path("StatefulSet", namespace=namespace, name=name),
            body={
                "metadata": {"resourceVersion": version, "annotations": values},
                "spec": {
                    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}},
                    "template": {"spec": {"containers": _named(images), "initContainers": _named(init_images)}},
                },
            },
            # Containers are merged by their names, which a merge patch would replace as a whole.
            content_type="application/strategic-merge-patch+json",
            query={"fieldManager": FIELD_MANAGER},
        )

    async def delete(self, kind: str, name: str, *, namespace: str, uid: str) -> None:
        """Delete the object of that uid; that it is gone already is fine."""
        try:
            await self._api.call(
                "DELETE",
                path(kind, namespace=namespace, name=name),
                body={"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}},
            )
        except BrokenError as error:
            if error.code != "kubernetes.not-found":
                raise
        except TransientError as error:
            # The precondition failed: another object of that name is there now, so that ours is gone.
            if error.code != "kubernetes.conflict":
                raise


def _named(images: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "image": image} for name, image in sorted(images.items())]


def _accept(kind: str) -> str:
    return METADATA_ONLY if kind == "Secret" else "application/json"


def _checked(item: Object, kind: str) -> Object:
    if kind == "Secret" and ("data" in item or item.get("kind") != "PartialObjectMetadata"):
        item.clear()
        raise BrokenError("kubernetes.invalid", "Asked for a Secret's metadata alone, was sent more and dropped it.")
    return item
