"""Plans of an upgrade, a roll back and a finalization, from whatever is there."""

from __future__ import annotations

import pytest

from domain.upgrade import (
    UpgradeFacts,
    UpgradeStep,
    decision_wanted,
    plan_finalize,
    plan_rollback,
    plan_upgrade,
    sentence,
)
from domain.upgrade_facts import WorkerImage
from tests.domain.upgrading import DEAD, IMAGE, NEW, NEXT, OLD, facts, node, pod


def said(steps: tuple[UpgradeStep, ...]) -> list[str]:
    """Say each step in short: kind, release, ordinal with its partition where that is another, the canary."""
    found = []
    for step in steps:
        where = f" {step.ordinal}" if step.kind in ("roll", "back") else ""
        held = f"/{step.partition}" if step.kind == "roll" and step.partition != step.ordinal else ""
        kept = f" from {step.upgraded_from}" if step.kind == "record" and step.upgraded_from else ""
        version = {OLD: " old", NEW: " new"}.get(step.version, f" {step.version}" if step.version else "")
        found.append(f"{step.kind}{version}{where}{held}{kept}{' canary' if step.is_canary else ''}")
    return found


FRESH = facts([OLD, OLD, OLD])
HALF = {"template": NEW, "came_from": OLD, "preserved": "25.2"}
ROLLED = facts([NEW, NEW, NEW], came_from=OLD, preserved="25.2", recorded=NEW)


@pytest.mark.parametrize(
    ("found", "wanted", "plan"),
    [
        pytest.param(
            FRESH,
            NEW,
            ["guard 25.2", "roll new 2 canary", "roll new 1", "roll new 0", f"record new from {OLD}"],
            id="a major",
        ),
        pytest.param(
            FRESH,
            "v25.2.9",
            ["roll v25.2.9 2 canary", "roll v25.2.9 1", "roll v25.2.9 0", "record v25.2.9"],
            id="a patch, which nothing has to guard and nothing leads back from",
        ),
        pytest.param(
            facts([OLD, OLD, OLD], preserved="25.2"),
            NEW,
            ["roll new 2 canary", "roll new 1", "roll new 0", f"record new from {OLD}"],
            id="guarded already",
        ),
        pytest.param(
            facts([OLD, OLD, NEW], **HALF),
            NEW,
            ["back new 2 canary", "roll new 1", "roll new 0", f"record new from {OLD}"],
            id="a canary of an earlier run is decided upon again",
        ),
        pytest.param(
            facts([OLD, OLD, NEW], **HALF, down=[2]),
            NEW,
            ["back new 2 canary", "roll new 1", "roll new 0", f"record new from {OLD}"],
            id="a canary that is not back",
        ),
        pytest.param(
            facts([OLD, NEW, NEW], **HALF, down=[1]),
            NEW,
            ["back new 1", "roll new 0", f"record new from {OLD}"],
            id="one behind the canary that is not back",
        ),
        pytest.param(
            facts([OLD, NEW, NEW], **HALF, down=[0]),
            NEW,
            ["back old 0", "roll new 0", f"record new from {OLD}"],
            id="one that is not rolled is down: nothing is restarted beside it",
        ),
        pytest.param(
            facts([OLD, NEW, NEW], **HALF, nodes=(node(0, OLD), node(1, OLD), node(2, NEW))),
            NEW,
            ["back new 1", "roll new 0", f"record new from {OLD}"],
            id="a node whose build is not that of its image",
        ),
        pytest.param(
            facts([OLD, NEW, NEW], **HALF, pods=(pod(0, OLD), pod(1, NEW, is_current=False), pod(2, NEW))),
            NEW,
            ["back new 2 canary", "roll new 1", "roll new 0", f"record new from {OLD}"],
            id="one on the release, but not from the template as it is",
        ),
        pytest.param(ROLLED, NEW, [], id="rolled and recorded"),
        pytest.param(
            facts([NEW, NEW, NEW], **HALF, partition=2), NEW, [f"record new from {OLD}"], id="rolled, not recorded"
        ),
        pytest.param(
            ROLLED,
            NEXT,
            ["roll v25.4.2 2 canary", "roll v25.4.2 1", "roll v25.4.2 0", f"record v25.4.2 from {OLD}"],
            id="a patch of what is not final keeps the way back",
        ),
        pytest.param(
            facts([NEW, NEW, NEW, OLD, OLD], template=OLD, came_from=OLD, preserved="25.2", partition=3),
            NEW,
            ["roll new 4", "roll new 3", f"record new from {OLD}"],
            id="a roll back that was broken off",
        ),
    ],
)
def test_the_plan_of_an_upgrade(found: UpgradeFacts, wanted: str, plan: list[str]) -> None:
    upgrade = plan_upgrade(found, wanted, is_first=True, backup="taken")

    assert said(upgrade.steps) == plan


