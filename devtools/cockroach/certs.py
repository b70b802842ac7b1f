"""Certificates directory: which files must be there, who they name, how tight the keys are, and TLS contexts of them.

Lives here: the vendor's rules for node.crt, client.<user>.crt and key files, and host-name checks worded as Go words
them. Not here: dialing and serving (client.py, peers.py, listener.py). The names in a certificate are read with the
decoder the standard library keeps for its own tests, so that no third-party library is needed.
"""

import os
import ssl
import stat
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from devtools.cockroach.failure import VerbError

_MAX_OWN = 0o700
_MAX_ROOT_GROUP = 0o740
_HEAD = (
    "cannot load certificates.\n"
    "Check your certificate settings, set --certs-dir, or use --insecure for insecure clusters.\n\n"
)


def directory(given: str) -> str:
    """The certificates directory: flag, then environment, then the vendor's default."""
    return given or os.environ.get("COCKROACH_CERTS_DIR", "") or os.path.expanduser("~/.cockroach-certs")


def _mode(bits: int) -> str:
    return "-" + stat.filemode(bits)[1:]


def check_key(path: str) -> None:
    """Refuse a key file that others could read."""
    try:
        facts = os.stat(path)
    except OSError as error:
        raise VerbError(f"{_HEAD}could not stat key file {path}: {(error.strerror or '').lower()}") from error
    if not stat.S_ISREG(facts.st_mode):
        raise VerbError(f"{_HEAD}key file {path} is not a regular file")
    if os.environ.get("COCKROACH_SKIP_KEY_PERMISSION_CHECK", "").lower() in {"true", "1"}:
        return
    shared = facts.st_uid == 0 and facts.st_gid == os.getegid()
    limit = _MAX_ROOT_GROUP if shared else _MAX_OWN
    if stat.S_IMODE(facts.st_mode) & ~limit:
        raise VerbError(f"{_HEAD}key file {path} has permissions {_mode(facts.st_mode)}, exceeds {_mode(limit)}")


def read_names(path: str) -> dict[str, Any]:
    """The decoded first certificate of a PEM file."""
    decoder: Any = getattr(ssl, "_ssl")  # noqa: B009  mypy does not know the C module
    try:
        decoded: dict[str, Any] = decoder._test_decode_cert(path)
    except (OSError, ssl.SSLError) as error:
        raise VerbError(f"{_HEAD}failed to parse certificate file {path} as PEM") from error
    return decoded


def common_name(cert: dict[str, Any]) -> str:
    """The subject's common name."""
    return next((value for rdn in cert.get("subject", ()) for key, value in rdn if key == "commonName"), "")


def principals(cert: dict[str, Any]) -> list[str]:
    """Who a certificate speaks for: its common name and its DNS names."""
    return [common_name(cert)] + [value for kind, value in cert.get("subjectAltName", ()) if kind == "DNS"]


def _require(folder: str, names: Iterable[str], *, what: str) -> None:
    if not os.path.isdir(folder):
        raise VerbError(f"{_HEAD}{what}: no certificates found; does certs dir exist?")
    for name in names:
        if not os.path.isfile(os.path.join(folder, name)):
            raise VerbError(f"{_HEAD}{what}: not found: {os.path.join(folder, name)}")


def _load(context: ssl.SSLContext, folder: str, name: str) -> None:
    try:
        context.load_verify_locations(os.path.join(folder, "ca.crt"))
        context.load_cert_chain(os.path.join(folder, f"{name}.crt"), os.path.join(folder, f"{name}.key"))
    except (OSError, ssl.SSLError) as error:
        raise VerbError(f"{_HEAD}problem using security settings: {name}: {error}") from error


def check_node(folder: str) -> None:
    """Refuse a directory whose files cannot make a node."""
    _require(folder, ("ca.crt", "node.crt", "node.key"), what="problem with node certificate")
    check_key(os.path.join(folder, "node.key"))
    cert = read_names(os.path.join(folder, "node.crt"))
    found = principals(cert)
    if "node" not in found and not os.path.isfile(os.path.join(folder, "client.node.crt")):
        shown = " ".join(name for name in found if name)
        raise VerbError(f'{_HEAD}client/server node certificate has principals ["{shown}"], expected "node"')


