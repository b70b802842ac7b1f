"""Every reason against an upgrade, a roll back and a finalization, each with its words."""

from __future__ import annotations

import pytest

from domain.upgrade import UpgradeFacts, plan_finalize, plan_rollback, plan_upgrade
from domain.upgrade_facts import WorkerImage
from domain.verdict import Verdict
from tests.domain.upgrading import DEAD, IMAGE, NEW, OLD, SPEC, facts, node, pod

FRESH = facts([OLD, OLD, OLD])
ROLLED = facts([NEW, NEW, NEW], came_from=OLD, preserved="25.2", recorded=NEW)
HALF = {"template": NEW, "came_from": OLD, "preserved": "25.2"}


def nodes(*builds: str, **last: object) -> tuple[object, ...]:
    """Make a node a build; what else is said is of the last."""
    return tuple(node(o, build, **(last if o == len(builds) - 1 else {})) for o, build in enumerate(builds))


def upgrade(found: UpgradeFacts, wanted: str = NEW) -> Verdict:
    return plan_upgrade(found, wanted, is_first=True, backup="taken").verdict


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("found", "wanted", "code", "told"),
    [
        pytest.param(
            FRESH, "v26.2.0", "upgrade.skipped-major",
            "version: found v26.2.0, expected 25.3 or 25.4, which may follow 25.2 (the shortest way is 25.2 → 25.4 → "
            "26.2; for example /crdb upgrade v25.4.0)", id="two majors on",
        ),
        pytest.param(
            facts(["v25.1.0"] * 3, recorded="v25.1.0", active="25.1"), "v25.3.0", "upgrade.skipped-major",
            "the shortest way is 25.1 → 25.2 → 25.3", id="from one innovation to the next",
        ),
        pytest.param(
            FRESH, "v24.3.9", "upgrade.older-major",
            "version: found v24.3.9, expected 25.3 or 25.4, which may follow 25.2 (an active version never goes back; "
            "for example /crdb upgrade v25.4.0)", id="an older major",
        ),
        pytest.param(
            facts(["v26.4.0"] * 3, recorded="v26.4.0", active="26.4"), "v26.2.0", "upgrade.older-major",
            "expected another release of 26.4 (an active version never goes back)", id="older than the newest known",
        ),
        pytest.param(
            FRESH, "v27.1.0", "upgrade.skipped-major",
            "version: found v27.1.0, expected 25.3 or 25.4, which may follow 25.2 (people are asked about v27.1.0 from "
            "26.4 on; the shortest way there is 25.2 → 25.4 → 26.2 → 26.4; for example /crdb upgrade v25.4.0)",
            id="newer than known, past what may not be left out",
        ),
        pytest.param(
            facts(["v26.3.0"] * 3, recorded="v26.3.0", active="26.3"), "v27.1.0", "upgrade.skipped-major",
            "expected 26.4, which may follow 26.3", id="newer than known, from the innovation before the newest",
        ),
        pytest.param(
            facts(["v26.4.0"] * 3, recorded="v26.4.0", active="26.4", newest=""), "v27.1.0", "upgrade.unknown-series",
            "version: found 27.1, expected one of 1.1 to 26.4, which the table of 2026-11 knows",
            id="newer than known, as runs decided before people were asked",
        ),
        pytest.param(
            FRESH, "v22.3.0", "upgrade.unknown-series", "found 22.3", id="a series that there never was"
        ),
        pytest.param(
            facts(["v27.1.0"] * 3, recorded="v27.1.0", active="27.1"), "v26.4.0", "upgrade.older-major",
            "version: found v26.4.0, expected 27.1 or newer (an active version never goes back)",
            id="older than a series that is not known",
        ),
        pytest.param(
            facts(["v22.3.0"] * 3, recorded="v22.3.0", active="22.3"), "v27.1.0", "upgrade.unknown-series",
            "active version: found 22.3", id="from a series that there never was",
        ),
        pytest.param(
            ROLLED, "v26.2.0", "upgrade.unfinished",
            "upgrade before: found nodes of v25.4.1, active version 25.2, expected a final one (/crdb finalize makes "
            "it final; /crdb rollback leads back to v25.2.3)", id="the one before is not final",
        ),
        pytest.param(ROLLED, OLD, "upgrade.unfinished", "/crdb rollback leads back", id="back, by the wrong command"),
        pytest.param(
            facts([OLD, OLD, NEW], **HALF), "v25.3.1", "upgrade.mixed-builds",
            "builds: found nodes of v25.2.3 and v25.4.1, expected one release, or one beside v25.3.1 (/crdb upgrade "
            "v25.4.1 goes on with it; /crdb rollback leads back to v25.2.3)", id="half done to another release",
        ),
        pytest.param(
            facts(["v25.2.1", "v25.2.2", "v25.2.3"]), NEW, "upgrade.mixed-builds", "mend it by hand", id="three builds"
        ),
        pytest.param(
            facts([OLD, OLD, OLD], template="v25.4.9", came_from=OLD), NEW, "upgrade.unfinished",
            "found one from v25.2.3 to v25.4.9, expected a finished one (/crdb upgrade v25.4.9 goes on with it",
            id="begun to another release",
        ),
        pytest.param(
            facts([OLD] * 3, active="25.2-upgrading-to-25.4-step-14"), NEW, "upgrade.unfinished",
            "active version: found 25.2-upgrading-to-25.4-step-14, expected 25.2, settled", id="it migrates",
        ),
        pytest.param(facts([OLD] * 3, active=""), NEW, "upgrade.silent", "active version: found no answer", id="mute"),
        pytest.param(
            facts([OLD] * 3, template="v25.2.9"), NEW, "upgrade.drift",
            "image of the template: found cockroachdb/cockroach:v25.2.9, expected v25.2.3 as recorded",
            id="somebody set another image",
        ),
        pytest.param(
            facts([OLD] * 3, preserved="24.3"), NEW, "upgrade.stale-preserve",
            "cluster.preserve_downgrade_option: found 24.3, expected 25.2, the active version, or nothing (/crdb "
            "finalize clears it, by people's decision)", id="a stale preserved downgrade",
        ),
        pytest.param(
            facts([OLD] * 3, nodes=(*nodes(OLD, OLD, OLD), node(3, OLD, **DEAD))), NEW, "upgrade.dead-node",
            "nodes: found n87 (cockroachdb-3) is dead, expected all alive (/crdb scale 3 --decommission-dead gives it "
            "up for good)", id="a dead node without a pod",
        ),
        pytest.param(
            facts([OLD] * 3, down=[1]), NEW, "upgrade.dead-node", "mend its pod first", id="a dead node with its pod"
        ),
        pytest.param(
            facts([OLD, OLD, "v25.4.9"], came_from=OLD, recorded="v25.4.9", preserved="25.2", down=[2]), NEW,
            "upgrade.dead-node", "/crdb rollback puts v25.2.3 back on its pod", id="one that another upgrade broke",
        ),
        pytest.param(
            facts([OLD] * 3, nodes=nodes(OLD, OLD)), NEW, "upgrade.dead-node",
            "found cockroachdb-2 has no node that is a member", id="a pod that never joined",
        ),
        pytest.param(
            facts([OLD] * 3, nodes=nodes(OLD, OLD, OLD, membership="decommissioning")), NEW, "upgrade.mid-scale",
            "nodes: found n88 (cockroachdb-2) is decommissioning, expected a finished scale (/crdb scale 3",
            id="a node is leaving",
        ),
        pytest.param(
            facts([OLD] * 3, recorded=OLD, nodes=nodes(OLD, OLD, OLD)).model_copy(
                update={"recorded": SPEC.model_copy(update={"nodes": 4})}
            ),
            NEW, "upgrade.mid-scale", "found 3 replicas, recorded 4", id="other replicas than recorded",
        ),
        pytest.param(
            facts([OLD] * 3, nodes=nodes(OLD, OLD, OLD, under_replicated=4)), NEW, "upgrade.under-replicated",
            "ranges: found 4 ranges under-replicated, expected none", id="copies are missing",
        ),
        pytest.param(
            facts([OLD] * 3, nodes=nodes(OLD, OLD, OLD, unavailable=1)), NEW, "upgrade.unavailable",
            "found 1 ranges unavailable", id="ranges are unavailable",
        ),
        pytest.param(
            facts([OLD] * 3, grace_seconds=60, drain_seconds=70), NEW, "upgrade.short-grace",
            "grace period: found 60 s, expected at least 75 s: the server.shutdown settings take 70 s", id="60 s",
        ),
        pytest.param(facts([OLD] * 3, missing_rules=("x",)), NEW, "upgrade.missing-right", "no x", id="a right"),
        pytest.param(UpgradeFacts(), NEW, "upgrade.not-deployed", "/crdb deploy", id="not deployed"),
        pytest.param(
            FRESH.model_copy(update={"recorded": None}), NEW, "upgrade.no-record", "no recorded spec", id="no record"
        ),
        pytest.param(
            facts([OLD] * 3, database="waiting-for-init", nodes=(), active=""), NEW, "upgrade.not-initialized",
            "/crdb init", id="not initialized",
        ),
        pytest.param(
            facts([OLD] * 3, database="silent", detail="no client pod", nodes=(), active=""), NEW, "upgrade.silent",
            "database: found no client pod", id="silent",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_of_an_upgrade(found: UpgradeFacts, wanted: str, code: str, told: str) -> None:
    verdict = upgrade(found, wanted)

    assert codes(verdict) == [code]
    assert told in verdict.reasons[0].sentence()


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(FRESH, "v25.2.1", id="an older patch"),
        pytest.param(FRESH, "v25.3.0", id="the next innovation"),
        pytest.param(
            facts(["v26.4.0"] * 3, recorded="v26.4.0", active="26.4"), "v26.4.99", id="a patch that is newer than known"
        ),
        pytest.param(
            facts(["v26.4.0"] * 3, recorded="v26.4.0", active="26.4"), "v26.9.1", id="newer than known: it is asked"
        ),
        pytest.param(
            facts(["v27.1.0"] * 3, recorded="v27.1.0", active="27.1"), "v27.2.0", id="from one newer than known, asked"
        ),
        pytest.param(facts(["v27.1.0"] * 3, recorded="v27.1.0", active="27.1"), "v27.1.1", id="a patch, known or not"),
        pytest.param(facts([OLD] * 3, grace_seconds=60, drain_seconds=55), NEW, id="just enough grace"),
        pytest.param(
            facts([OLD, OLD, NEW], **HALF, down=[2], nodes=nodes(OLD, OLD, NEW, is_live=False, under_replicated=9)),
            NEW, id="half done, and what it rolled is not back",
        ),
        pytest.param(
            facts([OLD] * 3, nodes=(*nodes(OLD, OLD, OLD), node(3, OLD, **DEAD, membership="decommissioned"))), NEW,
            id="a node that left long ago",
        ),
    ],
)  # fmt: skip
def test_what_is_not_refused(found: UpgradeFacts, wanted: str) -> None:
    assert codes(upgrade(found, wanted)) == []