@pytest.mark.parametrize(
    ("found", "plan"),
    [
        pytest.param(
            ROLLED, ["roll old 2", "roll old 1", "roll old 0", "guard", "record old"], id="all were rolled, none final"
        ),
        pytest.param(
            facts([OLD, OLD, NEW], **HALF, down=[2]), ["roll old 2", "guard", "record old"], id="a canary that hangs"
        ),
        pytest.param(
            facts([OLD, OLD, NEW, NEW, NEW], **HALF, down=[2]),
            ["roll old 2/5", "roll old 4", "roll old 3", "guard", "record old"],
            id="one that hangs below others is first, and the controller is held off those",
        ),
        pytest.param(
            facts([OLD, OLD, OLD, NEW, NEW], template=OLD, came_from=OLD, partition=5, down=[2], preserved="25.2"),
            ["back old 2", "roll old 4", "roll old 3", "guard", "record old"],
            id="it is on its way back",
        ),
        pytest.param(
            facts([OLD, OLD, OLD], **HALF, partition=3), ["guard", "record old"], id="none was rolled, or all are back"
        ),
        pytest.param(
            facts([OLD, OLD, "v25.2.9"], came_from=OLD), ["roll old 2", "record old"], id="a patch that was broken off"
        ),
    ],
)
def test_the_plan_of_a_roll_back(found: UpgradeFacts, plan: list[str]) -> None:
    back = plan_rollback(found)

    assert said(back.steps) == plan
    assert back.verdict.is_yes


@pytest.mark.parametrize(
    ("found", "plan"),
    [
        pytest.param(ROLLED, ["finalize new", "record new"], id="rolled"),
        pytest.param(
            facts([NEW, NEW, NEW], came_from=OLD, active="25.2-upgrading-to-25.4-step-2"),
            ["finalize new", "record new"],
            id="it becomes final now",
        ),
        pytest.param(facts([NEW, NEW, NEW], came_from=OLD, active="25.4"), ["record new"], id="final, not recorded"),
        pytest.param(facts([NEW, NEW, NEW], recorded=NEW, active="25.4"), [], id="final"),
        pytest.param(
            facts([NEW, NEW, NEW], recorded=NEW, active="25.4", preserved="25.2"),
            ["finalize new"],
            id="a preserved downgrade that guards nothing",
        ),
        pytest.param(FRESH, [], id="no upgrade"),
    ],
)
def test_the_plan_of_a_finalization(found: UpgradeFacts, plan: list[str]) -> None:
    final = plan_finalize(found)

    assert said(final.steps) == plan
    assert final.verdict.is_yes


def test_a_canary_is_decided_upon_again_by_a_new_run_alone() -> None:
    found = facts([OLD, OLD, NEW], **HALF)

    later = plan_upgrade(found, NEW, is_first=False)

    assert said(later.steps) == ["roll new 1", "roll new 0", f"record new from {OLD}"]


def test_a_later_plan_goes_on_where_what_is_waited_for_is_not_well_yet() -> None:
    found = facts([OLD, OLD, NEW], **HALF, database="silent", nodes=(), missing_rules=("x",))

    later = plan_upgrade(found, NEW, is_first=False)

    assert later.verdict.is_yes
    assert said(later.steps)[0] == "back new 2 canary"


def test_the_same_release_is_nothing_to_do_whatever_else_is_wrong() -> None:
    found = facts([OLD, OLD, OLD], nodes=(node(0, OLD), node(1, OLD), node(2, OLD, under_replicated=4)))

    same = plan_upgrade(found, OLD, is_first=True)

    assert (same.verdict.is_yes, same.steps, same.lines) == (True, (), (f"nothing: all 3 nodes run {OLD}",))


