"""The loop of `node decommission` over answers written down: rounds, dots, a stall, and what goes to which stream."""

from typing import Any

import pytest

from devtools.cockroach import wire
from devtools.cockroach.decommission import Leaving
from devtools.cockroach.failure import RemoteError, VerbError


def _stands(node: int, *, replicas: int, membership: str = "decommissioning", is_live: bool = True) -> dict[str, Any]:
    return {
        "id": node,
        "is_live": is_live,
        "replicas": replicas,
        "membership": membership,
        "is_draining": False,
        "reported": [[5, number] for number in range(1, min(replicas, 5) + 1)],
    }


class Cluster:
    """Answers round after round; the last answer again and again."""

    def __init__(self, *rounds: list[dict[str, Any]], local: int = 1) -> None:
        self.rounds = list(rounds)
        self.local = local
        self.pauses: list[float] = []
        self.asked: list[tuple[str, str]] = []

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        self.asked.append((method, str(params.get("to", ""))))
        if method == wire.DRAIN:
            return {"remaining": 0}
        status = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        if not params.get("report"):
            status = [{**facts, "reported": []} for facts in status]
        return {"status": status, "local": self.local, "nodes": {}}

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) > 40:
            raise TimeoutError

    def leaving(self, *nodes: int) -> Leaving:
        return Leaving(self.ask, list(nodes), form="csv", checks="skip", pause=self.pause)


def test_it_prints_each_change_and_a_dot_for_none(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster(
        [_stands(4, replicas=9)], [_stands(4, replicas=9)], [_stands(4, replicas=2)], [_stands(4, replicas=0)]
    )

    cluster.leaving(4).follow(is_once=False)

    printed = capsys.readouterr()
    assert [line for line in printed.out.splitlines() if line.startswith("4,")] == [
        "4,true,9,true,decommissioning,false",
        "4,true,2,true,decommissioning,false",
        "4,true,0,true,decommissioning,false",
    ]
    assert printed.out.endswith(
        "\n\nNo more data reported on target nodes. Please verify cluster health before removing the nodes.\n"
    )
    assert "." in printed.err
    assert "draining node n4\n" in printed.err
    assert "node n4 drained successfully\n" in printed.err
    assert cluster.asked[-2:] == [(wire.DRAIN, ""), (wire.DECOMMISSION, "decommissioned")]


def test_a_stall_names_up_to_five_replicas_after_fifteen_equal_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster([_stands(4, replicas=7)])

    with pytest.raises(TimeoutError):
        cluster.leaving(4).follow(is_once=False)

    err = capsys.readouterr().err
    before, _, after = err.partition("possible decommission stall detected\n")
    assert before.count(".") == 16
    assert after.splitlines()[:5] == [f"n4 still has replica id 5 for range r{number}" for number in range(1, 6)]
    assert max(cluster.pauses) == 20.0


def test_one_round_is_enough_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster([_stands(4, replicas=7), _stands(5, replicas=3)])

    cluster.leaving(4, 5).follow(is_once=True)

    assert "No more data" not in capsys.readouterr().out
    assert cluster.asked == [(wire.DECOMMISSION, "decommissioning")]


def test_one_round_finishes_too_when_nothing_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster([_stands(4, replicas=0)])

    cluster.leaving(4).follow(is_once=True)

    assert "No more data" in capsys.readouterr().out


def test_the_node_that_answers_and_a_dead_one_are_not_drained(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster([_stands(4, replicas=0), _stands(5, replicas=0, is_live=False)], local=4)

    cluster.leaving(4, 5).follow(is_once=False)

    err = capsys.readouterr().err
    assert "skipping drain step for node n4; it is decommissioning and serving the request\n" in err
    assert "skipping drain step for node n5; it is not live\n" in err
    assert wire.DRAIN not in [method for method, _ in cluster.asked]


def test_a_failed_drain_does_not_stop_it(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster([_stands(4, replicas=0)])

    def ask(method: str, params: dict[str, Any]) -> Any:
        if method == wire.DRAIN:
            raise RemoteError("connection refused", code="Unavailable")
        return cluster.ask(method, params)

    Leaving(ask, [4], form="csv", checks="skip", pause=cluster.pause).follow(is_once=False)

    assert "drain step for node n4 failed; decommissioning anyway\n" in capsys.readouterr().err


def test_more_than_five_blocking_errors_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    errors = {f"error {number}": 1 for number in range(7)}
    checked = {"nodes": [{"id": 4, "readiness": "allocation errors", "errors": errors}]}
    cluster = Cluster([_stands(4, replicas=7, membership="active")])

    def ask(method: str, params: dict[str, Any]) -> Any:
        return checked if method == wire.DECOMMISSION_CHECK else cluster.ask(method, params)

    with pytest.raises(VerbError, match=r"Cannot decommission nodes\."):
        Leaving(ask, [4], form="csv", checks="enabled").check(is_dry=False)

    err = capsys.readouterr().err
    assert err.count("replicas blocked with error") == 5
    assert "...more blocking errors detected.\n" in err
