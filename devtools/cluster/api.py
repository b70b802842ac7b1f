"""Reads from the API server of a dev cluster, over the standard library alone, to see whether it is there.

Everything that writes goes through kubectl (`cluster.py`); the product's client is `activities/clients/kube.py`.
"""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any


class Api:
    """The API server on a port of this machine, asked as its administrator."""

    def __init__(self, *, port: int, pki: Path) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def get(self, path: str) -> bytes | None:
        """The answer's body, or None as long as there is no good answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=5, context=self._context)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            return body if response.status == http.client.OK else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """True once the API server serves everything."""
        return self.get("/readyz") == b"ok"

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a list, none as long as there is no good answer."""
        body = self.get(path)
        if body is None:
            return []
        items: list[dict[str, Any]] = json.loads(body)["items"]
        return items
