from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, get_args

import pytest

from bot.cards import blocks as b
from bot.cards.approvals import approvals_message
from bot.cards.csr import csr_message
from bot.cards.details import PRESETS, deny_view, details_view, loading_view, reason_of, sorry_view
from bot.cards.evidence import card_message
from bot.cards.failure import failure_message, plain_message
from bot.cards.help import help_message
from bot.cards.home import home_view
from bot.cards.operation import operation_message, span
from bot.cards.started import started_message
from bot.cards.status import status_message
from bot.cards.whoami import whoami_message
from bot.people import Standing
from devtools.console import check_message, check_view
from domain.errors import BrokenError, BusyError, InvalidRequestError, RefusedError, TransientError
from gateway.running import ApprovalTarget
from operations import CATALOGUE
from operations.certify import DecisionRecord
from operations.csr import CsrResult, CsrRow
from operations.messages import CertifyState, OperationState
from tests.bot import given

URL = "http://127.0.0.1:8233/namespaces/crdb/workflows/x/y/history"


def faults(message: b.Message) -> list[str]:
    return check_message({"channel": "C0OPS", "text": message.text, "blocks": message.blocks})


def strings(value: Any) -> list[str]:
    """All text that Slack would read as markup: mrkdwn outside of code spans."""
    if isinstance(value, dict):
        own = [re.sub("`[^`]*`", "", value["text"])] if value.get("type") == "mrkdwn" else []
        return own + [s for part in value.values() for s in strings(part)]
    if isinstance(value, list):
        return [s for part in value for s in strings(part)]
    return []


@pytest.mark.parametrize("state", get_args(OperationState))
def test_the_operation_message_keeps_slacks_limits_at_its_largest(state: OperationState) -> None:
    assert faults(operation_message(given.largest_operation(state), url=URL)) == []


@pytest.mark.parametrize("state", get_args(OperationState))
def test_the_operation_message_keeps_slacks_limits(state: OperationState) -> None:
    assert faults(operation_message(given.operation(state), url=URL)) == []


@pytest.mark.parametrize("state", get_args(CertifyState))
def test_the_card_keeps_slacks_limits_at_its_largest(state: CertifyState) -> None:
    assert faults(card_message(given.largest_card(state), url=URL)) == []


@pytest.mark.parametrize("state", get_args(CertifyState))
def test_the_card_keeps_slacks_limits_without_evidence(state: CertifyState) -> None:
    assert faults(card_message(given.card(state, evidence=None, verdict=None), url=URL)) == []


def test_the_details_keep_slacks_limits_at_their_largest() -> None:
    assert check_view(details_view(given.largest_card())) == []


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(loading_view(), id="loading"),
        pytest.param(sorry_view("x" * 5000), id="sorry"),
        pytest.param(deny_view(whose=given.NASTY * 20, fingerprint=given.FINGERPRINT, private="{}"), id="deny"),
        pytest.param(home_view(roles=["viewer", "operator"], pending=()), id="home of nobody"),
        pytest.param(
            home_view(
                roles=[],
                pending=(ApprovalTarget(workflow_id="a" * 600, run_id="r", approval_id="z" * 99),) * 20,
            ),
            id="full home",
        ),
    ],
)
def test_every_view_keeps_slacks_limits(view: dict[str, Any]) -> None:
    assert check_view(view) == []


def test_untrusted_text_is_never_markup_on_a_card() -> None:
    message = card_message(given.largest_card(), url=URL)

    told = strings(message.blocks)
    assert not any("<!channel" in text for text in told)
    assert not any("<https://evil" in text for text in told)
    assert not any("*bold*" in text for text in told)
    assert "<!channel" not in message.text


def test_untrusted_text_is_never_markup_in_an_operation() -> None:
    message = operation_message(given.largest_operation(), url=URL)

    assert not any("<!channel" in text or "*bold*" in text for text in strings(message.blocks))
    assert "<!channel" not in message.text


def test_a_decisions_reason_is_never_markup() -> None:
    message = card_message(given.card("denied", decisions=(given.decided("deny", given.NASTY),)), url=URL)

    assert not any("<!channel" in text for text in strings(message.blocks))


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        pytest.param(given.card(), ["approve", "deny", "details"], id="a good request may be approved"),
        pytest.param(given.card(verdict=given.verdict(looking=1)), ["approve", "deny", "details"], id="a look as well"),
        pytest.param(given.card(verdict=given.verdict(failing=1)), ["deny", "details"], id="a failed check: by nobody"),
        pytest.param(given.card("expired"), ["ask_again", "details"], id="expired: ask again"),
        pytest.param(given.card("decided"), ["details"], id="decided: nothing more to decide"),
        pytest.param(given.card("issued"), ["details"], id="issued"),
        pytest.param(given.card("gone", evidence=None), [], id="gone before it was read"),
    ],
)
def test_a_card_has_the_buttons_of_its_state(status: Any, buttons: list[str]) -> None:
    assert actions_of(card_message(status)) == buttons


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        pytest.param(given.operation(), ["cancel", "open_temporal"], id="running"),
        pytest.param(
            given.operation("person", may_ask_again=True), ["ask_again", "cancel", "open_temporal"], id="denied"
        ),
        pytest.param(given.operation("done"), ["open_temporal"], id="done"),
        pytest.param(given.operation("failed", may_ask_again=True), ["open_temporal"], id="over: nothing to ask"),
    ],
)
def test_an_operation_has_the_buttons_of_its_state(status: Any, buttons: list[str]) -> None:
    assert actions_of(operation_message(status, url=URL)) == buttons


