"""Command line of certagent: the options, their defaults, and what does not go together.

The values are written by the manifest builder (`activities/manifests`); the set of names to ask for is decided in
`domain/csr.py`. Nothing is read from the environment here but the API server's address that the kubelet sets.
"""

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_TERMINATION_LOG = Path("/dev/termination-log")


class BadArgumentsError(Exception):
    """The command line cannot be right; the text says what was found, what was expected and an example."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that one run needs to know."""

    type: str
    cluster: str
    namespace: str
    pod: str
    pod_uid: str
    user: str
    signer_name: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    expiration_seconds: int
    ca_file: Path
    certs_dir: Path
    store_dir: Path | None
    secret: str | None
    ask_again_file: Path
    termination_log: Path
    api_server: str
    token_file: Path
    api_ca_file: Path

    @property
    def common_name(self) -> str:
        """Return the certificate's CN, which CockroachDB takes for the user."""
        return "node" if self.type == "node" else self.user

    @property
    def file_stem(self) -> str:
        """Return the name of the certificate's files without `.crt` or `.key`, as CockroachDB wants it."""
        return "node" if self.type == "node" else f"client.{self.user}"

    @property
    def base_csr_name(self) -> str:
        """Return the CSR's name for the first key; people know it from the procedure by hand."""
        return f"{self.namespace}.{self.type}.{self.pod if self.type == 'node' else self.user}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadArgumentsError(f"{message} (see certagent --help)")


def _parser() -> _Parser:
    parser = _Parser(
        prog="certagent", description="Get a certificate for this pod and write it where the database reads it."
    )
    add = parser.add_argument
    add("--type", required=True, choices=["node", "client"], help="whose certificate: a database node's or a client's")
    add("--cluster", required=True, help="name of the database cluster; label app.kubernetes.io/instance of the CSR")
    add("--namespace", required=True, help="the pod's namespace")
    add("--pod", required=True, help="the pod's name")
    add("--pod-uid", required=True, help="the pod's uid")
    add("--user", default="", help="client only: the SQL user, e.g. root")
    add("--signer-name", required=True, help="e.g. crdbops.internal/node")
    add("--dns-name", action="append", default=[], dest="dns_names", help="node only, repeated: a DNS name to ask for")
    add("--ip-address", action="append", default=[], dest="ip_addresses", help="node only, repeated: an IP address")
    add("--expiration-seconds", type=int, default=31536000, help="lifetime to ask for, at least 600 (default 1 year)")
    add("--ca-file", type=Path, required=True, help="the cluster's CA certificates, e.g. /crdbops/ca/ca.crt")
    add("--certs-dir", type=Path, required=True, help="where the database reads its certificates")
    add("--store-dir", type=Path, help="node only: the data volume; key and state are kept in its directory certs")
    add("--secret", help="client only: the Secret that keeps key and state; it exists already")
    add("--ask-again-file", type=Path, required=True, help="downward API file of annotation crdbops.internal/ask-again")
    add("--termination-log", type=Path, default=DEFAULT_TERMINATION_LOG, help="where the kubelet reads the reason")
    add("--api-server", default="", help="e.g. https://10.0.0.1:443 (default: the pod's own API server)")
    add("--token-file", type=Path, default=SERVICE_ACCOUNT / "token", help="bearer token, read again as it is renewed")
    add("--api-ca-file", type=Path, default=SERVICE_ACCOUNT / "ca.crt", help="CA of the API server")
    return parser


def parse(argv: Sequence[str], *, environ: Mapping[str, str]) -> Options:
    """Read the command line.

    Raises:
        BadArgumentsError: an option is missing, unknown, or does not go with `--type`.
    """
    found = _parser().parse_args(argv)
    node = found.type == "node"
    _demand(bool(found.pod_uid.strip()), "--pod-uid is empty; expected the pod's uid, as --pod-uid $(POD_UID)")
    _demand(
        found.expiration_seconds >= 600,
        f"--expiration-seconds {found.expiration_seconds} is below Kubernetes' least, 600",
    )
    for address in found.ip_addresses:
        _demand(_is_address(address), f"--ip-address {address} is no IP address, as --ip-address 127.0.0.1")
    if node:
        _demand(bool(found.dns_names), "--type node without --dns-name; expected at least one, as --dns-name localhost")
        _demand(
            found.store_dir is not None, "--type node without --store-dir, as --store-dir /cockroach/cockroach-data"
        )
        _demand(not found.secret and not found.user, "--secret and --user belong to --type client, not to node")
    else:
        _demand(bool(found.user), "--type client without --user; expected the SQL user, as --user root")
        _demand(found.user != "node", "--user node is never a client; use --type node in a database pod")
        _demand(bool(found.secret), "--type client without --secret, as --secret shop.client.root")
        _demand(
            found.store_dir is None and not found.dns_names and not found.ip_addresses,
            "--store-dir, --dns-name and --ip-address belong to --type node, not to client",
        )
    server = found.api_server or _own_api_server(environ)
    return Options(
        **{
            **vars(found),
            "api_server": server,
            "dns_names": tuple(found.dns_names),
            "ip_addresses": tuple(found.ip_addresses),
        }
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def termination_log_of(argv: Sequence[str]) -> Path:
    """Find where to leave the reason when the rest of the command line cannot be read."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--termination-log", type=Path, default=DEFAULT_TERMINATION_LOG)
    return Path(parser.parse_known_args(list(argv))[0].termination_log)


def _own_api_server(environ: Mapping[str, str]) -> str:
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    _demand(
        bool(host and port),
        "no API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set (not in a pod?); "
        "outside of a pod give --api-server https://HOST:PORT --token-file F --api-ca-file F",
    )
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _demand(is_right: bool, message: str) -> None:
    if not is_right:
        raise BadArgumentsError(message)
