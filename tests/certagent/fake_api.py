"""A small API server over real HTTPS: CertificateSigningRequests (get, create, watch) and Secrets (get, replace).

It keeps the rules that certagent meets: tokens and rights, who asked stamped into the spec, AlreadyExists, conflicts by
resourceVersion, watches from a version, bookmarks, expiry (410). Signing is `authority.py`; running certagent against
it is `harness.py`.
"""

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
Object = dict[str, Any]


class RefusalError(Exception):
    def __init__(self, code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.headers = code, reason, message, headers or {}


@dataclass
class Identity:
    username: str
    pod: str = ""
    pod_uid: str = ""
    lacks: set[str] = field(default_factory=set)  # verbs


@dataclass
class Fault:
    """The next `times` requests whose "METHOD path?query" contains `on` are answered so."""

    on: str
    code: int
    message: str = "injected"
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    is_after_effect: bool = False  # the request is done, its answer is lost


class FakeApi:
    def __init__(self, certificate: Path, key: Path) -> None:
        self.changed = threading.Condition()
        self.identities: dict[str, Identity] = {}
        self.csrs: dict[str, Object] = {}
        self.secrets: dict[str, Object] = {}
        self.events: list[tuple[int, str, Object]] = []
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.revision = 100
        self.compacted = 0
        self.watch_epoch = 0  # raised to cut every open watch
        self.open_watches = 0
        self.is_closing = False
        self.ca_file = certificate
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self.is_closing = True  # kept connections would go on being served
        self.cut_watches()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def until(self, condition: Callable[[], Any], *, what: str) -> Any:
        with self.changed:
            assert self.changed.wait_for(condition, timeout=20), f"not within 20 s: {what}; requests {self.requests}"
            return condition()

    def csr(self, name: str) -> Object:
        found: Object = self.until(lambda: self.csrs.get(name), what=f"CSR {name}")
        return found

    def request_pem(self, name: str) -> bytes:
        return base64.b64decode(self.csr(name)["spec"]["request"])

    def create(self, body: Object, *, identity: Identity) -> Object:
        name, spec = body["metadata"]["name"], body["spec"]
        with self.changed:
            if name in self.csrs:
                raise RefusalError(409, "AlreadyExists", f'certificatesigningrequests "{name}" already exists')
            request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
            if not request.is_signature_valid or spec["expirationSeconds"] < 600 or not spec["usages"]:
                raise RefusalError(422, "Invalid", f'CertificateSigningRequest "{name}" is invalid')
            extra: Object = {"authentication.kubernetes.io/pod-name": [identity.pod]}
            extra |= {"authentication.kubernetes.io/pod-uid": [identity.pod_uid]}
            spec = spec | {"username": identity.username} | ({"extra": extra} if identity.pod_uid else {})
            self.revision += 1
            metadata = body["metadata"] | {"uid": f"csr-uid-{self.revision}"}
            csr: Object = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
            csr |= {"metadata": metadata, "spec": spec, "status": {}}
            return self._record("ADDED", csr)

    def condition(self, name: str, kind: str, *, reason: str = "Because", message: str = "") -> None:
        with self.changed:
            csr = json.loads(json.dumps(self.csrs[name]))
            csr["status"].setdefault("conditions", []).append(
                {"type": kind, "status": "True", "reason": reason, "message": message}
            )
            self.revision += 1
            self._record("MODIFIED", csr)

    def issue(self, name: str, certificate_pem: bytes) -> None:
        if not self.csr(name)["status"].get("conditions"):
            self.condition(name, "Approved")
        with self.changed:
            csr = json.loads(json.dumps(self.csrs[name]))
            csr["status"]["certificate"] = base64.b64encode(certificate_pem).decode()
            self.revision += 1
            self._record("MODIFIED", csr)

    def delete(self, name: str) -> None:
        with self.changed:
            self.revision += 1
            self._record("DELETED", self.csrs[name])
            del self.csrs[name]

    def put_secret(self, namespace: str, name: str, *, data: dict[str, str] | None = None) -> Object:
        with self.changed:
            self.revision += 1
            metadata = {"name": name, "namespace": namespace, "resourceVersion": str(self.revision), "uid": "s-1"}
            secret: Object = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata}
            secret |= {"data": data} if data else {}
            self.secrets[f"{namespace}/{name}"] = secret
            self.changed.notify_all()
            return secret

    def cut_watches(self) -> None:
        with self.changed:
            self.watch_epoch += 1
            self.changed.notify_all()

    def expire(self) -> None:
        """Forget all versions up to now, as a compaction or a restart does, and end open watches."""
        with self.changed:
            self.revision += 1
            self.compacted = self.revision
        self.cut_watches()

    def until_watched(self, *, times: int = 1) -> None:
        self.until(
            lambda: self.open_watches and sum("watch=" in line for line in self.requests) >= times,
            what=f"{times} watches",
        )

    def _record(self, kind: str, csr: Object) -> Object:
        csr = json.loads(json.dumps(csr))
        csr["metadata"]["resourceVersion"] = str(self.revision)
        self.csrs[csr["metadata"]["name"]] = csr
        self.events.append((self.revision, kind, csr))
        self.changed.notify_all()
        return csr


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed cut their connection; that is what some tests do."""


def _wait_for_news(api: FakeApi, *, epoch: int, position: int, seconds: float) -> None:
    api.changed.wait_for(lambda: api.watch_epoch != epoch or api.revision > position, timeout=seconds)


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 2  # an idle connection must not hold up the end of a test

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            if api.is_closing:
                self.close_connection = True
                return
            with api.changed:
                api.requests.append(f"{self.command} {self.path}")
                api.changed.notify_all()
            try:
                fault = self._fault()
                if fault and not fault.is_after_effect:
                    raise RefusalError(fault.code, "Injected", fault.message, fault.headers)
                answer = self._dispatch(body)
                if fault:
                    raise RefusalError(fault.code, "Injected", fault.message, fault.headers)
            except RefusalError as refusal:
                status = {"kind": "Status", "status": "Failure", "code": refusal.code}
                status |= {"reason": refusal.reason, "message": refusal.message}
                self._send(refusal.code, status, headers=refusal.headers)
                return
            if answer is not None:
                self._send(201 if self.command == "POST" else 200, answer)

        def _fault(self) -> Fault | None:
            with api.changed:
                for fault in api.faults:
                    if fault.times and fault.on in f"{self.command} {self.path}":
                        fault.times -= 1
                        return fault
            return None

        def _identity(self, verb: str, what: str) -> Identity:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            identity = api.identities.get(token)
            if identity is None:
                raise RefusalError(401, "Unauthorized", "Unauthorized")
            if verb in identity.lacks:
                text = f'{what} is forbidden: User "{identity.username}" cannot {verb} resource'
                raise RefusalError(403, "Forbidden", text)
            return identity

        def _dispatch(self, body: Object) -> Object | None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            if url.path == CSRS and self.command == "POST":
                return api.create(body, identity=self._identity("create", "certificatesigningrequests"))
            if url.path == CSRS and query.get("watch") == "true":
                self._identity("watch", "certificatesigningrequests")
                self._watch(query)
                return None
            if url.path.startswith(f"{CSRS}/") and self.command == "GET":
                self._identity("get", "certificatesigningrequests")
                name = url.path.removeprefix(f"{CSRS}/")
                with api.changed:
                    if name not in api.csrs:
                        raise RefusalError(404, "NotFound", f'certificatesigningrequests "{name}" not found')
                    return api.csrs[name]
            if "/secrets/" in url.path:
                return self._secret(url.path, body)
            raise RefusalError(403, "Forbidden", f"{self.command} {self.path} is granted to nobody here")

        def _secret(self, path: str, body: Object) -> Object:
            self._identity("get" if self.command == "GET" else "update", "secrets")
            _, _, _, _, namespace, _, name = path.split("/")
            with api.changed:
                secret = api.secrets.get(f"{namespace}/{name}")
                if secret is None:
                    raise RefusalError(404, "NotFound", f'secrets "{name}" not found')
                if self.command == "GET":
                    return secret
                if body["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"]:
                    raise RefusalError(409, "Conflict", "the object has been modified; please apply your changes")
                return api.put_secret(namespace, name, data=body.get("data"))

        def _watch(self, query: dict[str, str]) -> None:
            name = query["fieldSelector"].removeprefix("metadata.name=")
            deadline = time.monotonic() + int(query["timeoutSeconds"])
            with api.changed:
                epoch, present = api.watch_epoch, api.csrs.get(name)
                position = int(query.get("resourceVersion") or api.revision)
                is_expired = bool(query.get("resourceVersion")) and position < api.compacted
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if is_expired:
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                self._chunk({"type": "ERROR", "object": status})
                self.wfile.write(b"0\r\n\r\n")
                return
            if "resourceVersion" not in query and present is not None:
                self._chunk({"type": "ADDED", "object": present})
            self._stream(name, position=position, deadline=deadline, epoch=epoch)

        def _stream(self, name: str, *, position: int, deadline: float, epoch: int) -> None:
            with api.changed:
                api.open_watches += 1
                api.changed.notify_all()
            try:
                while (left := deadline - time.monotonic()) > 0:
                    with api.changed:
                        _wait_for_news(api, epoch=epoch, position=position, seconds=left)
                        if api.watch_epoch != epoch:
                            self.close_connection = True  # in the middle of a chunked answer: cut, not ended
                            return
                        fresh = [event for event in api.events if event[0] > position]
                        position = api.revision
                    for _, kind, csr in fresh:
                        if csr["metadata"]["name"] == name:
                            self._chunk({"type": kind, "object": csr})
                bookmark = {"kind": "CertificateSigningRequest", "metadata": {"resourceVersion": str(position)}}
                self._chunk({"type": "BOOKMARK", "object": bookmark})
                self.wfile.write(b"0\r\n\r\n")
            finally:
                with api.changed:
                    api.open_watches -= 1
                    api.changed.notify_all()

        def _chunk(self, event: Object) -> None:
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.flush()

        def _send(self, code: int, answer: Object, *, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    return Handler