def actions_of(message: b.Message) -> list[str]:
    rows = [block for block in message.blocks if block["type"] == "actions"]
    return [element["action_id"] for row in rows for element in row["elements"]]


def test_a_button_carries_run_and_approval_and_nothing_more() -> None:
    message = card_message(given.card())

    rows = [block for block in message.blocks if block["type"] == "actions"]
    values = [element["value"] for row in rows for element in row["elements"]]
    expected = {"workflow_id": given.CERTIFY_ID, "run_id": given.RUN_ID, "approval_id": given.APPROVAL_ID}
    assert [json.loads(value) for value in values] == [expected] * 3


def test_approve_asks_once_more_with_pod_and_fingerprint() -> None:
    message = card_message(given.card())

    approve = next(e for block in message.blocks if block["type"] == "actions" for e in block["elements"])
    said = approve["confirm"]["text"]["text"]
    assert "cockroachdb-1" in said
    assert given.FINGERPRINT[:8] in said
    assert given.FINGERPRINT[-8:] in said


def test_a_card_says_its_sum_and_who_may_not() -> None:
    message = card_message(given.card())

    everything = json.dumps(message.blocks)
    assert "17 of 17 checks pass" in everything
    assert "0 of 1 from the approvers, not <@U0ERIN> who asked for it" in everything


def test_a_card_that_wants_two_people_says_how_many_there_are_and_who() -> None:
    approved = DecisionRecord(
        verb="approve", person=given.ADA, at=given.AT, approval_id="ab12cd34", fingerprint="f" * 64
    )
    message = card_message(
        given.card(approvals_wanted=2, decisions=(approved,), sentence="Approved by Ada Approver; 1 more needed.")
    )

    everything = json.dumps(message.blocks)
    assert "1 of 2 from the approvers" in everything
    assert "approved by <@U0ADA>" in everything
    assert "Approved by Ada Approver; 1 more needed." in everything


def test_a_failed_check_comes_first_with_what_was_found() -> None:
    message = card_message(given.card(verdict=given.verdict(failing=1, words="other.example")))

    checks = next(block for block in message.blocks if block["type"] == "rich_text")
    said = "".join(element.get("text", "") for element in checks["elements"][0]["elements"])
    lines = said.split("\n")
    assert lines[0] == "1 of 17 checks fail: nobody can approve this"
    assert lines[1] == "✗  signed by its own key: found other.example; expected other.example"


def test_an_instant_in_the_sentence_is_shown_in_the_readers_zone() -> None:
    message = card_message(given.card("decided", sentence="Waiting for the signer since <t:1795615200>."))

    said = next(block for block in message.blocks if block["type"] == "rich_text")
    kinds = [element["type"] for element in said["elements"][0]["elements"]]
    assert kinds == ["text", "date", "text"]


def test_steps_beyond_twelve_fold_the_finished_ones() -> None:
    message = operation_message(given.largest_operation("running"), url=URL)

    lines = next(block for block in message.blocks if block["type"] == "rich_text")["elements"][0]["elements"]
    said = "".join(element["text"] for element in lines)
    assert "12 more done" in said
    assert "16 more to do" in said


@pytest.mark.parametrize(
    ("value", "said"),
    [(timedelta(seconds=9), "9 s"), (timedelta(seconds=61), "1 min 1 s"), (timedelta(hours=3, minutes=5), "3 h 5 min")],
)
def test_a_span_is_said_in_its_two_largest_units(value: timedelta, said: str) -> None:
    assert span(value) == said