def test_what_was_upgraded_beside_us_is_recorded_once_all_nodes_run_it() -> None:
    found = facts([NEW, NEW, NEW])

    plan = plan_upgrade(found, NEW, is_first=True)

    assert plan.verdict.is_yes
    assert said(plan.steps) == [f"record new from {OLD}"]


def test_each_roll_names_its_way_back() -> None:
    forth = plan_upgrade(FRESH, NEW, is_first=True, backup="none").steps
    back = plan_rollback(ROLLED).steps

    assert {step.upgraded_from for step in (*forth, *back) if step.kind == "roll"} == {OLD}


def test_a_stale_way_back_is_not_taken_for_that_of_a_new_upgrade() -> None:
    found = facts([NEW, NEW, NEW], recorded=NEW, came_from=OLD, active="25.4")

    plan = plan_upgrade(found, "v26.2.0", is_first=True, backup="taken")

    assert plan.verdict.is_yes
    assert plan.steps[1].upgraded_from == NEW


def test_the_plan_in_words() -> None:
    plan = plan_upgrade(FRESH, NEW, is_first=True, backup="taken")

    assert plan.lines[:2] == (
        "preserve the downgrade to 25.2, so that nothing becomes final by itself",
        "restart cockroachdb-2 with v25.4.1: live, its build verified, all ranges replicated; the first node on it",
    )
    assert plan.lines[-1].startswith("until /crdb finalize makes it final, /crdb rollback leads back")
    assert sentence(UpgradeStep(kind="back", version=NEW, ordinal=1)).startswith("wait until cockroachdb-1 is back")
    assert plan_finalize(ROLLED).lines[0] == "let the database migrate to 25.4; nothing takes this back"


CLIENT_OLD, CLIENT_NEW = {"client_image": f"{IMAGE}:{OLD}"}, {"client_image": f"{IMAGE}:{NEW}"}


def test_the_client_pod_follows_when_all_nodes_run_the_release_and_before_it_is_recorded() -> None:
    plan = plan_upgrade(FRESH.model_copy(update=CLIENT_OLD), NEW, is_first=True, backup="taken")

    assert said(plan.steps)[-3:] == ["roll new 0", "client new", f"record new from {OLD}"]
    assert "make the client pod again with v25.4.1; its key and certificate are kept" in plan.lines


def test_the_client_pod_returns_before_any_node_does() -> None:
    plan = plan_rollback(ROLLED.model_copy(update=CLIENT_NEW))

    assert said(plan.steps)[:2] == ["client old", "roll old 2"]


def test_a_client_pod_that_never_followed_is_left_by_a_roll_back() -> None:
    assert not [s for s in plan_rollback(ROLLED.model_copy(update=CLIENT_OLD)).steps if s.kind == "client"]


def test_only_the_client_pod_may_be_left_to_do() -> None:
    plan = plan_upgrade(ROLLED.model_copy(update=CLIENT_OLD), NEW, is_first=True, backup="taken")

    assert said(plan.steps) == ["client new", f"record new from {OLD}"]


def test_an_older_client_pod_follows_before_it_would_be_turned_away() -> None:
    plan = plan_finalize(ROLLED.model_copy(update=CLIENT_OLD))

    assert said(plan.steps) == ["client new", "finalize new", "record new"]


def worker(number: int, *, has: bool, whole: bool = True) -> WorkerImage:
    return WorkerImage(worker=f"worker-{number}", has_image=has, lists_all=whole)


@pytest.mark.parametrize(
    ("workers", "line"),
    [
        pytest.param([True, True, True], "image v25.4.1: on 3 of 3 workers already", id="everywhere"),
        pytest.param(
            [True, False, True],
            "image v25.4.1: on 2 of 3 workers already; not seen on worker-1: pulled by the first pod there, which "
            "stops alone if that fails",
            id="not on one",
        ),
    ],
)
def test_the_plan_says_where_the_image_is_already(workers: list[bool], line: str) -> None:
    found = FRESH.model_copy(update={"workers": tuple(worker(n, has=has) for n, has in enumerate(workers))})

    plan = plan_upgrade(found, NEW, is_first=True, backup="taken")

    assert plan.verdict.is_yes
    assert line in plan.lines


