"""Contract: what `node decommission`, `recommission` and `drain` refuse or warn of; the cluster stays as it is."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cockroach.conftest import MakeNodes
from tests.cockroach.nodes import Node, started

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("verb", "code", "sentence"),
    [
        pytest.param(["decommission"], 1, "ERROR: no node ID specified", id="no id"),
        pytest.param(["recommission"], 1, "ERROR: no node ID specified; use --self", id="no id to take back"),
        pytest.param(["decommission", "two"], 1, "unable to parse two", id="no number"),
        pytest.param(["decommission", "--self", "2"], 1, "cannot use --self with an explicit list", id="self and ids"),
        pytest.param(["drain", "--self", "2"], 1, "cannot use --self with an explicit node ID", id="drain self and id"),
        pytest.param(["decommission", "2", "--wait=live"], 4, 'invalid argument "live" for "--wait"', id="wait"),
        pytest.param(["decommission", "2", "--checks=no"], 4, 'invalid argument "no" for "--checks"', id="checks"),
        pytest.param(["drain", "2", "--drain-wait=soon"], 4, 'invalid argument "soon"', id="drain wait"),
        pytest.param(["decommission", "2", "--force"], 4, "unknown flag: --force", id="unknown flag"),
        pytest.param(["retire", "2"], 1, 'unknown command "retire" for "cockroach node"', id="unknown verb"),
    ],
)
def test_wrong_arguments_are_refused(
    cluster: Sequence[Node], client: Path, verb: list[str], code: int, sentence: str
) -> None:
    answer = cluster[0].ask("node", *verb, client=client)

    assert answer.code == code
    assert sentence in answer.err


@pytest.mark.parametrize("verb", ["decommission", "recommission"])
def test_an_unknown_id_is_warned_of_and_refused_with_all_others(
    cluster: Sequence[Node], client: Path, verb: str
) -> None:
    answer = cluster[0].ask("node", verb, "2", "77", client=client)

    assert answer.code == 1
    assert "warning: cannot find status of node 77\n" in answer.err
    assert f'ERROR: node does not exist\nFailed running "node {verb}"\n' in answer.err
    rows = cluster[0].ask("node", "status", "--decommission", "--format=csv", client=client).table()
    assert {row["membership"] for row in rows} == {"active"}


def test_an_active_node_is_not_recommissioned_but_that_is_no_error(cluster: Sequence[Node], client: Path) -> None:
    answer = cluster[0].ask("node", "recommission", "2", "--format=csv", client=client)

    assert answer.code == 0
    assert "warning: node 2 is not decommissioned\n" in answer.err
    assert answer.out.splitlines()[1].split(",")[3:5] == ["false", "active"]


def test_an_uninitialized_node_takes_none_of_it(make_nodes: MakeNodes, client: Path) -> None:
    (node,) = started(make_nodes(1))

    leave, drain = (node.ask("node", verb, "1", client=client) for verb in ("decommission", "drain"))

    assert (leave.code, drain.code) == (1, 1)
    assert "node waiting for init" in leave.err
    assert "ERROR: node cannot be drained before it has been initialized" in drain.err
