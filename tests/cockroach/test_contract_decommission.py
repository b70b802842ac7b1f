"""Contract: `node decommission` and `node recommission`: checks, tables, sentences, and what becomes of a node.

Three nodes stay; a node that leaves is one that joined them. For refusals alone see
test_contract_decommission_refusals.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cockroach.nodes import FAST, Answer, Node
from tests.cockroach.standings import id_of, inject, metric, replicated, row_of, rows
from tests.eventually import eventually

pytestmark = pytest.mark.processes

COLUMNS = ["id", "is_live", "replicas", "is_decommissioning", "membership", "is_draining"]
CHECKED = [*COLUMNS, "readiness", "blocking_ranges"]
DONE = "No more data reported on target nodes. Please verify cluster health before removing the nodes.\n"


def tables(answer: Answer) -> list[list[dict[str, str]]]:
    """The csv tables that a verb printed one after another."""
    found: list[list[dict[str, str]]] = []
    head: list[str] = []
    for line in answer.out.split("\n\n")[0].splitlines():
        cells = line.split(",")
        if cells[0] == "id":
            head = cells
            found.append([])
        else:
            found[-1].append(dict(zip(head, cells, strict=True)))
    return found


@pytest.fixture(scope="module")
def spare(
    trio: Sequence[Node], tmp_path_factory: pytest.TempPathFactory, node_certs: Path, client: Path
) -> Iterator[Node]:
    """A fourth node, with its share of replicas; tests before the last leave it active."""
    node = Node(tmp_path_factory.mktemp("spare") / "node", certs=node_certs)
    node.flags = list(FAST)
    node.join = [trio[0].address]
    try:
        node.start().until("ready")
        replicated([*trio, node])
        yield node
    finally:
        node.kill()


def test_three_nodes_with_three_copies_cannot_become_two(trio: Sequence[Node], client: Path) -> None:
    number = id_of(trio[2], client=client)

    answer = trio[0].ask("node", "decommission", str(number), "--format=csv", client=client)

    ((row,),) = tables(answer)
    assert answer.code == 1
    assert list(row) == CHECKED
    assert (row["membership"], row["readiness"], row["blocking_ranges"]) == (
        "active",
        "allocation errors",
        row["replicas"],
    )
    assert "\nranges blocking decommission detected\n" in answer.err
    assert f'n{number} has {row["replicas"]} replicas blocked with error: "0 of 2 live stores' in answer.err
    assert 'ERROR: Cannot decommission nodes.\nFailed running "node decommission"\n' in answer.err
    assert row_of(trio[2], client=client, asked=trio[0])["membership"] == "active"


def test_without_checks_it_never_ends_there_and_can_be_taken_back(trio: Sequence[Node], client: Path) -> None:
    number = str(id_of(trio[2], client=client))
    leave = ("node", "decommission", number, "--checks=skip", "--wait=none", "--format=csv")

    first = trio[0].ask(*leave, client=client)
    again = trio[0].ask(*leave, client=client)
    shown = row_of(trio[2], client=client, asked=trio[1])
    readiness = trio[2].readiness()
    back = trio[2].ask("node", "recommission", "--self", "--format=csv", client=client)

    ((row,),) = tables(first)
    assert (first.code, list(row)) == (0, COLUMNS)
    assert (row["is_decommissioning"], row["membership"]) == ("true", "decommissioning")
    assert DONE not in again.out
    assert f"warning: node {number} is already decommissioning or decommissioned\n" in again.err
    assert (shown["membership"], shown["is_decommissioning"], shown["is_live"]) == ("decommissioning", "true", "true")
    assert readiness == "node is shutting down"
    ((row,),) = tables(back)
    assert (back.code, list(row), row["membership"]) == (0, COLUMNS, "active")
    trio[2].until("ready")


def test_before_checks_were_invented_three_nodes_go_on_trying(
    trio: Sequence[Node], client: Path, standin: None
) -> None:
    number = str(id_of(trio[2], client=client))

    hung = trio[0].ask("node", "decommission", number, "--timeout=5s", "--wait=none", client=client, version="v20.1.17")
    no_flag = trio[0].ask("node", "decommission", number, "--dry-run", client=client, version="v22.2.9")
    back = trio[0].ask("node", "recommission", number, "--format=csv", client=client)

    assert hung.code == 0
    assert hung.out.splitlines()[0].split("\t") == [name for name in COLUMNS if name != "membership"]
    assert (no_flag.code, "unknown flag: --dry-run" in no_flag.err) == (4, True)
    assert back.code == 0


def test_a_dry_run_says_ready_and_changes_nothing(trio: Sequence[Node], spare: Node, client: Path) -> None:
    number = str(id_of(spare, client=client))

    answer = trio[0].ask("node", "decommission", number, "--dry-run", "--format=csv", client=client)

    ((row,),) = tables(answer)
    assert (answer.code, list(row)) == (0, CHECKED)
    assert (row["id"], row["readiness"], row["blocking_ranges"], row["membership"]) == (number, "ready", "0", "active")
    assert DONE not in answer.out
    assert row_of(spare, client=client, asked=trio[0])["membership"] == "active"


def test_two_of_four_are_refused_together_and_neither_is_touched(
    trio: Sequence[Node], spare: Node, client: Path
) -> None:
    ids = [str(id_of(node, client=client)) for node in (trio[2], spare)]

    answer = trio[0].ask("node", "decommission", *ids, "--format=csv", client=client)

    (table,) = tables(answer)
    assert answer.code == 1
    assert [row["id"] for row in table] == ids
    assert {row["membership"] for row in table} == {"active"}
    assert {row["membership"] for row in rows(trio[0], client=client).values()} == {"active"}


def test_replicas_leave_at_the_rate_of_the_faults_and_stuck_ones_do_not(
    trio: Sequence[Node], spare: Node, client: Path, standin: None
) -> None:
    number = str(id_of(spare, client=client))
    leave = ("node", "decommission", number, "--wait=none", "--format=csv")
    eventually(lambda: metric(spare, "replicas") >= 69 * 3 // 4)  # its whole share: none is still on its way to it
    counts = [metric(spare, "replicas")]

    def is_stuck() -> bool:
        counts.append(metric(spare, "replicas"))
        return counts[-1] == 3

    for node in (*trio, spare):
        inject(node, moves_per_second=8, stuck_replicas=3)
    marked = trio[0].ask(*leave, client=client)
    eventually(is_stuck, seconds=30)
    again = trio[0].ask(*leave, client=client)
    back = trio[0].ask("node", "recommission", number, client=client)
    for node in (*trio, spare):
        inject(node)

    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) > 3
    assert (marked.code, back.code) == (0, 0)
    assert tables(again)[0][0]["replicas"] == "3"
    assert DONE not in again.out
    replicated([*trio, spare])
    eventually(lambda: metric(spare, "replicas") > 40)


@dataclass(frozen=True)
class Gone:
    """A node that was decommissioned, and what its leaving printed."""

    node: Node
    id: int
    left: Answer


@pytest.fixture(scope="module")
def gone(trio: Sequence[Node], spare: Node, client: Path) -> Gone:
    """The spare, decommissioned; its process still runs. From here on the file has no spare."""
    number = id_of(spare, client=client)
    for node in trio:
        inject(node, moves_per_second=20)
    answer = trio[1].ask("node", "decommission", str(number), "--format=csv", client=client)
    for node in trio:
        inject(node)
    return Gone(spare, number, answer)


def test_a_node_leaves_with_a_table_for_each_change_and_a_closing_sentence(gone: Gone) -> None:
    assert gone.left.code == 0, gone.left.err
    changes = [row for (row,) in tables(gone.left)]
    assert [list(row) for row in changes] == [CHECKED] * len(changes)
    assert int(changes[0]["replicas"]) > int(changes[-1]["replicas"]) == 0
    assert changes[-1]["membership"] == "decommissioning", "the last table is not yet told"
    assert gone.left.out.endswith(f"\n\n{DONE}")
    assert f"draining node n{gone.id}\n" in gone.left.err
    assert f"node n{gone.id} drained successfully\n" in gone.left.err


def test_only_a_later_status_says_decommissioned_with_nulls(trio: Sequence[Node], gone: Gone, client: Path) -> None:
    for node in trio:
        row = rows(node, client=client)[gone.id]
        assert (row["membership"], row["is_decommissioning"]) == ("decommissioned", "true")
    eventually(lambda: rows(trio[0], client=client)[gone.id]["is_live"] == "false")

    shown = rows(trio[0], client=client)

    assert (shown[gone.id]["address"], shown[gone.id]["build"], shown[gone.id]["ranges"]) == ("NULL", "NULL", "NULL")
    assert {shown[number]["membership"] for number in shown if number != gone.id} == {"active"}
    assert gone.id not in rows(trio[0], client=client, flags=["--ranges"])
    assert trio[0].ask("node", "ls", "--format=csv", client=client).out.split() == [
        "id", *(str(number) for number in sorted(shown) if number != gone.id)
    ]  # fmt: skip


def test_the_others_refuse_its_process_and_it_refuses_clients(gone: Gone, client: Path, standin: None) -> None:
    sentence = f"n{gone.id} was permanently removed from the cluster at "
    gone.node.printed_when(sentence)

    answers = [gone.node.ask(*verb, client=client) for verb in (("node", "ls"), ("sql", "-e", "SELECT 1"))]

    assert [answer.code for answer in answers] == [1, 1]
    assert all(f"code = PermissionDenied desc = {sentence}" in answer.err for answer in answers)
    assert gone.node.readiness() == "node is shutting down"
    assert gone.node.get("/health").status == 200


def test_it_cannot_be_recommissioned_and_leaving_again_changes_nothing(
    trio: Sequence[Node], gone: Gone, client: Path
) -> None:
    eventually(lambda: rows(trio[0], client=client)[gone.id]["is_live"] == "false")

    back = trio[0].ask("node", "recommission", str(gone.id), client=client)
    again = trio[0].ask("node", "decommission", str(gone.id), "--format=csv", client=client)

    assert back.code == 1
    assert f"ERROR: can only recommission a decommissioning node; n{gone.id} found to be decommissioned\n" in back.err
    assert again.code == 0
    assert again.out.endswith(DONE)
    assert f"skipping drain step for node n{gone.id}; it is not live\n" in again.err


def test_its_store_may_not_come_back_and_a_new_one_gets_a_new_id(
    trio: Sequence[Node], gone: Gone, client: Path, tmp_path: Path
) -> None:
    gone.node.kill()
    refused = gone.node.start().wait()
    (gone.node.store / "STANDIN-JOURNAL.jsonl").unlink(missing_ok=True)  # only the others know now
    refused_by_others = gone.node.start().wait()
    gone.node.store = tmp_path / "fresh"
    gone.node.start().until("ready")

    fresh = id_of(gone.node, client=client)
    left = trio[0].ask("node", "decommission", str(fresh), client=client)

    assert (refused, refused_by_others) == (1, 1)
    assert "it is not allowed to rejoin the cluster\nFailed running" in gone.node.printed()
    assert fresh > gone.id
    assert left.code == 0
