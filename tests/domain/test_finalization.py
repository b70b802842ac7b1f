"""What holds up a finalization: each cause by its name, nothing when all nodes are there on the new release."""

from __future__ import annotations

from domain.finalization import held_by
from domain.health import Membership, NodeStatus


def node(number: int, *, build: str = "v25.4.1", membership: Membership = "active", is_live: bool = True) -> NodeStatus:
    address = f"cockroachdb-{number - 1}.cockroachdb.crdb.svc.cluster.local:26257"
    return NodeStatus(id=number, address=address, build=build, membership=membership, is_live=is_live)


def test_nothing_holds_up_nodes_that_live_on_the_release_nor_do_those_that_left() -> None:
    left = node(4, build="v25.2.3", membership="decommissioned", is_live=False)

    assert held_by([node(1), node(2, build="v25.4.0"), left], preserved="", wanted="25.4") == ()


def test_every_cause_is_named() -> None:
    nodes = [
        node(1, build="v25.2.3"),
        node(2, is_live=False),
        node(3, membership="decommissioning"),
        node(4, build=""),
    ]

    assert held_by(nodes, preserved="25.2", wanted="25.4") == (
        "cluster.preserve_downgrade_option is 25.2",
        "n1 (cockroachdb-0) runs v25.2.3",
        "n2 (cockroachdb-1) does not live",
        "n3 (cockroachdb-2) is decommissioning",
        "n4 (cockroachdb-3) runs an unknown build",
    )


def test_a_longer_number_is_another_release() -> None:
    assert held_by([node(1, build="v25.40.1")], preserved="", wanted="25.4") == ("n1 (cockroachdb-0) runs v25.40.1",)