@pytest.mark.parametrize("limit", range(1, 30))
def test_a_cut_never_splits_an_entity(limit: int) -> None:
    short = b.cut("a&lt;b&amp;c&gt;&lt;&lt;", limit)

    assert len(short) <= limit
    assert "&" not in short.replace("&lt;", "").replace("&amp;", "").replace("&gt;", "")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(help_message("", configuration=given.configuration(), channel="C0OPS", version="1"), id="help"),
        *(
            pytest.param(
                help_message(entry.name, configuration=given.configuration(), channel="", version="1"), id=entry.name
            )
            for entry in CATALOGUE
        ),
        pytest.param(approvals_message((), now=given.AT, url=lambda _: ""), id="no approvals"),
        pytest.param(
            approvals_message(
                (given.target(workflow_id=given.NASTY * 20, approval_id="x" * 300, cluster=given.NASTY * 9),) * 50,
                now=given.AT,
                url=lambda _: "http://127.0.0.1:8233/" + "x" * 900,
            ),
            id="large approvals",
        ),
        pytest.param(
            whoami_message(
                given.ADA.model_copy(update={"name": given.NASTY * 20}),
                (
                    Standing("viewer", True),
                    Standing("operator", None, unreadable=("S0OPERATORS",) * 50),
                    Standing("approver", False, groups=("S0APPROVERS",) * 50, people=("U0ERIN",) * 50),
                ),
            ),
            id="whoami",
        ),
        pytest.param(status_message(given.status()), id="status"),
        pytest.param(status_message(given.status(12), running="scale, asked for by Erin.", url=URL), id="12 nodes"),
        pytest.param(status_message(given.status(is_deployed=False, nodes=()), running="x" * 900), id="not deployed"),
        pytest.param(
            status_message(given.largest_status(), running=given.NASTY * 99, url=URL),
            id="largest status",
        ),
        pytest.param(csr_message(CsrResult(ref=given.REF, taken_at=given.AT)), id="no csr"),
        pytest.param(
            csr_message(
                CsrResult(
                    ref=given.REF,
                    taken_at=given.AT,
                    rows=(
                        CsrRow(
                            name="n" * 253,
                            uid="u",
                            pod="p" * 253,
                            state="pending",
                            summary=given.NASTY * 9,
                            created_at=given.AT,
                        ),
                    )
                    * 90,
                )
            ),
            id="many csrs",
        ),
        pytest.param(started_message("deploy of crdb", channel="C0OPS", url=URL), id="started"),
        pytest.param(plain_message(given.NASTY * 99), id="plain"),
        pytest.param(
            failure_message(BusyError("cluster.busy", "by <@U0ERIN>", hint="Wait.", url=URL), is_start=True), id="busy"
        ),
        pytest.param(failure_message(RefusedError("x.y", "z" * 9000, hint="h" * 9000), reference="ab"), id="long"),
    ],
)
def test_every_answer_keeps_slacks_limits(message: b.Message) -> None:
    assert faults(message) == []


def test_help_has_at_most_twelve_lines_and_one_example_a_command() -> None:
    message = help_message("", configuration=given.configuration(), channel="C0OPS", version="1")

    listed = next(part for block in message.blocks if block["type"] == "rich_text" for part in block["elements"])
    parts = [part for row in listed["elements"] for part in row["elements"]]
    assert [part["text"] for part in parts if part.get("style")] == [entry.example for entry in CATALOGUE]
    assert len(listed["elements"]) <= 12


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(RefusedError("approval.four-eyes", "x"), "You asked for it: somebody else must decide.", id="own"),
        pytest.param(
            TransientError("approvers.unreadable", "x"),
            "The approver list cannot be read right now, so nobody may approve.",
            id="unreadable list",
        ),
        pytest.param(RefusedError("people.guest", "x"), "Guests may not act here.", id="guest"),
        pytest.param(
            TransientError("temporal.unreachable", "Temporal cannot be reached (unavailable)."),
            "Temporal cannot be reached (unavailable). Nothing was started.",
            id="temporal away",
        ),
        pytest.param(InvalidRequestError("x.y", "Found a.", hint="Type b."), "Found a. Type b. Nothing was", id="hint"),
        pytest.param(BrokenError("x.y", "Odd."), "Something is broken: Odd.", id="broken"),
    ],
)
def test_a_failure_says_its_sentence(error: Any, said: str) -> None:
    assert said in failure_message(error, is_start=True).text


def test_a_start_that_may_have_happened_is_not_called_nothing() -> None:
    error = TransientError("operation.start-unknown", "It is not known whether deploy of crdb started.")

    assert "Nothing was started" not in failure_message(error, is_start=True).text


@pytest.mark.parametrize(
    ("preset", "words", "reason"),
    [
        ("other", " wrong pod ", "wrong pod"),
        ("maintenance", "", "Not now: maintenance"),
        ("maintenance", "till six", "Not now: maintenance. till six"),
        ("unheard-of", "words", "words"),
    ],
)
def test_a_reason_is_the_chosen_and_the_own_words(preset: str, words: str, reason: str) -> None:
    assert reason_of(preset, words) == reason


def test_every_preset_reason_is_long_enough_by_itself() -> None:
    assert all(len(reason_of(value, "")) >= 5 for value, _ in PRESETS if value != "other")


def test_requests_that_wait_for_a_place_are_told_as_such() -> None:
    row = CsrRow(name="a", uid="u", pod="cockroachdb-0", state="pending", summary="17 of 17", created_at=given.AT)
    rows = (row.model_copy(update={"name": "b", "waits_for_place": True}), row)

    drawn = csr_message(CsrResult(ref=given.REF, taken_at=given.AT, rows=rows))

    assert "2 pending, 1 of them without a card yet" in drawn.text
    assert str(drawn.blocks).count("waits for a place among 20") == 1
