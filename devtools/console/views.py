"""Views of the stand-in workspace: each person's stack of modals and App Home, with the state of their inputs.

Who may open one (trigger ids, scopes, limits) is decided in `methods_views.py` and `interactions.py`.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from devtools.console.block_ids import with_ids
from devtools.console.inputs import initial_values
from devtools.console.limits_text import Json
from devtools.console.refusal import RefusalError
from devtools.console.workspace import APP_ID, BOT_ID, TEAM_ID

# Slack shows at most three modals over each other.
STACK = 3


@dataclass
class View:
    """One view of one person: what the bot gave, and what is in its inputs."""

    id: str
    user: str
    content: Json
    hash: str
    root_id: str
    previous_id: str | None = None
    values: dict[str, Json] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Json]:
        """Its blocks, all with ids."""
        return list(self.content["blocks"])

    def to_slack(self) -> Json:
        """The view object of Slack's answers and payloads."""
        kept = {
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "title": None,
            "submit": None,
            "close": None,
        }
        flags = {"clear_on_close": False, "notify_on_close": False}
        return {
            **kept,
            **flags,
            **copy.deepcopy(self.content),
            "id": self.id,
            "team_id": TEAM_ID,
            "app_id": APP_ID,
            "app_installed_team_id": TEAM_ID,
            "bot_id": BOT_ID,
            "hash": self.hash,
            "root_view_id": self.root_id,
            "previous_view_id": self.previous_id,
            "state": {"values": copy.deepcopy(self.values)},
        }


def _new_hash() -> str:
    return f"{secrets.randbelow(10**10):010d}.{secrets.token_hex(4)}"


class Views:
    """All open modals and all App Homes."""

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}

    def stack(self, user: str) -> list[View]:
        """Open modals, the one on top last."""
        return self._stacks.get(user, [])

    def home(self, user: str) -> View | None:
        """This person's App Home, once the bot drew it."""
        return self._homes.get(user)

    def find(self, *, view_id: str | None = None, external_id: str | None = None) -> View | None:
        """Find a view by its own id or by the bot's."""
        everything = [view for stack in self._stacks.values() for view in stack] + list(self._homes.values())
        for view in everything:
            if view_id is not None and view.id == view_id:
                return view
            if external_id and view.content.get("external_id") == external_id:
                return view
        return None

    def open(self, user: str, *, content: Json) -> View:
        """Show a modal in place of whatever this person has open."""
        self._refuse_external_id(content)
        self._stacks[user] = []
        return self._put(user, content=content)

    def push(self, user: str, *, content: Json) -> View:
        """Show a modal over those that are open."""
        if len(self.stack(user)) >= STACK:
            raise RefusalError("push_limit_reached")
        self._refuse_external_id(content)
        return self._put(user, content=content)

    def update(self, view: View, *, content: Json, expected_hash: str | None = None) -> None:
        """Draw a view anew, keeping what was typed."""
        if expected_hash and expected_hash != view.hash:
            raise RefusalError("hash_conflict")
        blocks = with_ids(content["blocks"])
        fresh = initial_values(blocks)
        for block_id, entries in fresh.items():
            for action_id, entry in entries.items():
                # What was typed stays, as in Slack, where block and action keep their ids and their type.
                kept = view.values.get(block_id, {}).get(action_id)
                if kept and kept["type"] == entry["type"]:
                    entries[action_id] = kept
        view.content, view.values, view.hash = {**content, "blocks": blocks}, fresh, _new_hash()
        self._changed()

    def publish(self, user: str, *, content: Json, expected_hash: str | None = None) -> View:
        """Draw App Home, the first time or anew."""
        home = self._homes.get(user)
        if home is None:
            home = self._homes[user] = self._make(user, content=content)
            self._changed()
        else:
            self.update(home, content=content, expected_hash=expected_hash)
        return home

    def close(self, view: View) -> None:
        """Take this modal and those above it away."""
        stack = self._stacks.get(view.user, [])
        if view in stack:
            del stack[stack.index(view) :]
            self._changed()

    def clear(self, user: str) -> None:
        """Take all modals of this person away."""
        self._stacks[user] = []
        self._changed()

    def touch(self) -> None:
        """Tell the page that an input changed."""
        self._changed()

    def _refuse_external_id(self, content: Json) -> None:
        if content.get("external_id") and self.find(external_id=content["external_id"]):
            raise RefusalError("duplicate_external_id")

    def _make(self, user: str, *, content: Json) -> View:
        blocks = with_ids(content["blocks"])
        view_id = "V0" + secrets.token_hex(5).upper()
        view = View(view_id, user, {**content, "blocks": blocks}, _new_hash(), view_id)
        view.values = initial_values(blocks)
        return view

    def _put(self, user: str, *, content: Json) -> View:
        view = self._make(user, content=content)
        stack = self._stacks.setdefault(user, [])
        if stack:
            view.root_id, view.previous_id = stack[0].root_id, stack[-1].id
        stack.append(view)
        self._changed()
        return view
