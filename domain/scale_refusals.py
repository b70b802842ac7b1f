"""Every reason against a scale, all at once: what was asked for, how the cluster stands, what Kubernetes has.

Judged before the first step. What comes up later holds a step up or ends the run (`workflows.scale`).
"""

from __future__ import annotations

from domain.health import ghosts, ranges_trouble
from domain.releases import WAYS_ON, series_of
from domain.scale import (
    FEWEST,
    ScaleFacts,
    ScalePlan,
    dead_ends,
    dead_lines,
    drift,
    ended,
    leaving,
    lines,
    returning,
    steps,
)
from domain.verdict import Reason, Verdict


def plan_scale(facts: ScaleFacts, *, wanted: int, with_dead: bool = False) -> ScalePlan:
    """Decide what a scale does.

    Args:
        facts: What is there.
        wanted: The number of nodes.
        with_dead: Dead nodes without a pod are given up.
    """
    wrong = _number(facts, wanted)
    reasons = [*wrong, *_standing(facts)]
    if facts.live is None or facts.database != "serving":
        return ScalePlan(verdict=Verdict(reasons=tuple(reasons)), drift=drift(facts))
    # Beside a number that cannot be, the other reasons are told for the nearest one that could.
    wanted = min(max(wanted, facts.fewest), max(facts.max_nodes, facts.fewest))
    found = steps(facts, wanted=wanted, with_dead=with_dead)
    away = leaving(facts, wanted=wanted, with_dead=with_dead)
    # A dead node keeps an upgrade from becoming final: giving it up, and nothing else, is how that goes on.
    is_repair = with_dead and all(step.kind == "decommission" for step in found) and all(node.is_dead for node in away)
    if found:
        reasons += [
            *([] if is_repair else _upgrade(facts)),
            *_dead(facts, wanted, with_dead=with_dead),
            *_ranges(facts, wanted, with_dead=with_dead),
            *_broken(facts, wanted),
            *_volumes(facts, wanted),
            *_blocked(facts),
        ]
        reasons += _room(facts, wanted)
    return ScalePlan(
        verdict=Verdict(reasons=tuple(reasons)),
        steps=() if wrong else tuple(found),
        lines=() if wrong else lines(facts, wanted=wanted, found=found),
        drift=drift(facts) if found else (*drift(facts), *dead_lines(facts, wanted=wanted)),
        leaving=away,
    )


def number_reasons(facts: ScaleFacts, wanted: int) -> tuple[Reason, ...]:
    """Return what is wrong with a number alone, for who changes it while the scale runs."""
    return tuple(_number(facts, wanted))


def _number(facts: ScaleFacts, wanted: int) -> list[Reason]:
    if wanted < FEWEST:
        return [_reason("scale.below-three", "nodes", str(wanted), f"at least {FEWEST}", "/crdb scale 3")]
    if wanted > facts.max_nodes:
        return [
            _reason(
                "scale.above-max", "nodes", str(wanted), f"at most {facts.max_nodes}", "max_nodes in crdbops.toml says"
            )
        ]
    if wanted < facts.fewest:
        return [
            _reason(
                "scale.below-replication-factor",
                "nodes",
                str(wanted),
                f"at least {facts.fewest}, the copies that its zone configurations ask for",
                "lower num_replicas first",
            )
        ]
    return []


def _standing(facts: ScaleFacts) -> list[Reason]:
    reasons = [
        _reason("scale.missing-right", "rights of ops", f"no {rule}", "it", "apply worker.py --print-installation")
        for rule in facts.missing_rules
    ]
    if facts.live is None:
        reasons.append(_reason("scale.not-deployed", "cluster", "no StatefulSet", "a deployed one", "/crdb deploy"))
    elif facts.recorded is None:
        reasons.append(
            _reason("scale.no-record", "StatefulSet/cockroachdb", "no recorded spec", "crdbops.internal/spec")
        )
    elif facts.database == "waiting-for-init":
        reasons.append(_reason("scale.not-initialized", "database", "it waits for init", "it serves", "/crdb init"))
    elif facts.database == "silent":
        reasons.append(_reason("scale.silent", "database", facts.detail or "no answer", "an answer of its nodes"))
    return reasons


