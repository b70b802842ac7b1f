"""The pure decision as a table: one row a situation, its name the sentence."""

from dataclasses import replace

import pytest

from certagent.decision import (
    Action,
    Adopt,
    Ask,
    AskAnew,
    CsrState,
    Facts,
    Found,
    Hold,
    Refuse,
    Take,
    UseStored,
    Wait,
    decide,
)
from certagent.kept import Kept

BASE, HASHED, POD = "shop.node.a", "shop.node.a.0123456789", "pod-1"
ASKED = Kept(key_pem=b"key", pod_uid=POD, csr_name=BASE, csr_uid="u1", ask_again="")
DECIDED = replace(ASKED, decided_csr_uid="u1")
OTHER_POD = replace(ASKED, pod_uid="pod-0")
WITH_CERTIFICATE = replace(ASKED, certificate_pem=b"certificate")
PENDING = Found(uid="u1", state=CsrState.PENDING, pod_uid=POD)
STRANGE = Found(uid="u9", state=CsrState.PENDING, has_our_key=False, pod_uid=POD)


def found(state: CsrState, *, pod_uid: str = POD, reasons: tuple[str, ...] = ()) -> Found:
    return Found(uid="u1", state=state, pod_uid=pod_uid, reasons=reasons)


def facts(kept: Kept, there: Found | None = None, *, ask_again: str = "", reasons: tuple[str, ...] = ()) -> Facts:
    return Facts(
        kept=kept,
        pod_uid=POD,
        ask_again=ask_again,
        base_name=BASE,
        hashed_name=HASHED,
        stored_reasons=reasons,
        found=there,
    )


@pytest.mark.parametrize(
    ("situation", "action"),
    [
        pytest.param(facts(WITH_CERTIFICATE), UseStored(), id="a good certificate is used"),
        pytest.param(
            facts(replace(WITH_CERTIFICATE, pod_uid="pod-0")), UseStored(), id="also one that another pod asked for"
        ),
        pytest.param(facts(ASKED, PENDING), Wait(state=CsrState.PENDING), id="pending is waited for"),
        pytest.param(
            facts(ASKED, PENDING, ask_again="v1"), Wait(state=CsrState.PENDING), id="pending is not asked again"
        ),
        pytest.param(
            facts(ASKED, found(CsrState.APPROVED)), Wait(state=CsrState.APPROVED), id="approved waits for the signer"
        ),
        pytest.param(
            facts(ASKED, replace(PENDING, pod_uid="")),
            Wait(state=CsrState.PENDING),
            id="without a stamped pod the kept uid counts",
        ),
        pytest.param(facts(replace(ASKED, csr_uid=""), PENDING), Adopt(uid="u1"), id="our csr of unknown uid is ours"),
        pytest.param(
            facts(ASKED, replace(PENDING, uid="u2")), Adopt(uid="u2"), id="our csr made by a lost create is ours"
        ),
        pytest.param(facts(ASKED, found(CsrState.ISSUED)), Take(), id="issued is taken"),
        pytest.param(
            facts(OTHER_POD, found(CsrState.ISSUED, pod_uid="pod-0")), Take(), id="issued for the pod before is taken"
        ),
        pytest.param(
            facts(ASKED, found(CsrState.ISSUED, reasons=("bad",))),
            Refuse(reasons=("bad",)),
            id="issued wrong is refused",
        ),
        pytest.param(
            facts(ASKED, found(CsrState.DENIED)), Hold(uid="u1", state=CsrState.DENIED), id="denied holds still"
        ),
        pytest.param(
            facts(ASKED, found(CsrState.FAILED)), Hold(uid="u1", state=CsrState.FAILED), id="failed holds still"
        ),
        pytest.param(
            facts(OTHER_POD, found(CsrState.DENIED, pod_uid="pod-0")),
            Hold(uid="u1", state=CsrState.DENIED),
            id="a new pod does not ask again what was denied",
        ),
        pytest.param(
            facts(replace(ASKED, ask_again="v1"), found(CsrState.DENIED), ask_again="v1"),
            Hold(uid="u1", state=CsrState.DENIED),
            id="a value that was acted upon counts once",
        ),
        pytest.param(
            facts(replace(ASKED, ask_again="v1"), found(CsrState.DENIED), ask_again=""),
            Hold(uid="u1", state=CsrState.DENIED),
            id="a new pod without the annotation asked nobody",
        ),
        pytest.param(facts(DECIDED), Hold(uid="u1", state=None), id="a denied csr that was collected stays denied"),
        pytest.param(facts(DECIDED, STRANGE), Hold(uid="u1", state=None), id="also if a stranger took the name since"),
        pytest.param(
            facts(ASKED),
            Ask(name=BASE, event="csr vanished", reason="it was deleted before anybody decided"),
            id="a csr that vanished is asked for again",
        ),
        pytest.param(
            facts(replace(ASKED, csr_name=HASHED)),
            Ask(name=HASHED, event="csr vanished", reason="it was deleted before anybody decided"),
            id="under the name it had",
        ),
        pytest.param(
            facts(Kept(key_pem=b"key", pod_uid=POD)),
            Ask(name=BASE, event="csr missing", reason="it was not asked for yet"),
            id="a kept key that was never asked for is asked for",
        ),
        pytest.param(
            facts(replace(ASKED, csr_uid=""), STRANGE),
            Ask(name=HASHED, event="csr name taken", reason="another key was asked for under the plain name"),
            id="a stranger's name is left",
        ),
    ],
)
def test_decides(situation: Facts, action: Action) -> None:
    assert decide(situation) == action


