"""`cockroach node status` and `node ls`: ask a node, print rows.

Which columns there are follows the client's own version, as with the vendor's client, which writes the query. Not here:
the rows (status.py, in the node's process), the verbs that change something (decommission.py, drain.py).
"""

import sys

from devtools.cockroach import client, flags, release, rows, wire
from devtools.cockroach.failure import VerbError

_SWITCHES = ("ranges", "stats", "decommission", "all")


def run(args: list[str]) -> int:
    """Run a sub-command of `node`."""
    if not args:
        raise VerbError(
            'missing command for "cockroach node": expected ls, status, decommission, recommission or drain'
        )
    verb, rest = args[0], args[1:]
    if verb == "status":
        return _status(rest)
    if verb == "ls":
        return _ls(rest)
    if verb in ("decommission", "recommission"):
        from devtools.cockroach import decommission

        return decommission.run(rest) if verb == "decommission" else decommission.recommission(rest)
    if verb == "drain":
        from devtools.cockroach import drain

        return drain.run(rest)
    raise VerbError(f'unknown command "{verb}" for "cockroach node"')


def _status(args: list[str]) -> int:
    known = client.FLAGS | {name: flags.SWITCH for name in _SWITCHES}
    given = flags.parse(args, known=known, short=client.SHORT)
    form = rows.chosen(given.one("format"))
    if len(given.words) > 1:
        raise VerbError(f"accepts at most 1 arg(s), received {len(given.words)}")
    node_id = _node_id(given.words[0]) if given.words else None
    parts = [name for name in _SWITCHES if given.on(name)]
    answer = client.Target(given).must_ask(
        wire.NODES, {"parts": parts, "series": release.series_of(release.running_version())}
    )
    table = answer["rows"]
    if node_id is not None:
        table = [row for row in table if row[0] == node_id]
        if not table:
            raise VerbError(f"node {node_id} doesn't exist")
    sys.stdout.write(rows.render(answer["columns"], table, form=form))
    return 0


def _ls(args: list[str]) -> int:
    given = flags.parse(args, known=client.FLAGS, short=client.SHORT)
    form = rows.chosen(given.one("format"))
    answer = client.Target(given).must_ask(wire.NODES, {"parts": [], "series": ""})
    sys.stdout.write(rows.render(["id"], [row[:1] for row in answer["rows"]], form=form))
    return 0


def _node_id(text: str) -> int:
    if not text.lstrip("-").isdigit():
        raise VerbError(f"could not parse node_id {text}")
    return int(text)
