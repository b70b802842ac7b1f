"""Contract of an upgrade: binaries of two releases in one cluster, the way back, and the active version that follows.

Of the stand-in alone: a real binary is one release. Rolling is done here as a person would, one node at a time.
"""

import json
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import WAITS, Node, is_standin
from tests.cockroach.standings import id_of, inject, metric, replicated, rows
from tests.eventually import eventually

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not is_standin(), reason="plays several releases, which only the stand-in can"),
]

OPTION = "cluster.preserve_downgrade_option"
OLD, PATCH, NEW = "v25.2.3", "v25.2.4", "v25.4.1"
SUM = "SELECT sum((metrics->>'ranges.underreplicated')::DECIMAL)::INT AS few FROM crdb_internal.kv_store_status"


def _made(nodes: Sequence[Node], client: Path, *, version: str = OLD) -> Sequence[Node]:
    for node in nodes:
        node.join = [other.address for other in nodes]
        node.start(version=version).until(WAITS)
    assert nodes[0].ask("init", client=client).code == 0
    for node in nodes:
        node.until("ready")
    return nodes


def _roll(node: Node, version: str) -> None:
    node.signal(signal.SIGTERM)
    assert node.wait() == 0
    node.start(version=version).until("ready")


def _only(node: Node, statement: str, client: Path) -> str:
    answer = node.sql(statement, client=client)
    assert answer.code == 0, answer.err
    return answer.out.splitlines()[1].strip('"')


def _active(node: Node, client: Path) -> str:
    return _only(node, "SHOW CLUSTER SETTING version", client)


def _becomes(node: Node, version: str, client: Path) -> list[str]:
    """The values of the active version that were seen, in order, until it is this one."""
    seen: list[str] = []

    def is_there() -> bool:
        now = _active(node, client)
        if now not in seen:
            seen.append(now)
        return now == version

    eventually(is_there)
    return seen


def test_a_guarded_upgrade_goes_forth_and_back_and_becomes_final_when_the_guard_is_gone(
    make_fast_nodes: MakeNodes, client: Path
) -> None:
    first, second, third = nodes = _made(make_fast_nodes(3), client)
    guarded = first.sql(f"SET CLUSTER SETTING {OPTION} = '25.2'", client=client)
    assert guarded.code == 0, guarded.err

    _roll(third, NEW)
    mixed = {row["address"]: row["build"] for row in rows(first, client=client).values()}
    own = [
        _only(node, "SELECT value FROM crdb_internal.node_build_info WHERE field = 'Version'", client) for node in nodes
    ]
    _roll(second, NEW)
    _roll(first, NEW)
    eventually(lambda: any(f"set-version: {OPTION} is 25.2" in node.printed() for node in nodes))
    _roll(third, OLD)
    back = _active(third, client)
    _roll(third, NEW)
    held = "".join(node.printed() for node in nodes)
    too_new = second.sql(f"SET CLUSTER SETTING {OPTION} = '25.4'", client=client)

    inject(first, finalize_seconds=2)
    assert second.sql(f"RESET CLUSTER SETTING {OPTION}", client=client).code == 0
    seen = _becomes(second, "25.4", client)
    everywhere = {_active(node, client) for node in nodes}
    for node in nodes:
        node.kill()
    refused = [(node.start(version=OLD).wait(), node.printed()) for node in nodes]

    assert mixed == {first.address: OLD, second.address: OLD, third.address: NEW}
    assert own == [OLD, OLD, NEW]
    assert back == "25.2"
    assert "stepping through" not in held
    assert too_new.code == 1
    assert too_new.err.startswith(f"ERROR: cannot set {OPTION} to 25.4 (cluster version is 25.2)\nSQLSTATE: XXUUU\n")
    assert any(value.startswith("25.2-upgrading-to-25.4-step-00") for value in seen)
    assert everywhere == {"25.4"}
    assert [code for code, _ in refused] == [1, 1, 1]
    for node, (_, printed) in zip(nodes, refused, strict=True):
        assert (
            f"cockroach version v25.2 is incompatible with data in store {node.store}; use version v25.4 or later"
            in printed
        )


def test_a_patch_changes_no_active_version_and_goes_either_way(make_fast_nodes: MakeNodes, client: Path) -> None:
    (node,) = _made(make_fast_nodes(1), client)

    _roll(node, PATCH)
    build = rows(node, client=client)[1]["build"]
    _roll(node, OLD)

    assert build == PATCH
    assert _active(node, client) == "25.2"
    assert "stepping through" not in node.printed()


def test_an_unguarded_upgrade_becomes_final_by_itself(make_fast_nodes: MakeNodes, client: Path) -> None:
    (node,) = _made(make_fast_nodes(1), client)

    _roll(node, NEW)
    seen = _becomes(node, "25.4", client)
    late = node.sql(f"SET CLUSTER SETTING {OPTION} = '25.2'", client=client)

    assert seen[-1] == "25.4"
    assert _only(node, "SELECT crdb_internal.node_executable_version()", client) == "25.4"
    assert late.code == 1
    assert f"cannot set {OPTION} to 25.2 (cluster version is 25.4)" in late.err


