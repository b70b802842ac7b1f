"""The signer: it signs what people allowed decided on, and refuses everything else, each refusal named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from activities.clients import pki
from activities.clients.authority import KeyedAuthority, make_ca
from activities.csr_facts import facts_of, look_around
from activities.csr_object import CsrObject
from activities.payloads import EnsureCaRequest, FailRequest, SignerPreflightRequest, SignRequest
from activities.ports import Condition
from activities.signing import SigningActivities
from domain.certificate import profile_of
from domain.csr import judge
from domain.errors import BrokenError, RefusedError, TransientError
from domain.model import CLIENT_POD, Person
from operations.messages import Token
from operations.queues import certify_id
from tests.activities.world import ANN, BOB, EVE, NOW, REQUESTER, World, run
from tests.fakes.kubernetes import conflict
from tokens.make import TokenSigner

APPROVED = Condition(type="Approved", status="True", reason="CrdbopsApproved", message="approval ab12cd34 by ann")
DENIED = Condition(type="Denied", status="True", reason="KubectlDeny", message="no")


@pytest.fixture
def signer(world: World) -> SigningActivities:
    world.deployed()
    world.authorities.put(world.ref, days=1825, now=world.now)
    return signing(world)


def signing(world: World) -> SigningActivities:
    return SigningActivities(world.csrs, world.authorities, world.configuration, world.ring, world.clock)


async def fingerprint(world: World, csr: CsrObject) -> str:
    around = await look_around(world.csrs, world.policy)
    return judge(facts_of(csr, around, world.policy, now=world.now), world.policy).fingerprint


async def asked(
    world: World, csr: CsrObject, *, people: tuple[Person, ...] = (ANN,), tokens: tuple[Token, ...] = (), **changes: Any
) -> SignRequest:
    shown = await fingerprint(world, csr)
    made = tokens or tuple(world.token(csr, shown, person=person) for person in people)
    request = SignRequest(
        ref=world.ref,
        csr=csr.name,
        csr_uid=csr.uid,
        workflow_id=certify_id(site="here", name=csr.name, uid=csr.uid),
        approval_id="ab12cd34",
        fingerprint=shown,
        tokens=made,
        asked_by=(REQUESTER,),
    )
    return request.model_copy(update=changes)


def certificate_of(world: World, name: str) -> x509.Certificate:
    item = world.kubernetes.find("CertificateSigningRequest", name)
    return x509.load_pem_x509_certificate(CsrObject.parse(item).certificate_pem)


async def test_a_decided_request_is_signed_from_the_profile(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))

    issued = await run(signer.sign, await asked(world, csr))

    certificate = certificate_of(world, csr.name)
    assert issued.serial == format(certificate.serial_number, "x")
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)
    authority = world.authorities.held[str(world.ref)]
    reasons = pki.reasons_against(
        certificate.public_bytes(Encoding.PEM),
        request_pem=csr.request_pem,
        ca_pem=authority.certificate_pem,
        profile=profile_of(world.policy, kind="node", pod="cockroachdb-1"),
        now=NOW,
    )
    assert reasons == ()


async def test_signing_again_finds_the_certificate_and_writes_nothing(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = await asked(world, csr)

    first = await run(signer.sign, request)
    world.now += timedelta(hours=30)
    second = await run(signer.sign, request)

    assert first == second
    assert world.csrs.written == [(csr.name, "certificate")]


@pytest.mark.parametrize(
    ("asked_seconds", "ca_days", "days"),
    [
        pytest.param(86400, 1825, 1, id="the wish when it is shorter"),
        pytest.param(10 * 365 * 86400, 1825, 365, id="the policy when the wish is longer"),
        pytest.param(None, 1825, 365, id="the policy without a wish"),
        pytest.param(None, 30, 30, id="the end of the CA"),
    ],
)
async def test_a_certificate_lives_for_the_shortest_of_wish_policy_and_ca(
    world: World, signer: SigningActivities, asked_seconds: int | None, ca_days: int, days: int
) -> None:
    world.authorities.put(world.ref, days=ca_days, now=world.now)
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,), expiration_seconds=asked_seconds)

    issued = await run(signer.sign, await asked(world, csr))

    assert issued.not_after == NOW + timedelta(days=days)


async def test_a_request_without_the_condition_approved_is_judged_but_not_signed(
    world: World, signer: SigningActivities
) -> None:
    csr = world.csr("cockroachdb-1")
    request = await asked(world, csr)

    judgement = await run(signer.judge, request)
    with pytest.raises(RefusedError) as refused:
        await run(signer.sign, request)

    assert judgement.outcome == "yes"
    assert refused.value.code == "certify.not-approved"
    assert world.csrs.written == []


async def no(world: World, signer: SigningActivities, request: SignRequest) -> str:
    """The judgement's sentence; and that signing refuses as well and writes nothing."""
    judgement = await run(signer.judge, request)
    with pytest.raises(RefusedError):
        await run(signer.sign, request)
    assert world.csrs.written == []
    return f"{judgement.outcome}: {judgement.sentence}"


