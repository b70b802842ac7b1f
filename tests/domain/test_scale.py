"""Plans of a scale and every reason against one."""

from __future__ import annotations

from typing import Any

import pytest

from domain.health import NodeStatus
from domain.model import ClusterSpec
from domain.preflight import LiveSet
from domain.scale import ScaleFacts, ScaleStep, Volume, is_toward, may_shrink, sentence, steps
from domain.scale_refusals import number_reasons, plan_scale

SPEC = ClusterSpec(
    nodes=3, version="v25.2.3", storage="1Gi", storage_class="fast", database_image="db", agent_image="a",
    cpu="1", memory="1Gi",
)  # fmt: skip


def node(number: int, ordinal: int | None, **more: Any) -> NodeStatus:
    address = "" if ordinal is None else f"cockroachdb-{ordinal}.cockroachdb:26257"
    return NodeStatus.model_validate({"id": number, "address": address, "build": "v25.2.3", "is_live": True, **more})


def facts(*nodes: NodeStatus, replicas: int | None = None, partition: int = 0, **more: Any) -> ScaleFacts:
    count = len(nodes) if replicas is None else replicas
    live = LiveSet(
        replicas=count, ready=count, database_image="db", agent_image="a", storage="1Gi", partition=partition
    )
    fields = {"recorded": SPEC.model_copy(update={"nodes": count}), "live": live, "nodes": nodes, "version": "25.2"}
    return ScaleFacts(**{**fields, "replication_factor": 3, "max_nodes": 9, **more})


FOUR = (node(1, 0), node(4, 1), node(3, 2), node(2, 3))
DEAD = {"is_live": False}
GONE = {"is_live": False, "membership": "decommissioned"}


def kinds(found: ScaleFacts, wanted: int, **more: Any) -> list[str]:
    return [f"{s.kind} {s.to or ''}{','.join(map(str, s.ids))}".strip() for s in steps(found, wanted=wanted, **more)]


def codes(found: ScaleFacts, wanted: int, *, with_dead: bool = False) -> list[str]:
    return [reason.code for reason in plan_scale(found, wanted=wanted, with_dead=with_dead).verdict.reasons]


@pytest.mark.parametrize(
    ("found", "wanted", "plan"),
    [
        pytest.param(facts(*FOUR), 4, [], id="as it is"),
        pytest.param(facts(*FOUR), 6, ["grow 5", "grow 6"], id="up, one at a time"),
        pytest.param(facts(*FOUR), 3, ["decommission 2", "shrink 3"], id="down, by address"),
        pytest.param(
            facts(*FOUR[:3], node(2, 3, membership="decommissioning")), 4, ["recommission 2"], id="stays after all"
        ),
        pytest.param(facts(*FOUR[:3], node(2, 3, **GONE)), 3, ["shrink 3"], id="decommissioned already"),
        pytest.param(facts(*FOUR[:3], node(2, 3, **GONE)), 4, ["shrink 3", "grow 4"], id="decommissioned, and wanted"),
        pytest.param(facts(*FOUR[:3], replicas=4), 4, ["grow 4"], id="a pod that never joined"),
        pytest.param(facts(*FOUR[:3], replicas=4), 3, ["shrink 3"], id="one that never joined, and is not wanted"),
        pytest.param(facts(*FOUR, recorded=SPEC), 4, ["record 4"], id="scaled by kubectl to what is wanted"),
        pytest.param(
            facts(*FOUR[:3], node(2, 3, **DEAD), replicas=3, volumes=(Volume(ordinal=3, name="v"),)),
            4,
            ["grow 4"],
            id="cut by kubectl, comes back with its volume",
        ),
        pytest.param(
            facts(*FOUR[:3], node(2, 3, **GONE), replicas=3, volumes=(Volume(ordinal=3, name="v"),)),
            4,
            ["wipe 3", "grow 4"],
            id="a spent volume in the way",
        ),
        pytest.param(
            facts(*FOUR[:3], replicas=3, volumes=(Volume(ordinal=3, name="v", node_id=2),)),
            4,
            ["wipe 3", "grow 4"],
            id="a volume of nobody in the way",
        ),
    ],
)
def test_the_plan(found: ScaleFacts, wanted: int, plan: list[str]) -> None:
    assert kinds(found, wanted) == plan


def test_a_volume_that_is_used_again_by_decision_is_not_asked_about_again() -> None:
    found = facts(*FOUR[:3], replicas=3, volumes=(Volume(ordinal=3, name="v"),))

    assert kinds(found, 4, reused=("v",)) == ["grow 4"]


def test_a_dead_node_without_a_pod_leaves_only_when_it_is_given_up() -> None:
    found = facts(*FOUR, node(9, None, **DEAD), replicas=4)

    assert kinds(found, 4) == []
    assert kinds(found, 4, with_dead=True) == ["decommission 9"]
    assert codes(found, 5) == ["scale.dead-node"]
    assert codes(found, 5, with_dead=True) == []
    assert "--decommission-dead" in plan_scale(found, wanted=4).drift[0]


