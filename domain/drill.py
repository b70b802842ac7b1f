"""What a drill may break, and whether what came back is what was there.

Every reason against deleting a pod, and the plan in words; afterwards every difference. Gathering facts and deleting is
`activities.drilling`, the order of things `workflows.drill`, reading rows `domain.health`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.health import NodeStatus, places, ranges_trouble
from domain.model import ClusterSpec, NodeRef
from domain.preflight import LiveSet
from domain.releases import WAYS_ON
from domain.verdict import Reason, Verdict

#: Copies that the database makes where nothing else is configured.
_DEFAULT_COPIES = 3


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class DrillFacts(_Value):
    """What is there before the pod is deleted. `sql`: why the other nodes do not answer; empty when they do."""

    target: NodeRef
    recorded: ClusterSpec | None = None
    live: LiveSet | None = None
    database: Literal["serving", "waiting-for-init", "silent"] = "serving"
    detail: str = ""
    nodes: tuple[NodeStatus, ...] = ()
    ready: tuple[int, ...] = ()
    pod_uid: str = ""
    pod_image: str = ""
    volume: str = ""
    fewest_copies: int | None = None
    most_copies: int | None = None
    sql: str = ""

    @property
    def replicas(self) -> int:
        """How many pods the StatefulSet has now."""
        return self.live.replicas if self.live else 0

    @property
    def node(self) -> NodeStatus | None:
        """The database's node on that pod, by its address."""
        return places(self.nodes).get(self.target.ordinal)

    @property
    def others(self) -> tuple[int, ...]:
        """Ordinals of the other nodes that are ready, which SQL is asked through meanwhile."""
        return tuple(ordinal for ordinal in self.ready if ordinal != self.target.ordinal)


class DrillPlan(_Value):
    """What a drill will do; with reasons against, nothing at all."""

    verdict: Verdict = Verdict()
    lines: tuple[str, ...] = ()


class Probes(_Value):
    """How SQL answered. `pauses`: how often the asking itself was interrupted, which is no gap of the database."""

    asked: int = 0
    answered: int = 0
    longest_gap: float = 0.0
    pauses: int = 0
    last_error: str = ""
    last_answer_at: datetime | None = None

    def with_answer(self, at: datetime) -> Probes:
        """Count one that answered."""
        return self.up_to(at).model_copy(
            update={"asked": self.asked + 1, "answered": self.answered + 1, "last_answer_at": at}
        )

    def with_silence(self, at: datetime, *, why: str) -> Probes:
        """Count one that did not answer."""
        return self.up_to(at).model_copy(update={"asked": self.asked + 1, "last_error": why})

    def up_to(self, at: datetime) -> Probes:
        """Take the time since the last answer into account."""
        if self.last_answer_at is None:
            return self.model_copy(update={"last_answer_at": at})
        gap = (at - self.last_answer_at).total_seconds()
        return self.model_copy(update={"longest_gap": max(self.longest_gap, gap)})

    def resumed(self, at: datetime) -> Probes:
        """Go on after the asking itself was away: from then on alone gaps are the database's."""
        return self.model_copy(update={"last_answer_at": at, "pauses": self.pauses + 1})

    def sentence(self) -> str:
        """Say it for the card."""
        said = f"{self.answered} of {self.asked} answered, longest gap {self.longest_gap:.1f} s"
        if self.pauses:
            said += f" (asking paused {self.pauses} times: the worker was away)"
        return said


class Back(_Value):
    """What stands there after the pod has come back. `asked`: certificate requests that the new pod made."""

    node_id: int | None = None
    volume: str = ""
    asked: tuple[str, ...] = ()
    probes: Probes = Probes()


def plan_drill(facts: DrillFacts) -> DrillPlan:
    """Decide whether the pod may be deleted; every reason against it at once."""
    reasons = _standing(facts)
    if facts.live is not None and facts.target.ordinal >= facts.replicas:
        found, expected = f"{facts.target.ordinal}", f"0 to {facts.replicas - 1}"
        reasons.append(_reason("drill.unknown-node", "node", found, expected, "/crdb status lists them"))
    elif facts.live is not None:
        reasons += _pod(facts)
    if facts.live is not None and facts.recorded is not None and facts.database == "serving":
        reasons += [*_nodes(facts), *_ranges(facts), *_quorum(facts)]
        if facts.sql:
            reasons.append(_reason("drill.sql-silent", "SQL through the other nodes", facts.sql, "an answer"))
    return DrillPlan(verdict=Verdict(reasons=tuple(reasons)), lines=() if reasons else _lines(facts))


def differences(before: DrillFacts, after: Back) -> Verdict:
    """Say what is not as it was before the pod was deleted."""
    node, reasons = before.node, list[Reason]()
    if node is None or after.node_id != node.id:
        was, now = (f"n{node.id}" if node else "none"), (f"n{after.node_id}" if after.node_id else "none")
        reasons.append(_reason("drill.other-node", "node id", now, was))
    if after.volume != before.volume:
        reasons.append(_reason("drill.other-volume", "volume", after.volume or "none", before.volume))
    if after.asked:
        found = f"a new request, {', '.join(after.asked)}"
        reasons.append(_reason("drill.new-certificate", "certificate", found, "the one on the volume used again"))
    if after.probes.asked and not after.probes.answered:
        found = f"no answer to {after.probes.asked} statements"
        reasons.append(_reason("drill.sql-silent", "SQL through the other nodes", found, "answers"))
    return Verdict(reasons=tuple(reasons))


