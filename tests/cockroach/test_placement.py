"""How simulated replicas are counted, which of them move next, and which cannot."""

import random

import pytest

from devtools.cockroach import allocator
from devtools.cockroach.allocator import DEAD, KEEPS, LEAVING, UP, Nodes
from devtools.cockroach.placement import RANGES, Placement, needed, place


def _settled(placement: Placement, nodes: Nodes, *, copies: int = 3, most: int = 10) -> int:
    """Move until nothing is left to do; how many moves it took."""
    made = 0
    while moves := allocator.moves(placement, nodes, copies=copies, most=most):
        assert len(moves) <= most
        placement.apply(place(moves))
        made += len(moves)
        assert made < 10_000, "moves without end"
    return made


def _among(*ids: int, **others: str) -> Nodes:
    """Nodes that are up and live, and others by what they are; those of others are named n4, n5…"""
    standing = dict.fromkeys(ids, UP) | {int(name[1:]): stands for name, stands in others.items()}
    return Nodes(standing, live=[node for node, stands in standing.items() if stands != DEAD])


def _spread(*ids: int) -> Placement:
    placement = Placement()
    _settled(placement, _among(*ids))
    return placement


def _loads(placement: Placement, *ids: int) -> list[int]:
    return [len(placement.held(node)) for node in ids]


@pytest.mark.parametrize(
    ("copies", "members", "wanted"),
    [(3, 5, 3), (3, 1, 3), (5, 5, 5), (5, 4, 3), (5, 2, 3), (7, 6, 5), (1, 4, 1)],
)
def test_a_small_cluster_has_fewer_replicas_but_never_fewer_than_three(copies: int, members: int, wanted: int) -> None:
    assert needed(copies, members) == wanted


def test_a_fresh_cluster_spreads_to_three_copies_and_an_even_share() -> None:
    placement = _spread(1, 2, 3, 4, 5)

    assert {len(held) for held in placement.ranges.values()} == {3}
    loads = _loads(placement, 1, 2, 3, 4, 5)
    assert sum(loads) == RANGES * 3
    assert max(loads) - min(loads) <= 1


def test_two_nodes_leave_at_once_and_nothing_is_left_on_them() -> None:
    placement = _spread(1, 2, 3, 4, 5)

    _settled(placement, _among(1, 2, 3, n4=LEAVING, n5=LEAVING))

    assert _loads(placement, 1, 2, 3, 4, 5) == [RANGES] * 3 + [0, 0]


def test_replicas_have_nowhere_to_go_in_a_cluster_of_three() -> None:
    placement = _spread(1, 2, 3)

    assert _settled(placement, _among(1, 2, n3=LEAVING)) == 0


def test_more_than_three_copies_are_lowered_when_a_node_leaves() -> None:
    placement = Placement()
    _settled(placement, _among(1, 2, 3, 4, 5), copies=5)
    before = _loads(placement, 1, 2, 3, 4, 5)

    _settled(placement, _among(1, 2, 3, 4, n5=LEAVING), copies=5)

    assert before == [RANGES] * 5
    assert {len(held) for held in placement.ranges.values()} == {3}
    assert _loads(placement, 5) == [0]


def test_stuck_replicas_stay() -> None:
    placement = _spread(1, 2, 3, 4)
    nodes = _among(1, 2, 3, n4=LEAVING)
    nodes.stuck[4] = 2

    _settled(placement, nodes)

    assert _loads(placement, 4) == [2]


def test_a_node_lost_for_long_is_replaced_and_one_lost_lately_is_not() -> None:
    placement = _spread(1, 2, 3, 4)
    lately = Nodes({1: UP, 2: UP, 3: UP, 4: KEEPS}, live=[1, 2, 3])

    assert _settled(placement, lately) == 0
    _settled(placement, _among(1, 2, 3, n4=DEAD))

    assert _loads(placement, 1, 2, 3, 4) == [RANGES] * 3 + [0]


def test_a_range_without_a_majority_does_not_move() -> None:
    placement = _spread(1, 2, 3)

    assert _settled(placement, Nodes({1: UP, 2: DEAD, 3: DEAD, 4: UP, 5: UP}, live=[1, 4, 5])) == 0


def test_whatever_happens_no_majority_is_lost_and_it_comes_to_an_end() -> None:
    dice = random.Random(7)
    placement = _spread(1, 2, 3)
    for _ in range(60):
        standing = {node: dice.choice([UP, UP, UP, KEEPS, LEAVING]) for node in range(1, 7)}
        before = {number: set(held) for number, held in placement.ranges.items()}
        moves = allocator.moves(placement, Nodes(standing, live=list(standing)), copies=3, most=20)
        placement.apply(place(moves))
        for number, held in placement.ranges.items():
            assert len(held) >= 3
            assert len(before[number] - set(held)) <= 1, "one change a range at a time"
    _settled(placement, _among(1, 2, 3, 4, 5, 6))
    assert max(_loads(placement, *range(1, 7))) - min(_loads(placement, *range(1, 7))) <= 1


def test_a_node_that_lost_its_company_counts_unavailable_ranges() -> None:
    placement = _spread(1, 2, 3)

    alone = placement.counts(1, live=[1], draining=[], copies=3)

    assert (alone.replicas, alone.leases, alone.unavailable) == (RANGES, 0, RANGES)


def test_the_loss_of_one_node_makes_its_ranges_underreplicated_once() -> None:
    placement = _spread(1, 2, 3, 4)
    lost = len(placement.held(4))

    counts = [placement.counts(node, live=[1, 2, 3], draining=[], copies=3) for node in (1, 2, 3, 4)]

    assert sum(count.underreplicated for count in counts) == lost
    assert sum(count.leases for count in counts) == RANGES
    assert (counts[3].replicas, counts[3].leases, counts[3].unavailable) == (lost, 0, 0)


def test_a_draining_node_has_no_lease_and_all_its_replicas() -> None:
    placement = _spread(1, 2, 3)

    counts = placement.counts(2, live=[1, 2, 3], draining=[2], copies=3)

    assert (counts.replicas, counts.leases, counts.underreplicated) == (RANGES, 0, 0)


def test_a_replica_that_comes_back_has_another_id() -> None:
    placement = Placement()
    for move in ([1, 0, 2], [1, 2, 3], [1, 3, 2]):
        placement.apply({"kind": "place", "moves": [move]})

    assert placement.ranges[1] == {1: 1, 2: 4}


@pytest.mark.parametrize(
    ("targets", "blocked"),
    [
        pytest.param([4], [0], id="one of four"),
        pytest.param([3, 4], [1, 1], id="two of four leave two"),
    ],
)
def test_checks_count_the_ranges_that_could_not_leave(targets: list[int], blocked: list[int]) -> None:
    placement = _spread(1, 2, 3, 4)

    errors = allocator.blocked(placement, _among(1, 2, 3, 4), targets=targets, copies=3, strict=False)

    held = _loads(placement, *targets)
    assert [sum(errors[node].values()) for node in targets] == [
        many * is_blocked for many, is_blocked in zip(held, blocked, strict=True)
    ]


def test_a_strict_check_wants_repairs_done_first() -> None:
    placement = _spread(1, 2, 3, 4, 5)
    lost = Nodes({1: UP, 2: UP, 3: UP, 4: UP, 5: KEEPS}, live=[1, 2, 3, 4])

    loose, strict = (
        allocator.blocked(placement, lost, targets=[4], copies=3, strict=is_strict) for is_strict in (False, True)
    )

    assert loose == {4: {}}
    assert list(strict[4]) == ["2 of 3 replicas of the range are live; it needs repair first"]
