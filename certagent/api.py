"""The few calls of the Kubernetes API: CSR create, get, watch; Secret get and replace by name.

Each call is tried a few times (`pace.py`), each failed try is one log line with the server's own words, and the last
one ends the run. What the answers mean is decided in `decision.py`. Objects are plain dictionaries: of the client only
connection, token and errors are used, since importing its typed API of Secrets alone costs each pod's start 0.8 s of
CPU. `urllib3`, which it is built on, is imported for its errors alone: the client lets them through.
"""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kubernetes.client import ApiClient, ApiException, Configuration
from urllib3.exceptions import HTTPError

from certagent.log import LOG
from certagent.pace import Pace
from certagent.refusals import HOPELESS, csr_rule, retry_after, secret_rule, sentence, server_words
from certagent.trouble import GivingUpError, OvertakenError

Answer = TypeVar("Answer")
Object = dict[str, Any]  # of Kubernetes, as its JSON says

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


class AlreadyThereError(Exception):
    """A CSR of this name exists."""


class Api:
    """The pod's API server."""

    def __init__(self, server: str, *, token_file: Path, ca_file: Path, pace: Pace, rights_from: str) -> None:
        configuration = Configuration(host=server)
        configuration.ssl_ca_cert = str(ca_file)
        # Tries are counted and logged here; urllib3 would silently sleep for as long as a Retry-After says.
        configuration.retries = False  # urllib3's word for none at all
        configuration.proxy = None
        configuration.api_key = {"BearerToken": ""}

        def read_token(target: Configuration) -> None:
            # The kubelet renews a bound token in place, so that it is read anew for every call.
            target.api_key["BearerToken"] = f"Bearer {token_file.read_text(encoding='ascii').strip()}"

        configuration.refresh_api_key_hook = read_token
        self._client = ApiClient(configuration)
        self._client.user_agent = "crdbops-certagent"  # names us in audit logs and managedFields
        self._pace = pace
        self._rights_from = rights_from

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def create_csr(self, body: Object) -> Object:
        """Create it. A try whose answer was lost shows as AlreadyThereError at the next; the caller reads it then."""
        try:
            return self._call(
                lambda: self._json("POST", CSRS, body=body),
                what=f"create CSR {body['metadata']['name']}",
                rule=csr_rule("create"),
                expected={409},
            )
        except ApiException as error:
            raise AlreadyThereError from error

    def read_csr(self, name: str) -> Object | None:
        """Read it; None if there is none."""
        try:
            return self._call(
                lambda: self._json("GET", f"{CSRS}/{name}"),
                what=f"get CSR {name}",
                rule=csr_rule("get"),
                expected={404},
            )
        except ApiException:
            return None

    def read_secret(self, name: str, *, namespace: str) -> Object:
        """Read it; none is trouble, since ops makes it before the pod."""
        return self._call(
            lambda: self._json("GET", _secret_path(name, namespace=namespace)),
            what=f"get Secret {namespace}/{name}",
            rule=secret_rule("get", name),
        )

    def replace_secret(self, secret: Object, *, values: dict[str, bytes | None]) -> Object:
        """Set these keys of a Secret that was read before, None removing one; the rest stays.

        Raises:
            OvertakenError: it was changed since it was read.
        """
        data = {key: value for key, value in (secret.get("data") or {}).items() if key not in values}
        data |= {key: base64.b64encode(value).decode() for key, value in values.items() if value is not None}
        name, namespace = secret["metadata"]["name"], secret["metadata"]["namespace"]
        try:
            return self._call(
                lambda: self._json("PUT", _secret_path(name, namespace=namespace), body=secret | {"data": data}),
                what=f"update Secret {namespace}/{name}",
                rule=secret_rule("update", name),
                expected={409},
            )
        except ApiException as error:
            raise OvertakenError from error

    def attempt(self, call: Callable[[], Answer], *, what: str, rule: str) -> Answer:
        """Try a call as often as `pace` says; used by the watch as well."""
        return self._call(call, what=what, rule=rule)

    def begin_watch(self, *, query: dict[str, str], read_timeout: float) -> Any:
        """Ask for a watch of CSRs and return the open answer to read lines from; not retried here."""
        answer = self._request("GET", CSRS, query=query, timeout=(self._pace.request_timeout, read_timeout))
        if answer.status != 200:
            answer.read()
            raise ApiException.from_response(http_resp=answer, body=None, data=None)
        return answer.response

    def _json(self, method: str, path: str, *, body: Object | None = None) -> Object:
        answer = self._request(method, path, body=body, timeout=self._pace.request_timeout)
        answer.read()
        if not 200 <= answer.status <= 299:
            raise ApiException.from_response(http_resp=answer, body=None, data=None)
        found: Object = json.loads(answer.data)
        return found

    def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: object,
        body: Object | None = None,
        query: dict[str, str] | None = None,
    ) -> Any:
        # The building blocks of the client's generated methods.
        request = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )
        return self._client.call_api(*request, _request_timeout=timeout)

    def _call(
        self, call: Callable[[], Answer], *, what: str, rule: str, expected: frozenset[int] | set[int] = frozenset()
    ) -> Answer:
        delays = self._pace.retry_delays
        for attempt in range(1, len(delays) + 2):
            try:
                return call()
            except ApiException as error:
                if error.status in expected:
                    raise
                status, reason = error.status or 0, server_words(error)
                wished = retry_after(error)
            except (HTTPError, OSError) as error:
                status, reason, wished = 0, f"{type(error).__name__}: {error}", None
            fields: dict[str, object] = {"call": what, "status": status, "reason": reason, "attempt": attempt}
            if status == 403:
                fields["missing_rule"] = f"{rule} {self._rights_from}"
            if attempt > len(delays) or status in HOPELESS:
                raise GivingUpError(sentence(fields, status=status), event="api call gave up", **fields)
            pause = min(wished, self._pace.longest_retry_after) if wished is not None else delays[attempt - 1]
            LOG.warning("api call failed", extra=fields | {"retry_in_s": pause})
            time.sleep(pause)
        raise AssertionError("unreachable: the last try returns or raises")


def _secret_path(name: str, *, namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def decoded(value: str | None) -> bytes | None:
    """Decode a bytes field of an object, which is base64 in JSON; None if it is missing or no base64."""
    if not value:
        return None
    try:
        return base64.b64decode(value)
    except ValueError:
        return None
