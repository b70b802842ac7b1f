"""`Certify`: who may decide on a card, what a decision leads to, and what happens when the world moves meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import WorkflowHandle
from temporalio.exceptions import CancelledError

from activities.payloads import RunningChange
from domain.errors import RefusedError
from domain.model import Person
from operations.messages import ASKED_BY, OUTSIDE, AskedBy, OutsideChange
from tests.workflows.people import ALICE, BOB, CAROL, DAVE, STRANGER, VIEWER
from tests.workflows.stage import Grounds, Stage, ending_of, new_site, staged
from tests.workflows.waiting import until
from tests.workflows.world import configuration

CSR = "crdb.node.cockroachdb-0"


async def _refused(stage: Stage, verb: str, person: Person, *, reason: str = "", **other: str) -> RefusedError:
    card = await stage.chat.card("pending", csr=CSR)
    with pytest.raises(RefusedError) as caught:
        await stage.click(verb, card, person, reason=reason, **other)  # type: ignore[arg-type]
    return caught.value


async def _wake(handle: WorkflowHandle[object, object]) -> None:
    await handle.signal(OUTSIDE, OutsideChange(seen="changed"))


async def _asks(handle: WorkflowHandle[object, object], person: Person) -> None:
    await handle.signal(ASKED_BY, AskedBy(person=person, workflow_id="crdb/x/change", run_id="r"))


async def test_an_approval_leads_to_a_verified_certificate(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)

    receipt = await stage.click("approve", card, BOB)
    result = await handle.result()

    assert receipt.sentence == "Recorded."
    assert (result.state, result.serial) == ("issued", stage.world.state.requests[CSR].serial)
    assert [(d.verb, d.person.id, d.approval_id) for d in result.decisions] == [("approve", BOB.id, card.approval_id)]
    assert stage.world.state.effects == [f"approved {CSR}", f"issued {CSR}"]
    assert result.sentence == f"Issued to {CSR}, approved by Bob."


async def test_a_denial_with_a_reason_stands_in_kubernetes(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())

    await stage.click("deny", await stage.chat.card("pending", csr=CSR), BOB, reason="wrong pod")
    result = await handle.result()

    assert (result.state, result.decisions[0].reason) == ("denied", "wrong pod")
    assert stage.world.state.effects == [f"denied {CSR}"]
    await until(lambda: [card.state for card in stage.chat.cards()] == ["denied"])


@pytest.mark.parametrize(
    ("person", "code"),
    [
        pytest.param(VIEWER, "role.missing", id="viewer"),
        pytest.param(STRANGER, "role.missing", id="stranger_from_another_workspace"),
        pytest.param(ALICE, "role.missing", id="operator"),
    ],
)
async def test_nobody_without_the_role_may_decide(stage: Stage, person: Person, code: str) -> None:
    await stage.certify(stage.world.add_pod())

    refused = await _refused(stage, "approve", person)
    denied = await _refused(stage, "deny", person, reason="because I can")

    assert {refused.code, denied.code} <= {code, "role.stranger"}
    assert stage.chat.cards()[0].decisions == ()


async def test_who_asked_may_deny_but_not_approve(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)
    await _asks(handle, DAVE)
    await until(lambda: [p.id for p in stage.chat.cards()[0].asked_by] == [DAVE.id])

    refused = await _refused(stage, "approve", DAVE)
    await stage.click("deny", card, DAVE, reason="my mistake")

    assert refused.code == "approval.four-eyes"
    assert (await handle.result()).state == "denied"


@pytest.mark.parametrize(
    ("other", "code"),
    [
        pytest.param({"fingerprint": "0" * 64}, "decision.changed", id="another_fingerprint"),
        pytest.param({"approval_id": "deadbeef"}, "decision.changed", id="another_approval_id"),
        pytest.param({"run_id": "another-run"}, "token.other-run", id="another_run"),
    ],
)
async def test_a_decision_for_anything_else_is_refused(stage: Stage, other: dict[str, str], code: str) -> None:
    await stage.certify(stage.world.add_pod())

    refused = await _refused(stage, "approve", BOB, **other)

    assert refused.code == code


async def test_a_denial_needs_a_reason(stage: Stage) -> None:
    await stage.certify(stage.world.add_pod())

    refused = await _refused(stage, "deny", BOB, reason=" no ")

    assert refused.code == "certify.reason-missing"


async def test_a_request_with_a_failed_check_can_only_be_denied(stage: Stage) -> None:
    request = stage.world.add_pod()
    request.surplus_name = "evil.example"
    handle = await stage.certify(request)

    refused = await _refused(stage, "approve", BOB)
    await stage.click("deny", stage.chat.cards()[0], BOB, reason="surplus name")

    assert refused.code == "csr.not-approvable"
    assert (await handle.result()).state == "denied"


async def test_a_double_click_is_one_decision(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)

    first, second = await asyncio.gather(stage.click("approve", card, BOB), stage.click("approve", card, BOB))

    assert first == second
    assert len((await handle.result()).decisions) == 1


async def test_of_two_people_at_once_one_decides_and_the_other_hears_who_was_first(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)

    answers = await asyncio.gather(
        stage.click("approve", card, BOB),
        stage.click("deny", card, CAROL, reason="too late for this"),
        return_exceptions=True,
    )
    result = await handle.result()

    (refused,) = [answer for answer in answers if isinstance(answer, RefusedError)]
    assert refused.code in ("decision.already", "decision.closed")
    assert len(result.decisions) == 1
    assert result.decisions[0].person.name in refused.message or refused.code == "decision.closed"


async def test_two_approvals_are_wanted_where_the_rule_says_so(grounds: Grounds) -> None:
    async with staged(grounds, file=configuration(new_site(), approvals=2)) as stage:
        handle = await stage.certify(stage.world.add_pod())
        card = await stage.chat.card("pending", csr=CSR)

        first = await stage.click("approve", card, BOB)
        said_by = (await stage.gateway.target(card.workflow_id, run_id=card.run_id)).approved_by
        twice = await stage.click("approve", card, BOB)
        await stage.click("approve", card, CAROL)
        result = await handle.result()

        assert first.sentence == "Recorded; 1 more needed."
        assert said_by == (BOB.id,)
        assert twice == first
        assert [d.person.id for d in result.decisions] == [BOB.id, CAROL.id]
        assert result.state == "issued"


async def test_a_card_expires_and_asked_again_has_another_approval_id(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    first = await stage.chat.card("pending", csr=CSR)
    await until(lambda: stage.chat.cards()[0].expires_at is not None)
    await stage.pass_time(handle, minutes=61)
    expired = await stage.chat.card("expired", csr=CSR)

    with pytest.raises(RefusedError) as late:
        await stage.click("approve", first, BOB)
    with pytest.raises(RefusedError) as viewer:
        await stage.click("ask_again", expired, VIEWER)
    await stage.click("ask_again", expired, ALICE)
    second = await stage.chat.card("pending", after=first.approval_id)
    with pytest.raises(RefusedError) as stale:
        await stage.click("approve", first, CAROL)
    await stage.click("approve", second, BOB)

    assert (late.value.code, viewer.value.code, stale.value.code) == (
        "decision.expired",
        "role.missing",
        "decision.changed",
    )
    assert (await handle.result()).decisions[0].approval_id == second.approval_id
    assert len(stage.chat.messages) == 2


async def test_an_expired_card_that_two_people_ask_for_again_is_one_new_card(stage: Stage) -> None:
    gate = stage.world.gates["certificates.read"] = asyncio.Event()
    gate.set()
    handle = await stage.certify(stage.world.add_pod())
    await until(lambda: any(card.expires_at is not None for card in stage.chat.cards()))
    await stage.pass_time(handle, minutes=61)
    expired = await stage.chat.card("expired", csr=CSR)
    gate.clear()
    await stage.click("ask_again", expired, ALICE)
    await stage.click("ask_again", expired, BOB)
    gate.set()

    second = await stage.chat.card("pending", after=expired.approval_id)
    await stage.click("approve", second, CAROL)

    assert (await handle.result()).decisions[0].person.id == CAROL.id
    assert len(stage.chat.messages) == 2


async def test_ask_again_is_refused_before_a_card_has_expired(stage: Stage) -> None:
    await stage.certify(stage.world.add_pod())

    refused = await _refused(stage, "ask_again", BOB)

    assert refused.code == "certify.not-expired"


async def test_a_request_that_changes_under_the_card_gets_a_new_one_and_nothing_is_written(stage: Stage) -> None:
    request = stage.world.add_pod()
    await stage.certify(request)
    card = await stage.chat.card("pending", csr=CSR)
    request.surplus_name = "evil.example"

    await stage.click("approve", card, BOB)
    second = await stage.chat.card("pending", after=card.approval_id)

    assert second.sentence == "The request changed. Nothing was written."
    assert second.verdict is not None
    assert not second.verdict.is_approvable
    assert stage.world.state.effects == []


async def test_an_approval_outside_is_nobodys(stage: Stage) -> None:
    request = stage.world.add_pod()
    handle = await stage.certify(request)
    card = await stage.chat.card("pending", csr=CSR)
    request.approved = "outside"
    await _wake(handle)
    await until(lambda: stage.chat.cards()[0].sentence.startswith("Approved outside Slack, which names nobody"))

    assert request.serial == ""
    await stage.click("approve", card, BOB)

    assert (await handle.result()).state == "issued"


async def test_a_denial_outside_stands(stage: Stage) -> None:
    request = stage.world.add_pod()
    handle = await stage.certify(request)
    await stage.chat.card("pending", csr=CSR)
    request.denied = "not on my watch"
    await _wake(handle)

    result = await handle.result()

    assert (result.state, result.decisions) == ("denied", ())
    assert result.sentence == "Decided outside Slack: not on my watch"


async def test_a_denial_after_an_approval_outside_sets_failed_instead(stage: Stage) -> None:
    request = stage.world.add_pod()
    handle = await stage.certify(request)
    card = await stage.chat.card("pending", csr=CSR)
    request.approved = "outside"

    await stage.click("deny", card, BOB, reason="wrong pod")
    result = await handle.result()

    assert result.state == "denied"
    assert stage.world.state.effects == [f"failed {CSR}"]


@pytest.mark.parametrize("what", ["request", "pod"])
async def test_a_request_that_is_gone_closes_its_card(stage: Stage, what: str) -> None:
    request = stage.world.add_pod()
    handle = await stage.certify(request)
    await stage.chat.card("pending", csr=CSR)
    if what == "request":
        del stage.world.state.requests[request.name]
    else:
        del stage.world.state.pods[request.pod]
    await _wake(handle)

    result = await handle.result()

    assert result.state == "gone"
    await until(lambda: [card.state for card in stage.chat.cards()] == ["gone"])


async def test_a_signer_that_refuses_before_approved_leaves_nothing_written(stage: Stage) -> None:
    stage.world.errors = {"signing.judge": [RefusedError("ca.expired", "the CA has expired.")]}
    await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)

    await stage.click("approve", card, BOB)
    second = await stage.chat.card("pending", after=card.approval_id)

    assert second.sentence == "The signer refuses: the CA has expired. Nothing was written."
    assert stage.world.state.effects == []


async def test_a_signer_that_refuses_after_approved_sets_failed(stage: Stage) -> None:
    stage.world.errors = {"signing.sign": [RefusedError("ca.missing", "the CA's key is gone.")]}
    handle = await stage.certify(stage.world.add_pod())

    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)
    result = await handle.result()

    assert (result.state, result.sentence) == ("failed", "The signer refused: the CA's key is gone.")
    assert stage.world.state.effects == [f"approved {CSR}", f"failed {CSR}"]


async def test_an_approval_is_dropped_when_that_person_turns_out_to_have_asked(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)
    stage.world.behind = RunningChange(workflow_id="crdb/x/change", run_id="r", requester=BOB, also_asked=(DAVE,))
    await stage.click("approve", card, DAVE)
    await until(lambda: stage.chat.cards()[0].sentence.startswith("An approval does not count"))
    assert stage.world.state.effects == []
    stage.world.behind = None

    await stage.click("approve", card, CAROL)
    result = await handle.result()

    assert [d.person.id for d in result.decisions] == [CAROL.id]
    assert result.state == "issued"


async def test_the_signer_judges_anew_when_somebody_turns_out_to_be_behind_it_before_it_is_written(
    stage: Stage,
) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)
    stage.world.behind = RunningChange(workflow_id="crdb/x/change", run_id="r", requester=DAVE)

    await stage.click("approve", card, BOB)
    result = await handle.result()

    assert result.state == "issued"
    assert result.asked_by == (DAVE,)
    assert stage.world.state.calls.count("signing.judge") == 2
    assert stage.world.state.effects == [f"approved {CSR}", f"issued {CSR}"]


async def test_the_signer_judges_anew_when_somebody_says_that_he_asked_while_it_judges(stage: Stage) -> None:
    gate = stage.world.gates["signing.judge"] = asyncio.Event()
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)
    await stage.click("approve", card, BOB)
    await until(lambda: "signing.judge" in stage.world.state.calls)
    await _asks(handle, DAVE)
    gate.set()

    result = await handle.result()

    assert result.state == "issued"
    assert stage.world.state.calls.count("signing.judge") == 2


async def test_a_signer_that_was_not_there_at_the_decision_is_waited_for(grounds: Grounds) -> None:
    async with staged(grounds, has_signer=False) as stage:
        handle = await stage.certify(stage.world.add_pod())
        card = await stage.chat.card("pending", csr=CSR)
        await stage.click("approve", card, BOB)

        async with stage.signer():
            result = await handle.result()

        assert result.state == "issued"


async def test_decisions_work_while_chat_is_down_for_the_whole_time(stage: Stage) -> None:
    stage.chat.is_down = True
    handle = await stage.certify(stage.world.add_pod())

    await stage.approve_without_cards(BOB)
    result = await handle.result()

    assert result.state == "issued"
    assert stage.chat.messages == {}


async def test_a_card_that_fails_three_times_is_posted_once(stage: Stage) -> None:
    stage.chat.fails = {"chat.show_card": 2}
    handle = await stage.certify(stage.world.add_pod())

    await stage.click("approve", await stage.chat.card("pending", csr=CSR), BOB)

    assert (await handle.result()).state == "issued"
    assert len(stage.chat.messages) == 1


async def test_an_outage_of_kubernetes_closes_no_card(stage: Stage) -> None:
    stage.world.errors = {"certificates.read": [ConnectionError("no route"), ConnectionError("no route")]}
    await stage.certify(stage.world.add_pod())

    card = await stage.chat.card("pending", csr=CSR)

    assert card.verdict is not None


async def test_a_native_cancel_closes_the_card_as_from_outside(stage: Stage) -> None:
    request = stage.world.add_pod()
    handle = await stage.certify(request)
    await stage.chat.card("pending", csr=CSR)

    await handle.cancel()
    cause = await ending_of(handle)

    assert isinstance(cause, CancelledError)
    await until(lambda: stage.chat.cards()[0].sentence == "This card was closed outside Slack, person unknown.")
    assert request.state == "pending"


async def test_what_it_asks_for_can_be_found_without_a_worker(stage: Stage) -> None:
    handle = await stage.certify(stage.world.add_pod())
    card = await stage.chat.card("pending", csr=CSR)

    target = await stage.gateway.target(handle.id)

    assert card.verdict is not None
    assert (target.approval_id, target.fingerprint) == (card.approval_id, card.verdict.fingerprint)
    assert (target.state, target.cluster) == ("pending", str(stage.world.ref))
