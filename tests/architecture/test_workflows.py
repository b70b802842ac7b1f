"""What every workflow keeps to: guarded updates, its place in the catalogue, and words in the history."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from typing import Any

import pytest
from temporalio import workflow

import workflows
from operations import CATALOGUE
from operations.messages import Decision
from tests.architecture.source_tree import files, name_of, parse

#: Started by no command: for each CSR, a look, a last message, CSRs of strangers or in a crowd, an upgrade not final.
UNTYPED = {"Certify", "Look", "Announce", "Strangers", "Crowd", "Observe"}
#: Calls that leave an event which an auditor reads, and the keyword that gives it words.
SAID = {
    "execute_activity": "summary", "execute_activity_method": "summary", "start_activity": "summary",
    "start_activity_method": "summary", "execute_local_activity": "summary", "execute_child_workflow": "static_summary",
    "start_child_workflow": "static_summary", "sleep": "summary",
}  # fmt: skip


def _definitions() -> dict[str, Any]:
    """Temporal's definition of every workflow class of ours, by type."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(workflows.__path__, "workflows."):
        for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            definition = workflow._Definition.from_class(value)
            if definition is not None and value.__module__ == module.name:
                found[str(definition.name)] = definition
    return found


DEFINITIONS = _definitions()
EACH = pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=list(DEFINITIONS))


def test_workflow_types_are_those_of_the_catalogue() -> None:
    wanted = {entry.workflow for entry in CATALOGUE if entry.workflow} | UNTYPED

    missing, surplus = wanted - set(DEFINITIONS), set(DEFINITIONS) - wanted
    assert not missing, f"add @workflow.defn(name=...) in workflows/ for {sorted(missing)}"
    assert not surplus, f"add an entry to operations/__init__.py for {sorted(surplus)}"


@EACH
def test_every_update_has_a_validator_since_the_token_is_checked_before_it_and_not_without(definition: Any) -> None:
    bare = [name for name, update in definition.updates.items() if update.validator is None]

    assert not bare, f"{definition.name}: add @{bare[0]}.validator"
    assert None not in definition.updates, f"{definition.name}: a dynamic update takes what nobody named"


@EACH
def test_every_update_takes_one_signed_decision_and_nothing_beside_it(definition: Any) -> None:
    wrong = [name for name, update in definition.updates.items() if update.arg_types != [Decision]]

    assert not wrong, f"{definition.name}: give {wrong} the one argument `decision: Decision`"


@EACH
def test_a_workflow_takes_one_object_so_that_a_field_can_be_added_later(definition: Any) -> None:
    assert len(definition.arg_types or []) == 1, f"{definition.name}: give run() one pydantic model"


@EACH
def test_a_workflow_tells_its_steps(definition: Any) -> None:
    assert inspect.getdoc(definition.cls), f"{definition.name}: write its steps into the class's docstring"


@EACH
def test_no_workflow_takes_signals_or_queries_that_nobody_named(definition: Any) -> None:
    assert None not in definition.signals
    assert None not in definition.queries


def test_every_activity_child_and_timer_says_in_the_history_what_it_is_for() -> None:
    mute = [
        f"{name_of(path)}:{node.lineno}: add {SAID[node.func.attr]}=…"
        for path in files("workflows")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "workflow"
        and node.func.attr in SAID
        and SAID[node.func.attr] not in {keyword.arg for keyword in node.keywords}
    ]

    assert not mute, "\n".join(mute)


def test_every_wait_with_a_deadline_says_what_for() -> None:
    mute = [
        f"{name_of(path)}:{node.lineno}: add timeout_summary=…"
        for path in files("workflows")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "wait_condition"
        and "timeout" in {keyword.arg for keyword in node.keywords}
        and "timeout_summary" not in {keyword.arg for keyword in node.keywords}
    ]

    assert not mute, "\n".join(mute)


def test_deadlines_and_retries_have_their_names_in_one_place() -> None:
    words = {"RetryPolicy", "timedelta"}
    # A second is the floor that keeps a timer from being set to nothing; it is nobody's deadline.
    floor = ast.dump(ast.parse("timedelta(seconds=1)", mode="eval").body)
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in files("workflows")
        if path.name != "retries.py"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in words
        and any(isinstance(part, ast.Constant) for keyword in node.keywords for part in ast.walk(keyword.value))
        and ast.dump(node) != floor
    ]  # fmt: skip

    assert not wrong, f"move the number to workflows/retries.py: {wrong}"