@pytest.mark.parametrize(
    ("person", "said"),
    [
        pytest.param(REQUESTER, "is no approver", id="who asked and has no role"),
        pytest.param(EVE, "is no approver", id="without the role"),
        pytest.param(ANN.model_copy(update={"team": "T2"}), "T1 (our workspace)", id="another workspace"),
    ],
)
async def test_a_decision_of_somebody_who_may_not_is_refused(
    world: World, signer: SigningActivities, person: Person, said: str
) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))

    found = await no(world, signer, await asked(world, csr, people=(person,)))

    assert said in found


async def test_who_asked_for_it_may_not_approve_it_also_with_the_role(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))

    found = await no(world, signer, await asked(world, csr, asked_by=(REQUESTER, ANN)))

    assert "somebody else" in found


async def test_root_needs_two_different_people_by_the_signers_own_rule(world: World, signer: SigningActivities) -> None:
    csr = world.csr(CLIENT_POD, conditions=(APPROVED,))

    one = await no(world, signer, await asked(world, csr, people=(ANN,)))
    twice = await no(world, signer, await asked(world, csr, people=(ANN, ANN)))
    issued = await run(signer.sign, await asked(world, csr, people=(ANN, BOB)))

    assert "found 1 people, expected 2 different people" in one
    assert "a second person" in twice
    assert issued.serial


async def test_nobodys_decision_is_no_decision(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))

    assert "0 people" in await no(world, signer, await asked(world, csr, people=()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"workflow_id": "crdb/here/csr/other/uid"}, "workflow", id="of another request"),
        pytest.param({"approval_id": "zz99zz99"}, "approval", id="of another card"),
        pytest.param({"fingerprint": "0" * 64}, "fingerprint", id="of another content"),
        pytest.param({"verb": "deny"}, "verb", id="that says no"),
        pytest.param({"now": NOW - timedelta(hours=25)}, "at most 24 hours ago", id="too old"),
        pytest.param({"now": NOW + timedelta(minutes=5)}, "at most 24 hours ago", id="from the future"),
        pytest.param(
            {"now": NOW - timedelta(days=40)}, "key is unknown or was not valid", id="before its key was valid"
        ),
    ],
)
async def test_a_decision_that_is_for_something_else_is_refused(
    world: World, signer: SigningActivities, changes: dict[str, Any], said: str
) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    shown = await fingerprint(world, csr)
    fields = {"fingerprint": shown, **changes}
    token = world.token(csr, fields.pop("fingerprint"), **fields)

    assert said in await no(world, signer, await asked(world, csr, tokens=(token,)))


