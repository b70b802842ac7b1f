"""How the nodes of a cluster stand, read through `node status` and the metrics page; and waiting for it.

Not here: processes and verbs (nodes.py).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cockroach.nodes import Node
from tests.eventually import eventually

Row = dict[str, str]


def rows(asked: Node, *, client: Path, flags: Sequence[str] = ("--all",)) -> dict[int, Row]:
    """The rows of `node status`, by node id."""
    table = asked.ask("node", "status", "--format=csv", *flags, client=client).table()
    return {int(row["id"]): row for row in table}


def id_of(node: Node, *, client: Path, asked: Node | None = None) -> int:
    """A node's id, by its address."""
    found = [number for number, row in rows(asked or node, client=client).items() if row["address"] == node.address]
    assert len(found) == 1, f"{node.address} has rows {found}"
    return found[0]


def row_of(node: Node, *, client: Path, asked: Node) -> Row:
    """A node's row, by its address, as another node shows it."""
    return rows(asked, client=client)[id_of(node, client=client, asked=asked)]


def metric(node: Node, name: str) -> int:
    """A metric of a node; -1 when it is not there."""
    match = re.search(rf"^{name}(?:\{{.*\}})? (\d+)", node.get("/_status/vars").body, re.MULTILINE)
    return int(match[1]) if match else -1


def replicated(nodes: Sequence[Node]) -> Sequence[Node]:
    """Wait until every range has its replicas and every node a share."""
    eventually(lambda: all(metric(node, "replicas") > 0 for node in nodes), seconds=60)
    eventually(lambda: sum(metric(node, "ranges_underreplicated") for node in nodes) == 0, seconds=60)
    return nodes


def inject(node: Node, **faults: Any) -> None:
    """Write a node's faults; none takes them all away."""
    node.store.mkdir(parents=True, exist_ok=True)
    (node.store / "faults.json").write_text(json.dumps(faults))
