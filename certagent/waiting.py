"""The two waits: for a decision on a CSR (by watch), and after a no for somebody to ask again (by file).

Neither has a deadline of its own, since a person may take a day; each says once a minute what it waits for. Deadlines
belong to the operation (`workflows/`). One watch is `watching.py`.
"""

import time
from pathlib import Path

from certagent.api import Api
from certagent.arguments import Options
from certagent.decision import CsrState
from certagent.kept import Kept
from certagent.log import LOG, write_termination_message
from certagent.pace import Pace
from certagent.watching import watch_csr

ASK_AGAIN = (
    "To ask again use Ask again on the operation's card, "
    "or set annotation crdbops.internal/ask-again of the pod to a new value."
)


def ask_again_value(path: Path) -> str:
    """Return the annotation's value as the kubelet last wrote it; empty if there is none."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


class Waiting:
    """Waits of one run; remembers since when and from where."""

    def __init__(self, options: Options, *, api: Api, pace: Pace) -> None:
        self._options = options
        self._api = api
        self._pace = pace
        self._waits_for = ""
        self._since = self._last_line = 0.0
        self._read_version = ""  # of the object, as last read
        self._watch_version = ""  # to go on from; newer through bookmarks, empty for "the present"

    def for_decision(self, csr_name: str, *, state: CsrState, version: str) -> None:
        """Return when the CSR, last read at `version`, should be read again."""
        waits_for = (
            f"a person's decision on CSR {csr_name}"
            if state is CsrState.PENDING
            else f"signer {self._options.signer_name} to issue CSR {csr_name}, which is approved"
        )
        if version != self._read_version:
            self._read_version = self._watch_version = version
        begun = time.monotonic()
        while time.monotonic() - begun < self._pace.reread_after:
            watched = watch_csr(
                self._api,
                name=csr_name,
                since=self._watch_version,
                known=self._read_version,
                seconds=self._until_next_line(waits_for, csr=csr_name),
                pace=self._pace,
            )
            self._watch_version = watched.resource_version
            if watched.has_changed or watched.has_expired:
                return

    def to_be_asked_again(self, kept: Kept, *, state: CsrState | None, words: str) -> None:
        """Return when the ask-again file holds a value that was not acted upon yet."""
        answer = state or "denied or failed (Kubernetes has removed it since)"
        said = f": {words}" if words else ""
        message = f"CSR {kept.csr_name} was {answer}{said}. Nothing is asked until somebody asks again. {ASK_AGAIN}"
        write_termination_message(self._options.termination_log, text=message)
        LOG.warning(
            f"csr {state}" if state else "csr collected",
            extra={"csr": kept.csr_name, "csr_uid": kept.csr_uid, "reason": words, "hint": ASK_AGAIN},
        )
        while ask_again_value(self._options.ask_again_file) in ("", kept.ask_again):
            self._until_next_line(f"somebody to ask again, CSR {kept.csr_name} was {answer}", csr=kept.csr_name)
            time.sleep(self._pace.file_poll)

    def _until_next_line(self, waits_for: str, *, csr: str) -> float:
        """Write the line if it is due and return the seconds until the next one is."""
        now = time.monotonic()
        if waits_for != self._waits_for:
            self._waits_for, self._since, self._last_line = waits_for, now, float("-inf")
        left = self._last_line + self._pace.heartbeat - now
        if left > 0:
            return left
        waited = round(now - self._since)
        LOG.info("waiting", extra={"waits_for": waits_for, "minutes": waited // 60, "duration_s": waited, "csr": csr})
        self._last_line = now
        return self._pace.heartbeat
