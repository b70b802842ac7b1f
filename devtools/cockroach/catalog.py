"""What the journal's entries add up to: cluster settings, databases, tables with their rows, users.

Pure state. `change` says what an operation would do, without doing it, or refuses it as the vendor does; `apply` does
it. The same operations in the same order give the same catalog on every node. Not here: which nodes there are
(roster.py), what a statement means (statements.py), reading (queries.py).
"""

from collections.abc import Callable
from typing import Any

from devtools.cockroach import settings
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.settings import VERSION
from devtools.cockroach.tables import Table

Operation = dict[str, Any]
Answer = dict[str, Any]
#: What is answered, and what is to be done for it; None when there is nothing to do.
Change = tuple[Answer, Callable[[], None] | None]

UPGRADE = "upgrade"  # the operation that gives the active version a value; no statement does
_BUILT_IN = ("defaultdb", "postgres", "system")
_ADMIN = "admin"


def tag(text: str) -> Answer:
    """The answer of a statement without rows."""
    return {"columns": [], "rows": [], "tag": text}


class Catalog:
    """The state that all nodes agree on."""

    def __init__(self) -> None:
        self.settings = dict(settings.DEFAULTS)
        self.copies = 3  # num_replicas of RANGE default
        self.databases: dict[str, dict[str, Table]] = {name: {} for name in _BUILT_IN}
        self.users: dict[str, dict[str, Any]] = {
            _ADMIN: {"password": "", "member_of": []},
            "root": {"password": "", "member_of": [_ADMIN]},
        }
        self._changes: dict[str, Callable[[Operation], Change]] = {
            UPGRADE: self._upgrade,
            "set": self._set,
            "zone": self._zone,
            "create database": self._create_database,
            "create table": self._create_table,
            "insert": self._insert,
            "create user": self._create_user,
            "grant": self._grant,
        }

    def knows(self, operation: Operation) -> bool:
        """Whether an operation is for the catalog."""
        return operation["kind"] in self._changes

    def change(self, operation: Operation) -> Change:
        """What an operation would do now.

        Raises:
            RemoteError: as the vendor words it.
        """
        return self._changes[operation["kind"]](operation)

    def apply(self, operation: Operation) -> Answer:
        """Do an operation."""
        answer, act = self.change(operation)
        if act is not None:
            act()
        return answer

    def table(self, database: str, name: str) -> Table:
        """A table by name."""
        found = self.databases.get(database, {}).get(name)
        if found is None:
            raise RemoteError(f'relation "{database}.{name}" does not exist', sqlstate="42P01")
        return found

    # --- changes

    def _upgrade(self, operation: Operation) -> Change:
        return tag(""), lambda: self.settings.update({VERSION: operation["value"]})

    def _set(self, operation: Operation) -> Change:
        name = operation["name"]
        value = settings.read(name, operation["value"], active=self.settings[VERSION])
        return tag("SET CLUSTER SETTING"), lambda: self.settings.update({name: value})

    def _zone(self, operation: Operation) -> Change:
        copies = int(operation["copies"])
        if copies < 1:
            raise RemoteError("could not validate zone config: at least one replica is required", sqlstate="23514")
        if copies == 2:
            raise RemoteError(
                "could not validate zone config: at least 3 replicas are required for multi-replica configurations",
                sqlstate="23514",
            )
        return tag("CONFIGURE ZONE 1"), lambda: setattr(self, "copies", copies)

    def _create_database(self, operation: Operation) -> Change:
        name, done = operation["name"], tag("CREATE DATABASE")
        if name not in self.databases:
            return done, lambda: self.databases.update({name: {}})
        if not operation["if_not_exists"]:
            raise RemoteError(f'database "{name}" already exists', sqlstate="42P04")
        return done, None

    def _create_table(self, operation: Operation) -> Change:
        database, name, done = operation["database"], operation["name"], tag("CREATE TABLE")
        tables = self.databases.get(database)
        if tables is None:
            raise RemoteError(
                f'cannot create "{database}.{name}" because the target database or schema does not exist',
                sqlstate="3F000",
                hint=f"verify that the current database and search_path are valid and/or the target database exists: "
                f"CREATE DATABASE {database}",
            )
        if name not in tables:
            fresh = Table(name, columns=operation["columns"], key=operation["key"])
            return done, lambda: tables.update({name: fresh})
        if not operation["if_not_exists"]:
            raise RemoteError(f'relation "{database}.public.{name}" already exists', sqlstate="42P07")
        return done, None

    def _insert(self, operation: Operation) -> Change:
        table = self.table(operation["database"], operation["name"])
        rows = table.fitting(operation["columns"], operation["rows"])
        return tag(f"INSERT 0 {len(rows)}"), lambda: table.add(rows)

    def _create_user(self, operation: Operation) -> Change:
        name, done = operation["name"], tag("CREATE ROLE")
        if name in ("node", "public", "none"):
            raise RemoteError(f'role name "{name}" is reserved', sqlstate="42939")
        if name not in self.users:
            fresh = {"password": operation["password"], "member_of": []}
            return done, lambda: self.users.update({name: fresh})
        if not operation["if_not_exists"]:
            raise RemoteError(f"a role/user named {name} already exists", sqlstate="42710")
        return done, None

    def _grant(self, operation: Operation) -> Change:
        role, user, done = operation["role"], operation["user"], tag("GRANT")
        for name in (role, user):
            if name not in self.users:
                raise RemoteError(f"role/user {name} does not exist", sqlstate="42704")
        if role == user:
            raise RemoteError(f"{role} cannot be a member of itself", sqlstate="0LP01")
        held: list[str] = self.users[user]["member_of"]
        if role in held:
            return done, None
        if self._holds(role, user):
            raise RemoteError(f"making {user} a member of {role} would create a cycle", sqlstate="0LP01")
        return done, lambda: held.append(role)

    def _holds(self, user: str, role: str) -> bool:
        """Whether a user is a member of a role, also by way of others."""
        held: list[str] = self.users[user]["member_of"]
        return role in held or any(self._holds(other, role) for other in held)
