"""Who somebody is: from a Slack id to a Person with the groups they are in, or a refusal.

Whether a person may do something is `domain.roles`. Read anew for a decision; otherwise at most five minutes old, the
groups one minute. Slack allows few readings of a group (tier 2, about twenty a minute): where it asks to slow down, a
decision takes a list that is not older than that minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_errors import translated
from domain.configuration import Configuration, Role, RoleName
from domain.errors import BrokenError, OpsError, RefusedError, TransientError
from domain.model import Person
from domain.roles import PolicySnapshot, holds

_log = logging.getLogger(__name__)

ROLES: tuple[RoleName, ...] = ("viewer", "operator", "approver")

_PROFILE_SECONDS = 300.0
_GROUP_SECONDS = 60.0
#: Decisions that follow each other this closely share one reading of a group.
_FRESH_SECONDS = 2.0
#: People who were seen; the oldest is forgotten beyond that.
_KEPT = 2000


@dataclass(frozen=True)
class Identity:
    """A person who may act here at all, and the groups of which it is not known whether they are in."""

    person: Person
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """How somebody stands to one role. `is_held` None: it hangs on a group that cannot be read, and counts as no."""

    role: RoleName
    is_held: bool | None
    is_named: bool = False
    through: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


class People:
    """Reads people and user groups from Slack.

    Args:
        client: Slack's Web API.
        configuration: Which workspace is ours, which groups matter.
        clock: Monotonic seconds.
    """

    def __init__(
        self, client: AsyncWebClient, configuration: Configuration, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._team = configuration.team
        self._policy = PolicySnapshot.of(configuration)
        self._groups = sorted({group for role in configuration.roles.values() for group in role.groups})
        self._clock = clock
        self._profiles: dict[str, tuple[float, dict[str, Any]]] = {}
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._reading = asyncio.Lock()

    async def identify(self, user_id: str, *, team_id: str, is_fresh: bool = False) -> Identity:
        """Return who acts.

        Args:
            user_id: Slack's id.
            team_id: The workspace that Slack says the person acts from.
            is_fresh: Ask Slack again, for a decision.

        Raises:
            RefusedError: `role.stranger` or `people.*`: may not act here whatever the roles say.
            TransientError: `people.unreadable`: Slack does not say; so nothing is done.
        """
        if team_id and team_id != self._team:
            raise _stranger(team_id, self._team)
        profile = await self._profile(user_id, is_fresh=is_fresh)
        self._require_member(profile)
        groups, unreadable = await self._groups_of(user_id, is_fresh=is_fresh)
        shown = profile.get("profile") or {}
        name = str(shown.get("real_name") or profile.get("real_name") or profile.get("name") or user_id)
        return Identity(Person(team=self._team, id=user_id, name=name, groups=groups), unreadable)

    def holds(self, identity: Identity, role: RoleName) -> bool:
        """Whether a person holds a role by the bot's own configuration.

        Raises:
            TransientError: `approvers.unreadable`: they would have to be in a group that cannot be read.
        """
        if holds(self._policy, identity.person, role):
            return True
        entry = self._policy.roles.get(role)
        if entry is not None and not set(entry.groups).isdisjoint(identity.unreadable):
            raise TransientError(
                "approvers.unreadable",
                "The approver list cannot be read right now, so nobody may approve.",
                hint="Try again in a minute.",
            )
        return False

    def standings(self, identity: Identity) -> tuple[Standing, ...]:
        """Return which roles a person holds, and why or why not."""
        return tuple(self._standing(identity, role) for role in ROLES)

    def _standing(self, identity: Identity, role: RoleName) -> Standing:
        entry, person = self._policy.roles.get(role, Role()), identity.person
        is_held = holds(self._policy, person, role)
        unreadable = tuple(group for group in entry.groups if group in identity.unreadable)
        return Standing(
            role=role,
            is_held=None if unreadable and not is_held else is_held,
            is_named=person.id in entry.people,
            through=tuple(group for group in entry.groups if group in person.groups),
            unreadable=unreadable,
            groups=entry.groups,
            people=entry.people,
        )

    def _require_member(self, profile: dict[str, Any]) -> None:
        team = str(profile.get("team_id") or "")
        if profile.get("is_stranger") or team != self._team:
            raise _stranger(team, self._team)
        if profile.get("deleted"):
            raise RefusedError("people.deactivated", "This account is deactivated.")
        if profile.get("is_bot") or profile.get("id") == "USLACKBOT":
            raise RefusedError("people.bot", "Bots may not act here.")
        if profile.get("is_restricted") or profile.get("is_ultra_restricted"):
            raise RefusedError("people.guest", "Guests may not act here.")

    async def _profile(self, user_id: str, *, is_fresh: bool) -> dict[str, Any]:
        kept = self._profiles.get(user_id)
        if kept is not None and not is_fresh and self._clock() - kept[0] < _PROFILE_SECONDS:
            return kept[1]
        try:
            with translated("reading who somebody is"):
                answer = await self._client.users_info(user=user_id)
        except BrokenError as error:
            if error.code == "slack.user-not-found":
                raise RefusedError("people.unknown", "Slack does not know this person.") from error
            raise _unreadable() from error
        except TransientError as error:
            raise _unreadable() from error
        profile = answer.get("user")
        if not isinstance(profile, dict):
            raise _unreadable()
        self._profiles.pop(user_id, None)
        self._profiles[user_id] = (self._clock(), profile)
        if len(self._profiles) > _KEPT:
            del self._profiles[next(iter(self._profiles))]
        return profile

    async def _groups_of(self, user_id: str, *, is_fresh: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the groups a person is in, and those that cannot be read: nobody is in these."""
        async with self._reading:
            lists = await asyncio.gather(*(self._known_members(group, is_fresh=is_fresh) for group in self._groups))
        known = dict(zip(self._groups, lists, strict=True))
        found = tuple(group for group, members in known.items() if members is not None and user_id in members)
        return found, tuple(group for group, members in known.items() if members is None)

    async def _known_members(self, group: str, *, is_fresh: bool) -> frozenset[str] | None:
        """Return who is in a group, or None when Slack does not say."""
        at, members = self._members.get(group, (float("-inf"), frozenset()))
        age = self._clock() - at
        if age < (_FRESH_SECONDS if is_fresh else _GROUP_SECONDS):
            return members
        try:
            return await self._members_of(group)
        except OpsError as error:
            _log.warning("user group cannot be read", extra={"group": group, "error_code": error.code})
            return members if error.code == "slack.rate-limited" and age < _GROUP_SECONDS else None

    async def _members_of(self, group: str) -> frozenset[str]:
        with translated(f"reading user group {group}"):
            answer = await self._client.usergroups_users_list(usergroup=group)
        members = frozenset(str(user) for user in answer.get("users") or ())
        self._members[group] = (self._clock(), members)
        return members


def missing_role(policy: PolicySnapshot, role: RoleName) -> str:
    """Say who holds a role, for somebody who does not."""
    entry = policy.roles.get(role, Role())
    holders = [*(f"<!subteam^{group}>" for group in entry.groups), *(f"<@{person}>" for person in entry.people)]
    who = ", ".join(holders) or "nobody: the list is empty"
    return f"You are none of the {role}s ({who})."


def _stranger(found: str, expected: str) -> RefusedError:
    return RefusedError(
        "role.stranger", f"Found workspace {found or 'unknown'}, expected {expected}: strangers may not act here."
    )


def _unreadable() -> TransientError:
    return TransientError(
        "people.unreadable", "Slack does not say right now who you are, so nothing is done.", hint="Try again."
    )
