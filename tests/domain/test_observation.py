"""What is seen of an upgrade that is not final: the same words while nothing changes, and how it ended."""

from __future__ import annotations

from typing import Any

import pytest

from domain.observation import Observation, observed, unseen
from tests.domain.upgrading import NEW, NEXT, OLD, facts, node

#: Of an upgrade that has ended and is not final.
STANDS = {"recorded": NEW, "came_from": OLD, "preserved": "25.2"}


def look(runs: list[str], last: Observation | None = None, **more: Any) -> Observation:
    return observed(facts(runs, **{**STANDS, **more}), version=NEW, before=OLD, last=last or Observation())


def test_all_well_is_what_runs_and_no_notice() -> None:
    assert look([NEW] * 3) == Observation(version=NEW, active="25.2", builds=(NEW,))


def test_a_patch_that_followed_is_named_as_what_it_is() -> None:
    assert look([NEXT] * 3).version == NEXT


def test_while_it_is_rolled_back_it_keeps_its_name_and_is_not_over() -> None:
    seen = look([OLD, NEW, NEW], template=OLD, recorded=OLD)

    assert (seen.version, seen.builds, seen.outcome) == (NEW, (OLD, NEW), "")


@pytest.mark.parametrize(
    ("more", "notice"),
    [
        pytest.param({"down": [1]}, "n89 (cockroachdb-1) does not live", id="a node is away"),
        pytest.param(
            {"nodes": (node(0, NEW), node(1, NEW), node(2, NEW, membership="decommissioning"))},
            "n88 (cockroachdb-2) is decommissioning",
            id="a node leaves",
        ),
        pytest.param({"nodes": (node(0, NEW), node(1, NEW))}, "cockroachdb-2 has no node", id="a node is missing"),
        pytest.param(
            {"nodes": (node(0, NEW, under_replicated=7), node(1, NEW), node(2, NEW))}, "ranges lack copies", id="copies"
        ),
        pytest.param(
            {"nodes": (node(0, NEW, unavailable=1), node(1, NEW), node(2, NEW))}, "ranges are unavailable", id="lost"
        ),
        pytest.param(
            {"preserved": ""}, "nothing preserves the downgrade: it may become final by itself", id="no way back kept"
        ),
    ],
)
def test_what_is_not_well_is_said(more: dict[str, Any], notice: str) -> None:
    assert look([NEW] * 3, **more).notices == (notice,)


def test_figures_that_move_by_themselves_are_no_news() -> None:
    few, many = (look([NEW] * 3, nodes=(node(0, NEW, under_replicated=n), node(1, NEW), node(2, NEW))) for n in (3, 41))

    assert few == many


@pytest.mark.parametrize(
    ("runs", "more", "outcome", "sentence"),
    [
        pytest.param([NEW] * 3, {"active": "25.4", "preserved": ""}, "final", "active version 25.4", id="made final"),
        pytest.param(
            [NEW] * 3, {"active": "25.2-upgrading-to-25.4-step-004", "preserved": ""}, "", "", id="still migrating"
        ),
        pytest.param([OLD] * 3, {"recorded": OLD, "came_from": ""}, "rolled-back", f"{OLD} is recorded", id="by us"),
        pytest.param([OLD] * 3, {"recorded": OLD}, "", "", id="by us, before the record"),
        pytest.param(
            [OLD] * 3,
            {},
            "rolled-back",
            f"all nodes run {OLD} again by somebody's hand; /crdb rollback records that",
            id="by hand",
        ),
        pytest.param([OLD, OLD, NEW], {"template": OLD}, "", "", id="by hand, half way"),
        pytest.param([NEW] * 3, {"live": None}, "gone", "found no StatefulSet any more", id="no cluster"),
    ],
)
def test_how_it_ended_is_seen_where_nobody_tells(
    runs: list[str], more: dict[str, Any], outcome: str, sentence: str
) -> None:
    seen = look(runs, **more)

    assert (seen.outcome, seen.sentence) == (outcome, sentence)


@pytest.mark.parametrize("more", [{"database": "silent", "detail": "after 20 s"}, {"active": ""}])
def test_a_database_that_does_not_answer_ends_nothing_and_what_was_seen_last_stays(more: dict[str, Any]) -> None:
    last = look([NEW] * 3)

    seen = look([NEW] * 3, last=last, **more)

    assert seen == unseen("the database does not answer", last=last)
    assert (seen.active, seen.builds) == ("25.2", (NEW,))
    assert seen.notices == ("nobody can look: the database does not answer",)
