"""Who may ask and who may decide: roles, strangers, four-eyes, not twice; empty lists mean nobody."""

from __future__ import annotations

import pytest

from domain.configuration import ApprovalRule, Role, RoleName
from domain.model import Person
from domain.roles import PolicySnapshot, holds, may_ask, may_decide
from tests.domain.given import ALICE, BOB

POLICY = PolicySnapshot(
    team="T1",
    roles={"operator": Role(groups=("S-OPS",), people=("U9",)), "approver": Role(groups=("S-OPS", "S-APPROVE"))},
    configuration_hash="h",
)
EMPTY = PolicySnapshot(team="T1", roles={"approver": Role()}, configuration_hash="h")
RULE = ApprovalRule()
STRANGER = ALICE.model_copy(update={"team": "T2"})
VISITOR = Person(team="T1", id="U3", name="Vic")


@pytest.mark.parametrize(
    ("person", "role", "is_held"),
    [
        pytest.param(ALICE, "operator", True, id="by a group"),
        pytest.param(Person(team="T1", id="U9"), "operator", True, id="by name, in no group"),
        pytest.param(VISITOR, "operator", False, id="in no group and not named"),
        pytest.param(BOB, "operator", False, id="in the group of another role"),
        pytest.param(VISITOR, "viewer", True, id="everybody of the workspace may look"),
        pytest.param(STRANGER, "operator", False, id="a stranger with the right group"),
        pytest.param(Person(team="T2", id="U9"), "operator", False, id="a stranger with the right id"),
        pytest.param(STRANGER, "viewer", False, id="a stranger may not even look"),
        pytest.param(Person(team="T1", id="", groups=("S-OPS",)), "operator", False, id="somebody without an id"),
        pytest.param(Person(team="T1", id=""), "viewer", False, id="somebody without an id may not look"),
    ],
)
def test_roles_are_held(person: Person, role: RoleName, is_held: bool) -> None:
    assert holds(POLICY, person, role) is is_held


@pytest.mark.parametrize("role", ["operator", "approver"], ids=["no entry", "an empty entry"])
def test_an_empty_list_means_nobody(role: RoleName) -> None:
    assert not holds(EMPTY, ALICE, role)
    assert "empty" in may_ask(EMPTY, ALICE, role).reasons[0].expected


def test_what_is_empty_never_matches_what_is_empty() -> None:
    policy = POLICY.model_copy(
        update={"team": "", "roles": {"operator": Role.model_construct(groups=("",), people=("",))}}
    )
    nobody = Person(team="", id="", groups=("",))

    assert not holds(policy, nobody, "operator")
    assert not holds(policy, nobody, "viewer")
    assert not holds(policy.model_copy(update={"team": "T1"}), Person(team="T1", id="U", groups=("",)), "operator")


def test_who_holds_the_role_may_ask() -> None:
    assert may_ask(POLICY, ALICE, "operator").is_yes


def test_who_does_not_hold_the_role_is_told_who_does() -> None:
    reason = may_ask(POLICY, VISITOR, "operator").reasons[0]

    assert (reason.code, reason.found, reason.expected) == ("role.missing", "Vic is no operator", "one of S-OPS, U9")


@pytest.mark.parametrize(
    ("person", "found"),
    [
        pytest.param(STRANGER, "T2", id="of another workspace"),
        pytest.param(Person(team="", id="U"), "none", id="of none"),
    ],
)
def test_a_stranger_is_told_to_be_one(person: Person, found: str) -> None:
    reason = may_ask(POLICY, person, "operator").reasons[0]

    assert (reason.code, reason.found, reason.expected) == ("role.stranger", found, "T1 (our workspace)")


@pytest.mark.parametrize(
    ("person", "asked_by", "approved_by", "codes"),
    [
        pytest.param(BOB, (ALICE,), (), [], id="somebody else"),
        pytest.param(BOB, (), (), [], id="nobody asked"),
        pytest.param(ALICE, (ALICE,), (), ["approval.four-eyes"], id="who asked"),
        pytest.param(ALICE, (BOB, ALICE), (), ["approval.four-eyes"], id="one of those who asked"),
        pytest.param(
            ALICE.model_copy(update={"name": "Somebody", "groups": ("S-APPROVE",)}), (ALICE,), (),
            ["approval.four-eyes"], id="who asked, under another name and group",
        ),
        pytest.param(BOB, (ALICE,), (BOB,), ["approval.twice"], id="the same person twice"),
        pytest.param(BOB, (ALICE,), (ALICE,), [], id="a second person"),
        pytest.param(VISITOR, (ALICE,), (), ["role.missing"], id="without the role"),
        pytest.param(STRANGER, (), (), ["role.stranger"], id="a stranger"),
        pytest.param(
            VISITOR, (VISITOR,), (VISITOR,), ["role.missing", "approval.four-eyes", "approval.twice"],
            id="all reasons at once",
        ),
    ],
)  # fmt: skip
def test_who_may_approve(
    person: Person, asked_by: tuple[Person, ...], approved_by: tuple[Person, ...], codes: list[str]
) -> None:
    verdict = may_decide(POLICY, RULE, person, asked_by=asked_by, approved_by=approved_by, is_approval=True)

    assert [reason.code for reason in verdict.reasons] == codes


def test_who_asked_may_deny_their_own_and_who_approved_may_deny_after_all() -> None:
    assert may_decide(POLICY, RULE, ALICE, asked_by=(ALICE,), approved_by=(ALICE,), is_approval=False).is_yes


def test_denying_needs_the_role_too() -> None:
    verdict = may_decide(POLICY, RULE, VISITOR, asked_by=(), approved_by=(), is_approval=False)

    assert [reason.code for reason in verdict.reasons] == ["role.missing"]


def test_four_eyes_can_be_switched_off_by_rule() -> None:
    rule = ApprovalRule(four_eyes=False)

    assert may_decide(POLICY, rule, ALICE, asked_by=(ALICE,), approved_by=(), is_approval=True).is_yes


def test_nobody_approves_twice_even_without_four_eyes() -> None:
    rule = ApprovalRule(four_eyes=False, approvals=2)
    verdict = may_decide(POLICY, rule, ALICE, asked_by=(), approved_by=(ALICE,), is_approval=True)

    assert [reason.code for reason in verdict.reasons] == ["approval.twice"]


def test_a_nameless_person_is_called_by_id() -> None:
    nameless = Person(team="T1", id="U3")
    reasons = may_decide(
        POLICY, RULE, nameless, asked_by=(nameless,), approved_by=(nameless,), is_approval=True
    ).reasons

    assert [reason.found for reason in reasons] == [
        "U3 is no approver", "U3, who asked for this", "U3, who approved already",
    ]  # fmt: skip
