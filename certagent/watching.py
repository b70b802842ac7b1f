"""Waiting for one CSR to change: one watch, from one resource version, with an end set on the server.

Going on after a dropped or expired watch and reading the object again is the loop's work (`life.py`).
"""

import math
import time
from dataclasses import dataclass
from typing import Any

from kubernetes.client import ApiException
from kubernetes.watch import Watch
from urllib3.exceptions import HTTPError

from certagent.api import Api
from certagent.log import LOG
from certagent.pace import Pace
from certagent.refusals import csr_rule


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How one watch ended. An empty `resource_version` asks the next to start from the present state."""

    resource_version: str
    has_changed: bool = False
    has_expired: bool = False


def watch_csr(api: Api, *, name: str, since: str, known: str, seconds: float, pace: Pace) -> Watched:
    """Return when the CSR changes or is deleted, the time is over, or the connection ends.

    The request alone is retried and counted; a stream that breaks later is no failure, the next one takes up from the
    last resource version. A version that the server no longer has (410) starts the next from the present: that one
    begins with the object as it is, which is no change if it is the `known` version.
    """
    started = time.monotonic()
    watched = api.attempt(
        lambda: _one_watch(api, name=name, since=since, known=known, seconds=max(1, math.ceil(seconds)), pace=pace),
        what=f"watch CSR {name}",
        rule=csr_rule("watch"),
    )
    if not watched.has_changed:
        # A server or a proxy that ends each watch at once must not be asked in a tight loop.
        time.sleep(max(0.0, min(pace.shortest_watch, seconds) - (time.monotonic() - started)))
    return watched


def _one_watch(api: Api, *, name: str, since: str, known: str, seconds: int, pace: Pace) -> Watched:
    version, has_begun = since, False

    def begin(**_arguments: object) -> Any:
        nonlocal has_begun
        answer = api.begin_watch(query=query, read_timeout=seconds + pace.watch_grace)
        has_begun = True
        return answer

    query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(seconds)}
    query |= {"allowWatchBookmarks": "true"} | ({"resourceVersion": since} if since else {})
    stream = Watch().stream(begin, timeout_seconds=seconds)  # with a time-out it leaves going on to us
    try:
        for event in stream:
            if not isinstance(event, dict):
                continue  # half a line: the connection is about to end
            found = _version(event)
            if event.get("type") in ("ADDED", "MODIFIED", "DELETED"):
                if found == known:
                    continue  # and its old version is no place to go on from
                return Watched(resource_version=found, has_changed=True)
            version = found or version
    except ApiException as error:
        if error.status != 410:
            raise
        LOG.info("watch expired", extra={"csr": name, "reason": str(error.reason)})
        return Watched(resource_version="", has_expired=True)
    except HTTPError as error:
        if not has_begun:
            raise
        LOG.info("watch dropped", extra={"csr": name, "reason": f"{type(error).__name__}: {error}"})
    finally:
        stream.close()
    return Watched(resource_version=version)


def _version(event: dict[str, object]) -> str:
    raw = event.get("raw_object")
    metadata = raw.get("metadata") if isinstance(raw, dict) else None
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""
