"""What operations do to the catalog, and which rows do not fit a table."""

from collections.abc import Sequence

import pytest

from devtools.cockroach import queries, statements
from devtools.cockroach.catalog import Catalog
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.statements import QUERY

BANK = ("CREATE DATABASE bank", "CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance DECIMAL, note STRING)")


def _given(*texts: str) -> Catalog:
    catalog = Catalog()
    for text in texts:
        catalog.apply(statements.parse(text).what)
    return catalog


def _rows(catalog: Catalog, text: str) -> list[list[object]]:
    found = statements.parse(text)
    assert found.where == QUERY
    rows: list[list[object]] = queries.answer(catalog, found.what)["rows"]
    return rows


def _refused(catalog: Catalog, text: str) -> str:
    with pytest.raises(RemoteError) as caught:
        catalog.apply(statements.parse(text).what)
    return caught.value.sqlstate


def test_rows_come_in_order_of_the_key() -> None:
    catalog = _given(
        *BANK, "INSERT INTO bank.accounts VALUES (10, 1, 'x'), (9, 2)", "INSERT INTO bank.accounts (id) VALUES (-1)"
    )

    assert _rows(catalog, "SELECT * FROM bank.accounts") == [[-1, None, None], [9, "2", None], [10, "1", "x"]]


@pytest.mark.parametrize(
    ("written", "read"),
    [("1000.50", "1000.5"), ("1000", "1000"), ("-0.0", "0"), ("1e3", "1000"), ("'7.10'", "7.1"), (".5", "0.5")],
)
def test_a_decimal_has_no_zeros_at_its_end(written: str, read: str) -> None:
    catalog = _given(*BANK, f"INSERT INTO bank.accounts VALUES (1, {written}, 'x')")

    assert _rows(catalog, "SELECT * FROM bank.accounts")[0][1] == read


@pytest.mark.parametrize(
    ("before", "text", "sqlstate"),
    [
        (BANK[:1], BANK[0], "42P04"),
        (BANK, BANK[1], "42P07"),
        ((), BANK[1], "3F000"),
        (BANK[:1], "INSERT INTO bank.accounts VALUES (1)", "42P01"),
        ((*BANK, "INSERT INTO bank.accounts VALUES (1)"), "INSERT INTO bank.accounts VALUES (1, 2)", "23505"),
        (BANK, "INSERT INTO bank.accounts VALUES (1), (1)", "23505"),
        (BANK, "INSERT INTO bank.accounts VALUES (NULL)", "23502"),
        (BANK, "INSERT INTO bank.accounts (note) VALUES ('x')", "23502"),
        (BANK, "INSERT INTO bank.accounts (id, cost) VALUES (1, 2)", "42703"),
        (BANK, "INSERT INTO bank.accounts VALUES (1, 2, 'x', 4)", "42601"),
        (BANK, "INSERT INTO bank.accounts (id, note) VALUES (1)", "42601"),
        (BANK, "INSERT INTO bank.accounts VALUES ('one')", "22P02"),
        (BANK, "INSERT INTO bank.accounts VALUES (1, 'much')", "22P02"),
        (BANK, "INSERT INTO bank.accounts VALUES (9223372036854775808)", "22003"),
        (BANK, "INSERT INTO bank.accounts VALUES (1, 2, 3)", "42804"),
        (("CREATE USER roach",), "CREATE USER roach", "42710"),
        ((), "CREATE USER root", "42710"),
        ((), "CREATE USER node", "42939"),
        ((), "GRANT admin TO nobody", "42704"),
        (("CREATE USER roach", "GRANT admin TO roach"), "GRANT roach TO admin", "0LP01"),
        ((), "SET CLUSTER SETTING no.such = 'x'", "22023"),
        ((), "SET CLUSTER SETTING version = '99.1'", "0A000"),
    ],
)
def test_refusals(before: Sequence[str], text: str, sqlstate: str) -> None:
    assert _refused(_given(*before), text) == sqlstate


def test_a_refused_insert_leaves_no_row() -> None:
    catalog = _given(*BANK)

    _refused(catalog, "INSERT INTO bank.accounts VALUES (1), (2), ('three')")

    assert _rows(catalog, "SELECT * FROM bank.accounts") == []


def test_what_exists_is_left_alone_by_if_not_exists() -> None:
    forms = ("CREATE DATABASE IF NOT EXISTS bank", "CREATE USER IF NOT EXISTS roach WITH PASSWORD 'x'")
    catalog = _given(*forms, "CREATE TABLE IF NOT EXISTS bank.t (a INT PRIMARY KEY)")
    kept = catalog.users["roach"]["password"]

    nothing_to_do = [
        catalog.change(statements.parse(text).what)[1]
        for text in (*forms, "CREATE TABLE IF NOT EXISTS bank.t (b STRING PRIMARY KEY)")
    ]

    assert nothing_to_do == [None, None, None]
    assert catalog.table("bank", "t").columns == ["a"]
    assert catalog.users["roach"]["password"] == kept


def test_databases_tables_and_users_are_listed() -> None:
    catalog = _given(*BANK, "CREATE USER roach", "GRANT admin TO roach")

    assert [row[0] for row in _rows(catalog, "SHOW DATABASES")] == ["bank", "defaultdb", "postgres", "system"]
    assert [row[1] for row in _rows(catalog, "SHOW TABLES FROM bank")] == ["accounts"]
    assert ["roach", "{}", "{admin}"] in _rows(catalog, "SHOW USERS")


def test_no_listing_shows_a_password_or_its_hash() -> None:
    catalog = _given("CREATE USER roach WITH PASSWORD 'Q7gc8rEdS'")

    shown = str(_rows(catalog, "SHOW USERS"))

    assert "Q7gc8rEdS" not in shown
    assert "SCRAM" not in shown