def test_a_dead_node_whose_pod_came_back_as_another_node_has_no_pod_to_mend() -> None:
    replaced, broken = facts(*FOUR, node(9, 3, **DEAD), replicas=4), facts(*FOUR[:3], node(2, 3, **DEAD))

    (lost,) = plan_scale(replaced, wanted=5).verdict.reasons
    (down,) = plan_scale(broken, wanted=5).verdict.reasons

    assert (lost.found, down.found) == ("n9 (cockroachdb-3) is dead", "n2 (cockroachdb-3) is dead")
    assert lost.hint.startswith("/crdb scale 5 --decommission-dead gives it up")
    assert down.hint == "mend its pod first"
    assert kinds(replaced, 4, with_dead=True) == ["decommission 9"]


def test_a_dead_node_that_keeps_an_upgrade_from_becoming_final_can_be_given_up_and_nothing_else_be_done() -> None:
    found = facts(*FOUR, node(9, None, **DEAD), replicas=4, preserved="25.2")

    assert codes(found, 4, with_dead=True) == []
    assert codes(found, 5, with_dead=True) == ["upgrade.unfinished"]
    assert codes(found, 3, with_dead=True) == ["upgrade.unfinished"]


def test_an_unfinished_upgrade_is_refused_with_what_goes_on_from_it() -> None:
    (reason,) = plan_scale(facts(*FOUR, preserved="25.1"), wanted=3).verdict.reasons

    assert "/crdb upgrade VERSION goes on with it, /crdb finalize makes it final, /crdb rollback" in reason.hint


def test_a_dead_node_on_its_way_out_goes_on_leaving() -> None:
    found = facts(*FOUR, node(9, None, is_live=False, membership="decommissioning"), replicas=4)

    assert kinds(found, 4) == ["decommission 9"]


@pytest.mark.parametrize(
    ("found", "wanted", "code"),
    [
        pytest.param(facts(*FOUR), 2, "scale.below-three", id="two"),
        pytest.param(facts(*FOUR), -1, "scale.below-three", id="less than none"),
        pytest.param(facts(*FOUR), 10, "scale.above-max", id="above max_nodes"),
        pytest.param(facts(*FOUR, replication_factor=5), 4, "scale.below-replication-factor", id="below the copies"),
        pytest.param(facts(*FOUR, live=None, recorded=None), 3, "scale.not-deployed", id="not deployed"),
        pytest.param(facts(*FOUR, recorded=None), 3, "scale.no-record", id="no record"),
        pytest.param(facts(*FOUR, database="waiting-for-init"), 3, "scale.not-initialized", id="not initialized"),
        pytest.param(facts(*FOUR, database="silent", detail="no client pod"), 3, "scale.silent", id="silent"),
        pytest.param(facts(*FOUR, missing_rules=("x",)), 3, "scale.missing-right", id="a right is missing"),
        pytest.param(facts(*FOUR, partition=2), 3, "upgrade.unfinished", id="pods are held back"),
        pytest.param(facts(*FOUR, preserved="25.1"), 3, "upgrade.unfinished", id="downgrade preserved"),
        pytest.param(facts(*FOUR, version="25.1"), 3, "upgrade.unfinished", id="older active version"),
        pytest.param(facts(*FOUR, version="odd"), 3, "upgrade.unfinished", id="a version that nobody can read"),
        pytest.param(facts(*FOUR[:3], node(2, 3, build="v25.1.0")), 3, "upgrade.unfinished", id="two builds"),
        pytest.param(
            facts(*FOUR, recorded=SPEC.model_copy(update={"nodes": 4, "upgraded_from": "v25.2.1"})),
            3,
            "upgrade.unfinished",
            id="a way back is recorded",
        ),
        pytest.param(facts(FOUR[0], node(4, 1, **DEAD), *FOUR[2:]), 3, "scale.dead-node", id="one that stays is dead"),
        pytest.param(facts(*FOUR[:3], node(2, 3, **DEAD)), 3, "scale.dead-node", id="one that leaves is dead"),
        pytest.param(
            facts(*FOUR[:3], node(2, 3, under_replicated=4)), 3, "scale.under-replicated", id="under-replicated"
        ),
        pytest.param(facts(*FOUR[:3], node(2, 3, unavailable=4)), 3, "scale.unavailable", id="unavailable"),
        pytest.param(
            facts(FOUR[0], node(4, 1, **GONE), *FOUR[2:]), 3, "scale.decommissioned-below", id="a low one has left"
        ),
        pytest.param(facts(*FOUR, room=1), 6, "scale.no-room", id="no room"),
        pytest.param(facts(*FOUR, room=1, blocked=("n2 has 3",)), 3, "scale.blocked", id="blocked on trial"),
        pytest.param(
            facts(*FOUR, volumes=(Volume(ordinal=4, name="v", is_ours=False),)),
            5,
            "scale.volume-not-ours",
            id="foreign",
        ),
    ],
)
def test_what_is_refused(found: ScaleFacts, wanted: int, code: str) -> None:
    plan = plan_scale(found, wanted=wanted)

    assert [reason.code for reason in plan.verdict.reasons] == [code]
    assert all(reason.sentence() for reason in plan.verdict.reasons)


