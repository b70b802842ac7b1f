"""What the answers of all nodes say about `init`: it is sent only when each of them waits for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.nodes import INIT_TARGET, NodeAnswer, NodeState, decide_init, one_cluster

STATES: list[NodeState] = ["waiting-for-init", "serving", "unreachable"]


def _answers(*states: str) -> tuple[NodeAnswer, ...]:
    short = {"w": "waiting-for-init", "s": "serving", "u": "unreachable"}
    return tuple(
        NodeAnswer.model_validate({"ordinal": ordinal, "state": short[state], "detail": f"d{ordinal}"})
        for ordinal, state in enumerate(states)
    )


def _waiting(*ordinals: int) -> tuple[NodeAnswer, ...]:
    return tuple(NodeAnswer(ordinal=ordinal, state="waiting-for-init") for ordinal in ordinals)


@pytest.mark.parametrize(
    ("answers", "action", "sentence"),
    [
        pytest.param(_answers(*"www"), "send", "all 3 nodes wait for init", id="all wait"),
        pytest.param(_waiting(2, 0, 1), "send", "all 3 nodes wait for init", id="all wait, in another order"),
        pytest.param(_answers(*"sss"), "done", "all 3 nodes serve", id="all serve"),
        pytest.param(_answers(*"sww"), "mixed", "nodes [0] serve while nodes [1, 2] still wait", id="one serves"),
        pytest.param(_answers(*"ssw"), "mixed", "nodes [0, 1] serve while nodes [2] still wait", id="one waits"),
        pytest.param(_answers(*"wwu"), "wait", "(node 2: d2)", id="one is silent"),
        pytest.param(_answers(*"ssu"), "wait", "(node 2: d2)", id="one is silent while others serve"),
        pytest.param(_answers(*"uuu"), "wait", "node 0: d0; node 1: d1; node 2: d2", id="all are silent"),
        pytest.param(
            (*_waiting(0, 1), NodeAnswer(ordinal=2, state="unreachable")), "wait", "(node 2: no answer)",
            id="one is silent without a word",
        ),
        pytest.param(_answers(*"ww"), "wait", "found nodes [0, 1], expected 0 to 2", id="one was not asked"),
        pytest.param((), "wait", "found nodes [], expected 0 to 2", id="nobody was asked"),
        pytest.param(_waiting(0, 0, 1), "wait", "found nodes [0, 0, 1]", id="one was asked twice in another's place"),
        pytest.param(_waiting(0, 1, 2, 2), "wait", "found nodes [0, 1, 2, 2]", id="one was asked twice"),
        pytest.param(_waiting(0, 1, 2, 3), "wait", "found nodes [0, 1, 2, 3]", id="a node too many waits"),
        pytest.param(_waiting(1, 2, 3), "wait", "found nodes [1, 2, 3]", id="others were asked"),
        pytest.param(_waiting(-1, 0, 1), "wait", "found nodes [-1, 0, 1]", id="an ordinal below zero"),
    ],
)  # fmt: skip
def test_decides_about_init(answers: tuple[NodeAnswer, ...], action: str, sentence: str) -> None:
    decision = decide_init(answers, nodes=3)

    assert decision.action == action
    assert sentence in decision.sentence


def test_init_goes_to_the_first_node_which_every_nodes_join_list_names() -> None:
    assert INIT_TARGET == 0


@pytest.mark.parametrize("nodes", [0, -1], ids=["no nodes", "less than none"])
def test_nothing_is_sent_to_a_cluster_of_no_nodes(nodes: int) -> None:
    assert decide_init((), nodes=nodes).action == "wait"


@settings(max_examples=400, deadline=None, database=None)
@given(
    st.lists(
        st.builds(NodeAnswer, ordinal=st.integers(-1, 5), state=st.sampled_from(STATES), cluster_id=st.just("")),
        max_size=7,
    ),
    st.integers(-1, 6),
)
def test_init_is_never_sent_unless_every_node_waits_for_it(answers: list[NodeAnswer], nodes: int) -> None:
    decision = decide_init(tuple(answers), nodes=nodes)

    each_waits = sorted((a.ordinal, a.state) for a in answers) == [(n, "waiting-for-init") for n in range(nodes)]
    assert (decision.action == "send") == (each_waits and nodes > 0)
    assert decision.sentence


@settings(max_examples=100, deadline=None, database=None)
@given(st.permutations(_answers(*"wwwsu")))
def test_the_order_of_answers_does_not_matter(answers: list[NodeAnswer]) -> None:
    assert decide_init(tuple(answers), nodes=5).action == decide_init(_answers(*"wwwsu"), nodes=5).action


@pytest.mark.parametrize(
    ("ids", "is_one"),
    [
        pytest.param(("a", "a", "a"), True, id="one id everywhere"),
        pytest.param(("a", "b", "a"), False, id="two ids: two clusters"),
        pytest.param(("a", "", "a"), False, id="one node names none"),
        pytest.param(("", ""), False, id="no node names one"),
        pytest.param((), False, id="nobody was asked"),
    ],
)
def test_nodes_are_one_cluster_only_by_one_id(ids: tuple[str, ...], is_one: bool) -> None:
    answers = tuple(NodeAnswer(ordinal=n, state="serving", cluster_id=name) for n, name in enumerate(ids))

    assert one_cluster(answers) is is_one