def quorum_holds(*, live: int, members: int, copies: int) -> bool:
    """Whether ranges of so many copies, on so many members, keep a majority when only `live` nodes are left."""
    held = min(copies, members)
    return live >= held // 2 + 1 and held >= _DEFAULT_COPIES


def _standing(facts: DrillFacts) -> list[Reason]:
    if facts.live is None:
        return [_reason("drill.not-deployed", "cluster", "no StatefulSet", "a deployed one", "/crdb deploy")]
    if facts.recorded is None:
        return [_reason("drill.no-record", "StatefulSet/cockroachdb", "no recorded spec", "crdbops.internal/spec")]
    if facts.database == "waiting-for-init":
        return [_reason("drill.not-initialized", "database", "it waits for init", "it serves", "/crdb init")]
    if facts.database == "silent":
        return [_reason("drill.silent", "database", facts.detail or "no answer", "an answer of its nodes")]
    return []


def _pod(facts: DrillFacts) -> list[Reason]:
    live, reasons = facts.live, list[Reason]()
    assert live is not None
    if not facts.pod_uid:
        reasons.append(_reason("drill.no-pod", facts.target.pod, "no pod", "one that is ready"))
    elif not facts.volume:
        reasons.append(_reason("drill.no-volume", facts.target.pod, "no bound volume", "one to come back with"))
    if facts.pod_uid and facts.target.ordinal >= live.partition and facts.pod_image != live.database_image:
        reasons.append(
            _reason(
                "drill.other-image",
                facts.target.pod,
                f"it runs {facts.pod_image or 'no image'} and would come back with {live.database_image}",
                "the same image",
                WAYS_ON,
            )
        )
    return reasons


def _nodes(facts: DrillFacts) -> list[Reason]:
    where, reasons = places(facts.nodes), list[Reason]()
    for ordinal in range(facts.replicas):
        pod, node = NodeRef(ordinal=ordinal).pod, where.get(ordinal)
        if ordinal not in facts.ready:
            reasons.append(_reason("drill.not-ready", pod, "not ready", "ready"))
        if node is None or not node.is_member:
            found = "no node of the database" if node is None else f"{node.name()} is decommissioned"
            reasons.append(_reason("drill.not-joined", pod, found, "a member that is live"))
    for node in facts.nodes:
        if node.is_dead:
            reasons.append(_reason("drill.dead-node", "nodes", f"{node.name()} is not live", "all live"))
        elif node.is_member and (node.membership != "active" or node.is_draining):
            found = f"{node.name()} is {'draining' if node.is_draining else node.membership}"
            reasons.append(_reason("drill.leaving-node", "nodes", found, "all active"))
    builds = sorted({node.build for node in facts.nodes if node.is_live and node.build})
    if len(builds) > 1:
        found = f"nodes of {' and '.join(builds)}"
        reasons.append(_reason("upgrade.unfinished", "upgrade", found, "a finished one", WAYS_ON))
    return reasons


def _ranges(facts: DrillFacts) -> list[Reason]:
    return [
        _reason(
            "drill.unavailable" if "unavailable" in one else "drill.under-replicated",
            "ranges",
            one,
            "none",
            "wait until the copies are made; /crdb status shows them",
        )
        for one in ranges_trouble(facts.nodes)
    ]


def _quorum(facts: DrillFacts) -> list[Reason]:
    members = [node for node in facts.nodes if node.is_member]
    left = sum(node.is_live for node in members if node.ordinal != facts.target.ordinal)
    reasons = []
    if facts.fewest_copies is not None and facts.fewest_copies < _DEFAULT_COPIES:
        found = f"data with {facts.fewest_copies} copies"
        hint = "raise num_replicas of its zone first: the loss of one copy would make it unavailable"
        reasons.append(_reason("drill.too-few-copies", "zones", found, f"at least {_DEFAULT_COPIES}", hint))
    for copies in sorted({facts.most_copies or _DEFAULT_COPIES, _DEFAULT_COPIES}):
        if not quorum_holds(live=left, members=len(members), copies=copies):
            found = f"{left} of {len(members)} nodes would be left for {copies} copies"
            reasons.append(_reason("drill.no-quorum", "quorum after the loss", found, "a majority of each range"))
            break
    return reasons


def _lines(facts: DrillFacts) -> tuple[str, ...]:
    node, pod = facts.node, facts.target.pod
    assert node is not None
    through = ", ".join(NodeRef(ordinal=ordinal).pod for ordinal in facts.others)
    return (
        f"delete the pod {pod}, which is node {node.name()}, as kubectl delete pod does; this cannot be taken back",
        f"ask SQL once a second through {through} until it is ready again",
        f"its successor has to have the same name, volume {facts.volume} and node id {node.id}, and no new certificate",
        "then all nodes live and all ranges replicated; no data is deleted",
    )


def _reason(code: str, field: str, found: str, expected: str, hint: str = "") -> Reason:
    return Reason(code=code, field=field, found=found, expected=expected, hint=hint)
