"""`Certify` when the world acts by itself: requests collected or deleted, pods gone, decisions made by kubectl."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle

from events.csr import CsrEvents
from operations.certify import CertifyStatus
from operations.messages import CertifyState
from tests.workflows.people import BOB, CAROL
from tests.workflows.stage import Grounds, Stage, new_site, staged
from tests.workflows.waiting import until, until_asked
from tests.workflows.world import Request, configuration

CSR = "crdb.node.cockroachdb-0"


def _watch(stage: Stage) -> None:
    """Begin to watch, as a worker that was started just now: it lists first."""
    events = CsrEvents(stage.client, stage.world, stage.world.configuration, site=stage.world.ref.site)
    stage.tasks.append(asyncio.create_task(events.run()))


def _remove(stage: Stage, request: Request, what: str) -> None:
    state = stage.world.state
    if what == "request":
        del state.requests[request.name]
    elif what == "pod":
        del state.pods[request.pod]
    else:
        state.pods[request.pod] = state.pods[request.pod].model_copy(update={"uid": "uid-of-the-pod-made-anew"})


async def _shown(stage: Stage) -> CertifyStatus:
    await until(lambda: any(c.expires_at is not None for c in stage.chat.cards("pending")))
    return await stage.chat.card("pending", csr=CSR)


async def _until_state(stage: Stage, handle: WorkflowHandle[object, object], state: CertifyState) -> CertifyStatus:
    """Wait until the run says so of itself: time that has passed has yet to be noticed."""

    async def is_so() -> bool:
        return (await stage.gateway.certify_status(handle.id, run_id="")).state == state

    await until_asked(is_so)
    return await stage.gateway.certify_status(handle.id, run_id="")


async def _until_listed(stage: Stage, handle: WorkflowHandle[object, object]) -> None:
    """Wait until Temporal's store lists the run as open; it lags by a moment."""

    async def is_so() -> bool:
        query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Running'"
        return (await stage.client.count_workflows(query)).count == 1

    await until_asked(is_so)


@pytest.mark.parametrize("what", ["request", "pod", "pod made anew"])
async def test_the_hourly_look_notices_what_is_gone_though_no_watch_tells(grounds: Grounds, what: str) -> None:
    async with staged(grounds, file=configuration(new_site(), expires_minutes=600), watches=False) as stage:
        request = stage.world.add_pod()
        handle = await stage.certify(request)
        await _shown(stage)
        _remove(stage, request, what)
        await stage.pass_time(handle, minutes=55)
        before = await stage.gateway.certify_status(handle.id, run_id="")

        await stage.pass_time(handle, minutes=10)
        result = await handle.result()

        assert before.state == "pending"
        assert (result.state, result.csr, result.decisions) == ("gone", CSR, ())
        assert result.sentence.startswith("Gone: ")
        assert result.fingerprint != ""
        await until(lambda: [card.state for card in stage.chat.cards()] == ["gone"])


async def test_the_watchs_list_notices_what_is_gone_though_no_event_told(grounds: Grounds) -> None:
    async with staged(grounds, watches=False) as stage:
        request = stage.world.add_pod()
        handle = await stage.certify(request)
        await _shown(stage)
        await _until_listed(stage, handle)
        _remove(stage, request, "request")

        _watch(stage)

        assert (await handle.result()).state == "gone"
        await until(lambda: [card.state for card in stage.chat.cards()] == ["gone"])


async def test_a_request_deleted_by_hand_is_gone_at_once(stage: Stage) -> None:
    request = stage.world.add_pod()
    shown = await _shown(stage)

    _remove(stage, request, "request")
    await until(lambda: [card.state for card in stage.chat.cards()] == ["gone"])

    assert stage.chat.cards()[0].approval_id == shown.approval_id


async def test_an_expired_card_is_closed_once_kubernetes_has_collected_the_request(grounds: Grounds) -> None:
    async with staged(grounds, watches=False) as stage:
        request = stage.world.add_pod()
        handle = await stage.certify(request)
        await _shown(stage)
        await stage.pass_time(handle, minutes=61)
        expired = await stage.chat.card("expired", csr=CSR)
        _remove(stage, request, "request")

        await stage.pass_time(handle, hours=2)
        result = await handle.result()

        assert result.state == "gone"
        assert expired.sentence == "Expired: nobody decided in time. Nothing was changed in Kubernetes."
        await until(lambda: [card.state for card in stage.chat.cards()] == ["gone"])


async def test_a_request_approved_by_kubectl_and_collected_an_hour_later_is_gone_without_a_certificate(
    grounds: Grounds,
) -> None:
    async with staged(grounds, file=configuration(new_site(), expires_minutes=600), watches=False) as stage:
        request = stage.world.add_pod()
        handle = await stage.certify(request)
        await _shown(stage)
        request.approved = "outside"
        _watch(stage)
        await until(lambda: stage.chat.cards()[0].sentence.startswith("Approved outside Slack"))
        _remove(stage, request, "request")

        result = await handle.result()

        assert (result.state, result.decisions, result.serial) == ("gone", (), "")
        assert stage.world.state.effects == []


