"""A node that is decommissioned for good while somebody waits for its answer: nobody tells it anything any more."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devtools.cockroach.admin import Admin
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.journal import Journal
from devtools.cockroach.ledger import Ledger
from devtools.cockroach.phase import REMOVED, SERVING, Life
from devtools.cockroach.store import Store

GONE = "n1 was permanently removed from the cluster"


class Silent:
    """Peers and gossip of a node that the others refuse: it knows of no writer, and its calls find nobody."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def writer(self, *, last: int) -> int:
        assert last == 0
        self._life.phase, self._life.farewell = REMOVED, GONE
        return 0

    def address_of(self, node: int) -> str:
        assert node == 0
        return ""


async def test_a_command_ends_when_its_node_is_removed(tmp_path: Path) -> None:
    life = Life(SERVING)
    alone: Any = Silent(life)
    nothing: Any = None
    store, journal = Store(str(tmp_path)), Journal(str(tmp_path))
    store.cluster_id, store.node_id = "c", 1
    ledger = Ledger(nothing, store, journal, nothing, gossip=alone, life=life, on_applied=nothing, on_outdated=nothing)

    with pytest.raises(RemoteError, match=GONE):
        await ledger.query({"kind": "replicas"})


class Agreed:
    """A ledger that answers until a node is decommissioned for good, and nobody from then on."""

    def __init__(self) -> None:
        self.written: list[str] = []

    async def query(self, what: dict[str, Any]) -> dict[str, Any]:
        assert not self.written, f"{what} is asked of a cluster that refuses this node"
        return {"membership": {"1": "decommissioning", "2": "active"}, "ranges": {}}

    async def write(self, operation: dict[str, Any]) -> dict[str, Any]:
        self.written.append(f"{operation['id']} {operation['to']}")
        return {}


async def test_the_last_step_of_a_decommission_asks_nobody_how_the_nodes_stand(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.node_id = 1
    ledger: Any = Agreed()
    view: Any = SimpleNamespace(is_live=lambda _node, *, now: bool(now), is_draining=lambda _node: False)
    nothing: Any = None
    admin = Admin(
        store,
        nothing,
        nothing,
        gossip=SimpleNamespace(view=view),  # type: ignore[arg-type]
        ledger=ledger,
        rebalancer=nothing,
        life=Life(SERVING),
        faults=nothing,
        terminate=nothing,
        spread=nothing,
    )

    answer = await admin.decommission({"nodes": [1], "to": "decommissioned"})

    assert ledger.written == ["1 decommissioned"]
    assert answer == {"status": [], "nodes": {}, "local": 1}
