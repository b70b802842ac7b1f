"""Every reason against an upgrade, a roll back or a finalization, all at once.

Judged before the first step, each with what was found, what is expected and what to type. The steps are
`domain.upgrade`; what comes up later holds a step up or ends the run (the workflows).
"""

from __future__ import annotations

from collections.abc import Collection

from domain.health import NodeStatus, ghosts, places, ranges_trouble
from domain.model import NodeRef
from domain.releases import (
    is_beyond,
    is_known,
    is_newer,
    is_settled,
    known,
    legal_next,
    may_leave,
    may_roll_back,
    route,
    series_of,
)
from domain.upgrade_facts import UpgradeFacts
from domain.verdict import Reason

#: Seconds that a pod's grace period has to be longer than the database's own drain, as the vendor's guide asks.
_GRACE_MARGIN = 5


def against_target(facts: UpgradeFacts, wanted: str) -> tuple[Reason, ...]:
    """Say why a release may not follow what is there: unknown, older, too far, or another upgrade is not finished."""
    if facts.live is None or facts.recorded is None or facts.database != "serving":
        return ()  # said by what stands; there is nothing to compare with
    if not facts.series:
        return (_reason("upgrade.silent", "active version", facts.active or "no answer", "a series such as 25.4"),)
    unfinished = _unfinished(facts, wanted)
    return unfinished or _step_to(facts.series, wanted, newest=facts.newest)


def against_upgrade(
    facts: UpgradeFacts, wanted: str, *, has_steps: bool, mending: Collection[int], has_answer: bool, is_first: bool
) -> tuple[Reason, ...]:
    """Say what else speaks against an upgrade.

    Args:
        facts: What is there.
        wanted: The release to run.
        has_steps: There is more to do than to record what runs; else nothing but the standing counts.
        mending: Ordinals that are down and that the plan itself waits for.
        has_answer: The question about a backup was answered, or need not be.
        is_first: The first plan of a run; later ones do not judge what waits for health hold up.
    """
    reasons = _standing(facts, is_first=is_first)
    if reasons or not has_steps:
        return tuple(reasons)
    reasons += _template(facts)
    if not is_first:
        return tuple(reasons)
    reasons += [*_preserved(facts), *_nodes(facts, mending), *_scaling(facts), *_ranges(facts, mending), *_grace(facts)]
    reasons += _images(facts, wanted)
    if not has_answer:
        said = ("backup", "no answer", "backup=taken or backup=none", "a major upgrade that is final is never undone")
        reasons.append(_reason("upgrade.backup-unsaid", *said))
    return tuple(reasons)


def against_rollback(facts: UpgradeFacts, *, mending: Collection[int], is_first: bool) -> tuple[Reason, ...]:
    """Say what speaks against going back; arguments as for an upgrade."""
    reasons = _standing(facts, is_first=is_first)
    if reasons:
        return tuple(reasons)
    if not facts.upgraded_from:
        hint = "what is final stays; a restore of a backup into a new cluster is what is left"
        found = f"none recorded, active version {facts.active}"
        return (_reason("upgrade.final", "release to go back to", found, "an upgrade that is not final", hint),)
    if not may_roll_back(facts.upgraded_from, active=facts.active):
        expected = f"{series_of(facts.upgraded_from)}, to go back to {facts.upgraded_from}"
        hint = "it is final, or becomes so now: /crdb finalize follows it to its end and records it"
        return (_reason("upgrade.final", "active version", facts.active or "no answer", expected, hint),)
    if not is_first:
        return ()
    return (*_nodes(facts, mending), *_scaling(facts), *_ranges(facts, mending), *_grace(facts))


def against_finalize(facts: UpgradeFacts, *, has_steps: bool) -> tuple[Reason, ...]:
    """Say what speaks against making an upgrade final."""
    reasons = _standing(facts, is_first=True)
    if reasons or not has_steps:
        return tuple(reasons)
    if len(facts.builds) > 1:
        found, hint = f"nodes of {_and(facts.builds)}", "/crdb upgrade goes on with it, /crdb rollback leads back"
        reasons.append(_reason("upgrade.mixed-builds", "builds", found, "one release on every node", hint))
    stuck = "; a finalization never ends beside it, which is the usual cause of a stuck one"
    return (*reasons, *_nodes(facts, ()), *_scaling(facts, why=stuck), *_ranges(facts, ()))


