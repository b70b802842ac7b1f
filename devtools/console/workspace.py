"""Who and what there is in the stand-in workspace: team, app, personas, user groups, channels, all constants.

What happens in it is in `messages.py` and `views.py`. The ids are fixed so that tests and settings may name them.
"""

from __future__ import annotations

from dataclasses import dataclass

from devtools.console.limits_text import Json

TEAM_ID = "T0CRDB"
TEAM_NAME = "Example Team"
TEAM_DOMAIN = "example-team"
OTHER_TEAM_ID = "T0OTHER"
APP_ID = "A0CRDB"
BOT_USER_ID = "U0BOT"
BOT_ID = "B0BOT"
SLACKBOT_ID = "USLACKBOT"


@dataclass(frozen=True)
class Persona:
    """Somebody that the page lets you be. `role` is a word for the page alone; Slack knows no such thing."""

    key: str
    id: str
    real_name: str
    role: str
    color: str
    team_id: str = TEAM_ID
    is_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False

    def profile(self) -> Json:
        """The object that users.info answers."""
        user: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.key,
            "deleted": self.deleted,
            "real_name": self.real_name,
            "tz": "Etc/UTC",
            "tz_offset": 0,
            "profile": {
                "real_name": self.real_name,
                "display_name": self.key,
                "real_name_normalized": self.real_name,
                "display_name_normalized": self.key,
                "team": self.team_id,
            },
            "is_admin": False,
            "is_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": False,
            "is_bot": False,
            "is_app_user": False,
            "updated": 1_790_000_000,
        }
        if self.is_stranger:
            # Slack sends the key for people of other workspaces only.
            user["is_stranger"] = True
        return user


@dataclass(frozen=True)
class Group:
    """A user group."""

    id: str
    handle: str
    name: str
    members: tuple[str, ...]

    def profile(self, *, include_users: bool, include_count: bool) -> Json:
        """The object that usergroups.list answers."""
        group: Json = {
            "id": self.id,
            "team_id": TEAM_ID,
            "is_usergroup": True,
            "name": self.name,
            "description": "",
            "handle": self.handle,
            "is_external": False,
            "date_create": 1_790_000_000,
            "date_update": 1_790_000_000,
            "date_delete": 0,
        }
        if include_users:
            group["users"] = list(self.members)
        if include_count:
            group["user_count"] = len(self.members)
        return group


@dataclass(frozen=True)
class Channel:
    """A place for messages. `seats` are the people who see it; the bot may be there or not."""

    id: str
    name: str
    seats: tuple[str, ...]
    purpose: str = ""
    has_bot: bool = True
    is_private: bool = False
    is_im: bool = False
    is_archived: bool = False
    is_ext_shared: bool = False

    def profile(self) -> Json:
        """The object that conversations.info answers."""
        info: Json = {
            "id": self.id,
            "created": 1_790_000_000,
            "is_im": self.is_im,
            "is_archived": self.is_archived,
            "is_org_shared": False,
            "context_team_id": TEAM_ID,
        }
        if self.is_im:
            return {**info, "user": self.seats[0], "is_user_deleted": False, "latest": None}
        return {
            **info,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_mpim": False,
            "is_private": self.is_private,
            "is_general": self.name == "general",
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "is_pending_ext_shared": False,
            "pending_shared": [],
            "is_member": self.has_bot,
            "creator": "U0ERIN",
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": self.purpose, "creator": "", "last_set": 0},
            "num_members": len(self.seats) + int(self.has_bot),
        }


PERSONAS = (
    Persona("erin", "U0ERIN", "Erin Ellis", "engineer", "#2f6f9f"),
    Persona("ada", "U0ADA", "Ada Archer", "approver", "#7a4fa3"),
    Persona("abe", "U0ABE", "Abe Abbott", "approver", "#a3474f"),
    Persona("vic", "U0VIC", "Vic Vance", "viewer", "#3f7d4e"),
    Persona("gus", "U0GUS", "Gus Green", "guest", "#8a6d1f", is_restricted=True),
    Persona("sam", "U0SAM", "Sam Stone", "other firm", "#5b5b66", team_id=OTHER_TEAM_ID, is_stranger=True),
    Persona("dee", "U0DEE", "Dee Dunn", "deactivated", "#9a9aa3", deleted=True),
)
GROUPS = (
    Group("S0OPERATORS", "crdb-operators", "CRDB operators", ("U0ERIN", "U0ADA")),
    # Erin may approve in principle: so it is the four-eyes rule, not her missing role, that refuses her own request.
    Group("S0APPROVERS", "crdb-approvers", "CRDB approvers", ("U0ERIN", "U0ADA", "U0ABE")),
)
# Sam and Dee sit in the channel as well, as if it had been shared, or they had left, after a card was posted: their
# clicks must be refused by the bot and not for want of a seat.
_EVERYBODY = tuple(persona.id for persona in PERSONAS)
CHANNELS = (
    Channel("C0OPS", "db-ops", _EVERYBODY, purpose="Database operations: requests, approvals, results"),
    Channel("C0GEN", "general", ("U0ERIN", "U0ADA", "U0ABE", "U0VIC"), purpose="The bot is not in here", has_bot=False),
    Channel(
        "C0SHR",
        "shared-with-acme",
        ("U0ERIN", "U0ADA", "U0SAM"),
        purpose="Another company is in here",
        is_ext_shared=True,
    ),
    Channel("C0PRV", "db-secrets", ("U0ERIN", "U0ADA"), purpose="Private, with the bot", is_private=True),
    Channel("C0HID", "board", ("U0ADA",), purpose="Private, without the bot", has_bot=False, is_private=True),
    Channel("C0OLD", "db-old", ("U0ERIN", "U0ADA"), purpose="Archived", is_archived=True),
)

BOT_PROFILE: Json = {
    "id": BOT_USER_ID,
    "team_id": TEAM_ID,
    "name": "crdb",
    "deleted": False,
    "real_name": "crdb",
    "tz": "Etc/UTC",
    "tz_offset": 0,
    "profile": {"real_name": "crdb", "display_name": "crdb", "api_app_id": APP_ID, "bot_id": BOT_ID, "team": TEAM_ID},
    "is_admin": False,
    "is_owner": False,
    "is_restricted": False,
    "is_ultra_restricted": False,
    "is_bot": True,
    "is_app_user": False,
    "updated": 1_790_000_000,
}


def direct_messages() -> tuple[Channel, ...]:
    """The conversation that each persona has with the bot."""
    return tuple(Channel("D0" + persona.id[2:], persona.key, (persona.id,), is_im=True) for persona in PERSONAS)


def find_persona(name: str) -> Persona | None:
    """By key (`erin`) or by id (`U0ERIN`)."""
    return next((persona for persona in PERSONAS if name in (persona.key, persona.id)), None)


def find_group(group_id: str) -> Group | None:
    """Find a user group by its id."""
    return next((group for group in GROUPS if group.id == group_id), None)
