from __future__ import annotations

from typing import Any, cast

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import WorkflowSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowRunner

from gateway.connect import DATA_CONVERTER
from gateway.takeover import ForgettingRunner

RUN = "0b7e-run"


class Runner:
    def __init__(self) -> None:
        self.activations: list[WorkflowActivation] = []

    def create_instance(self, det: Any) -> Any:
        return self

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        self.activations.append(act)
        return WorkflowActivationCompletion(run_id=act.run_id)


def begin(*, is_replaying: bool) -> WorkflowActivation:
    act = WorkflowActivation(run_id=RUN, is_replaying=is_replaying)
    act.jobs.add().initialize_workflow.workflow_id = "w"
    return act


def query(query_id: str) -> WorkflowActivation:
    act = WorkflowActivation(run_id=RUN, is_replaying=True)
    act.jobs.add().query_workflow.query_id = query_id
    return act


def click() -> WorkflowActivation:
    act = WorkflowActivation(run_id=RUN)
    act.jobs.add().do_update.name = "approve"
    return act


@pytest.mark.parametrize(
    ("activations", "forgotten"),
    [
        ([begin(is_replaying=True), query("legacy_query")], [RUN]),
        ([begin(is_replaying=True), click(), query("legacy_query"), query("legacy_query")], [RUN, RUN]),
        ([begin(is_replaying=True), click(), query("q1")], []),
        ([begin(is_replaying=False), click(), query("legacy_query")], []),
        ([begin(is_replaying=True), click()], []),
    ],
    ids=["question-first", "every-question", "with-a-task", "began-here", "no-question"],
)
def test_a_run_taken_over_is_forgotten_after_a_question_that_came_alone(
    activations: list[WorkflowActivation], forgotten: list[str]
) -> None:
    found: list[str] = []
    runner = Runner()
    instance: WorkflowInstance = ForgettingRunner(cast(WorkflowRunner, runner), found.append).create_instance(
        cast(Any, None)
    )

    answers = [instance.activate(act) for act in activations]

    assert found == forgotten
    assert runner.activations == activations
    assert {answer.run_id for answer in answers} == {RUN}


def test_our_data_converter_heeds_no_context_so_that_none_need_be_named() -> None:
    somewhere = WorkflowSerializationContext(namespace="crdb", workflow_id="w")

    assert DATA_CONVERTER.with_context(somewhere) is DATA_CONVERTER
    assert DATA_CONVERTER.external_storage is None