def test_the_plan_says_nothing_of_images_where_nobody_has_looked_or_nothing_restarts() -> None:
    found = ROLLED.model_copy(update={"workers": (worker(0, has=True),)})

    lines = (*plan_upgrade(FRESH, NEW, is_first=True).lines, *plan_upgrade(found, NEW, is_first=True).lines)

    assert not [line for line in lines if line.startswith("image ")]


def test_what_does_not_fit_together_is_shown() -> None:
    found = facts([NEW, NEW, NEW], recorded=NEW, came_from=OLD, preserved="24.3")

    assert plan_upgrade(found, NEW, is_first=True).drift == (
        "found an upgrade from v25.2.3 to v25.4.1 that was not final",
        "found cluster.preserve_downgrade_option 24.3, the active version 25.2",
    )


def test_what_ends_an_upgrade_does_not_call_it_drift() -> None:
    assert plan_finalize(ROLLED).drift == plan_rollback(ROLLED).drift == ()


def test_whether_a_plan_is_a_major_one() -> None:
    assert plan_upgrade(FRESH, NEW, is_first=True).is_major
    assert not plan_upgrade(FRESH, "v25.2.9", is_first=True).is_major
    assert plan_rollback(ROLLED).is_major
    assert plan_finalize(ROLLED).is_major
    assert not plan_finalize(FRESH).is_major


def test_a_pod_that_is_not_there_is_waited_for() -> None:
    found = facts([OLD, OLD, NEW], **HALF, pods=(pod(0, OLD), pod(1, OLD)), nodes=(node(0, OLD), node(2, NEW, **DEAD)))

    assert said(plan_upgrade(found, NEW, is_first=False).steps)[:2] == ["back new 2", "back old 1"]


@pytest.mark.parametrize(
    ("asks", "major", "patch"), [("always", True, True), ("major", True, False), ("never", False, False)]
)
def test_when_people_decide_after_the_canary(asks: str, major: bool, patch: bool) -> None:
    assert decision_wanted(asks, is_major=True) is major  # type: ignore[arg-type]
    assert decision_wanted(asks, is_major=False) is patch  # type: ignore[arg-type]


NEWEST = facts(["v26.4.0"] * 3, recorded="v26.4.0", active="26.4")


@pytest.mark.parametrize(
    ("found", "wanted", "assumed"),
    [
        pytest.param(NEWEST, "v27.1.0", "27.1 or 27.2 may follow 26.4, so 27.1 would be legal", id="the next one"),
        pytest.param(NEWEST, "v26.9.1", "27.1 or 27.2 may follow 26.4, so 26.9 would not be legal", id="off pattern"),
        pytest.param(
            facts(["v26.9.1"] * 3, recorded="v26.9.1", active="26.9"), "v27.1.0",
            "what follows 26.9 cannot be assumed either", id="from one off the pattern",
        ),
    ],
)  # fmt: skip
def test_a_release_newer_than_the_table_is_planned_as_a_major_with_what_is_known_and_what_assumed(
    found: UpgradeFacts, wanted: str, assumed: str
) -> None:
    plan = plan_upgrade(found, wanted, is_first=True, backup="taken")

    told, guess = plan.unknown
    assert plan.verdict.is_yes
    assert plan.is_major
    assert said(plan.steps)[0] == f"guard {found.series}"
    assert told.startswith("people are asked first: 2")
    assert "is newer than 26.4, the newest in the table of 2026-11" in told
    assert assumed in guess
    assert plan.lines[:2] == plan.unknown


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(FRESH, NEW, id="a major of the table"),
        pytest.param(NEWEST, "v26.4.99", id="a newer patch of a known series"),
        pytest.param(facts(["v27.1.0"] * 3, recorded="v27.1.0", active="27.1"), "v27.1.9", id="a patch, known or not"),
        pytest.param(
            facts(["v27.1.0"] * 3, came_from="v26.4.0", preserved="26.4", recorded="v27.1.0", active="26.4"), "v27.1.0",
            id="what runs already",
        ),
        pytest.param(FRESH, "v27.1.0", id="what no table allows"),
        pytest.param(facts(["v26.4.0"] * 3, recorded="v26.4.0", active="", database="silent"), "v27.1.0", id="silence"),
    ],
)  # fmt: skip
def test_about_anything_else_nobody_is_asked_first(found: UpgradeFacts, wanted: str) -> None:
    assert plan_upgrade(found, wanted, is_first=True, backup="taken").unknown == ()