def test_a_major_upgrade_wants_a_word_on_a_backup_and_a_patch_does_not() -> None:
    major = plan_upgrade(FRESH, NEW, is_first=True).verdict

    assert codes(major) == ["upgrade.backup-unsaid"]
    assert "expected backup=taken or backup=none" in major.reasons[0].sentence()
    assert plan_upgrade(FRESH, NEW, is_first=True, backup="none").verdict.is_yes
    assert plan_upgrade(FRESH, "v25.2.9", is_first=True).verdict.is_yes


def test_every_reason_is_told_at_once_and_nothing_is_planned_towards_a_wrong_release() -> None:
    found = facts(
        [OLD] * 3, missing_rules=(), preserved="24.3", grace_seconds=1, drain_seconds=9,
        nodes=nodes(OLD, OLD, OLD, under_replicated=4),
    )  # fmt: skip

    plan = plan_upgrade(found, "v26.2.0", is_first=True)

    assert codes(plan.verdict) == [
        "upgrade.skipped-major",
        "upgrade.stale-preserve",
        "upgrade.under-replicated",
        "upgrade.short-grace",
        "upgrade.backup-unsaid",
    ]
    assert (plan.steps, plan.lines) == ((), ())


def test_a_later_plan_still_sees_that_the_template_was_changed_before_anything_was_rolled() -> None:
    plan = plan_upgrade(facts([OLD] * 3, template="v25.2.9"), NEW, is_first=False)

    assert codes(plan.verdict) == ["upgrade.drift"]


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        pytest.param(FRESH, "upgrade.final", "found none recorded, active version 25.2", id="no upgrade"),
        pytest.param(
            facts([NEW] * 3, came_from=OLD, active="25.4"), "upgrade.final",
            "active version: found 25.4, expected 25.2, to go back to v25.2.3", id="final",
        ),
        pytest.param(
            facts([NEW] * 3, came_from=OLD, active="25.2-upgrading-to-25.4-step-14"), "upgrade.final",
            "found 25.2-upgrading-to-25.4-step-14, expected 25.2", id="becoming final",
        ),
        pytest.param(
            facts([NEW] * 3, came_from=OLD, nodes=nodes(NEW, NEW, NEW, membership="decommissioning")),
            "upgrade.mid-scale", "n88 (cockroachdb-2) is decommissioning", id="a node is leaving",
        ),
        pytest.param(
            facts([NEW] * 3, came_from=OLD, nodes=(*nodes(NEW, NEW, NEW), node(3, NEW, **DEAD))), "upgrade.dead-node",
            "/crdb scale 3 --decommission-dead", id="a dead node that no pod brings back",
        ),
        pytest.param(
            facts([NEW] * 3, came_from=OLD, nodes=nodes(NEW, NEW, NEW, under_replicated=2)),
            "upgrade.under-replicated", "2 ranges", id="copies are missing, and no pod is down",
        ),
        pytest.param(
            facts([NEW] * 3, came_from=OLD, grace_seconds=1, drain_seconds=9), "upgrade.short-grace", "1 s", id="grace"
        ),
        pytest.param(UpgradeFacts(), "upgrade.not-deployed", "/crdb deploy", id="not deployed"),
    ],
)  # fmt: skip
def test_what_is_refused_of_a_roll_back(found: UpgradeFacts, code: str, told: str) -> None:
    verdict = plan_rollback(found).verdict

    assert codes(verdict) == [code]
    assert told in verdict.reasons[0].sentence()


