"""The API server as JSON over the async client: paths, bounded calls, watches. Nothing of ours is known here.

`kubernetes.aio` gives connection, TLS and credentials; its generated models are left out, since objects are built as
JSON by `activities.manifests` and read by the few fields that are needed. Ports are implemented in `kube`, `csrs` and
`secrets`; exec is `execution`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.stream import WsApiClient
from yaml import YAMLError

from activities.clients.errors import network, of_answer
from activities.ports import Object
from domain.errors import BrokenError, InvalidRequestError, TransientError

_log = logging.getLogger(__name__)

FIELD_MANAGER: Final = "crdb-chatops"
#: Answers come in milliseconds; a server that needs longer than this is in trouble and asked again later.
_CALL: Final = aiohttp.ClientTimeout(total=15, sock_connect=5)
#: The server ends a watch after this long, so that a dead connection is noticed at the latest then.
_WATCH_SECONDS: Final = 240
#: The kubelet renews a projected token when a fifth of its life is left, which is twelve minutes of the usual hour.
_REREAD_SECONDS: Final = 300
#: A new connection costs as much as five calls on an open one. The API server itself closes those that were idle for
#: ninety seconds (IdleTimeout of its secure server), and who closes first meets no answer that was on its way.
_IDLE_SECONDS: Final = 75
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

#: Kind -> (path of its API group and version, plural, namespaced).
_KINDS: Final[dict[str, tuple[str, str, bool]]] = {
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "PersistentVolume": ("api/v1", "persistentvolumes", False),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims", True),
    "Pod": ("api/v1", "pods", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "ConfigMap": ("api/v1", "configmaps", True),
    "Secret": ("api/v1", "secrets", True),
    "StatefulSet": ("apis/apps/v1", "statefulsets", True),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets", True),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "StorageClass": ("apis/storage.k8s.io/v1", "storageclasses", False),
    "CertificateSigningRequest": ("apis/certificates.k8s.io/v1", "certificatesigningrequests", False),
    "SelfSubjectAccessReview": ("apis/authorization.k8s.io/v1", "selfsubjectaccessreviews", False),
}


async def _load(kubeconfig: Path, configuration: Configuration) -> None:
    try:
        await load_kube_config(config_file=str(kubeconfig), client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError, YAMLError, TypeError) as error:
        # The first line alone: what follows may quote the file.
        said = str(error).partition("\n")[0]
        raise InvalidRequestError(
            "kubernetes.bad-kubeconfig",
            f"{kubeconfig}: found no usable kubeconfig ({said}), expected one with a current context.",
            hint="kubectl config view --minify --flatten > ops.kubeconfig",
        ) from None


def path(kind: str, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the path of a kind's collection, of an object, or of its subresource."""
    base, plural, is_namespaced = _KINDS[kind]
    parts = [base, *(["namespaces", namespace] if is_namespaced else []), plural, name, subresource]
    return "/" + "/".join(part for part in parts if part)


