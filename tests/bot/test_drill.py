"""`/crdb drill` typed: what is understood, each bad line with its one message; and the card of one that runs."""

from __future__ import annotations

import json

import pytest

from bot.cards.operation import operation_message
from bot.command import CommandError, parse
from operations.drill import DrillRequest
from tests.bot import given
from tests.bot.harness import Stage


def read(text: str) -> DrillRequest:
    request = parse(text, configuration=given.configuration(), channel="C0OPS").request
    assert isinstance(request, DrillRequest)
    return request


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        pytest.param("drill kill-node 1", False, id="an ordinal"),
        pytest.param("drill kill-node cockroachdb-1", False, id="a pod"),
        pytest.param("drill crdb kill-node 1", False, id="cluster first"),
        pytest.param("drill kill-node 1 crdb", False, id="cluster last"),
        pytest.param("drill kill-node node=1 --plan", True, id="by name, plan only"),
    ],
)
def test_a_node_is_read_by_ordinal_or_pod(text: str, plan: bool) -> None:
    assert read(text) == DrillRequest(ref=given.REF, drill="kill-node", node=1, plan=plan)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("drill", "drill: found nothing, expected a value. node: found nothing", id="nothing"),
        pytest.param("drill kill-node", "node: found nothing, expected a value", id="no node"),
        pytest.param("drill kill-node -1", "node: found '-1', expected the ordinal of a pod", id="below none"),
        pytest.param("drill eat-node 1", "drill: found 'eat-node', expected kill-node", id="another drill"),
        pytest.param("drill kill-node n3", "the database's node ids are other numbers", id="a node id"),
        pytest.param("drill kill-node 1.5", "node: found '1.5', expected the ordinal", id="half a node"),
        pytest.param("drill kill-node 01", "node: found '01', expected the ordinal", id="a leading zero"),
        pytest.param("drill kill-node ٣", "expected the ordinal of a pod", id="other digits"),
        pytest.param("drill kill-node 99999", "node: found '99999', expected the ordinal", id="too many digits"),
        pytest.param("drill kill-node cockroachdb-client-secure", "expected the ordinal of a pod", id="client pod"),
        pytest.param("drill kill-node 1 2", "Found '2', expected a cluster", id="two nodes"),
        pytest.param("drill kill-node 1 --hard", "Found argument 'hard'", id="an unknown switch"),
    ],
)
def test_a_bad_line_gets_one_clear_message_and_a_line_that_works(text: str, told: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)

    assert told in caught.value.message
    assert caught.value.message.count("found") <= 2
    assert "/crdb drill kill-node 1" in caught.value.hint


def test_where_a_cluster_has_to_be_named_the_line_to_type_is_whole() -> None:
    with pytest.raises(CommandError) as caught:
        parse("drill kill-node 1", configuration=given.configuration(), channel="C0PRV")

    assert "type /crdb drill cart kill-node 1" in caught.value.hint


async def test_an_operator_starts_it_and_a_viewer_does_not(on: Stage) -> None:
    await on.command("vic", "drill kill-node 1")
    await on.whispered("vic", "operator")
    assert on.gateway.started == []

    await on.command("erin", "drill kill-node 1")
    await on.whispered("erin", "Drill of crdb has started")

    assert [operation for operation, *_ in on.gateway.started] == ["drill"]


@pytest.mark.parametrize(("may_cancel", "is_there"), [(True, True), (False, False)])
def test_the_button_cancel_is_there_only_until_the_pod_is_deleted(may_cancel: bool, is_there: bool) -> None:
    status = given.operation("running", operation="drill", may_cancel=may_cancel)

    drawn = json.dumps(operation_message(status, url="http://127.0.0.1/x").blocks)

    assert ('"action_id": "cancel"' in drawn) == is_there
