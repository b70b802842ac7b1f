"""What a scale does: from what is there and the wanted number to ordered steps, or to every reason against.

The steps are planned anew after each of them, from what is there then, so that a run that was stopped anywhere, a new
number, or somebody with `kubectl` only changes what comes next. Reading rows is `domain.health`, the reasons against
are `domain.scale_refusals`; gathering facts is `activities.scaling`, doing it `workflows.scale`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.health import NodeStatus, ghosts, places
from domain.model import ClusterSpec, NodeRef
from domain.preflight import LiveSet
from domain.verdict import Verdict

#: What the database needs to survive the loss of one node; fewer is no cluster.
FEWEST = 3


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Volume(_Value):
    """A volume claim of a node's pod. `node_id` was written on it when its node began to leave."""

    ordinal: int
    name: str
    uid: str = ""
    node_id: int | None = None
    is_ours: bool = True
    mounted_by: tuple[str, ...] = ()
    size: str = ""


class ScaleFacts(_Value):
    """What is there. `database` says how the nodes answered; the figures of settings are asked for once a run."""

    recorded: ClusterSpec | None = None
    live: LiveSet | None = None
    pods: tuple[int, ...] = ()
    volumes: tuple[Volume, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()
    database: Literal["serving", "waiting-for-init", "silent"] = "serving"
    detail: str = ""
    replication_factor: int | None = None
    version: str = ""
    preserved: str = ""
    room: int = 99
    max_nodes: int = 99
    stalled_minutes: float = 3
    missing_rules: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    @property
    def replicas(self) -> int:
        """How many pods the StatefulSet has now."""
        return self.live.replicas if self.live else 0

    @property
    def fewest(self) -> int:
        """The least number of nodes that its data bears."""
        return max(FEWEST, self.replication_factor or FEWEST)


StepKind = Literal["recommission", "decommission", "shrink", "wipe", "grow", "record"]


class ScaleStep(_Value):
    """One step. `to`: replicas after it; `ids`: nodes it is about; `volume`: the one to wipe.

    recommission: nodes that stay are taken back. decommission: all nodes that leave, at once; done when each is
    `decommissioned`. shrink: the pods above go. wipe: a volume that cannot be used again, or need not be, is decided
    upon. grow: one pod more, until its node has joined. record: the spec says what is there.
    """

    kind: StepKind
    to: int = 0
    ids: tuple[int, ...] = ()
    volume: Volume | None = None


class ScalePlan(_Value):
    """What a scale will do; with reasons against, nothing at all."""

    verdict: Verdict = Verdict()
    steps: tuple[ScaleStep, ...] = ()
    lines: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    leaving: tuple[NodeStatus, ...] = ()


def located(nodes: Sequence[NodeStatus], volumes: Sequence[Volume]) -> tuple[NodeStatus, ...]:
    """Return the nodes, those without an address placed where a volume holds their id."""
    noted = {volume.node_id: volume.ordinal for volume in volumes if volume.node_id is not None}
    return tuple(
        node if node.ordinal is not None else node.model_copy(update={"noted_at": noted.get(node.id)}) for node in nodes
    )


def ended(facts: ScaleFacts) -> tuple[int, ...]:
    """Return the ordinals of pods whose node is decommissioned, which nothing takes back."""
    where = places(facts.nodes)
    return tuple(o for o in range(facts.replicas) if o in where and not where[o].is_member)


def ends_at(facts: ScaleFacts, *, wanted: int) -> int:
    """Return the replicas that stay through it all: a node that is decommissioned below has to go, and all above."""
    return min(wanted, facts.replicas, *ended(facts))


def returning(facts: ScaleFacts, *, wanted: int) -> tuple[NodeStatus, ...]:
    """Return members without a pod which growing brings back, since their volume is still there."""
    kept = {volume.ordinal for volume in facts.volumes}
    return tuple(
        node
        for ordinal, node in sorted(places(facts.nodes).items())
        if facts.replicas <= ordinal < wanted and ordinal in kept and node.is_member
    )


def leaving(facts: ScaleFacts, *, wanted: int, with_dead: bool = False) -> tuple[NodeStatus, ...]:
    """Return the nodes that have to be decommissioned, in the order of ids.

    Args:
        facts: What is there.
        wanted: The number of nodes.
        with_dead: Somebody asked for dead nodes without a pod to be given up; without that only those that are
            decommissioning already are.
    """
    keep = ends_at(facts, wanted=wanted)
    back = {node.id for node in returning(facts, wanted=wanted)}
    gone = {node.id for node in ghosts(facts.nodes)}
    found = []
    for node in facts.nodes:
        is_above = node.ordinal is not None and node.ordinal >= keep and node.id not in gone
        has_pod = is_above and node.ordinal is not None and node.ordinal < facts.replicas
        is_given_up = with_dead or node.membership == "decommissioning" or node.is_live
        if node.is_member and node.id not in back and (has_pod or ((is_above or node.id in gone) and is_given_up)):
            found.append(node)
    return tuple(found)


def dead_ends(facts: ScaleFacts, *, wanted: int) -> tuple[NodeStatus, ...]:
    """Return dead members that nothing in the plan brings back or was asked to give up."""
    going = {node.id for node in leaving(facts, wanted=wanted)}
    going |= {node.id for node in returning(facts, wanted=wanted)}
    return tuple(node for node in facts.nodes if node.is_dead and node.id not in going)


def node_of(volume: Volume, nodes: Sequence[NodeStatus]) -> NodeStatus | None:
    """Return the node that a volume belongs to: by the id written on it, else by the address of its pod."""
    if volume.node_id is not None:
        return next((node for node in nodes if node.id == volume.node_id), None)
    return places(nodes).get(volume.ordinal)


def is_spent(volume: Volume, nodes: Sequence[NodeStatus]) -> bool:
    """Whether its node was decommissioned: such a store can never join again."""
    node = node_of(volume, nodes)
    return node is not None and not node.is_member


def steps(facts: ScaleFacts, *, wanted: int, with_dead: bool = False, reused: Sequence[str] = ()) -> list[ScaleStep]:
    """Return what is left to do, in order; nothing when the cluster is as wanted.

    Args:
        facts: What is there.
        wanted: The number of nodes.
        with_dead: Dead nodes without a pod are given up.
        reused: Names of volumes that somebody decided to use again.
    """
    keep, where = ends_at(facts, wanted=wanted), places(facts.nodes)
    back = {node.id for node in returning(facts, wanted=wanted)}
    stay = [
        node.id
        for ordinal, node in where.items()
        if node.membership == "decommissioning" and (ordinal < keep or node.id in back)
    ]
    away = leaving(facts, wanted=wanted, with_dead=with_dead)
    found = [ScaleStep(kind="recommission", ids=tuple(sorted(stay)))] if stay else []
    if away:
        found.append(ScaleStep(kind="decommission", ids=tuple(node.id for node in away)))
    if keep < facts.replicas:
        found.append(ScaleStep(kind="shrink", to=keep))
    # Pods of an earlier run whose node has not joined, or is down: the same waits as for a new one.
    found += [ScaleStep(kind="grow", to=o + 1) for o in range(keep) if o not in where or not where[o].is_live]
    by_ordinal = {volume.ordinal: volume for volume in facts.volumes}
    for ordinal in range(keep, wanted):
        volume = by_ordinal.get(ordinal)
        if volume is not None and volume.name not in reused and _is_in_question(volume, facts, away):
            found.append(ScaleStep(kind="wipe", volume=volume, to=ordinal))
        found.append(ScaleStep(kind="grow", to=ordinal + 1))
    if not found and facts.recorded is not None and facts.recorded.nodes != wanted:
        found.append(ScaleStep(kind="record", to=wanted))
    return found


def _is_in_question(volume: Volume, facts: ScaleFacts, away: Sequence[NodeStatus]) -> bool:
    """Whether a volume may not simply be used again: its node has left or leaves, or is not known."""
    node = node_of(volume, facts.nodes)
    return node is None or not node.is_member or node.id in {one.id for one in away}


def may_shrink(nodes: Sequence[NodeStatus], *, to: int, replicas: int) -> tuple[str, ...]:
    """Say which nodes forbid that the pods from ordinal `to` on are removed; nothing when none does.

    A pod whose node never joined holds nothing. A dead member of which nobody knows where it is could be any of them.
    """
    where = places(nodes)
    above = range(to, replicas)
    against = [
        node.name() + f" is {node.membership}"
        for node in nodes
        if node.is_member and node.ordinal is not None and node.ordinal in above
    ]
    lost = [node.name() + " is dead" for node in ghosts(nodes) if node.ordinal is None]
    if lost and any(ordinal not in where for ordinal in above):
        against += lost
    return tuple(against)


def sentence(step: ScaleStep, nodes: Sequence[NodeStatus]) -> str:
    """Say a step as the plan and the card do."""
    known = {node.id: node for node in nodes}
    names = ", ".join(known[i].name() if i in known else f"n{i}" for i in step.ids)
    pod = NodeRef(ordinal=max(step.to - 1, 0)).pod
    match step.kind:
        case "recommission":
            return f"take {names} back: it stays" if len(step.ids) == 1 else f"take {names} back: they stay"
        case "decommission":
            return f"decommission {names}: move all replicas away, drain"
        case "shrink":
            return f"remove the pods from {NodeRef(ordinal=step.to).pod} on, once their nodes are decommissioned"
        case "wipe":
            return f"ask what becomes of volume {step.volume.name if step.volume else ''}"
        case "grow":
            return f"add {pod}: certificate by a person, joined, all ranges replicated"
        case "record":
            return f"record {step.to} nodes, which is what is there"


def lines(facts: ScaleFacts, *, wanted: int, found: Sequence[ScaleStep]) -> tuple[str, ...]:
    """Say the whole plan, with what cannot be undone."""
    if not found:
        return (f"nothing: there are {wanted} nodes",)
    said = [sentence(step, facts.nodes) for step in found]
    if any(step.kind == "decommission" for step in found):
        said.append("a cancel takes nodes back until they are decommissioned; after that nothing does")
    if any(step.kind == "shrink" for step in found):
        said.append("each volume left over is kept, unless a person decides to delete it")
    return tuple(said)


def drift(facts: ScaleFacts) -> tuple[str, ...]:
    """Say where somebody scaled beside us."""
    recorded, live = facts.recorded, facts.live
    if recorded is None or live is None or recorded.nodes == live.replicas:
        return ()
    return (f"scaled outside this product: recorded {recorded.nodes} nodes, found {live.replicas} replicas",)


def dead_lines(facts: ScaleFacts, *, wanted: int) -> tuple[str, ...]:
    """Name the dead nodes that nothing brings back, and what gives them up."""
    return tuple(
        f"{node.name()} is dead and has no pod: /crdb scale {wanted} --decommission-dead gives it up"
        for node in dead_ends(facts, wanted=wanted)
    )


def is_toward(*, found: int, expected: int, wanted: int) -> bool:
    """Whether replicas that somebody else has set lie on our way, so that going on undoes nothing of theirs."""
    return min(expected, wanted) <= found <= max(expected, wanted)