def test_a_roll_back_mends_what_a_pod_that_hangs_left_behind() -> None:
    found = facts(
        [OLD, OLD, NEW], template=NEW, came_from=OLD, down=[2],
        nodes=nodes(OLD, OLD, NEW, is_live=False, under_replicated=3, unavailable=1),
    )  # fmt: skip

    assert plan_rollback(found).verdict.is_yes
    assert plan_rollback(found.model_copy(update={"missing_rules": ("x",)}), is_first=False).verdict.is_yes


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        pytest.param(
            facts([OLD, NEW, NEW], **HALF), "upgrade.mixed-builds", "expected one release on every node",
            id="a node runs the old release",
        ),
        pytest.param(
            ROLLED.model_copy(update={"nodes": nodes(NEW, NEW, NEW, membership="decommissioning")}),
            "upgrade.mid-scale", "a finalization never ends beside it, which is the usual cause of a stuck one",
            id="a node is leaving",
        ),
        pytest.param(
            ROLLED.model_copy(update={"nodes": (*nodes(NEW, NEW, NEW), node(3, OLD, **DEAD))}), "upgrade.dead-node",
            "/crdb scale 3 --decommission-dead", id="a dead node",
        ),
        pytest.param(
            ROLLED.model_copy(update={"nodes": nodes(NEW, NEW, NEW, under_replicated=2)}), "upgrade.under-replicated",
            "2 ranges", id="copies are missing",
        ),
        pytest.param(
            ROLLED.model_copy(update={"missing_rules": ("x",)}), "upgrade.missing-right", "no x", id="a right"
        ),
        pytest.param(
            ROLLED.model_copy(update={"database": "silent", "nodes": ()}), "upgrade.silent", "no answer", id="silent"
        ),
    ],
)  # fmt: skip
def test_what_is_refused_of_a_finalization(found: UpgradeFacts, code: str, told: str) -> None:
    verdict = plan_finalize(found).verdict

    assert codes(verdict) == [code]
    assert told in verdict.reasons[0].sentence()


