"""May a node be killed on purpose, and is what came back what was there: every reason, and never a majority lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from domain.drill import Back, DrillFacts, Probes, differences, plan_drill
from domain.health import NodeStatus, fewest_copies
from domain.model import ClusterSpec, NodeRef
from domain.preflight import LiveSet

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
IMAGE = "example.invalid/cockroach:v25.2.3"


def node(member: int, ordinal: int, **more: object) -> NodeStatus:
    address = f"cockroachdb-{ordinal}.cockroachdb.crdb.svc.cluster.local:26257"
    fields: dict[str, object] = {"id": member, "address": address, "build": "v25.2.3", "is_live": True, "replicas": 9}
    return NodeStatus.model_validate({**fields, **more})


def facts(count: int = 3, **more: object) -> DrillFacts:
    spec = ClusterSpec(
        nodes=count,
        version="v25.2.3",
        storage="1Gi",
        storage_class="fast",
        database_image=IMAGE,
        agent_image="agent",
        cpu="1",
        memory="1Gi",
    )
    live = LiveSet(replicas=count, ready=count, database_image=IMAGE, agent_image="agent", storage="1Gi")
    fields: dict[str, object] = {
        "target": NodeRef(ordinal=1),
        "recorded": spec,
        "live": live,
        "nodes": tuple(node(10 - ordinal, ordinal) for ordinal in range(count)),
        "ready": tuple(range(count)),
        "pod_uid": "u1",
        "pod_image": IMAGE,
        "volume": "datadir-cockroachdb-1 (pv-1)",
        "fewest_copies": 3,
        "most_copies": 3,
    }
    return DrillFacts.model_validate({**fields, **more})


def codes(found: DrillFacts) -> set[str]:
    return {reason.code for reason in plan_drill(found).verdict.reasons}


def test_a_whole_cluster_bears_it_and_the_plan_says_what_is_deleted_and_what_is_checked() -> None:
    plan = plan_drill(facts())

    assert plan.verdict.is_yes
    assert plan.lines[0].startswith("delete the pod cockroachdb-1, which is node n9 (cockroachdb-1)")
    assert "through cockroachdb-0, cockroachdb-2" in plan.lines[1]
    assert "datadir-cockroachdb-1 (pv-1) and node id 9" in plan.lines[2]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param({"live": None}, "drill.not-deployed", id="not deployed"),
        pytest.param({"recorded": None}, "drill.no-record", id="no record"),
        pytest.param({"database": "waiting-for-init"}, "drill.not-initialized", id="waits for init"),
        pytest.param({"database": "silent"}, "drill.silent", id="silent"),
        pytest.param({"target": NodeRef(ordinal=3)}, "drill.unknown-node", id="one too many"),
        pytest.param({"pod_uid": ""}, "drill.no-pod", id="no pod"),
        pytest.param({"volume": ""}, "drill.no-volume", id="no volume"),
        pytest.param({"pod_image": "old"}, "drill.other-image", id="it would come back as another release"),
        pytest.param({"ready": (0, 1)}, "drill.not-ready", id="another is not ready"),
        pytest.param({"nodes": (node(1, 0), node(2, 1))}, "drill.not-joined", id="a pod has not joined"),
        pytest.param(
            {"nodes": (node(1, 0), node(2, 1), node(3, 2, membership="decommissioned", is_live=False))},
            "drill.not-joined",
            id="the node of a pod is decommissioned",
        ),
        pytest.param({"nodes": (node(1, 0), node(2, 1), node(3, 2, is_live=False))}, "drill.dead-node", id="dead"),
        pytest.param(
            {"nodes": (node(1, 0), node(2, 1), node(3, 2, membership="decommissioning"))}, "drill.leaving-node", id="l"
        ),
        pytest.param({"nodes": (node(1, 0), node(2, 1), node(3, 2, is_draining=True))}, "drill.leaving-node", id="d"),
        pytest.param({"nodes": (node(1, 0), node(2, 1), node(3, 2, build="v25.3.0"))}, "upgrade.unfinished", id="b"),
        pytest.param(
            {"nodes": (node(1, 0, under_replicated=2), node(2, 1), node(3, 2))}, "drill.under-replicated", id="few"
        ),
        pytest.param({"nodes": (node(1, 0, unavailable=1), node(2, 1), node(3, 2))}, "drill.unavailable", id="lost"),
        pytest.param({"fewest_copies": 1}, "drill.too-few-copies", id="one copy"),
        pytest.param({"nodes": (node(1, 0), node(2, 1))}, "drill.no-quorum", id="two nodes"),
        pytest.param({"sql": "no answer"}, "drill.sql-silent", id="the others do not answer"),
    ],
)
def test_each_reason_against_is_found(more: dict[str, object], code: str) -> None:
    plan = plan_drill(facts(**more))

    assert code in {reason.code for reason in plan.verdict.reasons}
    assert plan.lines == ()


def test_a_node_of_a_partition_that_is_held_back_comes_back_as_it_was() -> None:
    held = facts().live
    assert held is not None

    assert codes(facts(live=held.model_copy(update={"partition": 2}), pod_image="old")) == set()


STATUSES = st.builds(
    lambda ordinal, is_live, membership, draining, few, lost: node(
        ordinal + 1,
        ordinal,
        is_live=is_live,
        membership=membership,
        is_draining=draining,
        under_replicated=few,
        unavailable=lost,
    ),
    st.integers(0, 6),
    st.booleans() | st.just(True),
    st.sampled_from(["active", "active", "active", "decommissioning", "decommissioned"]),
    st.sampled_from([False, False, True]),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([0, 0, 0, 1]),
)


@given(
    st.integers(1, 7).flatmap(
        lambda count: st.tuples(
            st.just(tuple(node(o + 1, o) for o in range(count))), st.lists(STATUSES, max_size=2), st.just(count)
        )
    ),
    st.integers(0, 7),
    st.sets(st.integers(0, 6), min_size=5) | st.just(set(range(7))),
    st.none() | st.integers(1, 7),
    st.none() | st.integers(1, 7),
)
def test_whatever_is_there_a_yes_leaves_a_majority_of_every_range_and_all_others_well(
    given_nodes: tuple[tuple[NodeStatus, ...], list[NodeStatus], int],
    target: int,
    ready: set[int],
    fewest: int | None,
    most: int | None,
) -> None:
    good, flawed, replicas = given_nodes
    nodes = tuple({**{n.id: n for n in good}, **{n.id: n for n in flawed}}.values())
    live = LiveSet(replicas=replicas, ready=0, database_image=IMAGE, agent_image="agent", storage="1Gi")
    found = facts(
        target=NodeRef(ordinal=target),
        live=live,
        nodes=nodes,
        ready=tuple(sorted(ready)),
        fewest_copies=fewest,
        most_copies=most,
    )
    plan = plan_drill(found)
    event(f"yes: {plan.verdict.is_yes}")
    if not plan.verdict.is_yes:
        return

    members = [n for n in nodes if n.is_member]
    left = [n for n in members if n.is_live and n.ordinal != target]
    assert target < replicas
    assert found.node is not None
    assert len(left) == len(members) - 1
    for copies in (3, most or 3):
        assert len(left) > min(copies, len(members)) // 2
    assert all(n.is_live and n.membership == "active" for n in members)
    assert sum(n.under_replicated + n.unavailable for n in members) == 0
    assert set(range(replicas)) <= ready
    assert fewest is None or fewest >= 3


@pytest.mark.parametrize(
    ("after", "codes"),
    [
        pytest.param({}, set(), id="as before"),
        pytest.param({"node_id": 4}, {"drill.other-node"}, id="another id"),
        pytest.param({"node_id": None}, {"drill.other-node"}, id="no node"),
        pytest.param({"volume": "datadir-cockroachdb-1 (pv-2)"}, {"drill.other-volume"}, id="another volume"),
        pytest.param({"asked": ("crdb.node.cockroachdb-1.aa",)}, {"drill.new-certificate"}, id="a new request"),
        pytest.param({"probes": Probes(asked=3)}, {"drill.sql-silent"}, id="SQL was silent"),
        pytest.param({"probes": Probes(asked=3, answered=1)}, set(), id="some answers are told, not judged"),
    ],
)
def test_what_came_back_is_compared(after: dict[str, object], codes: set[str]) -> None:
    fields = {"node_id": 9, "volume": "datadir-cockroachdb-1 (pv-1)", "probes": Probes(asked=3, answered=3)} | after

    assert {reason.code for reason in differences(facts(), Back.model_validate(fields)).reasons} == codes


def test_the_longest_gap_is_between_answers_and_a_pause_of_the_asking_is_none() -> None:
    def at(seconds: float) -> datetime:
        return AT + timedelta(seconds=seconds)

    probes = Probes().with_answer(at(0)).with_answer(at(1)).with_silence(at(2), why="x").with_answer(at(4.5))
    resumed = probes.resumed(at(60)).with_answer(at(61))

    assert (probes.asked, probes.answered, probes.longest_gap) == (4, 3, 3.5)
    assert (resumed.longest_gap, resumed.pauses) == (3.5, 1)
    assert "asking paused 1 times" in resumed.sentence()
    assert resumed.up_to(at(70)).longest_gap == 9.0


def test_the_fewest_copies_of_any_zone_count_the_database_s_own_as_well() -> None:
    rows = [
        {"target": "RANGE default", "raw_config_sql": "ALTER RANGE default CONFIGURE ZONE USING num_replicas = 5"},
        {"target": "TABLE t", "raw_config_sql": "ALTER TABLE t CONFIGURE ZONE USING\n\tnum_replicas = 1"},
    ]

    assert fewest_copies(rows) == 1
    assert fewest_copies([]) is None
