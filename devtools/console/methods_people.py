"""auth.test, users.info and usergroups.*: who the bot is, who a person is, who is in a group.

The people themselves are constants in `workspace.py`.
"""

from __future__ import annotations

from devtools.console.limits_text import Json
from devtools.console.methods import Method
from devtools.console.refusal import RefusalError
from devtools.console.workspace import (
    BOT_ID,
    BOT_PROFILE,
    BOT_USER_ID,
    GROUPS,
    TEAM_ID,
    TEAM_NAME,
    find_group,
    find_persona,
)
from devtools.console.world import World


def auth_test(world: World, args: Json) -> Json:
    """auth.test."""
    return {
        "ok": True,
        "url": world.base_url + "/",
        "team": TEAM_NAME,
        "user": "crdb",
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def users_info(world: World, args: Json) -> Json:
    """users.info."""
    if args["user"] == BOT_USER_ID:
        return {"ok": True, "user": BOT_PROFILE}
    # By id alone: Slack takes no names.
    persona = find_persona(args["user"]) if args["user"].startswith("U") else None
    if persona is None:
        raise RefusalError("user_not_found")
    return {"ok": True, "user": persona.profile()}


def usergroups_list(world: World, args: Json) -> Json:
    """usergroups.list."""
    users, count = bool(args.get("include_users")), bool(args.get("include_count"))
    return {"ok": True, "usergroups": [group.profile(include_users=users, include_count=count) for group in GROUPS]}


def usergroups_users_list(world: World, args: Json) -> Json:
    """usergroups.users.list."""
    group = find_group(args["usergroup"])
    if group is None:
        raise RefusalError("no_such_subteam")
    return {"ok": True, "users": list(group.members)}


METHODS = (
    Method("auth.test", auth_test, {}, {}, per_minute=600),
    Method(
        "users.info",
        users_info,
        {"user": "text"},
        {"include_locale": "flag"},
        ("users:read",),
        per_minute=100,
    ),
    Method(
        "usergroups.list",
        usergroups_list,
        {},
        {"include_users": "flag", "include_count": "flag", "include_disabled": "flag"},
        ("usergroups:read",),
        per_minute=20,
    ),
    Method(
        "usergroups.users.list",
        usergroups_users_list,
        {"usergroup": "text"},
        {"include_disabled": "flag"},
        ("usergroups:read",),
        per_minute=20,
    ),
)