def _standing(facts: UpgradeFacts, *, is_first: bool) -> list[Reason]:
    hint = "apply worker.py --print-installation"
    missing = facts.missing_rules if is_first else ()
    reasons = [_reason("upgrade.missing-right", "rights of ops", f"no {rule}", "it", hint) for rule in missing]
    if facts.live is None:
        reasons.append(_reason("upgrade.not-deployed", "cluster", "no StatefulSet", "a deployed one", "/crdb deploy"))
    elif facts.recorded is None:
        where = "StatefulSet/cockroachdb"
        reasons.append(_reason("upgrade.no-record", where, "no recorded spec", "crdbops.internal/spec"))
    elif facts.database == "waiting-for-init" and is_first:
        reasons.append(_reason("upgrade.not-initialized", "database", "it waits for init", "it serves", "/crdb init"))
    elif facts.database == "silent" and is_first:
        found = facts.detail or "no answer"
        reasons.append(_reason("upgrade.silent", "database", found, "an answer of its nodes", "/crdb status"))
    return reasons


def _unfinished(facts: UpgradeFacts, wanted: str) -> tuple[Reason, ...]:
    """Say that another upgrade than this one is under way or not final, and what goes on from it."""
    if not is_settled(facts.active):
        hint = "/crdb finalize follows it to its end"
        return (_reason("upgrade.unfinished", "active version", facts.active, f"{facts.series}, settled", hint),)
    others = [build for build in facts.builds if build != wanted]
    back = f"/crdb rollback leads back to {facts.upgraded_from}" if facts.upgraded_from else "mend it by hand"
    if len(others) > 1:
        newest = [build for build in others if build == facts.template]
        hint = "; ".join([*(f"/crdb upgrade {build} goes on with it" for build in newest), back])
        found, expected = f"nodes of {_and(facts.builds)}", f"one release, or one beside {wanted}"
        return (_reason("upgrade.mixed-builds", "builds", found, expected, hint),)
    ahead = [build for build in others if series_of(build) not in (facts.series, series_of(wanted))]
    is_undone = series_of(wanted) == facts.series and any(series_of(build) != facts.series for build in facts.builds)
    if ahead or is_undone:
        found = f"nodes of {_and(facts.builds)}, active version {facts.active}"
        hint = f"/crdb finalize makes it final; {back}"
        return (_reason("upgrade.unfinished", "upgrade before", found, "a final one", hint),)
    recorded = facts.recorded.version if facts.recorded else ""
    if facts.upgraded_from and facts.template not in (wanted, facts.upgraded_from, recorded):
        hint = f"/crdb upgrade {facts.template} goes on with it; {back}"
        found = f"one from {facts.upgraded_from} to {facts.template}"
        return (_reason("upgrade.unfinished", "upgrade before", found, "a finished one", hint),)
    return ()


def _step_to(active: str, wanted: str, *, newest: str) -> tuple[Reason, ...]:
    """Say why a release may not follow an active version."""
    target = series_of(wanted)
    if target == active:
        return ()  # patches follow each other in either direction, and nothing becomes final
    if is_beyond(active, newest=newest) and not is_beyond(target, newest=active):
        may, hint = f"{active} or newer", "an active version never goes back"
        return (_reason("upgrade.older-major", "version", wanted, may, hint),)
    if is_beyond(target, newest=newest) and (is_known(active) or is_beyond(active, newest=newest)):
        return _past_table(active, wanted, newest=newest)
    both = (("active version", active), ("version", target))
    unknown = [(name, one) for name, one in both if not is_known(one) and not is_beyond(one, newest=newest)]
    if unknown:
        hint = "whether it may follow is not guessed: a release of this product that knows it is needed"
        return tuple(_reason("upgrade.unknown-series", name, one, known(), hint) for name, one in unknown)
    after = legal_next(active)
    if target in after:
        return ()
    may = f"{' or '.join(after)}, which may follow {active}" if after else f"another release of {active}"
    example = f"for example /crdb upgrade v{after[-1]}.0" if after else ""
    if not is_newer(target, than=active):
        hint = f"an active version never goes back; {example}" if example else "an active version never goes back"
        return (_reason("upgrade.older-major", "version", wanted, may, hint),)
    way = route(active, to=target)
    hint = f"the shortest way is {' → '.join(way)}; for example /crdb upgrade v{way[1]}.0"
    return (_reason("upgrade.skipped-major", "version", wanted, may, hint),)


def _past_table(active: str, wanted: str, *, newest: str) -> tuple[Reason, ...]:
    """Say why a release that is newer than the table may follow in no table; where it may in some, people are asked."""
    if may_leave(active, newest=newest):
        return ()
    way = route(active, to=newest)
    may = f"{' or '.join(legal_next(active))}, which may follow {active}"
    hint = f"people are asked about {wanted} from {newest} on; the shortest way there is {' → '.join(way)}"
    return (_reason("upgrade.skipped-major", "version", wanted, may, f"{hint}; for example /crdb upgrade v{way[1]}.0"),)