def _upgrade(facts: ScaleFacts) -> list[Reason]:
    """Say that an upgrade is not finished: pods held back, several builds, an older active version, or preserved."""
    said = []
    if facts.live is not None and facts.live.partition > 0:
        said.append(f"partition {facts.live.partition}")
    builds = sorted({node.build for node in facts.nodes if node.is_live and node.build})
    if len(builds) > 1:
        said.append(f"nodes of {' and '.join(builds)}")
    if facts.preserved:
        said.append(f"preserve_downgrade_option {facts.preserved}")
    if facts.recorded is not None and facts.version not in ("", series_of(facts.recorded.version)):
        said.append(f"active version {facts.version}")
    if facts.recorded is not None and facts.recorded.upgraded_from:
        said.append(f"one from {facts.recorded.upgraded_from}")
    if not said:
        return []
    return [_reason("upgrade.unfinished", "upgrade", ", ".join(said), "a finished one", WAYS_ON)]


def _dead(facts: ScaleFacts, wanted: int, *, with_dead: bool) -> list[Reason]:
    away = {node.id for node in leaving(facts, wanted=wanted, with_dead=with_dead)}
    lost = {node.id for node in ghosts(facts.nodes)}
    reasons = []
    for node in dead_ends(facts, wanted=wanted):
        if node.id in away:
            continue
        has_pod = node.ordinal is not None and node.ordinal < facts.replicas and node.id not in lost
        hint = (
            "mend its pod first"
            if has_pod
            else f"/crdb scale {wanted} --decommission-dead gives it up for good, where its pod will not come back"
        )
        reasons.append(_reason("scale.dead-node", "nodes", f"{node.name()} is dead", "all alive", hint))
    given_up = [n for n in facts.nodes if n.id in away and n.is_dead and n.membership == "active"]
    if not with_dead:
        reasons += [
            _reason(
                "scale.dead-node",
                "nodes",
                f"{node.name()} is dead",
                "all alive",
                f"mend it, or /crdb scale {wanted} --decommission-dead gives it up for good",
            )
            for node in given_up
        ]
    return reasons


def _ranges(facts: ScaleFacts, wanted: int, *, with_dead: bool) -> list[Reason]:
    away = {node.id for node in leaving(facts, wanted=wanted, with_dead=with_dead)}
    away |= {node.id for node in returning(facts, wanted=wanted)}
    mends = any(node.is_dead for node in facts.nodes if node.id in away)
    return [
        _reason(
            "scale.unavailable" if "unavailable" in one else "scale.under-replicated",
            "ranges",
            one,
            "none",
            "wait until the copies are made; /crdb status shows them",
        )
        for one in ranges_trouble(facts.nodes)
        if "unavailable" in one or not mends
    ]


def _broken(facts: ScaleFacts, wanted: int) -> list[Reason]:
    return [
        _reason(
            "scale.decommissioned-below",
            "nodes",
            f"the node of cockroachdb-{ordinal} is decommissioned",
            f"the first {facts.fewest} are members",
            "its pod and volume have to be made anew by hand before anything else",
        )
        for ordinal in ended(facts)
        if ordinal < min(facts.fewest, wanted)
    ]


def _volumes(facts: ScaleFacts, wanted: int) -> list[Reason]:
    return [
        _reason("scale.volume-not-ours", "volumes", f"{volume.name} without our labels", "ours, or none")
        for volume in facts.volumes
        if not volume.is_ours and facts.replicas <= volume.ordinal < wanted
    ]


def _room(facts: ScaleFacts, wanted: int) -> list[Reason]:
    more = wanted - facts.replicas
    if more <= facts.room:
        return []
    size = f" of {facts.recorded.cpu} CPU and {facts.recorded.memory}" if facts.recorded else ""
    found = f"room for {facts.room} more pods{size}"
    return [_reason("scale.no-room", "room in Kubernetes", found, f"room for {more}")]


def _blocked(facts: ScaleFacts) -> list[Reason]:
    return [_reason("scale.blocked", "decommission on trial", one, "nothing blocked") for one in facts.blocked]


def _reason(code: str, field: str, found: str, expected: str, hint: str = "") -> Reason:
    return Reason(code=code, field=field, found=found, expected=expected, hint=hint)
