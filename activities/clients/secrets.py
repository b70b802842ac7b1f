"""CA keys in Secrets of the system namespace: created once, read by name, never listed, applied or changed.

Only the signer's identity can do this; ops has no right in that namespace at all.
"""

from __future__ import annotations

import base64
from datetime import datetime

from activities.clients.api import Api, path
from activities.clients.authority import KeyedAuthority, make_ca
from activities.manifests.labels import labels
from activities.ports import Authority, Object
from domain.errors import BrokenError, RefusedError, TransientError
from domain.model import ClusterRef


class KubeAuthority:
    """AuthorityPort over the API server."""

    def __init__(self, api: Api, *, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def find(self, ref: ClusterRef) -> Authority | None:
        """Return the cluster's CA, or None."""
        secret = await self._api.get(path("Secret", namespace=self._namespace, name=ref.ca_secret))
        return None if secret is None else self._read(secret, ref)

    async def make(self, ref: ClusterRef, *, days: int, now: datetime) -> tuple[Authority, bool]:
        """Make the cluster's CA by create; where one exists already, that one is returned and False."""
        certificate, key = make_ca(ref, days=days, now=now)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": ref.ca_secret, "namespace": self._namespace, "labels": labels(ref)},
            "type": "Opaque",
            # A CA is replaced by a new Secret and never in place.
            "immutable": True,
            "data": {"ca.crt": base64.b64encode(certificate).decode(), "ca.key": base64.b64encode(key).decode()},
        }
        try:
            made = await self._api.call("POST", path("Secret", namespace=self._namespace), body=secret)
        except TransientError as error:
            if error.code != "kubernetes.conflict":
                raise
            found = await self.find(ref)
            if found is None:
                raise
            return found, False
        return self._read(made, ref), True

    def _read(self, secret: Object, ref: ClusterRef) -> Authority:
        where = f"Secret {self._namespace}/{ref.ca_secret}"
        found = secret["metadata"].get("labels") or {}
        if not labels(ref).items() <= found.items():
            raise RefusedError(
                "ca.not-ours",
                f"{where}: found labels that are not ours, expected those of {ref.cluster}.",
                hint="Remove or rename it; nothing that is not ours is touched.",
            )
        data = secret.get("data") or {}
        try:
            certificate, key = (base64.b64decode(data.get(name, "")) for name in ("ca.crt", "ca.key"))
            return KeyedAuthority.load(certificate, key)
        except ValueError as error:
            raise BrokenError("ca.unreadable", f"{where}: {error}.") from None