def _template(facts: UpgradeFacts) -> list[Reason]:
    """Say that somebody set another image: while no upgrade is recorded, the template has to be as the record says."""
    recorded = facts.recorded
    if recorded is None or facts.upgraded_from or facts.template == recorded.version:
        return []
    found = facts.live.database_image if facts.live else ""
    hint = f"put {recorded.database_image} back, or once all nodes run another release, /crdb upgrade to it records it"
    return [_reason("upgrade.drift", "image of the template", found, f"{recorded.version} as recorded", hint)]


def _preserved(facts: UpgradeFacts) -> list[Reason]:
    if not facts.preserved or series_of(facts.preserved) == facts.series:
        return []
    expected = f"{facts.series}, the active version, or nothing"
    hint = "/crdb finalize clears it, by people's decision"
    return [_reason("upgrade.stale-preserve", "cluster.preserve_downgrade_option", facts.preserved, expected, hint)]


def _nodes(facts: UpgradeFacts, mending: Collection[int]) -> list[Reason]:
    """Name every dead member, and every pod whose node has not joined, but for those that the plan brings back."""
    where, lost = places(facts.nodes), {node.id for node in ghosts(facts.nodes)}
    reasons = [
        _reason("upgrade.dead-node", "nodes", f"{node.name()} is dead", "all alive", _dead_hint(facts, node, lost))
        for node in facts.nodes
        if node.is_dead and (node.id in lost or node.ordinal not in mending)
    ]
    for ordinal in range(facts.replicas):
        if ordinal not in mending and (ordinal not in where or not where[ordinal].is_member):
            found = f"{NodeRef(ordinal=ordinal).pod} has no node that is a member"
            reasons.append(_reason("upgrade.dead-node", "nodes", found, "one on each pod", "/crdb status says more"))
    return reasons


def _dead_hint(facts: UpgradeFacts, node: NodeStatus, lost: Collection[int]) -> str:
    if node.id in lost or node.ordinal is None or node.ordinal >= facts.replicas:
        return f"/crdb scale {max(facts.replicas, 3)} --decommission-dead gives it up for good"
    if facts.upgraded_from and facts.runs(node.ordinal) != facts.upgraded_from:
        return f"/crdb rollback puts {facts.upgraded_from} back on its pod"
    nodes = max(facts.replicas, 3)
    return f"mend its pod first; where it will not come back, /crdb scale {nodes} --decommission-dead once it is gone"


def _scaling(facts: UpgradeFacts, *, why: str = "") -> list[Reason]:
    """Say that the cluster is in the middle of a scale."""
    found = [f"{node.name()} is decommissioning{why}" for node in facts.nodes if node.membership == "decommissioning"]
    if facts.recorded is not None and facts.recorded.nodes != facts.replicas:
        found.append(f"{facts.replicas} replicas, recorded {facts.recorded.nodes}")
    hint = f"/crdb scale {max(facts.replicas, 3)} takes back what stays, or finishes"
    return [_reason("upgrade.mid-scale", "nodes", one, "a finished scale", hint) for one in found]


def _ranges(facts: UpgradeFacts, mending: Collection[int]) -> list[Reason]:
    """Say what is wrong with copies; where a pod is down that the plan brings back first, that mends them."""
    hint = "wait until the copies are made; /crdb status shows them"
    found = [] if mending else ranges_trouble(facts.nodes)
    codes = ["upgrade.unavailable" if "unavailable" in one else "upgrade.under-replicated" for one in found]
    return [_reason(code, "ranges", one, "none", hint) for code, one in zip(codes, found, strict=True)]


def _grace(facts: UpgradeFacts) -> list[Reason]:
    drain = facts.drain_seconds
    if drain is None or facts.grace_seconds >= drain + _GRACE_MARGIN:
        return []
    expected = f"at least {drain + _GRACE_MARGIN} s: the server.shutdown settings take {drain} s"
    hint = "lower those settings, or a node is killed while it drains"
    return [_reason("upgrade.short-grace", "grace period", f"{facts.grace_seconds} s", expected, hint)]


def _images(facts: UpgradeFacts, wanted: str) -> list[Reason]:
    """Name workers that surely have no image and may not pull it; what a worker only does not list is no reason."""
    if facts.pull_policy != "Never" or facts.recorded is None:
        return []
    image, hint = facts.recorded.image_of(wanted), "load it there, or let the StatefulSet pull: imagePullPolicy"
    return [
        _reason("upgrade.image-absent", "image", f"none on {one.worker}, imagePullPolicy Never", image, hint)
        for one in facts.workers
        if one.lists_all and not one.has_image
    ]


def _and(names: Collection[str]) -> str:
    return " and ".join(names)


def _reason(code: str, field: str, found: str, expected: str, hint: str = "") -> Reason:
    return Reason(code=code, field=field, found=found, expected=expected, hint=hint)
