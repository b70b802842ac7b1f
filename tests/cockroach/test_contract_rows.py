"""Contract: the documented procedure's own session: a database, a table, a row, a user with a password."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cockroach.nodes import Node

pytestmark = pytest.mark.processes

ACCOUNTS = "CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance DECIMAL)"
SECRET = "Q7gc8rEdS"


@pytest.fixture(scope="module")
def bank(cluster: Sequence[Node], client: Path) -> Sequence[Node]:
    """The shared cluster with the procedure's table, each statement by another node."""
    statements = ("CREATE DATABASE bank", ACCOUNTS, "INSERT INTO bank.accounts VALUES (1, 1000.50)")
    answers = [node.sql(text, client=client) for node, text in zip(cluster, statements, strict=True)]
    assert [answer.out for answer in answers] == ["CREATE DATABASE\n", "CREATE TABLE\n", "INSERT 0 1\n"]
    return cluster


def test_the_row_is_shown_as_the_procedure_shows_it(bank: Sequence[Node], client: Path, standin: None) -> None:
    answers = [node.sql("SELECT * FROM bank.accounts", client=client, form="table") for node in bank]

    assert {answer.out for answer in answers} == {
        "+----+---------+\n"
        "| id | balance |\n"
        "+----+---------+\n"
        "|  1 |  1000.5 |\n"
        "+----+---------+\n"
        "(1 row)\n"
    }  # fmt: skip


def test_what_there_is_is_listed(bank: Sequence[Node], client: Path) -> None:
    databases = bank[2].sql("SHOW DATABASES", client=client).table()
    tables = bank[1].sql("SHOW TABLES FROM bank", client=client).table()

    assert "bank" in [row["database_name"] for row in databases]
    assert [row["table_name"] for row in tables] == ["accounts"]


def test_a_table_is_found_in_the_database_given_by_flag(bank: Sequence[Node], client: Path) -> None:
    answer = bank[0].sql("SELECT * FROM accounts", client=client, flags=["--database=bank"])

    assert answer.table()[0]["id"] == "1"


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        pytest.param("INSERT INTO bank.accounts VALUES (1, 7)", "23505", id="duplicate key"),
        pytest.param("SELECT * FROM bank.nothing", "42P01", id="unknown table"),
        pytest.param("CREATE DATABASE bank", "42P04", id="duplicate database"),
        pytest.param(ACCOUNTS, "42P07", id="duplicate table"),
        pytest.param("UPSERT INTO bank.accounts VALUEZ (1, 7)", "42601", id="not understood"),
    ],
)
def test_a_refusal_has_its_sqlstate(bank: Sequence[Node], client: Path, text: str, sqlstate: str) -> None:
    answer = bank[1].sql(text, client=client)

    assert answer.code == 1
    assert f"SQLSTATE: {sqlstate}\n" in answer.err
    assert answer.err.endswith('Failed running "sql"\n')


def test_what_exists_already_is_no_error_when_so_asked(bank: Sequence[Node], client: Path) -> None:
    answer = bank[0].sql(
        "CREATE DATABASE IF NOT EXISTS bank",
        ACCOUNTS.replace("TABLE", "TABLE IF NOT EXISTS"),
        "SELECT * FROM bank.accounts",
        client=client,
    )

    assert answer.code == 0, answer.err
    assert "1,1000.5" in answer.out


def test_a_user_is_made_and_the_password_is_nowhere_in_clear(bank: Sequence[Node], client: Path) -> None:
    made = bank[1].sql(f"CREATE USER roach WITH PASSWORD '{SECRET}'", client=client)
    granted = bank[2].sql("GRANT admin TO roach", client=client)
    again = bank[0].sql(f"CREATE USER roach WITH PASSWORD '{SECRET}'", client=client)
    wrong = bank[0].sql(f"CREATE USER other WITH PASSWORD '{SECRET}' FOR EVER", client=client)
    users = {row["username"]: row["member_of"] for row in bank[0].sql("SHOW USERS", client=client).table()}

    assert (made.out, granted.out) == ("CREATE ROLE\n", "GRANT\n")
    assert (again.code, wrong.code) == (1, 1)
    assert users["roach"] == "{admin}"
    written = [path.read_text() for node in bank for path in node.home.rglob("*") if path.is_file()]
    assert any("SCRAM-SHA-256$" in text for text in written)
    assert not any(SECRET in text for text in (*written, again.err, wrong.err))