def unknown_files(folder: str) -> list[str]:
    """Certificate files whose names mean nothing; the vendor warns of them and goes on."""
    known = ("ca", "node", "client", "ui", "tenant")
    found = sorted(name for name in os.listdir(folder) if name.endswith(".crt"))
    return [name for name in found if not name.startswith((*(f"{prefix}." for prefix in known), "ca-"))]


def node_contexts(folder: str) -> tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext]:
    """TLS of a node: serving RPC (client certificate demanded), serving HTTP, dialing peers."""
    check_node(folder)
    rpc = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(rpc, folder, "node")
    rpc.verify_mode = ssl.CERT_REQUIRED
    http = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(http, folder, "node")
    dial = _dialing(folder, "client.node" if os.path.isfile(os.path.join(folder, "client.node.crt")) else "node")
    return rpc, http, dial


def client_context(folder: str, *, user: str) -> ssl.SSLContext:
    """TLS of a client verb for one SQL user."""
    name = f"client.{user}"
    _require(folder, ("ca.crt", f"{name}.crt", f"{name}.key"), what=f"problem with client cert for user {user}")
    check_key(os.path.join(folder, f"{name}.key"))
    found = principals(read_names(os.path.join(folder, f"{name}.crt")))
    if user not in found:
        raise VerbError(f'{_HEAD}client certificate has principals {found}, expected "{user}"')
    return _dialing(folder, name)


def _dialing(folder: str, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # checked by `check_host` after the handshake, for the vendor's wording
    _load(context, folder, name)
    return context


def check_host(cert: dict[str, Any] | None, *, host: str) -> str:
    """Empty when the server's certificate is valid for `host`, else the sentence that says why not."""
    names = [(kind, value) for kind, value in (cert or {}).get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    try:
        wanted = ip_address(host)
    except ValueError:
        if any(kind == "DNS" and _matches(value, host) for kind, value in names):
            return ""
        valid = [value for kind, value in names if kind == "DNS"]
        if not valid:
            return f"x509: certificate is not valid for any names, but wanted to match {host}"
        return f"x509: certificate is valid for {', '.join(valid)}, not {host}"
    addresses = [value for kind, value in names if kind == "IP Address"]
    if any(ip_address(value) == wanted for value in addresses):
        return ""
    if not addresses:
        return f"x509: cannot validate certificate for {host} because it doesn't contain any IP SANs"
    return f"x509: certificate is valid for {', '.join(addresses)}, not {host}"


def _matches(pattern: str, host: str) -> bool:
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == host
    head, dot, tail = host.partition(".")
    return bool(head and dot) and tail == pattern[2:]


def go_words(error: ssl.SSLError) -> str:
    """An OpenSSL verification failure as the vendor's program words it."""
    text = str(getattr(error, "verify_message", "") or error)
    if "expired" in text or "not yet valid" in text:
        return "x509: certificate has expired or is not yet valid"
    if "issuer" in text or "self-signed" in text or "self signed" in text or "signature failure" in text:
        return "x509: certificate signed by unknown authority"
    if "purpose" in text:
        return "x509: certificate specifies an incompatible key usage"
    reason = str(getattr(error, "reason", "") or "").upper()
    for mark, words in (
        ("UNKNOWN_CA", "tls: unknown certificate authority"),
        ("CERTIFICATE_EXPIRED", "tls: expired certificate"),
        ("CERTIFICATE_REQUIRED", "tls: certificate required"),
        ("BAD_CERTIFICATE", "tls: bad certificate"),
        ("UNSUPPORTED_CERTIFICATE", "tls: unsupported certificate"),
        ("CERTIFICATE_UNKNOWN", "tls: unknown certificate"),
    ):
        if mark in reason or mark in text.upper().replace(" ", "_"):
            return f"remote error: {words}"
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER" in reason:
        return "tls: first record does not look like a TLS handshake"
    return f"tls: {text}"
