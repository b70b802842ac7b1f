"""Every key, token and password that exists in a local world, each from where it lives.

How they are looked for is `leaks`. Private halves alone count: a certificate or a public key may be anywhere.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from devtools.cluster import process
from devtools.cluster.layout import Layout
from devtools.scenarios.driver import CLIENT_POD, NODES, Driver
from domain.configuration import parse_configuration

_KEYS = "/cockroach/cockroach-certs"
#: The pods' images hold no `cat`.
_READ = "import sys; sys.stdout.write(open(sys.argv[1]).read())"


@dataclass(frozen=True)
class Secret:
    """One secret: its name for people, and all bytes by which it would be recognized. Its text is in no repr."""

    name: str
    parts: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of_text(cls, name: str, text: str) -> Secret:
        """A token or password; of a signed token the signature alone is enough to know it again."""
        signature = text.rpartition(".")[2] if text.count(".") == 2 else ""
        return cls(name, tuple(part.encode() for part in (text, signature) if len(part) >= 16))

    @classmethod
    def of_key(cls, name: str, pem: str) -> Secret:
        """A private key: its number, its DER, and its PEM with the line breaks in it, also as JSON writes them."""
        key = load_pem_private_key(pem.encode(), None)
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        body = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).split(b"-----")[2].strip()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            number = key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8)
        elif isinstance(key, ed25519.Ed25519PrivateKey):
            number = key.private_bytes_raw()
        elif isinstance(key, rsa.RSAPrivateKey):
            number = key.private_numbers().d.to_bytes((key.key_size + 7) // 8)
        else:
            raise TypeError(f"{name}: found a {type(key).__name__}, expected an EC, Ed25519 or RSA key")
        return cls(name, (number, der, body, body.replace(b"\n", b"\\n")))


def secrets_of(driver: Driver) -> list[Secret]:
    """Collect them all.

    Raises:
        AssertionError: A kind of secret that has to exist was not found, so that the search would look for less.
    """
    found = [
        *_of_files(driver.stack.folder),
        *_of_kubeconfigs(driver),
        *_of_secrets(driver),
        *_of_pods(driver),
        *_of_kubelet(driver),
    ]
    expected = {
        "file": 3, "kubeconfig": 3, "Secret": 2, "node key": len(NODES), "client key": 1, "pod's token": len(NODES) + 1
    }  # fmt: skip
    for kind, least in expected.items():
        count = sum(1 for secret in found if secret.name.startswith(kind))
        assert count >= least, f"found {count} secrets of kind {kind!r}, expected at least {least}"
    return found


def _of_files(folder: Path) -> Iterator[Secret]:
    yield Secret.of_key("file token.key", (folder / "token.key").read_text())
    for name in ("slack-signing-secret", "slack-bot-token", "slack-app-token"):
        yield Secret.of_text(f"file {name}", (folder / name).read_text().strip())


def _of_kubeconfigs(driver: Driver) -> Iterator[Secret]:
    for path in (*sorted(driver.stack.folder.glob("*.kubeconfig")), driver.stack.cluster.kubeconfig):
        user: dict[str, str] = json.loads(path.read_text())["users"][0]["user"]
        if "token" in user:
            yield Secret.of_text(f"kubeconfig {path.name}", user["token"])
        if "client-key-data" in user:
            yield Secret.of_key(f"kubeconfig {path.name}", base64.b64decode(user["client-key-data"]).decode())


def _of_secrets(driver: Driver) -> Iterator[Secret]:
    system = parse_configuration((driver.stack.folder / "crdbops.toml").read_text()).sites["dev"].system_namespace
    items: list[dict[str, Any]] = driver.objects("secrets")
    items += json.loads(driver.stack.cluster.kubectl("-n", system, "get", "secrets", "-o", "json"))["items"]
    for item in items:
        for key, value in (item.get("data") or {}).items():
            text = base64.b64decode(value).decode()
            if "PRIVATE KEY" in text:
                yield Secret.of_key(f"Secret {item['metadata']['name']}/{key}", text)


def _of_pods(driver: Driver) -> Iterator[Secret]:
    for pod, kind, file in (*((pod, "node", "node.key") for pod in NODES), (CLIENT_POD, "client", "client.root.key")):
        container = ("-c", "cockroachdb") if kind == "node" else ()
        pem = driver.kubectl("exec", pod, *container, "--", "python3", "-c", _READ, f"{_KEYS}/{file}")
        yield Secret.of_key(f"{kind} key of {pod}", pem)


def _of_kubelet(driver: Driver) -> Iterator[Secret]:
    """Tokens of running pods, as each kubelet gave them: they are in its node's own memory file systems."""
    cluster = driver.stack.cluster
    layout = Layout.of(cluster.name, state=cluster.state_dir)
    for node in cluster.status().nodes:
        (first,) = process.first(layout.at(node.number))
        pods = Path(f"/proc/{first}/root/var/lib/kubelet/pods")
        for path in pods.glob("*/volumes/kubernetes.io~projected/*/token"):
            yield Secret.of_text(f"pod's token {path.parts[-5][:8]}", path.read_text().strip())
