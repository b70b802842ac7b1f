"""Printing of rows, and reading of flags, durations and addresses."""

import pytest

from devtools.cockroach import address, flags, rows, sql
from devtools.cockroach.failure import VerbError


@pytest.mark.parametrize(
    ("form", "text"),
    [
        pytest.param("csv", 'id,note\n1,"a, ""b"""\n2,NULL\n', id="csv quotes"),
        pytest.param("tsv", 'id\tnote\n1\ta, "b"\n2\tNULL\n', id="tsv"),
        pytest.param("ndjson", '{"id": 1, "note": "a, \\"b\\""}\n{"id": 2, "note": null}\n', id="a line an object"),
    ],
)
def test_formats(form: str, text: str) -> None:
    assert rows.render(["id", "note"], [[1, 'a, "b"'], [2, None]], form=form) == text


def test_a_lone_empty_cell_is_still_a_row() -> None:
    assert rows.render(["name"], [[""]], form="csv") == 'name\n""\n'


def test_a_table_has_a_frame_numbers_to_the_right_and_counts_its_rows() -> None:
    shown = rows.render(["id", "note"], [[1, "a"], [10, None]], form="table", numeric=[0])

    assert shown.splitlines() == [
        "+----+------+",
        "| id | note |",
        "+----+------+",
        "|  1 | a    |",
        "| 10 | NULL |",
        "+----+------+",
        "(2 rows)",
    ]


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5.0), ("1m30s", 90.0), ("500ms", 0.5), ("0", 0.0)])
def test_durations(text: str, seconds: float) -> None:
    assert flags.seconds(text, flag="timeout") == seconds


@pytest.mark.parametrize("text", ["5", "fast", "5 s", "-5s"])
def test_wrong_durations_are_bad_flags(text: str) -> None:
    with pytest.raises(VerbError) as caught:
        flags.seconds(text, flag="timeout")

    assert caught.value.code == 4


def test_flags_take_their_value_in_every_way() -> None:
    known = {"host": flags.VALUE, "execute": flags.MANY, "all": flags.SWITCH}

    given = flags.parse(
        ["--host", "a", "-e", "SELECT 1, 2", "-e=SELECT 3", "--all", "--logtostderr=INFO", "7"],
        known=known,
        short={"e": "execute"},
    )

    assert given.one("host") == "a"
    assert given.each("execute") == ["SELECT 1, 2", "SELECT 3"]
    assert given.on("all")
    assert given.words == ["7"]


@pytest.mark.parametrize("args", [["--host"], ["--nonsense"], ["-x"]])
def test_wrong_flags_have_their_exit_code(args: list[str]) -> None:
    with pytest.raises(VerbError) as caught:
        flags.parse(args, known={"host": flags.VALUE})

    assert caught.value.code == 4


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("node-0.nodes", ("node-0.nodes", 26257)),
        ("node-0:26300", ("node-0", 26300)),
        (":26300", ("", 26300)),
        ("[::1]:26300", ("::1", 26300)),
        ("[::1]", ("::1", 26257)),
    ],
)
def test_addresses(text: str, parts: tuple[str, int]) -> None:
    assert address.split(text, port=26257) == parts


def test_statements_end_at_semicolons_outside_quotes() -> None:
    assert sql.split("SELECT 1; SET x = 'a;b';; ") == ["SELECT 1", "SET x = 'a;b'"]
