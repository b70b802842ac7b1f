"""CsrPort over the API server: CSRs with what the server stamped on them, and decisions written to them.

The watch of CSRs is `csr_watch`. Conditions and certificates are written onto the object as it was read, so that a
change in between is a conflict and never overwritten.
"""

from __future__ import annotations

import asyncio
import base64
import copy

from activities.clients.api import Api, path
from activities.clients.kube import missing_rules
from activities.ports import Condition, CsrObject, Object, Rule
from domain.model import STATEFULSET, ClusterRef

_KIND, _VERSION = "CertificateSigningRequest", "certificates.k8s.io/v1"


class KubeCsrs:
    """CSRs as one identity, ops or signer, may use them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def missing_rules(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Return those of the rights that this identity does not hold."""
        return await missing_rules(self._api, rules)

    async def get(self, name: str) -> CsrObject | None:
        """Return a CSR, or None."""
        item = await self._api.get(path(_KIND, name=name))
        return CsrObject.parse(item) if item is not None else None

    async def list(self, signers: tuple[str, ...]) -> tuple[CsrObject, ...]:
        """Return all CSRs of these signer names, in no particular order."""
        answers = await asyncio.gather(
            *(
                self._api.call("GET", path(_KIND), query={"fieldSelector": f"spec.signerName={signer}"})
                for signer in signers
            )
        )
        return tuple(CsrObject.parse(item) for answer in answers for item in answer.get("items") or ())

    async def pods(self, namespace: str) -> tuple[Object, ...]:
        """Return the pods of a namespace."""
        answer = await self._api.call("GET", path("Pod", namespace=namespace))
        return tuple(answer.get("items") or ())

    async def pod(self, namespace: str, name: str) -> Object | None:
        """Return a pod, or None."""
        return await self._api.get(path("Pod", namespace=namespace, name=name))

    async def stateful_set(self, namespace: str) -> Object | None:
        """Return the StatefulSet of the nodes, or None."""
        return await self._api.get(path("StatefulSet", namespace=namespace, name=STATEFULSET))

    async def published_ca(self, ref: ClusterRef) -> str:
        """Return the CA certificates in the cluster's ConfigMap, or ""."""
        found = await self._api.get(path("ConfigMap", namespace=ref.namespace, name=ref.ca_config_map))
        return str((found or {}).get("data", {}).get("ca.crt", ""))

    async def decide(self, csr: CsrObject, condition: Condition) -> None:
        """Add Approved or Denied to the CSR as it was read."""
        await self._write(csr, "approval", conditions=(condition,))

    async def issue(self, csr: CsrObject, certificate_pem: str) -> None:
        """Set the certificate on the CSR as it was read."""
        await self._write(csr, "status", certificate=certificate_pem)

    async def fail(self, csr: CsrObject, condition: Condition) -> None:
        """Add Failed to the CSR as it was read."""
        await self._write(csr, "status", conditions=(condition,))

    async def _write(
        self, csr: CsrObject, subresource: str, *, conditions: tuple[Condition, ...] = (), certificate: str = ""
    ) -> None:
        """Replace a subresource; the version in it makes the server refuse if anything has changed since."""
        # Within a list the server leaves out what the list says of all.
        item = {**copy.deepcopy(csr.raw), "apiVersion": _VERSION, "kind": _KIND}
        status = item.setdefault("status", {})
        if conditions:
            status["conditions"] = [*(status.get("conditions") or ()), *(c.model_dump() for c in conditions)]
        if certificate:
            status["certificate"] = base64.b64encode(certificate.encode()).decode()
        await self._api.call("PUT", path(_KIND, name=csr.name, subresource=subresource), body=item)
