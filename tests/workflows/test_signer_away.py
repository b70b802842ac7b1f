"""`Certify` while the signer is away or in trouble: what the card says, and that a decision is good for a day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.errors import NotReadyError, RefusedError
from tests.workflows.people import BOB
from tests.workflows.stage import Stage
from tests.workflows.waiting import until

CSR = "crdb.node.cockroachdb-0"


def _trouble(**span: float) -> list[Exception]:
    """Every attempt fails until the list is emptied; how soon they follow each other, skipped time does not tell."""
    return [NotReadyError("ca.locked", "The key cannot be read.", retry_after=timedelta(**span))] * 200


async def test_after_twenty_seconds_the_card_names_the_signer_and_since_when(stage: Stage) -> None:
    stage.world.errors = {"signing.judge": _trouble(minutes=5)}
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)
    await until(lambda: "signing.judge" in stage.world.state.calls)
    await stage.pass_time(handle, seconds=15)
    early = (await stage.gateway.certify_status(handle.id, run_id="")).sentence

    await stage.pass_time(handle, seconds=10)
    await until(lambda: "waiting for the signer" in stage.chat.cards()[0].sentence)

    (card,) = stage.chat.cards()
    assert early == "Approved by Bob, issuing…"
    at = card.decisions[0].at
    since = [f"{moment:%H:%M} UTC" for moment in (at, at + timedelta(seconds=20))]  # a minute may pass between
    assert card.sentence in [f"Decided by Bob; waiting for the signer since {moment}." for moment in since]
    stage.world.errors = {}
    await stage.pass_time(handle, minutes=6)
    assert (await handle.result()).state == "issued"


async def test_a_signer_that_is_away_for_a_day_ends_it_and_nothing_is_written(stage: Stage) -> None:
    stage.world.errors = {"signing.judge": _trouble(hours=13)}
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)

    await stage.pass_time(handle, hours=25)
    result = await handle.result()

    assert result.state == "failed"
    assert result.sentence == (
        f"The signer of site {stage.world.ref.site} did not do its part within 24 hours of the decision. "
        "Start it, then let the pod ask again. [certify.signer-away]"
    )
    assert [d.person.id for d in result.decisions] == [BOB.id]
    assert stage.world.state.effects == []


async def test_the_day_counts_from_the_decision_and_not_from_each_part(stage: Stage) -> None:
    stage.world.errors = {"signing.judge": _trouble(hours=1)}
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)
    await until(lambda: "signing.judge" in stage.world.state.calls)
    await stage.pass_time(handle, hours=5)
    stage.world.errors = {}
    await stage.pass_time(handle, hours=2)
    await handle.result()

    scheduled = [e.activity_task_scheduled_event_attributes for e in await stage.history(handle)]
    (sign,) = [one for one in scheduled if one.activity_type.name == "signing.sign"]
    assert sign.schedule_to_close_timeout.ToTimedelta() <= timedelta(hours=19)


async def test_a_signer_that_breaks_down_after_approved_leaves_an_approved_request(stage: Stage) -> None:
    stage.world.errors = {"signing.sign": _trouble(hours=13)}
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)
    await until(lambda: "signing.sign" in stage.world.state.calls)

    await stage.pass_time(handle, hours=25)
    result = await handle.result()

    assert (result.state, "[certify.signer-away]" in result.sentence) == ("failed", True)
    assert stage.world.state.effects == [f"approved {CSR}"]


async def test_a_denial_that_needs_the_signer_says_so_too(stage: Stage) -> None:
    request = stage.world.add_pod()
    request.approved = "outside"
    stage.world.errors = {"signing.fail": _trouble(minutes=5)}
    handle = await stage.certify(request)
    await stage.click("deny", await stage.chat.card("pending", csr=CSR), BOB, reason="wrong pod")
    await until(lambda: "signing.fail" in stage.world.state.calls)
    await stage.pass_time(handle, seconds=25)

    await until(lambda: stage.chat.cards()[0].sentence.startswith("Decided by Bob; waiting for the signer since"))
    stage.world.errors = {}
    await stage.pass_time(handle, minutes=6)
    result = await handle.result()

    assert (result.state, result.sentence) == ("denied", "Denied by Bob: wrong pod")
    assert request.failed == "CrdbopsDenied: approved outside, then denied: wrong pod"


@pytest.mark.parametrize("activity", ["signing.judge", "signing.sign"])
async def test_a_request_that_was_collected_while_the_signer_was_away_is_gone(stage: Stage, activity: str) -> None:
    stage.world.errors = {activity: _trouble(hours=2)}
    handle = await stage.certify(stage.world.add_pod())
    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)
    await until(lambda: activity in stage.world.state.calls)
    del stage.world.state.requests[CSR]
    stage.world.errors = {}

    await stage.pass_time(handle, hours=3)
    result = await handle.result()

    assert result.state == "gone"
    assert result.sentence.startswith("Gone:")
    assert [d.person.id for d in result.decisions] == [BOB.id]
    await until(lambda: [card.state for card in stage.chat.cards()] == ["gone"])


async def test_a_refusal_is_said_once(stage: Stage) -> None:
    stage.world.errors = {"signing.judge": [RefusedError("certify.no", "The signer refuses: the token is too old.")]}
    await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)

    await stage.click("approve", card, BOB)
    second = await stage.chat.card("pending", after=card.approval_id)

    assert second.sentence == "The signer refuses: the token is too old. Nothing was written."
