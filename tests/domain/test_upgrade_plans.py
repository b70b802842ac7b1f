"""Plans of upgrades and roll backs, played from any half-done state with interruptions: what must never happen.

The little cluster has a controller that does as a StatefulSet of parallel pods does: it takes the highest pod, from the
partition on, that is not of the template's revision, whatever else is down, and waits for one that is not ready.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.model import ClusterSpec
from domain.preflight import LiveSet
from domain.upgrade import (
    PodRun,
    UpgradeFacts,
    UpgradePlan,
    UpgradeStep,
    plan_finalize,
    plan_rollback,
    plan_upgrade,
)
from tests.domain.upgrading import IMAGE, NEW, OLD, SPEC, node

RELEASES = st.sampled_from([OLD, NEW])


@dataclass
class Pod:
    release: str
    is_up: bool = True
    is_broken: bool = False

    @property
    def hangs(self) -> bool:
        """The new release does not start here."""
        return self.is_broken and self.release == NEW


@dataclass
class Cluster:
    pods: list[Pod]
    template: str
    partition: int
    current: str
    spec: ClusterSpec
    preserved: str = ""
    active: str = "25.2"
    client: str = OLD
    is_asked: bool = False
    trace: list[str] = field(default_factory=list)
    restarted: list[int] = field(default_factory=list)

    def facts(self) -> UpgradeFacts:
        return UpgradeFacts(
            recorded=self.spec,
            live=LiveSet(
                replicas=len(self.pods), ready=sum(p.is_up for p in self.pods), agent_image="a", storage="1Gi",
                database_image=f"{IMAGE}:{self.template}", partition=self.partition,
            ),
            pods=tuple(
                PodRun(ordinal=o, image=f"{IMAGE}:{p.release}", is_ready=p.is_up, is_current=p.release == self.template)
                for o, p in enumerate(self.pods)
            ),
            nodes=tuple(node(o, p.release, is_live=p.is_up) for o, p in enumerate(self.pods)),
            active=self.active,
            preserved=self.preserved,
            client_image=f"{IMAGE}:{self.client}",
        )  # fmt: skip

    def do(self, step: UpgradeStep, *, parts: int) -> bool:
        """Do so many parts of a step, the controller and the database doing theirs; say whether it was done whole."""
        self.trace.append(f"{step.kind} {step.version} {step.ordinal}/{step.partition}")
        todo = self._parts(step)
        for part in todo[:parts]:
            part()
            self._control()
            self._migrate()
        if step.is_canary and parts >= len(todo):
            self.is_asked = True
        return parts >= len(todo)

    def _parts(self, step: UpgradeStep) -> list[Callable[[], None]]:
        match step.kind:
            case "guard":
                return [lambda: setattr(self, "preserved", step.version)]
            case "roll":
                return [lambda: self._write(step), lambda: self._delete(step), lambda: self._start(step)]
            case "back":
                return [lambda: self._start(step)]
            case "client":
                return [lambda: self._remake_client(step)]
            case "record":
                return [lambda: self._write(step, version=step.version)]
            case "finalize":
                return [lambda: setattr(self, "preserved", "")]

    def _write(self, step: UpgradeStep, *, version: str = "") -> None:
        others = [o for o, p in enumerate(self.pods) if p.release == step.version and o != step.ordinal]
        if step.kind == "roll" and step.version == NEW and others and not self.is_asked:
            assert len(others) > 1, "past the canary without a decision"
        self.template, self.partition = step.version, step.partition
        update = {"upgraded_from": step.upgraded_from} | ({"version": version} if version else {})
        self.spec = self.spec.model_copy(update=update)

    def _remake_client(self, step: UpgradeStep) -> None:
        older = [o for o, p in enumerate(self.pods) if p.release == OLD]
        assert step.version == OLD or not older, f"a newer client asks the older nodes {older}"
        self.client = step.version

    def _delete(self, step: UpgradeStep) -> None:
        pod = self.pods[step.ordinal]
        if not pod.is_up and pod.release != step.version:
            self._restart(step.ordinal)

    def _start(self, step: UpgradeStep) -> None:
        pod = self.pods[step.ordinal]
        pod.is_up = not pod.hangs

    def _restart(self, ordinal: int) -> None:
        pod = self.pods[ordinal]
        if pod.is_up:
            down = [o for o, p in enumerate(self.pods) if not p.is_up]
            assert not down, f"{ordinal} is restarted while {down} are not back: {self.trace[-6:]}"
            self.restarted.append(ordinal)
        pod.release, pod.is_up = self.template if ordinal >= self.partition else self.current, False

    def _control(self) -> None:
        for ordinal in reversed(range(self.partition, len(self.pods))):
            if self.pods[ordinal].release != self.template:
                self._restart(ordinal)
                return
            if not self.pods[ordinal].is_up:
                return
        if all(p.release == self.template and p.is_up for p in self.pods):
            self.current = self.template

    def _migrate(self) -> None:
        if all(p.release == NEW and p.is_up for p in self.pods) and not self.preserved:
            self.active = "25.4"


@st.composite
def clusters(draw: st.DrawFn, *, may_hang: bool = False) -> Cluster:
    """Anything that an upgrade or a roll back leaves where it is broken off, at most one pod being down."""
    pods = [Pod(draw(RELEASES)) for _ in range(draw(st.integers(3, 6)))]
    template = draw(RELEASES)
    was_all_new = draw(st.booleans())
    partition = max((o + 1 for o, p in enumerate(pods) if p.release != template), default=0)
    down = draw(st.one_of(st.none(), st.integers(0, len(pods) - 1)))
    if down is not None:
        pods[down].is_up = False
        pods[down].is_broken = may_hang and not was_all_new and draw(st.booleans())
    is_guarded = any(p.release == NEW for p in pods) or draw(st.booleans())
    return Cluster(
        pods, template, partition, current=NEW if was_all_new else OLD,
        spec=SPEC.model_copy(update={"nodes": len(pods), "version": draw(RELEASES), "upgraded_from": OLD}),
        preserved="25.2" if is_guarded else "",
        client=NEW if was_all_new and all(p.release == NEW for p in pods) else OLD,
    )  # fmt: skip


def play(
    cluster: Cluster, plan: Callable[[UpgradeFacts, bool], UpgradePlan], *, interruptions: list[int], outages: list[int]
) -> None:
    """Plan, do the first step or a part of it, and plan again, until nothing is left; a broken run is begun anew."""
    is_first = True
    for turn in range(90):
        if turn < len(outages) and all(p.is_up for p in cluster.pods):
            cluster.pods[outages[turn] % len(cluster.pods)].is_up = False
        found = plan(cluster.facts(), is_first)
        if not found.steps:
            return
        is_first = not cluster.do(found.steps[0], parts=interruptions[turn] if turn < len(interruptions) else 99)
        cluster.is_asked = cluster.is_asked and not is_first
    raise AssertionError(f"no end: {cluster.trace[-8:]}")


def forth(facts: UpgradeFacts, is_first: bool) -> UpgradePlan:
    return plan_upgrade(facts, NEW, is_first=is_first, backup="taken")


def back(facts: UpgradeFacts, is_first: bool) -> UpgradePlan:
    return plan_rollback(facts, is_first=is_first)


PARTS = st.lists(st.integers(0, 4), max_size=14)
OUTAGES = st.lists(st.integers(0, 5), max_size=5)


@settings(max_examples=200, deadline=None)
@given(clusters(), PARTS, OUTAGES)
def test_an_upgrade_ends_with_all_nodes_on_the_new_release_wherever_it_is_broken_off(
    cluster: Cluster, interruptions: list[int], outages: list[int]
) -> None:
    play(cluster, forth, interruptions=interruptions, outages=outages)

    assert {(pod.release, pod.is_up) for pod in cluster.pods} == {(NEW, True)}
    assert (cluster.template, cluster.partition) == (NEW, 0)
    assert (cluster.spec.version, cluster.spec.upgraded_from) == (NEW, OLD)
    assert cluster.active == "25.2", "it became final by itself"
    assert cluster.client == NEW


@settings(max_examples=200, deadline=None)
@given(clusters(may_hang=True), PARTS, OUTAGES)
def test_a_roll_back_from_any_state_ends_with_all_nodes_on_the_old_release(
    cluster: Cluster, interruptions: list[int], outages: list[int]
) -> None:
    untouched = [o for o, p in enumerate(cluster.pods) if p.release == OLD and p.is_up]

    play(cluster, lambda f, first: back(f, first) if f.upgraded_from else UpgradePlan(), interruptions=interruptions,
         outages=outages)  # fmt: skip

    assert {(pod.release, pod.is_up) for pod in cluster.pods} == {(OLD, True)}
    assert (cluster.template, cluster.partition, cluster.preserved) == (OLD, 0, "")
    assert (cluster.spec.version, cluster.spec.upgraded_from) == (OLD, "")
    assert cluster.active == "25.2"
    assert cluster.client == OLD
    assert not set(untouched) & set(cluster.restarted), "one that was well on the old release was restarted"


@settings(max_examples=200, deadline=None)
@given(clusters(), PARTS, PARTS)
def test_people_may_change_their_mind_at_any_step(cluster: Cluster, there: list[int], again: list[int]) -> None:
    for parts in there:
        for step in forth(cluster.facts(), True).steps[:1]:
            cluster.do(step, parts=parts)
    play(cluster, lambda f, first: back(f, first) if f.upgraded_from else UpgradePlan(), interruptions=again,
         outages=[])  # fmt: skip

    assert {(pod.release, pod.is_up) for pod in cluster.pods} == {(OLD, True)}


@settings(max_examples=200, deadline=None)
@given(clusters(), st.integers(0, 12))
def test_nothing_becomes_final_while_a_node_runs_the_old_release_or_is_down(cluster: Cluster, steps: int) -> None:
    for _ in range(steps):
        for step in forth(cluster.facts(), not cluster.is_asked).steps[:1]:
            cluster.do(step, parts=99)
    plan = plan_finalize(cluster.facts())

    is_all_new = {(pod.release, pod.is_up) for pod in cluster.pods} == {(NEW, True)}
    may = plan.verdict.is_yes and any(step.kind == "finalize" and step.version == NEW for step in plan.steps)
    assert may == is_all_new


@settings(max_examples=200, deadline=None)
@given(clusters(), st.sampled_from([OLD, NEW, "v25.4.2", "v26.2.0", "v24.3.1", "v27.1.0"]))
def test_what_is_refused_says_why_and_what_is_not_refused_goes_through(cluster: Cluster, wanted: str) -> None:
    plan = plan_upgrade(cluster.facts(), wanted, is_first=True, backup="taken")

    if plan.verdict.is_yes:
        assert wanted in (OLD, NEW, "v25.4.2")
        play(
            cluster,
            lambda f, first: plan_upgrade(f, wanted, is_first=first, backup="taken"),
            interruptions=[],
            outages=[],
        )
        assert {(pod.release, pod.is_up) for pod in cluster.pods} == {(wanted, True)}
    else:
        assert all(reason.code and reason.found and reason.expected and reason.hint for reason in plan.verdict.reasons)
