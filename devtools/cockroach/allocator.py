"""Which replicas move next, and which cannot: repair first, then nodes that leave, then an even share.

Pure: everything is given. One change a range at a time, and none on a range without a majority of live replicas. Not
here: what a move does (placement.py), when and how fast moves are made (rebalancer.py).
"""

from collections.abc import Collection

from devtools.cockroach.placement import Move, Placement, needed

#: What a node is to its replicas. UP takes more; KEEPS keeps what it has (it drains, or was lost only lately); LEAVING
#: is being decommissioned; DEAD was lost for too long.
UP, KEEPS, LEAVING, DEAD = "up", "keeps", "leaving", "dead"


class Nodes:
    """The nodes as the allocator sees them."""

    def __init__(self, standing: dict[int, str], *, live: Collection[int], stuck: dict[int, int] | None = None) -> None:
        self.standing = standing
        self.live = live
        self.stuck = stuck or {}  # replicas that will not leave their node
        self.up = sorted(node for node, stands in standing.items() if stands == UP)
        self.members = sum(1 for stands in standing.values() if stands in (UP, KEEPS))

    def gives_up(self, node: int) -> bool:
        """Whether a node's replicas are to be elsewhere."""
        return self.standing.get(node, DEAD) in (LEAVING, DEAD)


def moves(placement: Placement, nodes: Nodes, *, copies: int, most: int) -> list[Move]:
    """The next moves, most urgent first."""
    load = {node: len(placement.held(node)) for node in {*nodes.standing, *_holders(placement)}}
    found: list[Move] = []
    want = needed(copies, nodes.members)
    for number, held in sorted(placement.ranges.items()):
        if len(found) >= most:
            return found
        if sum(1 for node in held if node in nodes.live) * 2 <= len(held):
            continue
        move = _repair(number, list(held), nodes, load=load, want=want)
        if move is not None:
            found.append(move)
            load[move[1]] = load.get(move[1], 0) - 1
            load[move[2]] = load.get(move[2], 0) + 1
    return found or _even(placement, nodes, load=load, most=most)


def _holders(placement: Placement) -> set[int]:
    return {node for held in placement.ranges.values() for node in held}


def _repair(number: int, held: list[int], nodes: Nodes, *, load: dict[int, int], want: int) -> Move | None:
    leaving = [node for node in held if nodes.gives_up(node) and load[node] > nodes.stuck.get(node, 0)]
    leaving.sort(key=lambda node: nodes.standing.get(node, DEAD) != DEAD)  # the dead first
    if len(held) > want:
        spare = leaving or sorted((node for node in held if not nodes.gives_up(node)), key=lambda node: -load[node])
        return (number, spare[0], 0) if spare else None
    free = [node for node in nodes.up if node not in held]
    if not free:
        return None
    target = min(free, key=lambda node: (load[node], node))
    if len(held) < want:
        return number, 0, target
    return (number, leaving[0], target) if leaving else None


def _even(placement: Placement, nodes: Nodes, *, load: dict[int, int], most: int) -> list[Move]:
    found: list[Move] = []
    moved: set[int] = set()
    while nodes.up and len(found) < most:
        fullest = max(nodes.up, key=lambda node: (load[node], -node))
        emptiest = min(nodes.up, key=lambda node: (load[node], node))
        if load[fullest] - load[emptiest] < 2:
            break
        number = next(
            (
                number
                for number, held in sorted(placement.ranges.items())
                if number not in moved
                and fullest in held
                and emptiest not in held
                and sum(1 for node in held if node in nodes.live) * 2 > len(held)
            ),
            0,
        )
        if not number:
            break
        moved.add(number)
        found.append((number, fullest, emptiest))
        load[fullest] -= 1
        load[emptiest] += 1
    return found


def blocked(
    placement: Placement, nodes: Nodes, *, targets: Collection[int], copies: int, strict: bool
) -> dict[int, dict[str, int]]:
    """Why replicas could not leave the targets: for each target the errors, with the number of its ranges.

    Args:
        placement: the replicas.
        nodes: the nodes, before anybody leaves.
        targets: who is to leave, all at once.
        copies: how many replicas the zone asks for.
        strict: whether a range that is in need of repair now is an error too.
    """
    others = [node for node in nodes.up if node not in targets]
    staying_members = [node for node, stands in nodes.standing.items() if stands in (UP, KEEPS) and node not in targets]
    want = needed(copies, len(staying_members))
    errors: dict[int, dict[str, int]] = {node: {} for node in targets}
    for held in placement.ranges.values():
        staying = [node for node in held if node not in targets and not nodes.gives_up(node)]
        free = [node for node in others if node not in held]
        alive = sum(1 for node in held if node in nodes.live)
        error = ""
        if len(free) < want - len(staying):
            error = (
                f"0 of {len(others)} live stores are able to take a new replica for the range "
                f"({len(staying)} already have a voter, 0 already have a non-voter); likely not enough nodes in cluster"
            )
        elif strict and alive < needed(copies, nodes.members):
            error = f"{alive} of {len(held)} replicas of the range are live; it needs repair first"
        for node in held:
            if error and node in errors:
                errors[node][error] = errors[node].get(error, 0) + 1
    return errors