def test_a_node_that_is_still_decommissioning_is_in_the_way(make_fast_nodes: MakeNodes, client: Path) -> None:
    first, _second, _third, leaver = nodes = replicated(_made(make_fast_nodes(4), client))
    inject(leaver, stuck_replicas=1)
    number = str(id_of(leaver, client=client, asked=first))
    marked = first.ask("node", "decommission", number, "--wait=none", "--checks=skip", client=client)
    assert marked.code == 0, marked.err
    for node in nodes:
        node.kill()
    for node in nodes:
        node.start(version=NEW)

    why = f"set-version: n{number} is still decommissioning"
    eventually(lambda: any(why in node.printed() for node in nodes))
    held = _active(first, client)
    inject(leaver)
    done = first.ask("node", "decommission", number, client=client)

    assert done.code == 0, done.err
    assert held == "25.2"
    assert _becomes(first, "25.4", client)[-1] == "25.4"


def test_a_dead_node_is_in_the_way_and_a_decommissioned_one_is_not(make_fast_nodes: MakeNodes, client: Path) -> None:
    first, second, dead, third = nodes = replicated(_made(make_fast_nodes(4), client))
    number = id_of(dead, client=client, asked=first)
    dead.kill()
    for node in (first, second, third):
        _roll(node, NEW)

    why = f"n{number} required, but unavailable"
    eventually(lambda: any(why in node.printed() for node in nodes))
    held = _active(first, client)
    done = first.ask("node", "decommission", str(number), "--checks=skip", client=client)

    assert done.code == 0, done.err
    assert held == "25.2"
    assert _becomes(first, "25.4", client)[-1] == "25.4"


def test_a_finalization_can_be_stuck_on_its_way_and_its_data_opens_with_no_older_binary(
    make_fast_nodes: MakeNodes, client: Path
) -> None:
    (node,) = _made(make_fast_nodes(1), client)
    inject(node, finalize_seconds=2)
    _roll(node, NEW)
    eventually(lambda: "-step-" in _active(node, client))
    inject(node, finalize_stuck="job 7 is paused")
    eventually(lambda: "set-version: job 7 is paused" in node.printed())

    between = _active(node, client)
    node.kill()
    code = node.start(version=OLD).wait()
    refused = node.printed()
    node.start(version=NEW).until("ready")
    still = _active(node, client)
    inject(node)
    seen = _becomes(node, "25.4", client)

    assert code == 1
    assert "cockroach version v25.2 is incompatible with data in store" in refused
    assert still == between
    assert seen[-1] == "25.4"


def test_an_older_binary_whose_store_has_not_heard_of_it_ends_too(make_fast_nodes: MakeNodes, client: Path) -> None:
    (node,) = _made(make_fast_nodes(1), client)
    _roll(node, NEW)
    _becomes(node, "25.4", client)
    node.kill()
    path = node.store / "STANDIN-STORE.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "25.2"}))

    code = node.start(version=OLD).wait()

    assert code == 1
    assert "ERROR: binary version 25.2 less than active cluster version 25.4: incompatible versions" in node.printed()


def test_a_newer_node_that_joins_changes_nothing_and_counts_as_new(make_fast_nodes: MakeNodes, client: Path) -> None:
    first, late = make_fast_nodes(2)
    _made([first], client)
    late.join = [first.address]
    late.start(version=NEW).until("ready")
    mixed = _active(late, client)

    _roll(first, NEW)

    assert mixed == "25.2"
    assert _becomes(late, "25.4", client)[-1] == "25.4"


def test_a_release_that_skips_one_is_refused_by_the_store(make_fast_nodes: MakeNodes, client: Path) -> None:
    (node,) = _made(make_fast_nodes(1), client)
    node.kill()

    code = node.start(version="v26.2.0").wait()

    assert code == 1
    assert (
        f"store {node.store}, last used with cockroach version v25.2, is too old for running version v26.2 "
        "(which requires data from v25.4 or later)"
    ) in node.printed()


def test_the_columns_of_node_status_follow_the_release(make_fast_nodes: MakeNodes, client: Path) -> None:
    (node,) = _made(make_fast_nodes(1), client)

    older, newer = (
        node.ask("node", "status", "--format=csv", client=client, version=version).out.splitlines()[0]
        for version in (OLD, NEW)
    )

    assert "attrs" not in older
    assert ",locality,attrs,is_available" in newer


def test_ranges_need_repair_for_a_while_after_a_restart_if_asked(make_fast_nodes: MakeNodes, client: Path) -> None:
    first, second, third = nodes = replicated(_made(make_fast_nodes(3), client))
    inject(third, catch_up_seconds=600)
    _roll(third, OLD)
    number = id_of(third, client=client)

    shown = rows(first, client=client)
    counted = [metric(third, "ranges_underreplicated"), metric(first, "ranges_underreplicated")]
    summed = int(_only(second, SUM, client))
    inject(third)
    eventually(lambda: _only(second, SUM, client) == "0")

    assert {
        node: row["ranges_underreplicated"] for node, row in shown.items() if row["ranges_underreplicated"] != "0"
    } == {number: shown[number]["ranges"]}
    assert counted == [int(shown[number]["ranges"]), 0]
    assert summed == counted[0]
    assert metric(nodes[2], "ranges_underreplicated") == 0
