"""From the API server's answers and the network's failures to our errors: the one place where that is decided.

Messages quote the server's own words, which name objects and rights and never a Secret's content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import aiohttp

from domain.errors import BrokenError, OpsError, RefusedError, TransientError

#: A Retry-After longer than this is not obeyed: the caller's own back-off is.
_LONGEST = timedelta(seconds=60)


def of_answer(status: int, *, body: str, retry_after: str | None, what: str) -> OpsError:
    """Return the error that an HTTP answer of 400 and above stands for."""
    said = _words(body)
    message = f"Cannot {what}: {said}"
    match status:
        case 401:
            return RefusedError(
                "kubernetes.unauthorized", message, hint="The kubeconfig's credentials are not accepted: renew them."
            )
        case 403:
            return RefusedError("kubernetes.forbidden", message, hint="Apply the installation's roles again.")
        case 404:
            return BrokenError("kubernetes.not-found", message)
        case 409:
            return TransientError("kubernetes.conflict", message)
        case 410:
            return TransientError("kubernetes.expired", message)
        case 429:
            return TransientError("kubernetes.busy", message, retry_after=_delay(retry_after))
        case _ if status >= 500:
            return TransientError("kubernetes.unavailable", message, retry_after=_delay(retry_after))
        case _:
            return BrokenError("kubernetes.invalid", message, status=status)


@contextmanager
def network(what: str) -> Iterator[None]:
    """Turn failures of the connection into `kubernetes.unreachable`."""
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        said = str(error) or type(error).__name__
        message = f"Cannot {what}: no answer from the API server ({said})"
        raise TransientError("kubernetes.unreachable", message) from error


def _words(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:300] or "no words"


def _delay(value: str | None) -> timedelta | None:
    if value is None or not value.isdecimal():
        return None
    return min(timedelta(seconds=int(value)), _LONGEST)
