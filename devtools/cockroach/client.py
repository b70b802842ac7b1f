"""Client side of the verbs that talk to a node: flags in common, dialing, one question, and how failures are worded.

Blocking sockets and few imports, because these verbs are executed often. Not here: frames (wire.py), certificates
(certs.py), node-to-node traffic (peers.py).
"""

import os
import socket
import ssl
import time
from typing import Any

from devtools.cockroach import address, certs, flags, wire
from devtools.cockroach.failure import RemoteError, VerbError

FLAGS: dict[str, str] = {
    "host": flags.VALUE,
    "port": flags.VALUE,
    "certs-dir": flags.VALUE,
    "user": flags.VALUE,
    "timeout": flags.VALUE,
    "format": flags.VALUE,
}
SHORT = {"u": "user", "p": "port"}

_DIAL_SECONDS = 15.0  # the vendor's default connect_timeout


class DialError(Exception):
    """The node could not be reached or the handshake failed; `kind` picks the sentence in front."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind

    def decorated(self) -> VerbError:
        """The error as a person reads it."""
        heads = {
            "dial": (
                "cannot dial server.\nIs the server running?\n"
                "If the server is running, check --host client-side and --advertise server-side.\n\n"
            ),
            "tls": "SSL authentication error while connecting.\n\n",
            "plain": "cannot establish secure connection to insecure server.\nMaybe use --insecure?\n\n",
            "closed": "server closed the connection.\nIs this a CockroachDB node?\n\n",
        }
        return VerbError(heads[self.kind] + self.message)


class Target:
    """Where a client verb goes and as whom."""

    def __init__(self, given: flags.Flags) -> None:
        text = given.one("host") or os.environ.get("COCKROACH_HOST", "") or "localhost"
        port = given.one("port")
        self.host, self.port = address.split(text, port=int(port) if port.isdigit() else address.SQL_PORT)
        self.user = given.one("user", default="root")
        self.folder = certs.directory(given.one("certs-dir"))
        self.timeout = flags.seconds(given.one("timeout"), flag="timeout")

    def ask(self, method: str, params: dict[str, Any], *, limit: float | None = None) -> Any:
        """Ask one question over a connection of its own.

        Raises:
            DialError: not reached, or TLS refused.
            RemoteError: the node answered with an error.
            TimeoutError: no answer within `limit` seconds.
        """
        context = certs.client_context(self.folder, user=self.user)
        ends_at = time.monotonic() + limit if limit else None
        try:
            plain = socket.create_connection((self.host, self.port), timeout=min(_DIAL_SECONDS, limit or _DIAL_SECONDS))
        except OSError as error:
            raise DialError(self._refused(error), kind="dial") from error
        with plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._exchange(plain, context, {"method": method, "params": params}, ends_at=ends_at)

    def _exchange(
        self, plain: socket.socket, context: ssl.SSLContext, request: dict[str, Any], *, ends_at: float | None
    ) -> Any:
        reached = False
        try:
            with context.wrap_socket(plain, server_hostname=self.host) as secure:
                problem = certs.check_host(secure.getpeercert(), host=self.host)
                if problem:
                    raise DialError(problem, kind="tls")
                secure.settimeout(_left(ends_at))
                secure.sendall(wire.pack({**request, "user": self.user}))
                size = wire.size_of(_read(secure, wire.HEADER.size, ends_at=ends_at))
                reached = True
                return wire.result_of(wire.unpack(_read(secure, size, ends_at=ends_at)))
        except ssl.SSLError as error:
            words = certs.go_words(error)
            kind = "plain" if "first record" in words else "tls"
            raise DialError(words, kind=kind) from error
        except (ConnectionError, EOFError) as error:
            if reached:
                raise VerbError(f"connection lost.\n\n{error}") from error
            raise DialError(str(error) or "EOF", kind="closed") from error

    def _refused(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror):
            return f"dial tcp: lookup {self.host}: no such host"
        where = address.join(self.host, port=self.port)
        if isinstance(error, TimeoutError):
            return f"dial tcp {where}: i/o timeout"
        return f"dial tcp {where}: connect: {(error.strerror or str(error)).lower()}"

    def must_ask(self, method: str, params: dict[str, Any], *, is_worded: bool = True) -> Any:
        """Ask under the verb's own --timeout and word every failure for a person; the node's own, if `is_worded`."""
        try:
            return self.ask(method, params, limit=self.timeout or None)
        except DialError as error:
            raise error.decorated() from error
        except TimeoutError as error:
            raise VerbError("query execution canceled due to statement timeout", sqlstate="57014") from error
        except RemoteError as error:
            if not is_worded:
                raise
            raise worded(error) from error


def worded(error: RemoteError) -> VerbError:
    """A node's error as a verb prints it."""
    text = error.message
    if not error.sqlstate and error.code != "Unknown":
        text = f"rpc error: code = {error.code} desc = {text}"
    return VerbError(text, sqlstate=error.sqlstate, hint=error.hint, detail=error.detail)


def _left(ends_at: float | None) -> float | None:
    if ends_at is None:
        return None
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _read(secure: ssl.SSLSocket, count: int, *, ends_at: float | None) -> bytes:
    chunks = b""
    while len(chunks) < count:
        secure.settimeout(_left(ends_at))
        chunk = secure.recv(count - len(chunks))
        if not chunk:
            raise EOFError("EOF")
        chunks += chunk
    return chunks
