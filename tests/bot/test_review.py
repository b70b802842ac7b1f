"""Review several requests: from the button on an operation's message to a result line for each that was ticked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from bot.cards.review import Pick
from bot.outbox import ChatActivities
from devtools.console.faults import Fault
from domain.errors import TransientError
from gateway.running import Home
from operations.certify import CertifyStatus
from operations.chat import MessageRef, ShowCard
from operations.messages import CertifyState
from tests.bot import given
from tests.bot.harness import Stage, eventually

pytestmark = pytest.mark.parametrize("transport", ["http", "socket"])

BUTTON = "review"


def request(number: int, state: CertifyState = "pending", **more: object) -> CertifyStatus:
    """The open request of another pod, in a run of its own."""
    pod = f"cockroachdb-{number}"
    verdict = given.verdict().model_copy(update={"fingerprint": f"{number:x}" * 64})
    fields: dict[str, object] = {
        "workflow_id": f"crdb/dev/csr/crdb.node.{pod}/uid{number}",
        "run_id": f"run-{number}",
        "csr": f"crdb.node.{pod}",
        "approval_id": f"aaaa000{number}",
        "evidence": given.evidence(pod=pod, csr=f"crdb.node.{pod}"),
        "verdict": verdict,
    }
    return given.card(state, **{**fields, **more})


def value(card: CertifyStatus) -> str:
    assert card.verdict is not None
    return Pick(card.approval_id, card.verdict.fingerprint, card.run_id).value()


def waits(on: Stage, *cards: CertifyStatus) -> None:
    """Let these be the open requests of the cluster, beside a running deploy."""
    on.gateway.change = given.operation("person", started_at=datetime.now(UTC))
    on.gateway.card = cards[0]
    on.gateway.others = {card.run_id: card for card in cards[1:]}


async def root_of(on: Stage) -> MessageRef:
    assert on.gateway.change is not None
    return await on.post(await on.bot.roots.drawing(on.gateway.change), kind="operation")


async def opened(on: Stage, persona: str = "ada") -> tuple[MessageRef, dict[str, Any]]:
    """Click the button; return the root and the modal as it is once it was filled."""
    root = await root_of(on)
    await on.click(persona, root, BUTTON)

    async def filled() -> dict[str, Any] | None:
        view = next(iter(await on.views(persona)), None)
        return view if view is not None and "Reading the requests" not in json.dumps(view) else None

    view: dict[str, Any] = await eventually(filled)
    return root, view


async def submitted(on: Stage, view: dict[str, Any], *ticked: CertifyStatus, persona: str = "ada") -> str:
    """Tick and submit; return what the modal says once every result is there."""
    blocks = {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}
    values: dict[str, Any] = {}
    for name, block in blocks.items():
        known = [option["value"] for option in block["element"]["options"]]
        values[name] = {"requests": [value(card) for card in ticked if value(card) in known]}
    answer = await on.page("submit", persona=persona, view_id=view["id"], values=values)
    assert answer["ok"], answer

    async def over() -> str:
        said = said_by(await on.views(persona))
        return said if "The cards in the thread say" in said else ""

    return str(await eventually(over))


def said_by(found: Any) -> str:
    """All text of blocks, as a person reads it."""
    if isinstance(found, dict):
        own = found["text"] if isinstance(found.get("text"), str) else ""
        return own + "".join(said_by(part) for part in found.values())
    return "".join(said_by(part) for part in found) if isinstance(found, list) else ""


def options_of(view: dict[str, Any]) -> list[dict[str, Any]]:
    return [o for block in view["blocks"] if block["type"] == "input" for o in block["element"]["options"]]


async def test_the_button_says_how_many_wait_and_there_is_none_for_one(on: Stage) -> None:
    waits(on, request(0), request(1), request(2))

    root = await root_of(on)

    assert "Review 3 requests" in json.dumps((await on.message(root))["blocks"])
    waits(on, request(0), request(1, "expired"))
    await on.click("ada", root, BUTTON)

    async def is_gone() -> bool:
        return "Review" not in json.dumps((await on.message(root))["blocks"])

    await eventually(is_gone)


async def test_a_card_that_comes_is_counted_on_its_root(on: Stage) -> None:
    waits(on, request(0))
    root = await root_of(on)
    on.gateway.homes[given.CHANGE_ID] = Home("C0OPS", root.ts)
    on.gateway.others = {"run-1": request(1)}
    env = ActivityEnvironment()
    env.info = replace(env.info, scheduled_time=datetime.now(UTC))
    chat = ChatActivities(on.bot.messages, on.gateway, roots=on.bot.roots)
    shown = ShowCard(channel="C0OPS", status=request(1), behind_workflow_id=given.CHANGE_ID)

    await env.run(chat.show_card, shown)

    async def is_counted() -> bool:
        return "Review 2 requests" in json.dumps((await on.message(root))["blocks"])

    await eventually(is_counted)


async def test_every_open_request_is_listed_with_pod_fingerprint_and_sum(on: Stage) -> None:
    bad = given.verdict(failing=2).model_copy(update={"fingerprint": "e" * 64})
    looked = given.verdict(looking=1).model_copy(update={"fingerprint": "d" * 64})
    waits(on, request(0), request(1, verdict=looked), request(2, verdict=bad), request(3, "expired"))

    _, view = await opened(on)

    options = options_of(view)
    assert [option["text"]["text"] for option in options] == [
        "node cockroachdb-0   00000000…00000000",
        "node cockroachdb-1   dddddddd…dddddddd",
    ]
    assert [option["description"]["text"] for option in options] == [
        "17 of 17 checks pass",
        "1 of 17 checks needs a look: signed by its own key",
    ]
    said = said_by(view["blocks"])
    assert "4 open requests of crdb" in said
    assert "node cockroachdb-2   eeeeeeee…eeeeeeee   2 of 17 checks fail: nobody can approve this" in said
    assert "node cockroachdb-3   33333333…33333333   expired: ask again on its card" in said


async def test_each_ticked_request_gets_a_token_and_an_update_of_its_own(on: Stage) -> None:
    cards = [request(number) for number in range(3)]
    waits(on, *cards)
    root, view = await opened(on)

    said = await submitted(on, view, cards[0], cards[2])

    assert "2 of 2 approved" in said
    assert [(claims.approval_id, claims.run_id, claims.fingerprint) for _, claims, _, _ in on.gateway.decisions] == [
        ("aaaa0000", "run-0", "0" * 64),
        ("aaaa0002", "run-2", "2" * 64),
    ]
    assert [update_id for *_, update_id in on.gateway.decisions] == ["approve:aaaa0000:U0ADA", "approve:aaaa0002:U0ADA"]
    assert {update for update, *_ in on.gateway.decisions} == {"approve"}

    async def is_redrawn() -> bool:
        return "Review" not in json.dumps((await on.message(root))["blocks"])

    await eventually(is_redrawn)


async def test_one_result_line_each_whatever_came_of_it(on: Stage) -> None:
    cards = [request(number) for number in range(7)]
    waits(on, *cards)
    root, view = await opened(on)
    changed = given.verdict().model_copy(update={"fingerprint": "f" * 64})
    now = on.gateway.others
    now["run-1"] = request(1, verdict=changed)
    now["run-2"] = request(2, approval_id="new00001")
    now["run-3"] = request(3, asked_by=(given.ADA,))
    now["run-4"] = request(4, "issued", sentence="Issued to crdb.node.cockroachdb-4, approved by Abe.")
    on.gateway.silent = {"run-5"}
    now["run-6"] = request(6, verdict=given.verdict(failing=1).model_copy(update={"fingerprint": "6" * 64}))

    said = await submitted(on, view, *cards)

    assert "1 of 7 approved" in said
    assert "✓  node cockroachdb-0   00000000…00000000   approved" in said
    assert "–  node cockroachdb-1   11111111…11111111   skipped: it changed since it was shown" in said
    assert "–  node cockroachdb-2   22222222…22222222   skipped: it changed since it was shown" in said
    assert "✗  node cockroachdb-3   33333333…33333333   refused: You asked for it: somebody else must decide." in said
    assert "–  node cockroachdb-4   44444444…44444444   already decided: Issued to crdb.node.cockroachdb-4, " in said
    assert "approved by Abe." in said
    assert "⚠  node cockroachdb-5   55555555…55555555   not recorded: no worker took it, nothing was decided" in said
    assert "✗  node cockroachdb-6   66666666…66666666   refused: Nobody can approve this request" in said
    assert [claims.run_id for _, claims, _, _ in on.gateway.decisions] == ["run-0"]
    assert [text for text in await on.replies(root) if "tried" in text] == [
        "U0ADA tried to approve a request that they asked for: somebody else must decide. Nothing was decided there."
    ]


async def test_a_second_approver_is_told_who_was_first(on: Stage) -> None:
    cards = [request(0), request(1)]
    waits(on, *cards)
    _, of_abe = await opened(on, "abe")
    _, of_ada = await opened(on, "ada")
    await submitted(on, of_ada, cards[0])

    said = await submitted(on, of_abe, cards[0], cards[1], persona="abe")

    assert "already decided: Approved by Ada" in said
    assert "1 of 2 approved" in said


async def test_who_asked_for_them_sees_why_there_is_nothing_to_tick(on: Stage) -> None:
    waits(on, request(0), request(1))

    _, view = await opened(on, "erin")

    assert options_of(view) == []
    assert view.get("submit") is None
    assert said_by(view["blocks"]).count("you asked for it: somebody else must decide") == 2


async def test_a_tick_that_will_be_refused_says_so_beside_it(on: Stage) -> None:
    waits(on, request(0), request(1, asked_by=(given.ADA,)))

    _, view = await opened(on)

    assert [option["description"]["text"] for option in options_of(view)] == [
        "17 of 17 checks pass",
        "⚠ you asked for it: somebody else must decide",
    ]


@pytest.mark.parametrize(
    ("persona", "words"),
    [
        pytest.param("vic", "You are none of the approvers", id="viewer"),
        pytest.param("gus", "Guests may not act here.", id="guest"),
        pytest.param("dee", "This account is deactivated.", id="deactivated"),
    ],
)
async def test_rights_are_checked_when_it_opens(on: Stage, persona: str, words: str) -> None:
    waits(on, request(0), request(1))

    _, view = await opened(on, persona)

    assert words in said_by(view["blocks"])
    assert options_of(view) == []


async def test_a_stranger_gets_no_modal(on: Stage) -> None:
    waits(on, request(0), request(1))
    root = await root_of(on)

    await on.click("sam", root, BUTTON)

    await on.whispered("sam", "You are not a member of this workspace")
    assert await on.views("sam") == []


async def test_rights_are_checked_again_when_it_is_sent_and_what_cannot_be_known_is_no(on: Stage) -> None:
    cards = [request(0), request(1)]
    waits(on, *cards)
    _, view = await opened(on)
    on.console.faults.add(Fault("users.info", "500"))

    said = await submitted(on, view, *cards)

    assert "0 of 2 approved" in said
    assert said.count("not recorded: It cannot be read right now who you are, so nothing is done.") == 2
    assert on.gateway.decisions == []


async def test_nothing_ticked_is_said_in_the_modal(on: Stage) -> None:
    waits(on, *(request(number) for number in range(12)))
    _, view = await opened(on)

    answer = await on.page("submit", persona="ada", view_id=view["id"], values={})

    assert answer["errors"] == {"review-0": "Found nothing ticked, expected at least one request"}
    assert on.gateway.decisions == []


async def test_the_modal_opens_though_the_workers_are_silent_and_nothing_can_be_ticked(on: Stage) -> None:
    waits(on, request(0), request(1))
    root = await root_of(on)
    on.gateway.query_error = TransientError("workflow.silent", "No worker answers for this run.")

    await on.click("ada", root, BUTTON)

    async def told() -> bool:
        return said_by(await on.views("ada")).count("no worker answers for it right now") == 2

    await eventually(told)


async def test_the_modal_opens_within_the_triggers_time_and_says_that_temporal_is_away(on: Stage) -> None:
    waits(on, request(0), request(1))
    root = await root_of(on)
    on.gateway.away = TransientError("temporal.unreachable", "Temporal cannot be reached (unavailable).")

    await on.click("ada", root, BUTTON)

    async def told() -> bool:
        return "Temporal cannot be reached" in said_by(await on.views("ada"))

    await eventually(told)


async def test_who_closed_the_modal_hears_the_results_all_the_same(on: Stage) -> None:
    cards = [request(0), request(1)]
    waits(on, *cards)
    _, view = await opened(on)
    on.gateway.delay = 0.3
    values = {"requests": [value(card) for card in cards]}
    await on.page("submit", persona="ada", view_id=view["id"], values=values)

    await on.page("close", persona="ada", view_id=view["id"])

    said = await on.whispered("ada", "2 of 2 approved.")
    assert "node cockroachdb-0: approved; node cockroachdb-1: approved" in said


@pytest.mark.parametrize("kind", ["429", "500"])
async def test_results_reach_the_person_though_the_modal_cannot_be_drawn(on: Stage, kind: str) -> None:
    cards = [request(0), request(1)]
    waits(on, *cards)
    _, view = await opened(on)
    on.console.faults.add(Fault("views.update", kind, count=100, seconds=30))

    await on.page("submit", persona="ada", view_id=view["id"], values={"requests": [value(cards[1])]})

    await on.whispered("ada", "1 of 1 approved. node cockroachdb-1: approved")
    assert sum(r.name == "views.update" for r in on.console.recorder.since(0)) == 2, "the list, and one try"
