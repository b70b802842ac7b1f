"""Kubeconfig files of a dev cluster, with a certificate or a token.

Written as JSON, which every reader of YAML takes; readable by their owner alone.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any


def with_certificate(path: Path, *, server: str, pki: Path, pair: str) -> None:
    """Write a kubeconfig for the holder of the certificate `pair` in the folder `pki`."""
    user = {
        "client-certificate-data": _base64(pki / f"{pair}.crt"),
        "client-key-data": _base64(pki / f"{pair}.key"),
    }
    _write(path, server=server, pki=pki, user=user, user_name=pair)


def with_token(path: Path, *, server: str, pki: Path, user_name: str, token: str, namespace: str) -> None:
    """Write a kubeconfig for the bearer of `token`."""
    _write(path, server=server, pki=pki, user={"token": token}, user_name=user_name, namespace=namespace)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write(
    path: Path, *, server: str, pki: Path, user: dict[str, str], user_name: str, namespace: str = "default"
) -> None:
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "dev", "cluster": {"server": server, "certificate-authority-data": _base64(pki / "ca.crt")}}
        ],
        "users": [{"name": user_name, "user": user}],
        "contexts": [{"name": "dev", "context": {"cluster": "dev", "user": user_name, "namespace": namespace}}],
        "current-context": "dev",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
    part.replace(path)