def test_every_reason_is_told_at_once() -> None:
    found = facts(*FOUR[:3], node(2, 3, under_replicated=4), preserved="25.1", missing_rules=("x", "y"), room=0)

    assert codes(found, 12) == [
        "scale.above-max",
        "scale.missing-right",
        "scale.missing-right",
        "upgrade.unfinished",
        "scale.under-replicated",
        "scale.no-room",
    ]


def test_giving_up_a_dead_node_bears_the_copies_it_lacks_but_no_unavailable_range() -> None:
    found = facts(*FOUR[:3], node(2, 3, **DEAD, under_replicated=4))
    lost = facts(*FOUR[:3], node(2, 3, **DEAD, unavailable=1))

    assert codes(found, 3, with_dead=True) == []
    assert codes(lost, 3, with_dead=True) == ["scale.unavailable"]


def test_pods_cut_by_kubectl_are_said_as_drift_and_growing_mends_the_copies() -> None:
    found = facts(
        *FOUR[:3], node(2, 3, **DEAD), replicas=3, recorded=SPEC.model_copy(update={"nodes": 4}),
        volumes=(Volume(ordinal=3, name="v"),),
    )  # fmt: skip

    plan = plan_scale(found, wanted=4)

    assert plan.verdict.is_yes
    assert plan.drift == ("scaled outside this product: recorded 4 nodes, found 3 replicas",)


def test_a_plan_names_nodes_by_id_and_pod_and_says_what_cannot_be_undone() -> None:
    plan = plan_scale(facts(*FOUR, node(7, 4)), wanted=3)

    assert plan.lines == (
        "decommission n2 (cockroachdb-3), n7 (cockroachdb-4): move all replicas away, drain",
        "remove the pods from cockroachdb-3 on, once their nodes are decommissioned",
        "a cancel takes nodes back until they are decommissioned; after that nothing does",
        "each volume left over is kept, unless a person decides to delete it",
    )
    assert [n.id for n in plan.leaving] == [2, 7]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (ScaleStep(kind="recommission", ids=(2,)), "take n2 (cockroachdb-3) back: it stays"),
        (ScaleStep(kind="recommission", ids=(2, 8)), "take n2 (cockroachdb-3), n8 back: they stay"),
        (ScaleStep(kind="wipe", volume=Volume(ordinal=3, name="v")), "ask what becomes of volume v"),
        (ScaleStep(kind="grow", to=5), "add cockroachdb-4: certificate by a person, joined, all ranges replicated"),
        (ScaleStep(kind="record", to=4), "record 4 nodes, which is what is there"),
    ],
)
def test_a_step_in_words(step: ScaleStep, said: str) -> None:
    assert sentence(step, FOUR) == said


def test_nothing_to_do_is_said() -> None:
    assert plan_scale(facts(*FOUR), wanted=4).lines == ("nothing: there are 4 nodes",)


def test_pods_go_only_past_nodes_that_are_decommissioned() -> None:
    assert may_shrink(FOUR, to=3, replicas=4) == ("n2 (cockroachdb-3) is active",)
    assert may_shrink((*FOUR[:3], node(2, 3, **GONE)), to=3, replicas=4) == ()
    assert may_shrink(FOUR[:3], to=3, replicas=4) == ()


def test_a_dead_node_of_which_nobody_knows_where_it_was_could_be_the_one_that_never_joined() -> None:
    lost = node(9, None, **DEAD)

    assert may_shrink((*FOUR[:3], lost), to=3, replicas=4) == ("n9 (pod unknown) is dead",)
    assert may_shrink((*FOUR[:3], node(2, 3, **GONE), lost), to=3, replicas=4) == ()


@pytest.mark.parametrize(
    ("found", "expected", "wanted", "known"),
    [(4, 5, 3, True), (3, 5, 3, True), (6, 5, 3, False), (2, 5, 3, False), (4, 3, 5, True), (2, 3, 5, False)],
)
def test_replicas_of_others_lie_on_our_way_or_not(found: int, expected: int, wanted: int, known: bool) -> None:
    assert is_toward(found=found, expected=expected, wanted=wanted) is known


def test_a_number_alone_is_judged_for_who_changes_it() -> None:
    assert [reason.code for reason in number_reasons(facts(*FOUR), 2)] == ["scale.below-three"]
    assert number_reasons(facts(*FOUR), 5) == ()
