"""Contract: what was acknowledged survives restarts and the loss of a node; without a majority nothing is written."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import Node, initialized
from tests.eventually import eventually

pytestmark = pytest.mark.processes

TABLE = ("CREATE DATABASE bank", "CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance DECIMAL)")


def _insert(node: Node, number: int, client: Path) -> None:
    answer = node.sql(f"INSERT INTO bank.accounts VALUES ({number}, {number}.5)", client=client)
    assert answer.code == 0, answer.err


def _ids(node: Node, client: Path) -> list[str]:
    return [row["id"] for row in node.sql("SELECT * FROM bank.accounts", client=client).table()]


def _is_up_to_date(node: Node, like: Node) -> bool:
    """Whether a node's own disk holds what another's does; of the stand-in alone."""
    journals = [(one.store / "STANDIN-JOURNAL.jsonl").read_bytes() for one in (node, like)]
    return journals[0] == journals[1]


def test_rows_outlive_the_loss_of_the_writer_of_a_majority_and_of_all(
    make_fast_nodes: MakeNodes, client: Path, standin: None
) -> None:
    first, second, third = nodes = initialized(make_fast_nodes(3), client=client)
    made = third.sql(*TABLE, client=client)
    assert made.code == 0, made.err
    _insert(second, 1, client)

    first.kill()  # the lowest id, which writes
    _insert(third, 2, client)
    seen_by_two = _ids(second, client)

    second.kill()
    hung = third.sql("INSERT INTO bank.accounts VALUES (3, 3)", client=client, flags=["--timeout=1s"])
    with pytest.raises(subprocess.TimeoutExpired):
        third.ask("sql", "-e", "SELECT * FROM bank.accounts", client=client, seconds=0.7)

    first.start()  # it missed the second row, and the term of whoever wrote that
    after_heal = eventually(lambda: _ids(first.until("ready"), client))
    eventually(lambda: _is_up_to_date(first, like=third))
    second.start().until("ready")
    _insert(first, 4, client)

    for node in nodes:
        node.kill()
    for node in nodes:
        node.start()
    for node in nodes:
        node.until("ready")

    assert seen_by_two == ["1", "2"]
    assert (hung.code, "SQLSTATE: 57014" in hung.err) == (1, True)
    assert after_heal == ["1", "2"]
    assert [_ids(node, client) for node in nodes] == [["1", "2", "4"]] * 3
    eventually(lambda: _is_up_to_date(second, like=first) and _is_up_to_date(third, like=first))


def test_nodes_that_join_at_once_by_different_nodes_are_given_different_ids(
    make_fast_nodes: MakeNodes, client: Path
) -> None:
    first, second, *late = make_fast_nodes(5)
    initialized([first, second], client=client)
    for node, by in zip(late, (first, second, second), strict=True):
        node.join = [by.address]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Node.start, late))
        list(pool.map(lambda node: node.until("ready"), late))

    rows = second.ask("node", "status", "--format=csv", client=client).table()

    assert {row["address"] for row in rows} == {node.address for node in (first, second, *late)}
    assert [row["id"] for row in rows] == ["1", "2", "3", "4", "5"]
