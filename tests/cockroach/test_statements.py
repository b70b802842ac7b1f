"""From text to what a statement asks for; what is not understood; passwords, which leave no trace."""

import json
from typing import Any

import pytest

from devtools.cockroach import passwords, sqltext, statements
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.statements import HERE, QUERY, WRITE

SECRET = "Q7gc8rEdS"


def _refusal(text: str) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        statements.parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        pytest.param("select 7;", HERE, {"kind": "integer", "value": 7}, id="integer"),
        pytest.param("SELECT -7", HERE, {"kind": "integer", "value": -7}, id="negative integer"),
        pytest.param("SELECT Version()", HERE, {"kind": "version"}, id="version"),
        pytest.param("SELECT crdb_internal.cluster_id()", HERE, {"kind": "cluster id"}, id="cluster id"),
        pytest.param(
            "SELECT * FROM Bank.Accounts",
            QUERY,
            {"kind": "rows", "database": "bank", "name": "accounts"},
            id="names are folded",
        ),
        pytest.param(
            'SELECT * FROM bank.public."Accounts"',
            QUERY,
            {"kind": "rows", "database": "bank", "name": "Accounts"},
            id="quoted names are not",
        ),
        pytest.param(
            "SELECT * FROM accounts -- all of them",
            QUERY,
            {"kind": "rows", "database": "defaultdb", "name": "accounts"},
            id="default database and comment",
        ),
        pytest.param(
            "SELECT sum((metrics->>'ranges.unavailable')::DECIMAL)::INT AS Lost, sum((metrics->>'replicas')::DECIMAL) "
            "FROM crdb_internal.kv_store_status",
            HERE,
            {"kind": "store sums", "sums": [["ranges.unavailable", "lost"], ["replicas", "sum"]]},
            id="sums over stores",
        ),
        pytest.param(
            "SELECT range_id FROM [SHOW CLUSTER RANGES] WHERE replicas @> ARRAY[4] ORDER BY range_id LIMIT 5",
            HERE,
            {"kind": "ranges of node", "node": 4, "most": 5},
            id="ranges with a replica on a node",
        ),
        pytest.param(
            "SELECT value FROM crdb_internal.node_metrics WHERE name = 'security.certificate.expiration.node'",
            HERE,
            {"kind": "node metric", "name": "security.certificate.expiration.node"},
            id="a metric of this node",
        ),
        pytest.param(
            "SELECT value FROM crdb_internal.node_build_info WHERE field = 'Version'",
            HERE,
            {"kind": "build info", "field": "Version"},
            id="this node's release",
        ),
        pytest.param(
            "SELECT * FROM crdb_internal.node_build_info", HERE, {"kind": "build info", "field": ""}, id="build info"
        ),
        pytest.param(
            "SELECT crdb_internal.node_executable_version()",
            HERE,
            {"kind": "executable version"},
            id="this node's series",
        ),
        pytest.param("SHOW ZONE CONFIGURATION FROM RANGE default", QUERY, {"kind": "zone"}, id="zone"),
        pytest.param("SHOW ZONE CONFIGURATION FOR RANGE default", QUERY, {"kind": "zone"}, id="zone before v20.2"),
        pytest.param(
            "ALTER RANGE default CONFIGURE ZONE USING num_replicas = 5",
            WRITE,
            {"kind": "zone", "copies": 5},
            id="replication factor",
        ),
        pytest.param("SHOW DATABASES", QUERY, {"kind": "databases"}, id="databases"),
        pytest.param("SHOW TABLES FROM bank", QUERY, {"kind": "tables", "database": "bank"}, id="tables"),
        pytest.param("SHOW USERS", QUERY, {"kind": "users"}, id="users"),
        pytest.param("SHOW CLUSTER SETTING version", QUERY, {"kind": "setting", "name": "version"}, id="setting"),
        pytest.param(
            "CREATE DATABASE IF NOT EXISTS bank",
            WRITE,
            {"kind": "create database", "if_not_exists": True, "name": "bank"},
            id="database if not exists",
        ),
        pytest.param(
            "CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance DECIMAL, note STRING)",
            WRITE,
            {
                "kind": "create table",
                "if_not_exists": False,
                "database": "bank",
                "name": "accounts",
                "columns": [["id", "INT8"], ["balance", "DECIMAL"], ["note", "STRING"]],
                "key": "id",
            },
            id="table",
        ),
        pytest.param(
            "INSERT INTO bank.accounts (id, note) VALUES (-1, 'it''s'), (2, NULL)",
            WRITE,
            {
                "kind": "insert",
                "database": "bank",
                "name": "accounts",
                "columns": ["id", "note"],
                "rows": [[{"number": "-1"}, {"string": "it's"}], [{"number": "2"}, {}]],
            },
            id="insert",
        ),
        pytest.param("GRANT admin TO roach", WRITE, {"kind": "grant", "role": "admin", "user": "roach"}, id="grant"),
        pytest.param(
            "SET CLUSTER SETTING a.b TO 'c'", WRITE, {"kind": "set", "name": "a.b", "value": "c"}, id="set setting"
        ),
        pytest.param(
            "RESET CLUSTER SETTING a.b", WRITE, {"kind": "set", "name": "a.b", "value": ""}, id="reset setting"
        ),
    ],
)
def test_what_a_statement_asks_for(text: str, where: str, what: dict[str, Any]) -> None:
    found = statements.parse(text)

    assert (found.where, found.what) == (where, what)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELEKT 1",
        "SELECT",
        "SELECT 1 FROM",
        "SELECT 1.5",
        "SELECT * FROM a.b.c.d",
        "SELECT * FROM bank.accounts WHERE id = 1",
        "DROP DATABASE bank",
        "CREATE TABLE t (id INT)",
        "CREATE TABLE t (id INT PRIMARY KEY, id INT)",
        "CREATE TABLE t (id UUID PRIMARY KEY)",
        "INSERT INTO t VALUES ()",
        "INSERT INTO t VALUES ('open",
        "UPDATE t SET a = 1",
        "SET CLUSTER SETTING a = 1",
    ],
)
def test_everything_else_is_a_syntax_error(text: str) -> None:
    assert _refusal(text).sqlstate == "42601"


