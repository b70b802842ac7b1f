"""What an upgrade does: from what runs and the wanted release to ordered steps, or to every reason against.

Planned anew after each step from what is there then, against the *active cluster version* and never the image alone, so
that a run that was stopped anywhere, or somebody with `kubectl`, only changes what comes next. What is looked at is
`domain.upgrade_facts`; which releases may follow which is `domain.releases`; the reasons against are
`domain.upgrade_refusals`; gathering facts is `activities.upgrading`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.model import NodeRef
from domain.releases import AS_OF, by_pattern, is_beyond, is_settled, series_of
from domain.upgrade_facts import PodRun, UpgradeFacts
from domain.upgrade_refusals import against_finalize, against_rollback, against_target, against_upgrade
from domain.verdict import Verdict

__all__ = [
    "PodRun", "UpgradeFacts", "UpgradePlan", "UpgradeStep", "decision_wanted", "plan_finalize", "plan_rollback",
    "plan_upgrade", "sentence",
]  # fmt: skip


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


UpgradeStepKind = Literal["guard", "roll", "back", "client", "finalize", "record"]


class UpgradeStep(_Value):
    """One step.

    guard: cluster.preserve_downgrade_option becomes `version`, the active series (major only); "" clears it, once all
    nodes are back on the release before. roll: the template gets `version` and `partition`; the pod of `ordinal` alone
    is restarted, comes back, runs `version`, and every range has its copies. back: that pod runs `version` already and
    is only waited for and verified. client: the client pod is made again with the image of `version`. finalize: the
    preserved downgrade is cleared, and the active version followed to the series of `version`. record: the template
    gets `version` and partition 0, the spec says what runs.

    The client pod keeps the older release while nodes of both run. A server that is not final takes the commands of the
    release before, and of its own; an older one is never asked by a newer client, whose commands and columns it may not
    know. So the pod follows last, before anything can be made final (from then on the older client is turned away), and
    returns first.

    `is_canary`: the first node on the new release, after which people decide. `upgraded_from` is recorded by roll and
    record. `partition` is the ordinal, or above all: that holds the controller off every pod, since those above this
    one are not on `version` either and it would begin with them while this one is down. Then the pod itself has to be
    deleted; it is made anew as it was before the upgrade.
    """

    kind: UpgradeStepKind
    version: str = ""
    ordinal: int = 0
    partition: int = 0
    is_canary: bool = False
    upgraded_from: str = ""


class UpgradePlan(_Value):
    """What an upgrade, a roll back or a finalization will do; with reasons against, nothing at all.

    `unknown`: why people are asked before the first step, whether the release may follow at all; mostly empty.
    """

    verdict: Verdict = Verdict()
    steps: tuple[UpgradeStep, ...] = ()
    lines: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    is_major: bool = False
    unknown: tuple[str, ...] = ()


def plan_upgrade(
    facts: UpgradeFacts, wanted: str, *, is_first: bool, backup: Literal["taken", "none"] | None = None
) -> UpgradePlan:
    """Decide what is left of an upgrade.

    Args:
        facts: What is there.
        wanted: The release to run.
        is_first: The first plan of a run: every reason is judged, and a canary that an earlier run left is verified and
            decided upon again. Later plans only go on; what comes up then holds a step up.
        backup: What was said of a backup; a major upgrade wants the answer.
    """
    is_major = series_of(wanted) != facts.series
    found = _steps(facts, wanted, before=facts.before, stays=is_major, asks_again=is_first)
    mending = {o for o in _down(facts, wanted) if facts.is_rolled(o, to=wanted)}
    wrong = against_target(facts, wanted)
    reasons = against_upgrade(
        facts,
        wanted,
        has_steps=any(step.kind != "record" for step in found),
        mending=mending,
        has_answer=bool(backup) or not is_major,
        is_first=is_first,
    )
    unknown = _unknown(facts, wanted) if any(step.kind != "record" for step in found) else ()
    lines = [*unknown, *map(sentence, found)] or [f"nothing: all {facts.replicas} nodes run {wanted}"]
    if any(step.kind == "roll" for step in found):
        lines += on_workers(facts, wanted)
    if is_major:
        lines.append("until /crdb finalize makes it final, /crdb rollback leads back; afterwards nothing does")
    return UpgradePlan(
        verdict=Verdict(reasons=(*wrong, *reasons)),
        steps=() if wrong else found,
        lines=() if wrong or facts.live is None else tuple(lines),
        drift=_drift(facts),
        is_major=is_major,
        unknown=() if wrong else unknown,
    )


def plan_rollback(facts: UpgradeFacts, *, is_first: bool = True) -> UpgradePlan:
    """Decide what is left of a roll back to the recorded release before; a pod that cannot start comes first.

    Args:
        facts: What is there.
        is_first: The first plan of a run, for which every reason is judged.
    """
    back = facts.upgraded_from
    found = _steps(facts, back, before=back, is_back=True) if back else ()
    reasons = against_rollback(facts, mending=set(_down(facts, back)), is_first=is_first)
    return UpgradePlan(
        verdict=Verdict(reasons=reasons),
        steps=found,
        lines=tuple(sentence(step) for step in found),
        is_major=any(series_of(one) != facts.series for one in (*facts.builds, facts.template)),
    )


def plan_finalize(facts: UpgradeFacts) -> UpgradePlan:
    """Decide whether the upgrade can be made final: all live members run one build newer than the active version.

    A preserved downgrade that guards nothing is cleared in the same way.
    """
    newer = [build for build in facts.builds if series_of(build) != facts.series]
    is_left_over = bool(facts.upgraded_from) and series_of(facts.upgraded_from) != facts.series
    found = list[UpgradeStep]()
    build = next(iter(newer or facts.builds), "")
    if build and newer and not facts.is_client_on(build):
        found.append(UpgradeStep(kind="client", version=build))
    if build and (newer or facts.preserved or not is_settled(facts.active)):
        found.append(UpgradeStep(kind="finalize", version=build))
    if build and (newer or is_left_over):
        found.append(UpgradeStep(kind="record", version=build))
    lines = [sentence(step) for step in found] or [f"nothing: the active version {facts.active} is that of all nodes"]
    return UpgradePlan(
        verdict=Verdict(reasons=against_finalize(facts, has_steps=bool(found))),
        steps=tuple(found),
        lines=tuple(lines) if build else (),
        is_major=bool(newer),
    )


def decision_wanted(asks_after_canary: Literal["always", "major", "never"], *, is_major: bool) -> bool:
    """Whether people decide after the canary."""
    return asks_after_canary == "always" or (asks_after_canary == "major" and is_major)


def sentence(step: UpgradeStep) -> str:
    """Say a step as the plan and the card do."""
    pod = NodeRef(ordinal=step.ordinal).pod
    canary = "; the first node on it" if step.is_canary else ""
    match step.kind:
        case "guard" if step.version:
            return f"preserve the downgrade to {step.version}, so that nothing becomes final by itself"
        case "guard":
            return "clear cluster.preserve_downgrade_option, which guards nothing any more"
        case "roll":
            return f"restart {pod} with {step.version}: live, its build verified, all ranges replicated{canary}"
        case "back":
            return f"wait until {pod} is back with {step.version} and all ranges are replicated{canary}"
        case "client":
            return f"make the client pod again with {step.version}; its key and certificate are kept"
        case "finalize":
            return f"let the database migrate to {series_of(step.version)}; nothing takes this back"
        case "record":
            return f"record {step.version}, which is what all nodes run"


def on_workers(facts: UpgradeFacts, version: str) -> tuple[str, ...]:
    """Say on which Kubernetes nodes the image is, as far as they say: one that they do not list may be there too."""
    if not facts.workers:
        return ()
    missing = [worker.worker for worker in facts.workers if not worker.has_image]
    said = f"image {version}: on {len(facts.workers) - len(missing)} of {len(facts.workers)} workers already"
    if missing:
        said += f"; not seen on {', '.join(missing)}: pulled by the first pod there, which stops alone if that fails"
    return (said,)


def _unknown(facts: UpgradeFacts, wanted: str) -> tuple[str, ...]:
    """Say what is known of a release that is newer than the table, and what can only be assumed."""
    active, target = facts.series, series_of(wanted)
    if active in ("", target) or not is_beyond(target, newest=facts.newest):
        return ()
    after = by_pattern(active)
    fits = f"so {target} would be legal" if target in after else f"so {target} would not be legal"
    assumed = f"assumed that four series a year go on, {' or '.join(after)} may follow {active}, {fits}"
    return (
        f"people are asked first: {target} is newer than {facts.newest}, the newest in the table of {AS_OF} that this "
        f"crdb-chatops has; that it may follow {active} is not known",
        assumed if after else f"what follows {active} cannot be assumed either: its number is not of the usual four",
    )


def _down(facts: UpgradeFacts, wanted: str) -> list[int]:
    """Return the ordinals that are not back, from the highest: rolled and not verified, or not well."""
    return [
        o
        for o in reversed(range(facts.replicas))
        if not facts.is_on(o, version=wanted) and (facts.is_rolled(o, to=wanted) or not facts.is_well(o))
    ]


def _steps(
    facts: UpgradeFacts,
    wanted: str,
    *,
    before: str,
    stays: bool = False,
    is_back: bool = False,
    asks_again: bool = False,
) -> tuple[UpgradeStep, ...]:
    """Return what is left to do, in order: no pod is restarted before all that are down are back.

    Args:
        facts: What is there.
        wanted: The release to run.
        before: The release that a roll back leads to, recorded while pods are rolled.
        stays: It stays recorded afterwards, since the upgrade is not final.
        is_back: A roll back: a pod that is down on another release is rolled first, and there is no canary.
        asks_again: A canary that stands alone is verified and decided upon again.
    """
    pods, down = range(facts.replicas), _down(facts, wanted)
    begun = [o for o in pods if facts.is_rolled(o, to=wanted)]
    stuck = [o for o in down if is_back and o not in begun]
    left = [o for o in reversed(pods) if o not in (*begun, *stuck) and not facts.is_on(o, version=wanted)]

    def roll(ordinal: int, *, partition: int) -> UpgradeStep:
        first = not is_back and not begun and ordinal == left[0]
        return UpgradeStep(
            kind="roll", version=wanted, ordinal=ordinal, partition=partition, is_canary=first, upgraded_from=before
        )

    def back(ordinal: int) -> UpgradeStep:
        first = not is_back and begun == [ordinal]
        runs = wanted if ordinal in begun else facts.runs(ordinal) or facts.template
        return UpgradeStep(kind="back", version=runs, ordinal=ordinal, is_canary=first)

    def mend(ordinal: int) -> UpgradeStep:
        is_lowest = all(facts.is_on(o, version=wanted) for o in pods if o > ordinal)
        return roll(ordinal, partition=ordinal if is_lowest else facts.replicas)

    found = list[UpgradeStep]()
    if asks_again and left and len(begun) == 1 and begun[0] not in down:
        found.append(back(begun[0]))
    if (down or left) and not is_back and not facts.preserved and series_of(wanted) != facts.series:
        found.append(UpgradeStep(kind="guard", version=facts.series))
    found += [mend(o) for o in stuck]
    found += [back(o) for o in down if o not in stuck]
    found += [roll(o, partition=o) for o in left]
    if not facts.is_client_on(wanted):
        found.insert(0 if is_back else len(found), UpgradeStep(kind="client", version=wanted))
    if is_back and facts.preserved:
        found.append(UpgradeStep(kind="guard"))
    after = before if stays else ""
    if found or not _is_recorded(facts, wanted, after=after):
        found.append(UpgradeStep(kind="record", version=wanted, upgraded_from=after))
    return tuple(found)


def _is_recorded(facts: UpgradeFacts, version: str, *, after: str) -> bool:
    spec, live = facts.recorded, facts.live
    if spec is None or live is None:
        return True
    return (spec.version, spec.upgraded_from, facts.template, live.partition) == (version, after, version, 0)


def _drift(facts: UpgradeFacts) -> tuple[str, ...]:
    """Say what did not fit together when an upgrade began, in words that stay true on its message when it is done."""
    said = []
    if facts.live is not None and facts.recorded is not None and facts.upgraded_from:
        said.append(f"found an upgrade from {facts.upgraded_from} to {facts.template} that was not final")
    if facts.preserved and series_of(facts.preserved) != facts.series:
        said.append(f"found cluster.preserve_downgrade_option {facts.preserved}, the active version {facts.active}")
    return tuple(said)
