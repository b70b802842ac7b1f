"""The statements a node understands, and their errors. Everything else is a syntax error (SQLSTATE 42601).

Lives here: parsing and meaning. Not here: the wait for a majority before any statement runs (server.py), printing
(sql.py, rows.py). A later statement is one more entry of `_TABLE`.
"""

import re
from collections.abc import Callable
from typing import Any

from devtools.cockroach.failure import RemoteError
from devtools.cockroach.membership import Membership

PRESERVE = "cluster.preserve_downgrade_option"
VERSION = "version"


class Session:
    """What a statement may look at and change."""

    def __init__(self, view: Membership, *, node_id: int, cluster_id: str, build: str, active: str) -> None:
        self.view = view
        self.node_id = node_id
        self.cluster_id = cluster_id
        self.build = build
        self.active = active  # the cluster's active version
        self.wrote = False


Answer = dict[str, Any]


def _rows(column: str, value: Any) -> Answer:
    return {"columns": [column], "rows": [[value]], "tag": "SELECT 1"}


def _tag(tag: str) -> Answer:
    return {"columns": [], "rows": [], "tag": tag}


def _integer(_session: Session, found: re.Match[str]) -> Answer:
    return _rows("?column?", int(found["number"]))


def _cluster_id(session: Session, _found: re.Match[str]) -> Answer:
    return _rows("crdb_internal.cluster_id", session.cluster_id)


def _version(session: Session, _found: re.Match[str]) -> Answer:
    return _rows("version", f"CockroachDB CCL {session.build} (stand-in, not a database)")


def _show(session: Session, found: re.Match[str]) -> Answer:
    name = found["name"].lower()
    if name == VERSION:
        return _rows(VERSION, session.active)
    _known(name)
    return _rows(name, session.view.setting(name))


def _set(session: Session, found: re.Match[str]) -> Answer:
    name = found["name"].lower()
    _known(name)
    value = found["value"]
    value = "" if value.upper() == "DEFAULT" else value.strip("'")
    if value and value != session.active:
        raise RemoteError(f"cannot set {name} to {value} (cluster version is {session.active})")
    return _write(session, name, value)


def _reset(session: Session, found: re.Match[str]) -> Answer:
    name = found["name"].lower()
    _known(name)
    return _write(session, name, "")


def _write(session: Session, name: str, value: str) -> Answer:
    session.view.set(name, value, by=session.node_id)
    session.wrote = True
    return _tag("SET CLUSTER SETTING")


def _known(name: str) -> None:
    if name == VERSION:
        raise RemoteError("the stand-in does not set the cluster version by hand", sqlstate="0A000")
    if name != PRESERVE:
        raise RemoteError(f'unknown cluster setting "{name}"', sqlstate="22023")


_NAME = r"(?P<name>[a-z_][a-z0-9_.]*)"
_TABLE: tuple[tuple[str, Callable[[Session, re.Match[str]], Answer]], ...] = (
    (r"SELECT\s+(?P<number>-?\d+)", _integer),
    (r"SELECT\s+crdb_internal\.cluster_id\(\)", _cluster_id),
    (r"SELECT\s+version\(\)", _version),
    (rf"SHOW\s+CLUSTER\s+SETTING\s+{_NAME}", _show),
    (rf"SET\s+CLUSTER\s+SETTING\s+{_NAME}\s*(?:=|\s+TO\s+)\s*(?P<value>'[^']*'|DEFAULT)", _set),
    (rf"RESET\s+CLUSTER\s+SETTING\s+{_NAME}", _reset),
)
_STATEMENTS = tuple((re.compile(pattern, re.IGNORECASE), meaning) for pattern, meaning in _TABLE)


def execute(session: Session, statement: str) -> Answer:
    """Run one statement.

    Raises:
        RemoteError: as the vendor words it.
    """
    text = statement.strip().rstrip(";").strip()
    for pattern, meaning in _STATEMENTS:
        found = pattern.fullmatch(text)
        if found:
            return meaning(session, found)
    words = re.findall(r"[^\s]+", text)
    near = words[min(1, len(words) - 1)] if words else "EOF"
    raise RemoteError(
        f'at or near "{near.lower()}": syntax error',
        sqlstate="42601",
        detail=f"source SQL:\n{text}\n^",
        hint="this is a stand-in, not a database; it knows a short list of statements",
    )