def test_a_syntax_error_names_the_token_that_does_not_fit() -> None:
    assert _refusal("SELECT * FORM t").message == 'at or near "form": syntax error'


def test_an_endless_statement_is_refused() -> None:
    assert _refusal("SELECT " + "1" * sqltext.LIMIT).sqlstate == "54000"


def test_the_password_is_a_salted_hash_before_it_goes_anywhere() -> None:
    found = [statements.parse(f"CREATE USER roach WITH PASSWORD '{SECRET}'").what for _ in range(2)]

    assert SECRET not in json.dumps(found)
    assert found[0]["password"] != found[1]["password"], "each has its own salt"
    assert passwords.matches(SECRET, found[0]["password"])
    assert not passwords.matches(SECRET + "x", found[0]["password"])


@pytest.mark.parametrize(
    "text",
    [
        f"CREATE USER roach WITH PASSWORD '{SECRET}' VALID UNTIL 'tomorrow'",
        f"CREATE USER roach WITH PASSWORD {SECRET}",
        f"CREATE USER roach WITH PASSWORD '{SECRET}",
        f"ALTER USER roach WITH PASSWORD '{SECRET}'",
        f"create user roach with password'{SECRET}' '{SECRET}'",
    ],
)
def test_a_refused_password_is_not_repeated(text: str) -> None:
    refusal = _refusal(text)

    assert SECRET.lower() not in json.dumps(refusal.to_wire()).lower()
    assert "*****" in refusal.detail


def test_an_empty_password_is_refused() -> None:
    assert _refusal("CREATE USER roach WITH PASSWORD ''").sqlstate == "28P01"
