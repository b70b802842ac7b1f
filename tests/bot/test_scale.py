"""`/crdb scale` typed: what is understood, each bad number with its one message, and a scale that runs already."""

from __future__ import annotations

import pytest

from bot.command import CommandError, parse
from operations.messages import OperationStatus
from operations.scale import ScaleRequest
from tests.bot import given
from tests.bot.harness import Stage


def read(text: str) -> ScaleRequest:
    request = parse(text, configuration=given.configuration(), channel="C0OPS").request
    assert isinstance(request, ScaleRequest)
    return request


@pytest.mark.parametrize(
    ("text", "nodes", "plan"),
    [
        pytest.param("scale 4", 4, False, id="a bare number"),
        pytest.param("scale crdb 4", 4, False, id="cluster and number"),
        pytest.param("scale 4 crdb", 4, False, id="number and cluster"),
        pytest.param("scale nodes=4 --plan", 4, True, id="by name, plan only"),
    ],
)
def test_a_number_is_read(text: str, nodes: int, plan: bool) -> None:
    assert read(text) == ScaleRequest(ref=given.REF, nodes=nodes, plan=plan)


def test_dead_nodes_are_given_up_by_a_switch() -> None:
    assert read("scale 3 --decommission-dead").decommission_dead


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("scale", "nodes: found nothing, expected a value", id="no number"),
        pytest.param("scale 0", "nodes: found '0', expected at least 3", id="none"),
        pytest.param("scale 2", "nodes: found '2', expected at least 3", id="two"),
        pytest.param("scale -1", "nodes: found '-1', expected at least 3", id="less than none"),
        pytest.param("scale 4.5", "nodes: found '4.5', expected a whole number", id="half a node"),
        pytest.param("scale four", "nodes: found 'four', expected a whole number", id="a word"),
        pytest.param("scale 1000", "nodes: found '1000', expected at most 99", id="a thousand"),
        pytest.param("scale 4 5", "Found '5', expected a cluster (cart, crdb, shop) or nothing", id="two numbers"),
        pytest.param("scale 4 shp", "Found 'shp', expected a cluster", id="an unknown cluster"),
        pytest.param("scale 4 cluster=nope", "Found cluster 'nope', expected one of", id="an unknown cluster by name"),
    ],
)
def test_a_bad_line_gets_one_clear_message_and_a_line_that_works(text: str, told: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(text)

    assert told in caught.value.message
    assert "Other values" not in caught.value.message
    assert "/crdb scale 4" in caught.value.hint


def running() -> OperationStatus:
    return given.operation("running", operation="scale", requester=given.ERIN)


async def test_the_second_scale_is_refused_with_a_button_that_changes_the_running_one(on: Stage) -> None:
    on.gateway.change = running()

    await on.command("ada", "scale 5")
    said = await on.whispered("ada", "Another operation is running")
    ref = await on.whisper_with_button("ada", "retarget")
    await on.click("ada", ref, "retarget")
    await on.whispered("ada", "Recorded.")

    assert "scale running" in said
    assert "Nothing was started." in said
    ((verb, claims, _, _),) = on.gateway.decisions
    assert (verb, claims.verb, claims.nodes, claims.run_id) == ("retarget", "retarget", 5, given.RUN_ID)
    assert claims.person.id != given.ERIN.id


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        pytest.param("deploy", "scale 5", id="another operation runs"),
        pytest.param("scale", "scale 5 --plan", id="only the plan is asked for"),
    ],
)
async def test_nothing_else_offers_such_a_button(on: Stage, operation: str, line: str) -> None:
    on.gateway.change = given.operation("running", operation=operation, requester=given.ERIN)

    await on.command("ada", line)
    await on.whispered("ada", "Another operation is running")

    assert await on.buttons_whispered("ada") == []
