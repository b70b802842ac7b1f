"""The watch of CSRs of our signers: list, then follow, for ever; for `events.csr`, which starts workflows from it.

Whose CSR it is and what follows is decided there. A watch that breaks or grows too old is opened again with back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

from activities.clients.api import Api, path
from activities.csr_object import OUR_REASONS
from activities.ports import CsrObject, CsrSeen, CsrSnapshot
from domain.errors import OpsError

_log = logging.getLogger(__name__)
_KIND = "CertificateSigningRequest"
_EVENTS: dict[str, Any] = {"ADDED": "added", "MODIFIED": "modified", "DELETED": "deleted"}
#: First pause after a failure, and the longest.
_PAUSE, _LONGEST = 0.5, 15.0


class KubeCsrWatch:
    """CsrWatchPort over the API server."""

    def __init__(self, api: Api, *, signers: tuple[str, ...]) -> None:
        self._api = api
        self._signers = signers
        self._reconnects = -1

    @property
    def reconnects(self) -> int:
        """How often the watch had to be opened again, the first time apart."""
        return max(0, self._reconnects)

    async def watch(self) -> AsyncGenerator[CsrSnapshot | CsrSeen, None]:
        """Yield a snapshot at each list, then every change."""
        pause = _PAUSE
        version = ""
        while True:
            try:
                if not version:
                    answer = await self._api.call("GET", path(_KIND))
                    version = str(answer["metadata"]["resourceVersion"])
                    items = (CsrObject.parse(item) for item in answer.get("items") or ())
                    yield CsrSnapshot(items=tuple(_seen("added", csr) for csr in items if self._is_ours(csr)))
                self._reconnects += 1
                opened_at = asyncio.get_running_loop().time()
                query = {"resourceVersion": version, "allowWatchBookmarks": "true"}
                async for event, item in self._api.watch(path(_KIND), query=query):
                    pause = _PAUSE
                    version = str(item["metadata"]["resourceVersion"])
                    if event in _EVENTS and self._is_ours(csr := CsrObject.parse(item)):
                        yield _seen(event, csr)
                # A proxy may close what it finds idle at once: that must not become a hot loop.
                if asyncio.get_running_loop().time() - opened_at < _PAUSE:
                    await asyncio.sleep(_PAUSE)
            except OpsError as error:
                # What was missed meanwhile is found by listing again.
                version = ""
                _log.warning("csr watch broke", extra={"error_code": error.code, "retry_in_s": pause})
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)

    def _is_ours(self, csr: CsrObject) -> bool:
        return csr.signer_name in self._signers


def _seen(event: str, csr: CsrObject) -> CsrSeen:
    return CsrSeen(
        kind=_EVENTS.get(event, "added"),
        name=csr.name,
        uid=csr.uid,
        username=csr.username,
        signer_name=csr.signer_name,
        state=csr.state,
        created_at=csr.created_at,
        is_decided_by_us=any(condition.reason in OUR_REASONS for condition in csr.conditions),
    )
