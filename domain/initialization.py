"""Whether a cluster can be initialized on its own, decided from what Kubernetes shows, before any node is asked.

What the nodes' own answers say about sending `init` is `domain.nodes`; gathering the facts is `activities.cluster`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from domain.model import CLIENT_POD, ClusterRef, ClusterSpec
from domain.nodes import init_target
from domain.preflight import Leftover, LiveSet, drift
from domain.verdict import Reason, Verdict


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class InitFacts(_Facts):
    """What ops sees of a cluster. `without_certificate`: node pods that have none in place, each with how far it is."""

    recorded: ClusterSpec | None = None
    live: LiveSet | None = None
    not_ours: tuple[Leftover, ...] = ()
    without_certificate: tuple[str, ...] = ()
    has_client_pod: bool = False
    is_client_ready: bool = False


class InitPlan(_Facts):
    """What an init will do; with reasons against, nothing at all and no spec."""

    verdict: Verdict
    spec: ClusterSpec | None = None
    is_client_ready: bool = False
    lines: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()


def plan_init(ref: ClusterRef, facts: InitFacts) -> InitPlan:
    """Decide whether `init` may be tried. The first thing that is wrong explains the rest, so it alone is named."""
    spec = facts.recorded
    reasons = _against(ref, facts)
    if reasons or spec is None:
        return InitPlan(verdict=Verdict(reasons=reasons))
    return InitPlan(
        verdict=Verdict(),
        spec=spec,
        is_client_ready=facts.is_client_ready,
        lines=_lines(spec, has_client_pod=facts.has_client_pod),
        drift=drift(spec, facts.live),
    )


def _against(ref: ClusterRef, facts: InitFacts) -> tuple[Reason, ...]:
    if facts.not_ours:
        return tuple(
            Reason(
                code="deploy.not-ours",
                field=f"{left.kind}/{left.name}",
                found=left.detail or "no label of ours",
                expected=f"the labels of {ref.cluster}",
                hint="nothing that is not ours is touched",
            )
            for left in facts.not_ours
        )
    if facts.live is None:
        return (
            Reason(
                code="init.not-deployed",
                field=f"namespace {ref.namespace}",
                found="no nodes",
                expected="a deployed cluster",
                hint=f"/crdb deploy {ref.cluster} makes one and sends init by itself",
            ),
        )
    if facts.recorded is None:
        return (
            Reason(
                code="deploy.no-record",
                field="StatefulSet/cockroachdb",
                found="no recorded spec",
                expected="crdbops.internal/spec",
                hint="restore the annotation from the last deploy's history",
            ),
        )
    if facts.without_certificate:
        return (
            Reason(
                code="init.certificates-missing",
                field="certificates",
                found=f"none in place for {', '.join(facts.without_certificate)}",
                expected="one for every node",
                hint=f"/crdb deploy {ref.cluster} waits for the open cards and then sends init by itself",
            ),
        )
    return ()


def _lines(spec: ClusterSpec, *, has_client_pod: bool) -> tuple[str, ...]:
    return (
        "wait until all nodes run" if has_client_pod else f"make {CLIENT_POD} again, wait until all nodes run",
        f"send init to node {init_target(spec.init_target)} once, if every node waits for it; this cannot be undone",
        "wait until all nodes are ready, compare their cluster ids, ask SELECT 1",
    )