class _Connections(RESTClientObject):  # type: ignore[misc]  # the library is untyped
    """The library's connections, kept open from one person's click to the next."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, keepalive_timeout=_IDLE_SECONDS)


def _is_behind_proxy(host: str) -> bool:
    """Whether the environment (HTTPS_PROXY, NO_PROXY) names a proxy on the way to the API server."""
    where = urlsplit(host)
    return bool(getproxies().keys() & {where.scheme, "wss"}) and not proxy_bypass(where.hostname or "")


class Api:
    """One identity at one API server. Close it by leaving its `async with`."""

    def __init__(self, configuration: Configuration) -> None:
        # A trusted environment is searched for a proxy and a .netrc at each call, in threads: half of its cost.
        configuration.client_session_kwargs = {"trust_env": _is_behind_proxy(configuration.host)}
        self._http = ApiClient(configuration)
        self._http.rest_client = _Connections(configuration)
        self._sockets = WsApiClient(configuration, heartbeat=10)

    @classmethod
    async def connect(cls, kubeconfig: Path, *, reread_seconds: float = _REREAD_SECONDS) -> Api:
        """Read a kubeconfig's current context; nothing is asked of the server yet. Bad ones are InvalidRequestError.

        Tokens are read again every few minutes: a projected one is renewed in its file, others by whoever made them.
        """
        configuration = Configuration()
        await _load(kubeconfig, configuration)
        read_at = time.monotonic()

        async def refresh(target: Configuration) -> None:
            nonlocal read_at
            if time.monotonic() - read_at < reread_seconds:
                return
            read_at = time.monotonic()
            fresh = Configuration()
            try:
                await _load(kubeconfig, fresh)
            except InvalidRequestError as error:
                # The old token may be good for a while yet; a refused one is told by the server.
                _log.warning("kubeconfig not readable", extra={"error": error.message})
                return
            target.api_key = fresh.api_key

        if configuration.api_key:
            configuration.refresh_api_key_hook = refresh
        return cls(configuration)

    async def __aenter__(self) -> Api:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        await self._sockets.close()

    async def call(
        self,
        method: str,
        where: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """Ask once and return the JSON of the answer.

        Raises:
            OpsError: As `activities.clients.errors` says.
        """
        what = f"{method} {where}"
        with network(what):
            response = await self._send(method, where, query, body, content_type, accept, timeout=_CALL)
            try:
                text = await response.text()
            finally:
                response.release()
        if response.status >= 400:
            raise of_answer(response.status, body=text, retry_after=response.headers.get("Retry-After"), what=what)
        return _object(text, what=what)

    async def get(self, where: str, *, accept: str = "application/json") -> Object | None:
        """Return an object, or None when there is none."""
        try:
            return await self.call("GET", where, accept=accept)
        except BrokenError as error:
            if error.code == "kubernetes.not-found":
                return None
            raise

    async def apply(self, where: str, manifest: Object, *, accept: str = "application/json") -> Object:
        """Apply a manifest on the server as our field manager, taking over fields of others."""
        return await self.call(
            "PATCH",
            where,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=manifest,
            content_type="application/apply-patch+yaml",
            accept=accept,
        )

    async def watch(self, where: str, *, query: dict[str, str]) -> AsyncIterator[tuple[str, Object]]:
        """Yield (type, object) of each event until the server ends the watch.

        Raises:
            TransientError: `kubernetes.expired` when the version is too old, else of the connection.
        """
        what = f"watch {where}"
        asked = {**query, "watch": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
        timeout = aiohttp.ClientTimeout(total=_WATCH_SECONDS + 30, sock_connect=5)
        with network(what):
            response = await self._send(
                "GET", where, asked, None, "application/json", "application/json", timeout=timeout
            )
            try:
                if response.status >= 400:
                    raise of_answer(
                        response.status,
                        body=await response.text(),
                        retry_after=response.headers.get("Retry-After"),
                        what=what,
                    )
                while line := await response.content.readline():
                    event = _object(line.decode(), what=what)
                    if event.get("type") == "ERROR":
                        status = event.get("object", {})
                        raise of_answer(
                            int(status.get("code", 500)), body=json.dumps(status), retry_after=None, what=what
                        )
                    yield str(event["type"]), event["object"]
            finally:
                _give_up(response)

    async def socket(self, where: str, *, query: list[tuple[str, str]]) -> Any:
        """Return aiohttp's context manager of a websocket to a subresource such as exec."""
        headers, host = await self._headers("*/*")
        return await self._sockets.request(
            "GET", host + where, query_params=query, headers=headers, _preload_content=False
        )

    async def _headers(self, accept: str) -> tuple[dict[str, str], str]:
        headers: dict[str, str] = {"Accept": accept, "User-Agent": FIELD_MANAGER}
        await self._http.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        return headers, str(self._http.configuration.host)

    async def _send(
        self,
        method: str,
        where: str,
        query: dict[str, str] | None,
        body: Any,
        content_type: str,
        accept: str,
        *,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers, host = await self._headers(accept)
        headers["Content-Type"] = content_type
        url = host + where + (f"?{urlencode(query)}" if query else "")
        answer = await self._http.call_api(method, url, headers, body, None, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


def _give_up(response: aiohttp.ClientResponse) -> None:
    """Close a stream at once: TLS's polite end may take longer than the client that would wait for it lives."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def _object(text: str, *, what: str) -> Object:
    try:
        value = json.loads(text)
    except ValueError:
        raise TransientError("kubernetes.unreachable", f"Cannot {what}: the answer broke off") from None
    if not isinstance(value, dict):
        raise BrokenError("kubernetes.invalid", f"Cannot {what}: the answer is no object")
    return value
