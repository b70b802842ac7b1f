"""Tokens: what is signed comes back, whatever was touched is refused, and time and keys have their dates."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import RefusedError
from operations.messages import TOKEN_FIELDS, Claims, Token, Verb
from tests.tokens.keys import (
    APPROVE_FIELDS,
    KEY,
    KID,
    NOW,
    OTHER_KEY,
    PERSON,
    RING,
    SIGNER,
    private_pem,
    ring_text,
    token,
)
from tokens.keyring import KeyRing
from tokens.make import LIFETIME, TokenSigner, canonical_claims
from tokens.verify import SKEW, verify, verify_fresh

VALUES: dict[str, str | int] = {
    "request_id": "r1",
    "request_hash": "h1",
    "run_id": "run-1",
    "approval_id": "ab12cd34",
    "fingerprint": "f" * 64,
    "nodes": 4,
}
VERBS: list[Verb] = ["start", "approve", "deny", "ask_again", "cancel", "retarget", "pause", "resume"]


def _fields(verb: Verb) -> dict[str, str | int]:
    return {name: VALUES[name] for name in TOKEN_FIELDS[verb]}


def _signed(text: str, kid: str = KID) -> Token:
    """A token over any text at all, signed by the right key: only its content can be wrong."""
    return Token(kid=kid, claims=text, signature=base64.b64encode(KEY.sign(text.encode())).decode())


def _refused(bad: Token, ring: KeyRing = RING) -> str:
    with pytest.raises(RefusedError) as caught:
        verify(bad, ring)
    assert caught.value.code == "token.invalid"
    return caught.value.message


@pytest.mark.parametrize("verb", VERBS)
def test_what_was_signed_comes_back(verb: Verb) -> None:
    claims = verify(SIGNER.issue(verb, PERSON, workflow_id="crdb/x", now=NOW, **_fields(verb)), RING)

    assert claims == Claims.model_validate(
        {
            "verb": verb, "person": PERSON, "workflow_id": "crdb/x", "issued_at": NOW, "until": NOW + LIFETIME,
            **_fields(verb),
        }
    )  # fmt: skip


def test_a_token_is_for_one_click_and_two_minutes() -> None:
    assert timedelta(minutes=2) == LIFETIME


def test_a_token_survives_json() -> None:
    copy = Token.model_validate_json(token().model_dump_json())

    assert verify(copy, RING).person == PERSON


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", sorted(VALUES))
def test_each_verb_has_exactly_its_fields(verb: Verb, name: str) -> None:
    fields = _fields(verb)
    changed = {k: v for k, v in fields.items() if k != name} if name in fields else {**fields, name: VALUES[name]}

    with pytest.raises(ValidationError, match=f"token {verb}: found"):
        SIGNER.issue(verb, PERSON, workflow_id="w", now=NOW, **changed)


@pytest.mark.parametrize("name", ["run_id", "approval_id", "fingerprint"])
def test_a_field_cannot_be_empty(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        SIGNER.issue("approve", PERSON, workflow_id="w", now=NOW, **{**APPROVE_FIELDS, name: ""})


def test_a_time_needs_its_zone() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        token(now=NOW.replace(tzinfo=None))


GOOD = token()


def _with_claims(**changes: object) -> Token:
    value = {**json.loads(GOOD.claims), **changes}
    return GOOD.model_copy(
        update={"claims": json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)}
    )


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(_with_claims(verb="deny"), id="verb"),
        pytest.param(_with_claims(person={**json.loads(GOOD.claims)["person"], "id": "U2"}), id="person"),
        pytest.param(_with_claims(person={**json.loads(GOOD.claims)["person"], "groups": ["S9"]}), id="groups"),
        pytest.param(_with_claims(workflow_id="crdb/y"), id="workflow"),
        pytest.param(_with_claims(run_id="run-2"), id="run"),
        pytest.param(_with_claims(approval_id="zz"), id="approval id"),
        pytest.param(_with_claims(fingerprint="e" * 64), id="fingerprint"),
        pytest.param(_with_claims(until="2026-11-25T12:09:00.123456Z"), id="until"),
        pytest.param(
            GOOD.model_copy(update={"signature": base64.b64encode(bytes(64)).decode()}), id="another signature"
        ),
        pytest.param(GOOD.model_copy(update={"signature": base64.b64encode(b"short").decode()}), id="short signature"),
        pytest.param(GOOD.model_copy(update={"signature": ""}), id="no signature"),
        pytest.param(
            TokenSigner(private_pem(OTHER_KEY), kid=KID).issue(
                "approve", PERSON, workflow_id="crdb/x", now=NOW, **APPROVE_FIELDS
            ),
            id="signed by a key that only calls itself by a name of the ring",
        ),
    ],
)
def test_whatever_is_touched_breaks_the_signature(bad: Token) -> None:
    assert "its signature is wrong" in _refused(bad)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{}", id="no claims"),
        pytest.param("null", id="null"),
        pytest.param("[" * 5000, id="endless nesting"),
        pytest.param(_with_claims(extra="x").claims, id="a field nobody knows"),
        pytest.param(_with_claims(request_id="x").claims, id="a field of another verb"),
        pytest.param(_with_claims(verb="approve_all").claims, id="a verb nobody knows"),
        pytest.param(_with_claims(issued_at="2026-11-25T12:00:00").claims, id="a time without its zone"),
        pytest.param(_with_claims(issued_at="yesterday").claims, id="a time that is none"),
        pytest.param(_with_claims(workflow_id="").claims, id="no workflow"),
        pytest.param(GOOD.claims.replace("run-1", "\\ud800"), id="half a character"),
    ],
)
def test_claims_that_cannot_be_read_are_refused_even_when_signed(text: str) -> None:
    assert "it is not readable" in _refused(_signed(text))


@pytest.mark.parametrize("signature", ["%%%", "é", "abc"], ids=["no base64", "beyond ASCII", "cut off"])
def test_a_signature_that_is_no_base64_is_refused(signature: str) -> None:
    assert "it is not readable" in _refused(GOOD.model_copy(update={"signature": signature}))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD.claims + " ", id="a space behind"),
        pytest.param(json.dumps(json.loads(GOOD.claims)), id="spaces between"),
        pytest.param(GOOD.claims.replace('{"approval_id"', '{"approval_id":"other","approval_id"'), id="a key twice"),
        pytest.param(json.dumps(dict(reversed(json.loads(GOOD.claims).items())), separators=(",", ":")), id="order"),
        pytest.param(json.dumps(json.loads(GOOD.claims), separators=(",", ":")), id="letters as escapes"),
        pytest.param(GOOD.claims[:-1] + ',"request_id":null}', id="an empty field written out"),
        pytest.param(GOOD.claims.replace('"name":', '"admin":true,"name":'), id="a field of the person nobody knows"),
        pytest.param(GOOD.claims.replace("12:00:00.123456Z", "12:00:00.123456+00:00"), id="a time written otherwise"),
    ],
)
def test_one_meaning_has_one_text_and_every_other_is_refused(text: str) -> None:
    assert "it is not in canonical form" in _refused(_signed(text))


def test_canonical_claims_are_sorted_dense_and_without_empty_fields() -> None:
    text = canonical_claims(verify(GOOD, RING))

    assert text == GOOD.claims
    assert text.startswith('{"approval_id":"ab12cd34","fingerprint":')
    assert "null" not in text
    assert "Älice" in text


def test_a_key_nobody_knows_is_refused() -> None:
    assert "its key is unknown" in _refused(GOOD.model_copy(update={"kid": "other"}))


@pytest.mark.parametrize(
    ("not_before", "not_after", "is_good"),
    [
        pytest.param(NOW, NOW + timedelta(days=1), True, id="from that very moment"),
        pytest.param(NOW - timedelta(days=1), NOW, True, id="until that very moment"),
        pytest.param(NOW + timedelta(microseconds=1), NOW + timedelta(days=1), False, id="not yet"),
        pytest.param(NOW - timedelta(days=1), NOW - timedelta(microseconds=1), False, id="no longer"),
    ],
)
def test_a_key_counts_between_its_dates(not_before: datetime, not_after: datetime, is_good: bool) -> None:
    ring = KeyRing.parse(ring_text(not_before=not_before.isoformat(), not_after=not_after.isoformat()))

    assert (ring.key(KID, at=NOW) is not None) is is_good


def test_an_old_key_still_proves_what_it_signed_in_its_time() -> None:
    ring = KeyRing.parse(ring_text(days=1))

    assert verify(GOOD, ring).person == PERSON
    assert "was not valid then" in _refused(token(now=NOW + timedelta(days=2)), ring)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), timedelta(minutes=10, microseconds=1)])
def test_a_lifetime_out_of_range_is_refused(lifetime: timedelta) -> None:
    claims = verify(GOOD, RING).model_copy(update={"until": NOW + lifetime})

    assert "its lifetime is out of range" in _refused(SIGNER.sign(claims))


@pytest.mark.parametrize(
    ("now", "is_good"),
    [
        pytest.param(NOW, True, id="at once"),
        pytest.param(NOW + LIFETIME, True, id="as its time ends"),
        pytest.param(NOW + LIFETIME + SKEW, True, id="as its time ends by a slow clock"),
        pytest.param(NOW + LIFETIME + SKEW + timedelta(microseconds=1), False, id="after that"),
        pytest.param(NOW - SKEW, True, id="by a fast clock"),
        pytest.param(NOW - SKEW - timedelta(microseconds=1), False, id="before it was made"),
        pytest.param(NOW + timedelta(days=365), False, id="a year later"),
    ],
)
def test_a_token_is_fresh_for_two_minutes_and_a_clocks_difference(now: datetime, is_good: bool) -> None:
    if is_good:
        assert verify_fresh(GOOD, RING, now=now).run_id == "run-1"
        return
    with pytest.raises(RefusedError) as caught:
        verify_fresh(GOOD, RING, now=now)
    assert caught.value.code == "token.expired"


def test_a_refusal_never_repeats_the_token() -> None:
    bad = _with_claims(run_id="run-2")
    message = _refused(bad)

    assert "run-2" not in message
    assert bad.signature not in message


@settings(max_examples=150, deadline=None, database=None)
@given(st.text(max_size=60), st.text(max_size=90), st.sampled_from([KID, "", "other"]))
def test_made_up_tokens_are_refused_and_never_raise_anything_else(claims: str, signature: str, kid: str) -> None:
    _refused(Token(kid=kid, claims=claims, signature=signature))


@settings(max_examples=150, deadline=None, database=None)
@given(st.integers(0, len(GOOD.claims) - 1), st.characters(exclude_categories=["Cs"]))
def test_any_other_letter_anywhere_is_refused(position: int, letter: str) -> None:
    text = GOOD.claims[:position] + letter + GOOD.claims[position + 1 :]
    if text != GOOD.claims:
        _refused(GOOD.model_copy(update={"claims": text}))
