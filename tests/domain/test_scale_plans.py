"""Plans of a scale, played from any half-done state with interruptions and changed wishes: what must never happen."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.health import Membership, NodeStatus, places
from domain.model import ClusterSpec
from domain.preflight import LiveSet
from domain.scale import ScaleFacts, ScaleStep, Volume, may_shrink, steps
from domain.scale_refusals import plan_scale

SPEC = ClusterSpec(
    nodes=3,
    version="v25.2.3",
    storage="1Gi",
    storage_class="fast",
    database_image="db:1",
    agent_image="agent:1",
    cpu="1",
    memory="1Gi",
)


@dataclass
class Node:
    id: int
    ordinal: int
    membership: Membership = "active"
    is_live: bool = True


@dataclass
class Cluster:
    """A cluster that does what a step says, in parts that can be interrupted."""

    replicas: int
    nodes: list[Node]
    volumes: dict[int, int | None]
    factor: int = 3
    recorded: int = 3
    next_id: int = 50
    trace: list[str] = field(default_factory=list)

    def facts(self) -> ScaleFacts:
        return ScaleFacts(
            recorded=SPEC.model_copy(update={"nodes": max(self.recorded, 3)}),
            live=LiveSet(
                replicas=self.replicas,
                ready=self.replicas,
                database_image="db:1",
                agent_image="agent:1",
                storage="1Gi",
            ),
            pods=tuple(range(self.replicas)),
            volumes=tuple(Volume(ordinal=o, name=f"datadir-{o}", node_id=i) for o, i in sorted(self.volumes.items())),
            nodes=tuple(
                NodeStatus(
                    id=n.id,
                    address=f"cockroachdb-{n.ordinal}.cockroachdb:26257",
                    build="v25.2.3",
                    is_live=n.is_live,
                    membership=n.membership,
                )
                for n in sorted(self.nodes, key=lambda n: n.id)
            ),
            version="25.2",
            replication_factor=self.factor,
            max_nodes=9,
        )

    def of(self, ordinal: int) -> Node | None:
        place = places(self.facts().nodes).get(ordinal)
        return next((n for n in self.nodes if place and n.id == place.id), None)

    def members(self) -> list[Node]:
        return [n for n in self.nodes if n.membership == "active" and n.is_live]

    def do(self, step: ScaleStep, *, parts: int) -> None:
        """Do so many parts of a step; a step of fewer parts is done whole."""
        self.trace.append(f"{step.kind} {step.to} {step.ids}")
        for part in self._parts(step)[:parts]:
            part()

    def _parts(self, step: ScaleStep):  # type: ignore[no-untyped-def]
        match step.kind:
            case "recommission":
                return [lambda i=i: self._recommission(i) for i in step.ids]
            case "decommission":
                return [lambda: self._begin(step.ids), *(lambda i=i: self._end(i) for i in step.ids)]
            case "shrink":
                return [lambda: self._shrink(step.to)]
            case "wipe":
                return [lambda: self._wipe(step.to)]
            case "grow":
                return [lambda: self._grow(step.to), lambda: self._join(step.to - 1)]
            case "record":
                return [lambda: setattr(self, "recorded", step.to)]

    def _one(self, node_id: int) -> Node:
        return next(n for n in self.nodes if n.id == node_id)

    def _recommission(self, node_id: int) -> None:
        node = self._one(node_id)
        assert node.membership == "decommissioning", "only a decommissioning node can be taken back"
        node.membership = "active"

    def _begin(self, ids: tuple[int, ...]) -> None:
        for node in map(self._one, ids):
            assert node.membership != "decommissioned"
            node.membership = "decommissioning"
        assert len(self.members()) >= max(3, self.factor), "too few nodes are left for the replicas"

    def _end(self, node_id: int) -> None:
        node = self._one(node_id)
        node.membership, node.is_live = "decommissioned", False

    def _shrink(self, to: int) -> None:
        assert to >= max(3, self.factor)
        assert to < self.replicas
        assert may_shrink(self.facts().nodes, to=to, replicas=self.replicas) == ()
        for node in self.nodes:
            if node.ordinal >= to:
                assert node.membership == "decommissioned" or not node.is_live, "a pod with replicas is removed"
        for ordinal in range(to, self.replicas):
            place = self.of(ordinal)
            self.volumes.setdefault(ordinal, None)
            self.volumes[ordinal] = place.id if place else None
        self.replicas = self.recorded = to

    def _wipe(self, ordinal: int) -> None:
        assert ordinal >= self.replicas, "the volume of a pod that runs is wiped"
        node = next((n for n in self.nodes if n.id == self.volumes[ordinal]), self.of(ordinal))
        assert node is None or node.membership == "decommissioned", "a volume whose node is a member is wiped"
        del self.volumes[ordinal]

    def _grow(self, to: int) -> None:
        assert to <= self.replicas + 1, "not one at a time"
        if to <= self.replicas:
            return
        node = next((n for n in self.nodes if n.id == self.volumes.get(to - 1, -1)), None)
        assert node is None or node.membership != "decommissioned", "a spent volume is used again"
        self.replicas = self.recorded = to
        self.volumes.setdefault(to - 1, None)

    def _join(self, ordinal: int) -> None:
        place = self.of(ordinal)
        if place is not None and place.membership == "active":
            place.is_live = True
            return
        assert place is None or place.membership == "decommissioned"
        self.nodes.append(Node(id=self.next_id, ordinal=ordinal))
        self.next_id += 1


MEMBERSHIPS: list[Membership] = ["active", "decommissioning", "decommissioned"]


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """Anything that an interrupted scale, or somebody with kubectl, can leave behind."""
    factor = draw(st.sampled_from([3, 3, 3, 5]))
    replicas = draw(st.integers(factor, 7))
    highest = draw(st.integers(replicas, 8))
    ids = draw(st.permutations(range(1, highest + 1)))
    nodes, volumes = list[Node](), dict[int, int | None]()
    for ordinal in range(highest):
        has_pod = ordinal < replicas
        if ordinal >= factor and draw(st.integers(0, 5)) == 0:
            continue  # never joined, or never there
        membership = "active" if ordinal < factor else draw(st.sampled_from(MEMBERSHIPS))
        is_live = has_pod and membership != "decommissioned"
        nodes.append(Node(ids[ordinal], ordinal, membership, is_live))
        if not has_pod and (membership == "active" or draw(st.booleans())):
            volumes[ordinal] = draw(st.sampled_from([None, ids[ordinal]]))
    return Cluster(replicas, nodes, volumes, factor=factor, recorded=draw(st.integers(3, 7)))


def play(cluster: Cluster, *, wanted: int, interruptions: list[int]) -> None:
    """Plan, do the first step or a part of it, and plan again, until nothing is left."""
    for turn in range(80):
        found = steps(cluster.facts(), wanted=wanted, with_dead=True)
        if not found:
            return
        parts = interruptions[turn] if turn < len(interruptions) else 99
        cluster.do(found[0], parts=parts)
        assert len(cluster.members()) >= max(3, cluster.factor)
    raise AssertionError(f"no end: {cluster.trace[-8:]}")


@settings(max_examples=120, deadline=None)
@given(clusters(), st.integers(3, 8), st.lists(st.integers(0, 3), max_size=12))
def test_a_plan_ends_at_the_wanted_number_and_harms_nothing_wherever_it_is_broken_off(
    cluster: Cluster, wanted: int, interruptions: list[int]
) -> None:
    assume(wanted >= cluster.factor)

    play(cluster, wanted=wanted, interruptions=interruptions)

    assert (cluster.replicas, cluster.recorded) == (wanted, wanted)
    assert sorted(n.ordinal for n in cluster.members()) == list(range(wanted))
    assert [n for n in cluster.nodes if n.membership == "decommissioning"] == []


@settings(max_examples=120, deadline=None)
@given(clusters(), st.lists(st.tuples(st.integers(3, 8), st.integers(0, 3)), max_size=10), st.integers(3, 8))
def test_a_new_number_at_any_moment_ends_at_the_new_number(
    cluster: Cluster, wishes: list[tuple[int, int]], last: int
) -> None:
    assume(last >= cluster.factor)

    for wanted, parts in wishes:
        found = steps(cluster.facts(), wanted=max(wanted, cluster.factor), with_dead=True)
        for step in found[:1]:
            cluster.do(step, parts=parts)
    play(cluster, wanted=last, interruptions=[])

    assert (cluster.replicas, cluster.recorded) == (last, last)
    assert sorted(n.ordinal for n in cluster.members()) == list(range(last))
    assert [n for n in cluster.nodes if n.membership == "decommissioning"] == []


@settings(max_examples=80, deadline=None)
@given(clusters(), st.integers(-2, 12))
def test_what_is_refused_says_why_and_what_is_not_refused_goes_through(cluster: Cluster, wanted: int) -> None:
    plan = plan_scale(cluster.facts(), wanted=wanted)

    if plan.verdict.is_yes:
        assert max(3, cluster.factor) <= wanted <= 9
        play(cluster, wanted=wanted, interruptions=[])
        assert sorted(n.ordinal for n in cluster.members()) == list(range(wanted))
    else:
        assert all(reason.code and reason.found and reason.expected for reason in plan.verdict.reasons)
