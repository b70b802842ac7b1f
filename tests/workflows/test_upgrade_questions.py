"""What people are asked during upgrades."""

from __future__ import annotations

from domain.configuration import ApprovalRule
from domain.upgrade import UpgradeStep, plan_finalize
from tests.domain.upgrading import NEW, OLD, facts
from workflows.upgrade_questions import canary_question, finalize_question

RULE = ApprovalRule(approvals=2)
CANARY = UpgradeStep(kind="roll", version=NEW, ordinal=2, is_canary=True)


def test_people_decide_whether_the_others_follow_the_first_node() -> None:
    found = facts([OLD, OLD, NEW], came_from=OLD, preserved="25.2")

    question = canary_question(found, CANARY, rule=RULE, seen=("watched for 5 minutes",))

    assert question.headline == "cockroachdb-2 runs v25.4.1. Go on with the other 2 nodes?"
    assert question.if_no == "cockroachdb-2 goes back to v25.2.3, and the upgrade ends."
    assert question.evidence == (
        "n88 (cockroachdb-2) runs v25.4.1 and is live",
        "active version 25.2, downgrade preserved to 25.2",
        "3 of 3 nodes live",
        "all ranges have their copies",
        "watched for 5 minutes",
    )
    assert question.rule == RULE


def test_the_same_canary_is_the_same_question_whatever_was_seen() -> None:
    found = facts([OLD, OLD, NEW], came_from=OLD)

    one, other = canary_question(found, CANARY, rule=RULE), canary_question(found, CANARY, rule=RULE, seen=("more",))

    assert one.fingerprint == other.fingerprint


def test_what_becomes_final_says_what_it_takes_away() -> None:
    found = facts([NEW, NEW, NEW], came_from=OLD, preserved="25.2")

    question = finalize_question(found, plan_finalize(found).steps[0], rule=RULE)

    assert question.headline == "Make v25.4.1 final?"
    assert question.if_yes == "The database migrates from 25.2 to 25.4. Nothing takes that back."
    assert question.destroys == "the way back to v25.2.3"


def test_a_preserved_downgrade_that_guards_nothing_is_cleared_by_a_question_of_its_own() -> None:
    found = facts([NEW, NEW, NEW], recorded=NEW, active="25.4", preserved="25.2")

    question = finalize_question(found, plan_finalize(found).steps[0], rule=RULE)

    assert question.headline == "Clear the preserved downgrade to 25.2?"
    assert question.destroys == ""