def test_a_pod_that_is_not_there_yet_is_no_reason_where_the_plan_waits_for_it() -> None:
    found = facts([OLD, OLD, NEW], **HALF, pods=(pod(0, OLD), pod(1, OLD), pod(2, NEW, is_ready=False)))

    assert upgrade(found).is_yes


@pytest.mark.parametrize(
    ("policy", "has", "lists_all", "refused"),
    [
        pytest.param("Never", False, True, True, id="surely absent, and nothing pulls it"),
        pytest.param("Never", False, False, False, id="perhaps behind the fifty that are listed"),
        pytest.param("Never", True, True, False, id="there"),
        pytest.param("IfNotPresent", False, True, False, id="absent, and pulled"),
    ],
)
def test_an_image_is_refused_only_where_it_is_surely_absent_and_nothing_may_pull_it(
    policy: str, has: bool, lists_all: bool, refused: bool
) -> None:
    one = WorkerImage(worker="worker-1", has_image=has, lists_all=lists_all)
    found = FRESH.model_copy(update={"pull_policy": policy, "workers": (one,)})

    verdict = upgrade(found)

    assert codes(verdict) == (["upgrade.image-absent"] if refused else [])
    assert not refused or f"expected {IMAGE}:{NEW}" in verdict.reasons[0].sentence()
