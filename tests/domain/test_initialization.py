"""Whether a cluster can be initialized on its own: what is refused with which words, and what the plan says."""

from __future__ import annotations

import pytest

from domain.initialization import InitFacts, plan_init
from domain.nodes import init_target
from domain.preflight import Leftover, LiveSet
from tests.domain.given import REF, SPEC

LIVE = LiveSet(
    replicas=3, ready=0, database_image=SPEC.database_image, agent_image=SPEC.agent_image, storage=SPEC.storage
)
GOOD = InitFacts(recorded=SPEC, live=LIVE, has_client_pod=True, is_client_ready=True)
STRANGE = Leftover(kind="Pod", name="cockroachdb-client-secure", is_ours=False)


def test_a_deployed_cluster_with_all_its_certificates_may_be_initialized() -> None:
    plan = plan_init(REF, GOOD)

    assert plan.verdict.is_yes
    assert (plan.spec, plan.is_client_ready, plan.drift) == (SPEC, True, ())
    assert plan.lines[0] == "wait until all nodes run"
    assert "send init to node 0 once" in plan.lines[1]


def test_a_missing_client_pod_is_part_of_the_plan() -> None:
    plan = plan_init(REF, GOOD.model_copy(update={"has_client_pod": False, "is_client_ready": False}))

    assert plan.verdict.is_yes
    assert plan.lines[0] == "make cockroachdb-client-secure again, wait until all nodes run"


def test_the_plan_names_the_recorded_node() -> None:
    plan = plan_init(REF, GOOD.model_copy(update={"recorded": SPEC.model_copy(update={"init_target": 2})}))

    assert "send init to node 2 once" in plan.lines[1]
    assert [init_target(recorded) for recorded in (None, 0, 2)] == [0, 0, 2]


def test_what_differs_from_the_record_is_said() -> None:
    plan = plan_init(REF, GOOD.model_copy(update={"live": LIVE.model_copy(update={"replicas": 5})}))

    assert plan.drift == ("nodes: recorded 3, found 5",)


@pytest.mark.parametrize(
    ("facts", "code", "found", "hint"),
    [
        pytest.param(InitFacts(), "init.not-deployed", "no nodes", "/crdb deploy shop makes one", id="nothing there"),
        pytest.param({"recorded": None}, "deploy.no-record", "no recorded spec", "restore", id="no record"),
        pytest.param({"not_ours": (STRANGE,)}, "deploy.not-ours", "no label of ours", "not ours", id="not ours"),
        pytest.param(
            {"without_certificate": ("cockroachdb-1 (pending)", "cockroachdb-2 (starting)")},
            "init.certificates-missing",
            "none in place for cockroachdb-1 (pending), cockroachdb-2 (starting)",
            "/crdb deploy shop waits",
            id="certificates missing",
        ),
    ],
)
def test_a_refusal_has_one_reason_that_says_what_to_type(
    facts: InitFacts | dict[str, object], code: str, found: str, hint: str
) -> None:
    plan = plan_init(REF, facts if isinstance(facts, InitFacts) else GOOD.model_copy(update=facts))

    (reason,) = plan.verdict.reasons
    assert (reason.code, reason.found) == (code, found)
    assert hint in reason.hint
    assert (plan.spec, plan.lines) == (None, ())
