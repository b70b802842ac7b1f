"""Faults on request: `faults.json` in the data folder, read again whenever it changes.

Every fault lasts as long as it is in the file. A file that cannot be read changes nothing and is complained about once.
Not here: what each fault does (answers.py, server.py, start.py, gossip.py, admin.py, rebalancer.py,
finalizer.py, status.py).
"""

import json
import os
from typing import Any

from devtools.cockroach import log

FILE = "faults.json"
VERBS = ("init", "node", "sql", "decommission", "drain")
COLUMNS = ("older", "newer", "unknown")
#: What other nodes have to know of it.
_NUMBERS = (
    "underreplicated_ranges", "moves_per_second", "seconds_until_store_dead", "stuck_replicas", "catch_up_seconds",
    "finalize_seconds",
)  # fmt: skip
_SHARED = (*_NUMBERS, "node_ids", "finalize_stuck")
_EXAMPLE = '{"slow_seconds": {"sql": 2}, "hang": ["sql"], "not_ready": "node is not healthy"}'


class Injected:
    """What goes wrong now."""

    def __init__(self, given: dict[str, Any]) -> None:
        known = {
            "slow_seconds", "hang", "delay_init_seconds", "not_ready", "exit_at_start", "drain_seconds",
            "status_columns", *_SHARED,
        }  # fmt: skip
        if set(given) - known:
            raise ValueError(f"unknown fault {sorted(set(given) - known)}, expected some of {sorted(known)}")
        self.slow_seconds = {verb: _number(seconds) for verb, seconds in dict(given.get("slow_seconds", {})).items()}
        self.hang = tuple(given.get("hang", ()))
        wrong = sorted({*self.slow_seconds, *self.hang} - set(VERBS))
        if wrong:
            raise ValueError(f"unknown verb {wrong}, expected some of {list(VERBS)}")
        self.delay_init_seconds = _number(given.get("delay_init_seconds", 0))
        self.not_ready = str(given.get("not_ready", ""))
        self.exit_at_start = int(_number(given.get("exit_at_start", 0)))
        for name in _NUMBERS:
            _number(given.get(name, 0))
        if not isinstance(given.get("finalize_stuck", ""), str):
            raise ValueError(f"finalize_stuck: found {given['finalize_stuck']!r}, expected why, in words")
        for host, node_id in dict(given.get("node_ids", {})).items():
            if isinstance(node_id, bool) or not isinstance(node_id, int) or node_id < 1:
                raise ValueError(f"node_ids: found {node_id!r} for {host}, expected a node id from 1 on")
        self.drain_seconds = _number(given.get("drain_seconds", 0))
        self.status_columns = str(given.get("status_columns", ""))
        if self.status_columns and self.status_columns not in COLUMNS:
            raise ValueError(f"status_columns: found {self.status_columns!r}, expected one of {list(COLUMNS)}")
        self.shared = {name: given[name] for name in _SHARED if name in given}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"found {value!r}, expected a number from 0 on")
    return float(value)


class Faults:
    """The file, as it is now."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, FILE)
        self._seen: tuple[int, int, int] | None = None
        self._now = Injected({})

    def now(self) -> Injected:
        """What goes wrong now."""
        try:
            facts = os.stat(self._path)
            seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        except OSError:
            seen = None
        if seen != self._seen:
            self._seen = seen
            self._read()
        return self._now

    def _read(self) -> None:
        try:
            with open(self._path, encoding="utf-8") as file:
                given = json.load(file)
            if not isinstance(given, dict):
                raise ValueError(f"found {type(given).__name__}, expected an object")
            self._now = Injected(given)
        except FileNotFoundError:
            self._now = Injected({})
            log.info(f"{FILE} is gone: no faults")
        except (OSError, ValueError, TypeError) as error:
            log.error(f"{FILE} not taken: {error}; an example: {_EXAMPLE}")
        else:
            log.warning(f"faults by {FILE}: {json.dumps(given, sort_keys=True)}")
