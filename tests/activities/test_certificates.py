"""CSRs as ops sees them: reading with verdict, writing decisions against races, verifying what was issued."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from activities.certificates import CertificateActivities
from activities.csr_object import CsrObject
from activities.manifests.accounts import ca_config_map
from activities.payloads import CsrReading, CsrRequest, RunningChange, VerifyRequest, WriteDecisionRequest
from activities.ports import Condition
from domain.certificate import profile_of
from domain.errors import BrokenError, NotReadyError, TransientError
from domain.model import CLIENT_POD
from tests.activities.world import ANN, BOB, EVE, World, request_pem, run
from tests.fakes.kubernetes import conflict

OUTSIDE = Condition(
    type="Approved", status="True", reason="KubectlApprove", message="This CSR was approved by kubectl."
)
DENIED = Condition(type="Denied", status="True", reason="KubectlDeny", message="no")


@pytest.fixture
def activities(world: World) -> CertificateActivities:
    world.deployed()
    return CertificateActivities(world.csrs, world.running, world.configuration, clock=world.clock)


async def read(activities: CertificateActivities, world: World, csr: CsrObject) -> CsrReading:
    found = await run(activities.read, CsrRequest(ref=world.ref, csr=csr.name, csr_uid=csr.uid))
    assert isinstance(found, CsrReading)
    return found


def failed(reading: CsrReading) -> list[str]:
    assert reading.verdict is not None
    return [check.code for check in reading.verdict.failed]


def decision(world: World, csr: CsrObject, fingerprint: str, *, approval_id: str = "ab12cd34") -> WriteDecisionRequest:
    return WriteDecisionRequest(
        ref=world.ref,
        csr=csr.name,
        csr_uid=csr.uid,
        fingerprint=fingerprint,
        approval_id=approval_id,
        people=(ANN,),
        reason="wrong pod",
    )


async def fingerprint(activities: CertificateActivities, world: World, csr: CsrObject) -> str:
    verdict = (await read(activities, world, csr)).verdict
    assert verdict is not None
    return verdict.fingerprint


async def test_a_good_request_of_a_node_passes_everything_and_is_shown_whole(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")

    found = await read(activities, world, csr)

    assert found.is_there
    assert failed(found) == []
    assert found.verdict is not None
    assert found.verdict.looks == ()
    assert found.evidence is not None
    assert found.evidence.owner == "StatefulSet/cockroachdb"
    assert found.evidence.lifetime == "365 days"
    assert found.evidence.request_pem.startswith("-----BEGIN CERTIFICATE REQUEST")
    assert (found.channel, found.rule.approvals) == ("C1", 1)
    assert found.policy is not None
    assert found.policy.team == "T1"


async def test_root_falls_under_its_own_rule(world: World, activities: CertificateActivities) -> None:
    found = await read(activities, world, world.csr(CLIENT_POD))

    assert failed(found) == []
    assert found.rule.approvals == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"request_pem": b"\x00\xffgarbage"}, "csr.signature", id="garbage"),
        pytest.param({"username": "system:serviceaccount:crdb:default"}, "csr.account", id="another account"),
        pytest.param({"pod_uid": ""}, "csr.bound-token", id="token of no pod"),
        pytest.param({"usages": ("server auth",)}, "csr.usages", id="other usages"),
        pytest.param({"signer_name": "crdbops.internal/client"}, "csr.account", id="the other signer"),
        pytest.param({"request_pem": request_pem(World().policy, pod="cockroachdb-2")}, "csr.names", id="other names"),
    ],
)
async def test_a_bad_request_is_read_and_fails_its_check(
    world: World, activities: CertificateActivities, changes: dict[str, Any], code: str
) -> None:
    found = await read(activities, world, world.csr("cockroachdb-1", **changes))

    assert found.is_there
    assert code in failed(found)


@pytest.mark.parametrize("name", ["crdb.node.cockroachdb-1", "crdb.node.cockroachdb-0", "crdb.client.root", "anything"])
async def test_the_pod_that_counts_is_the_stamped_one_whatever_the_requests_name_says(
    world: World, activities: CertificateActivities, name: str
) -> None:
    named = await read(activities, world, world.csr("cockroachdb-1", name=name, uid="csr-1"))
    world.kubernetes.objects.pop(("Pod", "crdb", "cockroachdb-1"))
    gone = await read(activities, world, world.csr("cockroachdb-1", name=name, uid="csr-1"))

    assert failed(named) == []
    assert named.evidence is not None
    assert named.evidence.owner == "StatefulSet/cockroachdb"
    assert (gone.is_there, gone.gone_because) == (False, "pod cockroachdb-1, which asked, no longer exists")


@pytest.mark.parametrize("stamp", ["../secrets/crdb.client.root", "..", "a/b", "x?y", "", "%2e%2e"])
async def test_what_no_pod_can_be_called_is_asked_of_nobody(
    world: World, activities: CertificateActivities, stamp: str
) -> None:
    csr = world.csr("cockroachdb-1").model_copy(update={"pod": stamp, "name": f"crdb.node.{stamp}", "uid": "csr-2"})
    world.csrs.add(csr)

    found = await read(activities, world, csr)

    assert not found.is_there or found.verdict is None or not found.verdict.is_approvable
    assert [name for _, kind, name in world.kubernetes.calls if kind == "Pod"] == []


async def test_no_list_of_pods_is_waited_for(world: World, activities: CertificateActivities) -> None:
    csr = world.csr("cockroachdb-1")

    await run(activities.approve, decision(world, csr, await fingerprint(activities, world, csr)))

    assert ("list", "Pod") not in {(verb, kind) for verb, kind, _ in world.kubernetes.calls}


async def test_a_pod_beyond_the_replicas_or_of_another_owner_is_refused(
    world: World, activities: CertificateActivities
) -> None:
    world.pod("cockroachdb-7")
    beyond = await read(activities, world, world.csr("cockroachdb-7"))
    pod = world.pod("cockroachdb-1")
    pod["metadata"]["ownerReferences"][0]["uid"] = "uid-of-an-earlier-set"
    world.kubernetes.put(pod)

    foreign = await read(activities, world, world.csr("cockroachdb-1"))

    assert failed(beyond) == ["csr.ordinal"]
    assert failed(foreign) == ["csr.pod"]


async def test_a_key_seen_at_another_pod_of_the_cluster_is_refused_and_at_a_stranger_only_looked_at(
    world: World, activities: CertificateActivities
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = world.csr("cockroachdb-1", key=key)
    world.csr("cockroachdb-2", key=key, name="stranger", username="system:serviceaccount:evil:x", pod_uid="x")
    stranger = await read(activities, world, csr)

    world.csr("cockroachdb-2", key=key)
    inside = await read(activities, world, csr)

    assert stranger.verdict is not None
    assert [check.code for check in stranger.verdict.looks] == ["csr.key-elsewhere"]
    assert failed(stranger) == []
    assert failed(inside) == ["csr.key-unused"]


async def test_a_second_good_request_of_the_same_pod_blocks_both_and_a_bad_or_decided_one_does_not(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    world.csr("cockroachdb-1", name="bad", usages=("client auth",))
    world.csr("cockroachdb-1", name="decided", conditions=(DENIED,))
    alone = await read(activities, world, csr)

    second = world.csr("cockroachdb-1", name="second")

    assert failed(alone) == []
    assert failed(await read(activities, world, csr)) == ["csr.only-request"]
    assert failed(await read(activities, world, second)) == ["csr.only-request"]


async def test_five_hundred_strangers_do_not_block_a_good_request(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    for number in range(500):
        world.csr(
            "x", name=f"s{number}", username="system:serviceaccount:evil:x", request_pem=b"x", pod_uid=f"{number}"
        )

    assert failed(await read(activities, world, csr)) == []


async def test_a_request_is_gone_with_its_object_its_uid_or_its_pod(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    other = await run(activities.read, CsrRequest(ref=world.ref, csr=csr.name, csr_uid="another"))
    world.pod("cockroachdb-1", uid="a-new-one")
    pod_gone = await read(activities, world, csr)
    world.kubernetes.remove("CertificateSigningRequest", csr.name)
    gone = await read(activities, world, csr)

    assert [found.is_there for found in (other, pod_gone, gone)] == [False, False, False]
    assert pod_gone.gone_because == "pod cockroachdb-1, which asked, no longer exists"


async def test_an_approval_is_written_once_and_names_decision_and_person(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    request = decision(world, csr, await fingerprint(activities, world, csr))

    first = await run(activities.approve, request)
    second = await run(activities.approve, request)

    assert (first.outcome, second.outcome) == ("written", "already")
    assert world.csrs.written == [(csr.name, "Approved")]
    found = (await world.csrs.get(csr.name)).condition("Approved")  # type: ignore[union-attr]
    assert found is not None
    assert (found.reason, found.message) == ("CrdbopsApproved", "approval ab12cd34 by ann (UANN)")
    reading = await read(activities, world, csr)
    assert (reading.state, reading.is_approved_by_us) == ("approved", True)


async def test_nothing_is_written_when_the_request_is_not_what_was_shown(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    shown = await fingerprint(activities, world, csr)
    world.csr("cockroachdb-1", name="second")

    changed = await run(activities.approve, decision(world, csr, shown))
    forged = await run(activities.approve, decision(world, csr, await fingerprint(activities, world, csr)))

    assert (changed.outcome, forged.outcome) == ("changed", "changed")
    assert world.csrs.written == []


async def test_a_good_request_under_another_fingerprint_is_not_what_was_shown(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")

    found = await run(activities.approve, decision(world, csr, "0" * 64))

    assert found.outcome == "changed"
    assert world.csrs.written == []


async def test_nothing_is_written_while_somebody_is_behind_it_whom_the_request_does_not_name(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    request = decision(world, csr, await fingerprint(activities, world, csr))
    change = RunningChange(workflow_id="crdb/dev/crdb/shop/change", run_id="r", requester=BOB, also_asked=(EVE,))
    world.running.changes[str(world.ref)] = change

    unnamed = await run(activities.approve, request)
    in_part = await run(activities.approve, request.model_copy(update={"asked_by": (BOB,)}))

    assert [(found.outcome, found.behind) for found in (unnamed, in_part)] == [("asked", change)] * 2
    assert world.csrs.written == []

    named = await run(activities.approve, request.model_copy(update={"asked_by": (EVE, BOB, ANN)}))

    assert named.outcome == "written"


async def test_a_conflict_is_read_again_and_a_lasting_one_is_retried_later(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    request = decision(world, csr, await fingerprint(activities, world, csr))
    world.kubernetes.fail("put-status", *(conflict() for _ in range(5)))

    with pytest.raises(TransientError):
        await run(activities.approve, request)
    world.kubernetes.fail("put-status", conflict())

    assert (await run(activities.approve, request)).outcome == "written"


async def test_a_busy_server_is_left_to_the_retry(world: World, activities: CertificateActivities) -> None:
    csr = world.csr("cockroachdb-1")
    request = decision(world, csr, await fingerprint(activities, world, csr))
    world.kubernetes.fail("put-status", TransientError("kubernetes.busy", "429", retry_after=timedelta(seconds=3)))

    with pytest.raises(TransientError) as busy:
        await run(activities.approve, request)

    assert busy.value.retry_after == timedelta(seconds=3)


async def test_an_outside_approval_counts_as_written_and_an_outside_denial_stands(
    world: World, activities: CertificateActivities
) -> None:
    approved = world.csr("cockroachdb-1", conditions=(OUTSIDE,))
    denied = world.csr("cockroachdb-2", conditions=(DENIED,))

    beside = await run(activities.approve, decision(world, approved, "x"))
    against = await run(activities.approve, decision(world, denied, "x"))

    assert (beside.outcome, against.outcome) == ("already", "opposite")
    assert (await read(activities, world, approved)).is_approved_by_us is False


async def test_a_denial_carries_the_reason_and_meets_what_others_decided(
    world: World, activities: CertificateActivities
) -> None:
    csr = world.csr("cockroachdb-0")
    approved = world.csr("cockroachdb-1", conditions=(OUTSIDE,))
    denied = world.csr("cockroachdb-2", conditions=(DENIED,))

    outcomes = [await run(activities.deny, decision(world, item, "x")) for item in (csr, csr, approved, denied)]

    assert [found.outcome for found in outcomes] == ["written", "already", "opposite", "already"]
    reading = await read(activities, world, csr)
    assert reading.condition == "Denied: CrdbopsDenied: approval ab12cd34 denied by ann (UANN): wrong pod"


async def test_deciding_on_what_is_gone_writes_nothing(world: World, activities: CertificateActivities) -> None:
    csr = world.csr("cockroachdb-1")
    request = decision(world, csr, await fingerprint(activities, world, csr))
    world.kubernetes.remove("Pod", "cockroachdb-1", namespace="crdb")

    assert (await run(activities.approve, request)).outcome == "gone"
    world.kubernetes.remove("CertificateSigningRequest", csr.name)
    assert (await run(activities.deny, request)).outcome == "gone"
    assert world.csrs.written == []


def issued(world: World, *, pod: str = "cockroachdb-1", names_of: str = "") -> CsrObject:
    authority = world.authorities.put(world.ref, days=30, now=world.now)
    world.kubernetes.put(ca_config_map(world.ref, operation_id="op", certificate_pem=authority.certificate_pem))
    request = request_pem(world.policy, pod=pod)
    certificate = authority.issue(
        request,
        profile_of(world.policy, kind="node", pod=names_of or pod),
        not_before=world.now - timedelta(minutes=5),
        not_after=world.now + timedelta(days=20),
    )
    return world.csr(pod, request_pem=request, conditions=(OUTSIDE,), certificate_pem=certificate.encode())


async def test_an_issued_certificate_is_verified_against_the_published_ca(
    world: World, activities: CertificateActivities
) -> None:
    csr = issued(world)

    found = await run(activities.verify, VerifyRequest(ref=world.ref, csr=csr.name, csr_uid=csr.uid))

    assert found.not_after == world.now + timedelta(days=20)
    assert found.serial


async def test_a_wrong_certificate_is_broken(world: World, activities: CertificateActivities) -> None:
    csr = issued(world, names_of="cockroachdb-2")

    with pytest.raises(BrokenError) as broken:
        await run(activities.verify, VerifyRequest(ref=world.ref, csr=csr.name, csr_uid=csr.uid))

    assert broken.value.code == "certificate.wrong"
    assert "names" in broken.value.message


async def test_another_ca_than_expected_and_no_certificate_yet_are_told_apart(
    world: World, activities: CertificateActivities
) -> None:
    done, waiting = issued(world), world.csr("cockroachdb-2")

    with pytest.raises(BrokenError) as broken:
        await run(
            activities.verify, VerifyRequest(ref=world.ref, csr=done.name, csr_uid=done.uid, ca_fingerprint="other")
        )
    with pytest.raises(NotReadyError) as early:
        await run(activities.verify, VerifyRequest(ref=world.ref, csr=waiting.name, csr_uid=waiting.uid))

    assert (broken.value.code, early.value.code) == ("ca.differs", "certificate.not-issued")