async def test_one_bad_decision_beside_enough_good_ones_still_refuses(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    shown = await fingerprint(world, csr)
    good, bad = world.token(csr, shown), world.token(csr, shown, person=EVE)

    assert "is no approver" in await no(world, signer, await asked(world, csr, tokens=(good, bad)))


async def test_a_forged_or_altered_token_is_refused(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    shown = await fingerprint(world, csr)
    stranger = TokenSigner(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), kid="k1"
    )
    forged = world.token(csr, shown, signer=stranger)
    good = world.token(csr, shown, person=EVE)
    altered = good.model_copy(update={"claims": good.claims.replace("UEVE", "UANN")})

    assert "signature is wrong" in await no(world, signer, await asked(world, csr, tokens=(forged,)))
    assert "signature is wrong" in await no(world, signer, await asked(world, csr, tokens=(altered,)))


async def test_a_request_that_changed_since_it_was_shown_is_told_apart(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = await asked(world, csr)
    world.csr("cockroachdb-1", name="second")

    assert (await no(world, signer, request)).startswith("changed: ")


async def test_a_request_with_a_failed_hard_check_is_signed_for_nobody(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,), usages=("client auth",))

    assert "nobody can approve this" in await no(world, signer, await asked(world, csr, people=(ANN, BOB)))


@pytest.mark.parametrize("kind", ["Denied", "Failed"])
async def test_a_denied_or_failed_request_is_not_signed(world: World, signer: SigningActivities, kind: str) -> None:
    condition = DENIED.model_copy(update={"type": kind})
    csr = world.csr("cockroachdb-1", conditions=(condition,))

    assert f"was {kind.lower()}" in await no(world, signer, await asked(world, csr))


async def test_a_request_that_is_gone_is_said_to_be(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = await asked(world, csr)
    world.kubernetes.remove("Pod", "cockroachdb-1", namespace="crdb")
    pod_gone = await no(world, signer, request)
    world.kubernetes.remove("CertificateSigningRequest", csr.name)

    assert pod_gone.startswith("gone: Pod cockroachdb-1")
    assert (await no(world, signer, request)).startswith("gone: CSR")


async def test_without_its_ca_the_signer_signs_nothing(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    world.authorities.held.clear()

    assert "found no key" in await no(world, signer, await asked(world, csr))


async def test_a_certificate_that_somebody_else_wrote_is_not_taken_for_ours(
    world: World, signer: SigningActivities
) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    foreign = KeyedAuthority.load(*make_ca(world.ref, days=9, now=world.now)).issue(
        csr.request_pem,
        profile_of(world.policy, kind="node", pod="cockroachdb-1"),
        not_before=world.now,
        not_after=world.now + timedelta(days=1),
    )
    world.csrs.add(csr.model_copy(update={"certificate_pem": foreign.encode()}))

    with pytest.raises(BrokenError) as broken:
        await run(signer.sign, await asked(world, csr))

    assert broken.value.code == "certificate.wrong"


async def test_a_conflict_while_signing_is_read_again(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = await asked(world, csr)
    world.kubernetes.fail("put-status", conflict())

    await run(signer.sign, request)

    assert world.csrs.written == [(csr.name, "certificate")]


async def test_a_lost_answer_while_signing_is_made_good_by_the_next_try(
    world: World, signer: SigningActivities
) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = await asked(world, csr)
    world.kubernetes.fail("put-status", TransientError("kubernetes.unreachable", "lost"))
    with pytest.raises(TransientError):
        await run(signer.sign, request)

    assert (await run(signer.sign, request)).serial


async def test_failing_sets_one_condition_and_leaves_what_is_issued(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = FailRequest(ref=world.ref, csr=csr.name, csr_uid=csr.uid, reason="certify.no", message="too few")

    await run(signer.fail, request)
    await run(signer.fail, request)
    other = world.csr("cockroachdb-2", conditions=(APPROVED,), certificate_pem=b"there")
    await run(signer.fail, FailRequest(ref=world.ref, csr=other.name, csr_uid=other.uid, reason="x", message="y"))
    await run(signer.fail, request.model_copy(update={"csr": "gone"}))

    assert world.csrs.written == [(csr.name, "Failed")]
    found = (await world.csrs.get(csr.name)).condition("Failed")  # type: ignore[union-attr]
    assert found is not None
    assert (found.reason, found.message) == ("CrdbopsFailed", "certify.no: too few")


async def test_a_ca_is_made_when_nothing_exists_and_found_ever_after(world: World) -> None:
    made = await run(signing(world).ensure_ca, EnsureCaRequest(ref=world.ref, expected="none"))
    again = await run(signing(world).ensure_ca, EnsureCaRequest(ref=world.ref, expected="none"))
    named = await run(signing(world).ensure_ca, EnsureCaRequest(ref=world.ref, expected=made.fingerprint))

    assert (made.is_new, again.is_new, named.is_new) == (True, False, False)
    assert made.certificate_pem == again.certificate_pem == named.certificate_pem
    assert world.authorities.made == 1


async def test_of_two_signers_that_race_the_first_ones_ca_is_taken(world: World) -> None:
    world.authorities.rival = KeyedAuthority.load(*make_ca(world.ref, days=9, now=world.now))

    found = await run(signing(world).ensure_ca, EnsureCaRequest(ref=world.ref, expected="none"))

    assert found.fingerprint == world.authorities.rival.fingerprint
    assert not found.is_new
    assert world.authorities.made == 0


@pytest.mark.parametrize(
    ("is_held", "expected", "code"),
    [
        pytest.param(False, "f" * 64, "ca.missing", id="published, and no key"),
        pytest.param(False, "unknown", "ca.missing", id="nodes exist, and no key"),
        pytest.param(True, "f" * 64, "ca.differs", id="another one is published"),
    ],
)
async def test_a_second_ca_is_never_minted(world: World, is_held: bool, expected: str, code: str) -> None:
    world.authorities.held = (
        {str(world.ref): world.authorities.put(world.ref, days=9, now=world.now)} if is_held else {}
    )

    with pytest.raises(RefusedError) as refused:
        await run(signing(world).ensure_ca, EnsureCaRequest(ref=world.ref, expected=expected))

    assert refused.value.code == code
    assert world.authorities.made == 0


async def test_an_expired_ca_signs_nothing(world: World, signer: SigningActivities) -> None:
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = await asked(world, csr)
    world.now += timedelta(days=1826)

    with pytest.raises(RefusedError) as refused:
        await run(signer.sign, request)

    assert refused.value.code == "ca.expired"


async def test_preflight_names_missing_rights_and_looks_for_the_ca_only_with_them(
    world: World, signer: SigningActivities
) -> None:
    whole = await run(signer.preflight, SignerPreflightRequest(ref=world.ref))
    world.kubernetes.missing = {"get secrets crdb.shop.ca in namespace crdbops-system"}
    world.authorities.refusal = AssertionError("looked without the right")  # type: ignore[assignment]
    lacking = await run(signer.preflight, SignerPreflightRequest(ref=world.ref))

    assert whole.ca_fingerprint == world.authorities.held[str(world.ref)].fingerprint
    assert whole.policy_hash == lacking.policy_hash == world.policy.fingerprint()
    assert lacking.missing_rules == ("get secrets crdb.shop.ca in namespace crdbops-system",)


async def test_no_key_and_no_token_is_in_what_the_signer_answers_or_logs(
    world: World, signer: SigningActivities, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    csr = world.csr("cockroachdb-1", conditions=(APPROVED,))
    request = await asked(world, csr)
    forged = request.tokens[0].model_copy(update={"signature": "Zm9yZ2Vk"})

    answers = [
        await run(signer.ensure_ca, EnsureCaRequest(ref=world.ref, expected="unknown")),
        await run(signer.preflight, SignerPreflightRequest(ref=world.ref)),
        await run(signer.judge, request.model_copy(update={"tokens": (forged,)})),
        await run(signer.sign, request),
    ]

    said = caplog.text + "".join(answer.model_dump_json() for answer in answers)
    assert "PRIVATE KEY" not in said
    assert request.tokens[0].signature not in said
    assert "Zm9yZ2Vk" not in said
