"""What people are asked during upgrades, in words: whether one begins that our table does not know, whether it goes on
after its first node, what becomes of a node that does not start or of ranges that stay short, whether it becomes final.
Yes goes on, no returns or stays.

Pure. Asking is `gate`, planning `domain.upgrade`.
"""

from __future__ import annotations

from collections.abc import Sequence

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.upgrade_payloads import Back
    from domain.configuration import ApprovalRule
    from domain.health import places, ranges_trouble
    from domain.model import NodeRef
    from domain.releases import series_of
    from domain.upgrade import UpgradeFacts, UpgradeStep
    from operations.gate import Question


def newer_question(facts: UpgradeFacts, version: str, *, unknown: Sequence[str], rule: ApprovalRule) -> Question:
    """Ask whether a release is rolled out that is newer than our table.

    Args:
        facts: What is there.
        version: The release.
        unknown: What is known of it and what is only assumed, as the plan says.
        rule: Who decides.
    """
    runs, target = " and ".join(facts.builds), series_of(version)
    return Question(
        kind="upgrade-newer",
        headline=f"{version} is newer than the table of this crdb-chatops: go on as a major upgrade from {runs}?",
        if_yes=f"It is taken for a major upgrade from {facts.series} to {target}: the downgrade is preserved, one node "
        "goes first, and people decide again. The database itself refuses to start a build that may not follow.",
        if_no="The upgrade ends, and nothing is changed.",
        evidence=(*unknown, *_standing(facts)),
        facts={"version": version, "active": facts.series, "newest": facts.newest},
        yes="Go on",
        no="Stop",
        is_reason_required=False,
        rule=rule,
    )


def canary_question(
    facts: UpgradeFacts, step: UpgradeStep, *, rule: ApprovalRule, seen: Sequence[str] = ()
) -> Question:
    """Ask whether the other nodes follow the first one.

    Args:
        facts: What is there, with the first node back.
        step: The step that rolled it.
        rule: Who decides.
        seen: More lines to decide by, such as how long it was watched.
    """
    pod, others = NodeRef(ordinal=step.ordinal).pod, facts.replicas - 1
    node = places(facts.nodes).get(step.ordinal)
    first = (f"{node.name()} runs {node.build} and is {'live' if node.is_live else 'dead'}",) if node else ()
    return Question(
        kind="canary",
        headline=f"{pod} runs {step.version}. Go on with the other {others} nodes?",
        if_yes=f"The other {others} are restarted with {step.version}, one at a time, each behind the same checks.",
        if_no=f"{pod} goes back to {facts.before or 'what it ran'}, and the upgrade ends.",
        evidence=(*first, *_standing(facts), *seen),
        facts={"pod": pod, "version": step.version, "before": facts.before, "nodes": facts.replicas},
        yes="Go on",
        no="Roll back",
        is_reason_required=False,
        rule=rule,
    )


def finalize_question(
    facts: UpgradeFacts, step: UpgradeStep, *, rule: ApprovalRule, seen: Sequence[str] = ()
) -> Question:
    """Ask whether an upgrade becomes final, or whether a preserved downgrade is cleared that guards nothing.

    Args:
        facts: What is there.
        step: The step that would do it.
        rule: Who decides.
        seen: More lines to decide by.
    """
    target, before = series_of(step.version), facts.before
    named = {"version": step.version, "active": facts.series, "preserved": facts.preserved, "before": before}
    if target == facts.series:
        return Question(
            kind="clear-preserved-downgrade",
            headline=f"Clear the preserved downgrade to {facts.preserved}?",
            if_yes=f"cluster.preserve_downgrade_option is cleared; all nodes run {step.version} and it guards nothing.",
            if_no="It stays as it is, and a scale is refused beside it.",
            evidence=(*_standing(facts), *seen),
            facts=named,
            yes="Clear",
            no="Keep",
            is_reason_required=False,
            rule=rule,
        )
    return Question(
        kind="finalize",
        headline=f"Make {step.version} final?",
        if_yes=f"The database migrates from {facts.series} to {target}. Nothing takes that back.",
        if_no=f"It stays at {facts.series}; /crdb rollback leads back, and /crdb finalize asks again.",
        evidence=(f"all nodes run {step.version}", *_standing(facts), *seen),
        facts=named,
        yes="Make final",
        no="Not yet",
        destroys=f"the way back to {before}" if before else "every way back",
        is_reason_required=False,
        rule=rule,
    )


def stuck_question(back: Back, version: str, before: str, rule: ApprovalRule) -> Question:
    """Ask what to do about a node that does not start on the release."""
    pod = NodeRef(ordinal=back.pod.ordinal).pod
    return Question(
        kind="upgrade-stuck",
        headline=f"{pod} does not start on {version}: wait for it?",
        if_yes="It is looked at again in five minutes; nothing else is touched.",
        if_no=f"Every node that was restarted on {version} returns to {before}, one at a time, {pod} first.",
        evidence=(back.sentence, *((back.pod.trouble,) if back.pod.trouble not in back.sentence else ())),
        facts={"version": version, "before": before, "pod": pod},
        yes="Wait",
        no="Roll back",
        is_reason_required=False,
        rule=rule,
    )


def not_well_question(trouble: str, before: str, rule: ApprovalRule) -> Question:
    """Ask what to do about a cluster that is not well after a node's restart."""
    return Question(
        kind="upgrade-not-well",
        headline="The cluster is not well after a node was restarted: go on waiting?",
        if_yes="It is waited for half an hour more; no other node is touched until all is well.",
        if_no=f"Every node that was restarted returns to {before}, one at a time, the last one first.",
        evidence=(trouble,),
        facts={"before": before},
        yes="Wait",
        no="Roll back",
        is_reason_required=False,
        rule=rule,
    )


def _standing(facts: UpgradeFacts) -> tuple[str, ...]:
    kept = f", downgrade preserved to {facts.preserved}" if facts.preserved else ", no downgrade preserved"
    alive = sum(node.is_member and node.is_live for node in facts.nodes)
    ranges = ranges_trouble(facts.nodes) or ("all ranges have their copies",)
    return (f"active version {facts.active}{kept}", f"{alive} of {facts.replicas} nodes live", *ranges)
