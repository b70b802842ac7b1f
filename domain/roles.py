"""Who may do what: the policy snapshot and the rules over it.

The snapshot is taken once, when an operation begins, and travels with it, so that a decision is judged by the rules
that stood when it was asked for. Reading groups from Slack is the bot's; checking signatures is `tokens`'.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from domain.configuration import ApprovalRule, Configuration, Role, RoleName
from domain.model import Person
from domain.verdict import Reason, Verdict


class PolicySnapshot(BaseModel):
    """Roles and rules as they stood at one moment, and the hash of the file they came from."""

    model_config = ConfigDict(frozen=True)

    team: str
    roles: dict[RoleName, Role]
    configuration_hash: str

    @classmethod
    def of(cls, configuration: Configuration) -> PolicySnapshot:
        """Take the snapshot of a configuration."""
        return cls(team=configuration.team, roles=configuration.roles, configuration_hash=configuration.fingerprint())


def holds(policy: PolicySnapshot, person: Person, role: RoleName) -> bool:
    """Whether a person holds a role: own workspace, and named or in a named group. Viewers are the whole workspace.

    Nobody without an id, and nobody at all where no workspace is set: what is empty never matches what is empty.
    """
    if not person.id or not policy.team or person.team != policy.team:
        return False
    if role == "viewer":
        return True
    entry = policy.roles.get(role)
    if entry is None:
        return False
    return person.id in entry.people or not set(entry.groups).isdisjoint(set(person.groups) - {""})


def may_ask(policy: PolicySnapshot, person: Person, role: RoleName) -> Verdict:
    """Judge whether a person may ask for an operation that wants a role."""
    if holds(policy, person, role):
        return Verdict()
    return Verdict(reasons=(_no_role(person, role, policy),))


def may_decide(
    policy: PolicySnapshot,
    rule: ApprovalRule,
    person: Person,
    *,
    asked_by: tuple[Person, ...],
    approved_by: tuple[Person, ...],
    is_approval: bool,
) -> Verdict:
    """Judge whether a person may approve or deny: role, four-eyes, and not twice the same person.

    Four-eyes forbids approving what one asked for; denying one's own request is always allowed to who holds the role.
    """
    reasons: list[Reason] = []
    if not holds(policy, person, rule.role):
        reasons.append(_no_role(person, rule.role, policy))
    if is_approval and rule.four_eyes and any(person.is_same_as(other) for other in asked_by):
        reasons.append(
            Reason(
                code="approval.four-eyes",
                field="approver",
                found=f"{person.name or person.id}, who asked for this",
                expected="somebody else",
            )
        )
    if is_approval and any(person.is_same_as(other) for other in approved_by):
        reasons.append(
            Reason(
                code="approval.twice",
                field="approver",
                found=f"{person.name or person.id}, who approved already",
                expected="a second person",
            )
        )
    return Verdict(reasons=tuple(reasons))


def audience(policy: PolicySnapshot, role: RoleName, *, without: Iterable[Person] = ()) -> tuple[str, ...]:
    """Return the ids of the groups and people who hold a role, but for people who cannot decide any more."""
    entry, done = policy.roles.get(role, Role()), {person.id for person in without}
    return (*entry.groups, *(person for person in entry.people if person not in done))


def _no_role(person: Person, role: RoleName, policy: PolicySnapshot) -> Reason:
    if person.team != policy.team:
        return Reason(
            code="role.stranger",
            field="workspace",
            found=person.team or "none",
            expected=f"{policy.team or 'a workspace in crdbops.toml'} (our workspace)",
        )
    entry = policy.roles.get(role, Role())
    holders = ", ".join((*entry.groups, *entry.people))
    return Reason(
        code="role.missing",
        field="role",
        found=f"{person.name or person.id or 'nobody'} is no {role}",
        expected=f"one of {holders}" if holders else f"somebody in roles.{role}, which is empty",
    )
