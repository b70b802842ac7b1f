"""Answers of the statements that read what nodes agree on: settings, the default zone, databases, tables, users, rows.

Not here: changing it (catalog.py), printing (rows.py), the state of the nodes themselves (status.py).
"""

from typing import Any

from devtools.cockroach import tables
from devtools.cockroach.catalog import Answer, Catalog
from devtools.cockroach.failure import RemoteError


def answer(catalog: Catalog, query: dict[str, Any]) -> Answer:
    """Answer one query.

    Raises:
        RemoteError: as the vendor words it.
    """
    kind = query["kind"]
    if kind == "setting":
        return _setting(catalog, query["name"])
    if kind == "zone":
        return _zone(catalog)
    if kind == "databases":
        return _databases(catalog)
    if kind == "tables":
        return _tables(catalog, query["database"])
    if kind == "users":
        return _users(catalog)
    table = catalog.table(query["database"], query["name"])
    return rows(list(table.columns), table.rows, numeric=tables.numeric_columns(table))


def rows(columns: list[str], found: list[list[Any]], *, numeric: list[int] | None = None) -> Answer:
    """An answer with rows."""
    return {"columns": columns, "rows": found, "tag": f"SELECT {len(found)}", "numeric": numeric or []}


def _setting(catalog: Catalog, name: str) -> Answer:
    if name not in catalog.settings:
        raise RemoteError(f'unknown cluster setting "{name}"', sqlstate="22023")
    return rows([name], [[catalog.settings[name]]])


def _zone(catalog: Catalog) -> Answer:
    lines = [
        "ALTER RANGE default CONFIGURE ZONE USING",
        "range_min_bytes = 134217728,",
        "range_max_bytes = 536870912,",
        "gc.ttlseconds = 14400,",
        f"num_replicas = {catalog.copies},",
        "constraints = '[]',",
        "lease_preferences = '[]'",
    ]
    return rows(["target", "raw_config_sql"], [["RANGE default", "\n\t".join(lines)]])


def _databases(catalog: Catalog) -> Answer:
    columns = ["database_name", "owner", "primary_region", "secondary_region", "regions", "survival_goal"]
    owners = {name: "node" if name == "system" else "root" for name in sorted(catalog.databases)}
    return rows(columns, [[name, owner, None, None, "{}", None] for name, owner in owners.items()])


def _tables(catalog: Catalog, database: str) -> Answer:
    held = catalog.databases.get(database)
    if held is None:
        raise RemoteError("target database or schema does not exist", sqlstate="3F000")
    columns = ["schema_name", "table_name", "type", "owner", "estimated_row_count", "locality"]
    found = [["public", name, "table", "root", len(held[name]), None] for name in sorted(held)]
    return rows(columns, found, numeric=[4])


def _users(catalog: Catalog) -> Answer:
    found = [
        [name, "{NOLOGIN}" if name == "admin" else "{}", "{" + ",".join(facts["member_of"]) + "}"]
        for name, facts in sorted(catalog.users.items())
    ]
    return rows(["username", "options", "member_of"], found)