async def test_a_card_that_could_not_be_shown_expires_after_a_day_and_says_so(grounds: Grounds) -> None:
    async with staged(grounds, watches=False) as stage:
        stage.chat.fails, stage.chat.retry_after = {"chat.show_card": 1000}, timedelta(days=3)
        handle = await stage.certify(stage.world.add_pod())
        await until(lambda: "chat.show_card" in stage.chat.calls)
        pending = await stage.gateway.certify_status(handle.id, run_id="")

        await stage.pass_time(handle, hours=25)
        status = await _until_state(stage, handle, "expired")

        assert (pending.state, pending.expires_at) == ("pending", None)
        assert status.sentence == ("Expired: it could not be shown for 24 hours. Nothing was changed in Kubernetes.")
        assert stage.chat.said == {}


async def test_kubectls_approval_seen_by_the_watch_still_needs_a_person_who_then_gets_it_signed(stage: Stage) -> None:
    request = stage.world.add_pod()
    card = await _shown(stage)

    request.approved = "outside"
    await until(lambda: stage.chat.cards()[0].sentence.startswith("Approved outside Slack"))
    waiting = stage.chat.cards()[0]
    await stage.click("approve", card, BOB)
    await until(lambda: [c.state for c in stage.chat.cards()] == ["issued"])

    assert (
        waiting.sentence == "Approved outside Slack, which names nobody; a person's decision is still needed to sign."
    )
    assert (waiting.state, waiting.approval_id, waiting.decisions) == ("pending", card.approval_id, ())
    assert [d.person.id for d in stage.chat.cards()[0].decisions] == [BOB.id]


async def test_kubectls_approval_counts_for_none_of_two_people(grounds: Grounds) -> None:
    async with staged(grounds, file=configuration(new_site(), approvals=2)) as stage:
        request = stage.world.add_pod()
        card = await _shown(stage)
        request.approved = "outside"
        await until(lambda: stage.chat.cards()[0].sentence.startswith("Approved outside Slack"))

        first = await stage.click("approve", card, BOB)
        held = request.serial
        await stage.click("approve", card, CAROL)
        await until(lambda: [c.state for c in stage.chat.cards()] == ["issued"])

        assert first.sentence == "Recorded; 1 more needed."
        assert held == ""


async def test_a_person_denies_what_kubectl_approved_and_the_signer_sets_failed_with_the_reason(stage: Stage) -> None:
    request = stage.world.add_pod()
    card = await _shown(stage)
    request.approved = "outside"
    await until(lambda: stage.chat.cards()[0].sentence.startswith("Approved outside Slack"))

    await stage.click("deny", card, BOB, reason="nobody asked for this node")
    await until(lambda: [c.state for c in stage.chat.cards()] == ["denied"])

    assert request.failed == "CrdbopsDenied: approved outside, then denied: nobody asked for this node"
    assert stage.chat.cards()[0].sentence == "Denied by Bob: nobody asked for this node"
    assert request.serial == ""


async def test_kubectls_denial_seen_by_the_watch_closes_the_card(stage: Stage) -> None:
    request = stage.world.add_pod()
    await _shown(stage)

    request.denied = "Denied: KubectlDeny: This CSR was denied by kubectl certificate deny."
    await until(lambda: [c.state for c in stage.chat.cards()] == ["denied"])

    (card,) = stage.chat.cards()
    assert card.decisions == ()
    assert card.sentence.startswith("Decided outside Slack: Denied: KubectlDeny")


async def test_a_denials_reason_stands_in_the_condition(stage: Stage) -> None:
    request = stage.world.add_pod()

    await stage.click("deny", await _shown(stage), BOB, reason="nobody asked for this node")
    await until(lambda: [c.state for c in stage.chat.cards()] == ["denied"])

    assert request.denied == "nobody asked for this node"


async def test_an_open_card_keeps_the_rules_under_which_it_was_opened(grounds: Grounds) -> None:
    async with staged(grounds, file=configuration(new_site(), approvals=2), watches=False) as stage:
        request = stage.world.add_pod()
        handle = await stage.certify(request)
        card = await _shown(stage)
        stage.world.configuration = configuration(stage.world.ref.site, approvals=1).model_copy(update={"roles": {}})
        request.approved = "outside"
        _watch(stage)
        await until(lambda: stage.chat.cards()[0].sentence.startswith("Approved outside Slack"))

        receipt = await stage.click("approve", card, BOB)

        assert receipt.sentence == "Recorded; 1 more needed."
        await handle.terminate()