@pytest.mark.parametrize(
    ("situation", "event", "is_hashed"),
    [
        pytest.param(facts(Kept()), "key needed", False, id="nothing kept"),
        pytest.param(
            facts(WITH_CERTIFICATE, reasons=("it ends soon",)),
            "stored certificate unusable",
            False,
            id="a worn out certificate",
        ),
        pytest.param(
            facts(OTHER_POD, found(CsrState.PENDING, pod_uid="pod-0")),
            "csr of another pod",
            True,
            id="pending of another pod",
        ),
        pytest.param(
            facts(OTHER_POD, found(CsrState.APPROVED, pod_uid="pod-0")),
            "csr of another pod",
            True,
            id="approved but not issued of another pod",
        ),
        pytest.param(
            facts(ASKED, found(CsrState.PENDING, pod_uid="pod-0")),
            "csr of another pod",
            True,
            id="the stamped uid counts above the kept one",
        ),
        pytest.param(facts(OTHER_POD), "csr of another pod", False, id="another pod's csr is gone: its name is free"),
        pytest.param(facts(OTHER_POD, STRANGE), "csr of another pod", True, id="another pod's key, the name taken"),
        pytest.param(
            facts(ASKED, found(CsrState.DENIED), ask_again="v1"), "asked again", True, id="denied and asked again"
        ),
        pytest.param(
            facts(ASKED, found(CsrState.FAILED), ask_again="v1"), "asked again", True, id="failed and asked again"
        ),
        pytest.param(
            facts(replace(ASKED, ask_again="v1"), found(CsrState.DENIED), ask_again="v2"),
            "asked again",
            True,
            id="asked again a second time",
        ),
        pytest.param(facts(DECIDED, ask_again="v1"), "asked again", True, id="collected and asked again"),
        pytest.param(
            facts(ASKED, found(CsrState.ISSUED, reasons=("bad",)), ask_again="v1"),
            "asked again",
            True,
            id="refused and asked again",
        ),
        pytest.param(
            facts(replace(ASKED, csr_name=HASHED, csr_uid=""), STRANGE),
            "csr name taken",
            True,
            id="even the hashed name is a stranger's",
        ),
    ],
)
def test_makes_a_new_key_for(situation: Facts, event: str, is_hashed: bool) -> None:
    action = decide(situation)

    assert isinstance(action, AskAnew)
    assert (action.event, action.is_hashed) == (event, is_hashed)


def test_every_state_leads_somewhere() -> None:
    situations = [
        facts(kept, there, ask_again=value)
        for kept in (Kept(), ASKED, DECIDED, OTHER_POD, WITH_CERTIFICATE)
        for there in (None, STRANGE, *(found(state) for state in CsrState))
        for value in ("", "v1")
    ]

    actions = [decide(situation) for situation in situations]

    assert len(actions) == 70
    assert all(action is not None for action in actions)
