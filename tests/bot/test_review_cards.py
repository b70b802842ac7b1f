"""What the review looks like: within Slack's limits at its largest, and plain text throughout."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from bot.cards.operation import operation_message
from bot.cards.review import (
    Came,
    Pick,
    Result,
    Row,
    loading_view,
    results_text,
    results_view,
    review_view,
    row_of,
    silent_row,
    sorry_view,
)
from bot.clicks import ButtonValue, Click, click_of_private
from devtools.console import check_message, check_view
from operations.messages import CertifyState, OperationState
from tests.bot import given

LONG = "n" * 63
CLICK = Click(
    value=ButtonValue(workflow_id=f"crdb/{LONG}/{LONG}/{LONG}/change", run_id="r" * 36),
    channel="C0123456789",
    ts="1790000000.123456",
    thread_ts="1790000000.123456",
    stamp="1790000000.123456",
)


def rows(count: int) -> list[Row]:
    return [
        row_of(
            given.card(
                run_id=f"0190f0aa-1111-7000-8000-{number:012d}",
                approval_id=f"ab12cd{number:02d}",
                verdict=given.verdict(looking=8),
                evidence=given.evidence(pod="p" * 50 + f"-{number}"),
            )
        )
        for number in range(count)
    ]


def blocks_of(view: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in view["blocks"] if block["type"] == kind]


@pytest.mark.parametrize("count", [1, 2, 10, 11, 20, 40, 60])
def test_the_modal_keeps_slacks_limits_at_its_largest(count: int) -> None:
    view = review_view(rows(count), cluster=LONG, private=CLICK.private())

    assert check_view(view) == []
    ticks = [len(block["element"]["options"]) for block in blocks_of(view, "input")]
    assert sum(ticks) == min(count, 40)
    assert max(ticks) <= 10
    assert click_of_private(view["private_metadata"]) == CLICK


def test_the_modal_keeps_slacks_limits_with_everything_hostile() -> None:
    hostile = [row_of(given.largest_card(state)) for state in get_args(CertifyState) for _ in range(3)]
    silent = [silent_row(given.NASTY * 9, Pick("a", "f" * 64, "r"))] * 5

    view = review_view(hostile + silent, cluster=given.NASTY * 9, private=CLICK.private())

    assert check_view(view) == []


@pytest.mark.parametrize("came", get_args(Came))
def test_results_keep_slacks_limits_at_their_largest(came: Came) -> None:
    results = [Result(given.NASTY * 9, came, given.NASTY * 90)] * 40

    assert check_view(results_view(results, name="review-1")) == []
    assert len(results_text(results)) <= 2900


@pytest.mark.parametrize("view", [loading_view(), sorry_view("x" * 5000), review_view([], cluster="c", private="")])
def test_the_small_modals_keep_slacks_limits(view: dict[str, Any]) -> None:
    assert check_view(view) == []


def test_untrusted_names_stand_in_plain_text_alone() -> None:
    view = review_view(
        [row_of(given.card(evidence=given.evidence(pod=given.NASTY)))], cluster="crdb", private=CLICK.private()
    )

    assert "mrkdwn" not in str(view)


def test_a_long_name_keeps_its_end_by_which_pods_differ() -> None:
    labels = [row.label for row in rows(3)]

    assert [label.split("   ")[0][-4:] for label in labels] == ["pp-0", "pp-1", "pp-2"]
    assert {len(label) for label in labels} == {75}


def test_a_pick_names_all_that_was_shown_and_is_read_back() -> None:
    pick = Pick("ab12cd34", given.FINGERPRINT, given.RUN_ID)

    assert Pick.parse(pick.value()) == pick
    assert len(pick.value()) <= 150
    assert [Pick.parse(value) for value in ("", "a:b", "a::c", "a:b:c:d")] == [None] * 4


def test_nodes_stand_in_the_order_of_their_numbers_and_clients_first() -> None:
    pods = ("cockroachdb-10", "cockroachdb-9")
    listed = [row_of(given.card(run_id=pod, evidence=given.evidence(pod=pod))) for pod in pods]
    client = row_of(given.card(run_id="c", evidence=given.evidence(kind="client", subject="CN=root,O=Cockroach")))

    view = review_view([*listed, client], cluster="crdb", private="{}")

    options = blocks_of(view, "input")[0]["element"]["options"]
    assert [option["text"]["text"].split("   ")[0] for option in options] == [
        "client root",
        "node cockroachdb-9",
        "node cockroachdb-10",
    ]


@pytest.mark.parametrize(
    ("state", "blocked"),
    [
        ("pending", ""),
        ("expired", "expired: ask again on its card"),
        ("decided", "decided already, being signed"),
        ("issued", "is issued already"),
    ],
)
def test_only_what_waits_can_be_ticked(state: CertifyState, blocked: str) -> None:
    assert row_of(given.card(state)).blocked == blocked


def test_what_fails_a_hard_check_cannot_be_ticked() -> None:
    row = row_of(given.card(verdict=given.verdict(failing=1)))

    assert row.blocked == "1 of 17 checks fail: nobody can approve this"


def test_a_request_that_wants_two_people_says_how_many_there_are() -> None:
    row = row_of(given.card(approvals_wanted=2, decisions=(given.decided(),)))

    assert row.sum == "1 of 2 approvals · 17 of 17 checks pass"


@pytest.mark.parametrize(
    ("state", "waiting", "label"),
    [
        pytest.param("person", 3, "Review 3 requests", id="several wait"),
        pytest.param("running", 2, "Review 2 requests", id="two wait"),
        pytest.param("person", 1, "", id="one has its card"),
        pytest.param("person", 0, "", id="none"),
        pytest.param("done", 3, "", id="the operation is over"),
    ],
)
def test_the_operation_offers_a_review_when_several_wait(state: OperationState, waiting: int, label: str) -> None:
    message = operation_message(given.operation(state), url="", waiting=waiting)

    rows_ = [block for block in message.blocks if block["type"] == "actions"]
    found = [e["text"]["text"] for row in rows_ for e in row["elements"] if e["action_id"] == "review"]
    assert "".join(found) == label
    assert check_message({"channel": "C0OPS", "text": message.text, "blocks": message.blocks}) == []


def test_the_largest_operation_with_a_review_keeps_slacks_limits() -> None:
    message = operation_message(given.largest_operation("person"), url="http://x/y", waiting=20)

    assert check_message({"channel": "C0OPS", "text": message.text, "blocks": message.blocks}) == []
