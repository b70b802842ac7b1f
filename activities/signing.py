"""Activities of the signer: its preflight, the CA, judging, signing, failing. Its identity alone may read CA keys.

It checks everything anew with its own rights, configuration, key ring and clock, and trusts nobody's word but that of
ops for who asked. Approving in Kubernetes is ops' (`certificates`), under another identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio import activity

from activities.clients import pki
from activities.csr_facts import Surroundings, facts_of, look_at
from activities.csr_object import FAILED_REASON, Condition, CsrObject
from activities.decisions import check_decisions
from activities.evidence import common_name, rule_of
from activities.manifests.rights import signer_rules
from activities.payloads import (
    CaCertificate,
    EnsureCaRequest,
    FailRequest,
    IssuedCertificate,
    Judgement,
    SignerPreflightRequest,
    SignRequest,
)
from activities.ports import Authority, AuthorityPort, CsrPort
from domain.certificate import CertificateProfile, SigningPolicy, profile_of
from domain.configuration import Configuration
from domain.csr import CsrFacts, judge
from domain.errors import BrokenError, RefusedError, TransientError
from domain.model import ClusterRef
from domain.preflight import SignerFacts
from tokens.keyring import KeyRing

#: Clocks of nodes may be behind the signer's by this much.
_BACK = timedelta(minutes=5)
_TRIES = 5
#: How a judgement that is no yes is raised when it was to be signed.
_CODES = {"changed": "certify.changed", "gone": "certify.gone", "no": "certify.no", "yes": "certify.no"}


def _now() -> datetime:
    return datetime.now(UTC)


class _Seen(NamedTuple):
    """What one reading found: the CA, the request (None: gone, or another of its name) and what stands around it."""

    authority: Authority
    csr: CsrObject | None
    around: Surroundings


class _Judged(NamedTuple):
    judgement: Judgement
    facts: CsrFacts | None = None


class SigningActivities:
    """Activities of the signer."""

    def __init__(
        self,
        csrs: CsrPort,
        authority: AuthorityPort,
        configuration: Configuration,
        ring: KeyRing,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._csrs = csrs
        self._authority = authority
        self._configuration = configuration
        self._ring = ring
        self._clock = clock

    @activity.defn(name="signing.preflight")
    async def preflight(self, request: SignerPreflightRequest) -> SignerFacts:
        """Say what the signer sees. Repeating it only reads again."""
        missing = await self._csrs.missing_rules(signer_rules(self._configuration, request.ref))
        held = None
        # Without its rights it cannot look for the CA; the missing right is the news then.
        if not missing:
            held = await self._authority.find(request.ref)
        return SignerFacts(
            missing_rules=tuple(rule.sentence() for rule in missing),
            ca_fingerprint=held.fingerprint if held else "",
            policy_hash=self._policy(request.ref).fingerprint(),
        )

    @activity.defn(name="signing.ensure_ca")
    async def ensure_ca(self, request: EnsureCaRequest) -> CaCertificate:
        """Make or find the CA. Repeating it finds it: it is created, never applied, and two signers may race."""
        held, is_new = await self._authority.find(request.ref), False
        if held is None:
            if request.expected != "none":
                raise RefusedError(
                    "ca.missing",
                    f"CA of {request.ref}: found no key, expected that of {request.expected[:12]}.",
                    hint="Put back the Secret from its backup; a second CA would split the cluster.",
                )
            days = self._configuration.certificates.ca_days
            held, is_new = await self._authority.make(request.ref, days=days, now=self._clock())
        if request.expected not in ("none", "unknown", held.fingerprint):
            raise RefusedError(
                "ca.differs",
                f"CA of {request.ref}: found key of {held.fingerprint[:12]}, expected {request.expected[:12]}.",
                hint="Nodes trust the published one; put its Secret back.",
            )
        self._check_alive(held, request.ref)
        return CaCertificate(certificate_pem=held.certificate_pem, fingerprint=held.fingerprint, is_new=is_new)

    @activity.defn(name="signing.judge")
    async def judge(self, request: SignRequest) -> Judgement:
        """Judge whether it would sign, before anything is written. Repeating it only reads again."""
        try:
            return self._judge(request, await self._see(request)).judgement
        except RefusedError as error:
            return Judgement(outcome="no", sentence=error.message)

    @activity.defn(name="signing.sign")
    async def sign(self, request: SignRequest) -> IssuedCertificate:
        """Sign and write the certificate. Repeating it finds the certificate there, for this key and by this CA."""
        for _ in range(_TRIES):
            seen = await self._see(request)
            authority, csr, around = seen
            if csr is not None and csr.certificate_pem:
                return self._found(csr, request.ref, authority, around)
            judgement, facts = self._judge(request, seen)
            if judgement.outcome != "yes" or csr is None or facts is None:
                raise RefusedError(_CODES[judgement.outcome], judgement.sentence)
            if csr.condition("Approved") is None:
                raise RefusedError(
                    "certify.not-approved", f"CSR {request.csr}: found no condition Approved, expected ops to write it."
                )
            pem = self._issue(csr, facts, authority, request.ref)
            try:
                await self._csrs.issue(csr, pem)
            except TransientError as error:
                if error.code != "kubernetes.conflict":
                    raise
                continue
            return _facts(pem.encode(), request.csr)
        raise _overtaken(request.csr)

    @activity.defn(name="signing.fail")
    async def fail(self, request: FailRequest) -> None:
        """Set Failed on an approved CSR that is not signed. Repeating it finds the condition, or the CSR gone."""
        for _ in range(_TRIES):
            csr = await self._csrs.get(request.csr)
            if csr is None or csr.uid != request.csr_uid or csr.certificate_pem:
                return
            if csr.condition("Failed") or csr.condition("Denied"):
                return
            message = f"{request.reason}: {request.message}" if request.reason else request.message
            condition = Condition(type="Failed", status="True", reason=FAILED_REASON, message=message[:1000])
            try:
                await self._csrs.fail(csr, condition)
            except TransientError as error:
                if error.code != "kubernetes.conflict":
                    raise
                continue
            return
        raise _overtaken(request.csr)

    async def _see(self, request: SignRequest) -> _Seen:
        """Read all that a judgement needs, side by side.

        Raises:
            RefusedError: `ca.missing`, `ca.expired`: there is nothing to sign with.
        """
        authority, around = await asyncio.gather(
            self._held(request.ref), look_at(self._csrs, self._policy(request.ref), request.csr)
        )
        csr = around.csr(request.csr)
        return _Seen(authority, csr if csr is not None and csr.uid == request.csr_uid else None, around)

    def _judge(self, request: SignRequest, seen: _Seen) -> _Judged:
        """Check everything but the condition Approved."""
        policy, csr, around = self._policy(request.ref), seen.csr, seen.around
        if csr is None:
            return _Judged(Judgement(outcome="gone", sentence=f"CSR {request.csr} is gone."))
        if found := csr.condition("Denied") or csr.condition("Failed"):
            sentence = f"CSR {request.csr} was {found.type.lower()}: {found.message}"
            return _Judged(Judgement(outcome="no", sentence=sentence))
        now = self._clock()
        facts = facts_of(csr, around, policy, now=now)
        verdict = judge(facts, policy)
        if csr.pod_uid and not around.has_pod(csr):
            return _Judged(Judgement(outcome="gone", sentence=f"Pod {csr.pod}, which asked, no longer exists."))
        if verdict.fingerprint != request.fingerprint:
            return _Judged(Judgement(outcome="changed", sentence=f"The request changed: {verdict.summary()}."))
        if not verdict.is_approvable:
            return _Judged(Judgement(outcome="no", sentence=f"{verdict.summary()}."))
        decided = check_decisions(
            request,
            ring=self._ring,
            configuration=self._configuration,
            rule=rule_of(self._configuration, policy, facts),
            fingerprint=verdict.fingerprint,
            now=now,
        )
        if not decided.is_yes:
            said = "; ".join(reason.sentence() for reason in decided.reasons)
            return _Judged(Judgement(outcome="no", sentence=f"The signer refuses: {said}"))
        return _Judged(Judgement(outcome="yes"), facts)

    def _issue(self, csr: CsrObject, facts: CsrFacts, authority: Authority, ref: ClusterRef) -> str:
        now, policy = self._clock(), self._policy(ref)
        profile = self._profile(csr, facts, policy)
        asked = timedelta(seconds=facts.expiration_seconds) if facts.expiration_seconds else timedelta.max
        lifetime = min(timedelta(days=profile.days), asked)
        return authority.issue(
            csr.request_pem,
            profile,
            not_before=max(now - _BACK, authority.not_before),
            not_after=min(now + lifetime, authority.not_after),
        )

    def _profile(self, csr: CsrObject, facts: CsrFacts, policy: SigningPolicy) -> CertificateProfile:
        kind = policy.kind_of(csr.signer_name)
        if kind is None:
            raise BrokenError("certify.no", f"CSR {csr.name}: {csr.signer_name} is no signer of ours.")
        return profile_of(policy, kind=kind, pod=csr.pod, user=common_name(facts))

    def _found(self, csr: CsrObject, ref: ClusterRef, authority: Authority, around: Surroundings) -> IssuedCertificate:
        """Return the certificate that is there already, if it is one of ours."""
        policy = self._policy(ref)
        facts = facts_of(csr, around, policy, now=self._clock())
        reasons = pki.reasons_against(
            csr.certificate_pem,
            request_pem=csr.request_pem,
            ca_pem=authority.certificate_pem,
            profile=self._profile(csr, facts, policy),
            now=self._clock(),
        )
        if reasons:
            raise BrokenError(
                "certificate.wrong",
                f"CSR {csr.name}: found a certificate that is not ours: {'; '.join(reasons)}.",
                hint="Find out who may write certificates beside our signer.",
            )
        return _facts(csr.certificate_pem, csr.name)

    async def _held(self, ref: ClusterRef) -> Authority:
        held = await self._authority.find(ref)
        if held is None:
            raise RefusedError("ca.missing", f"CA of {ref}: found no key, expected the one that deploy made.")
        self._check_alive(held, ref)
        return held

    def _check_alive(self, held: Authority, ref: ClusterRef) -> None:
        if held.not_after <= self._clock():
            message = f"CA of {ref}: found it expired at {held.not_after}, expected a living one."
            raise RefusedError("ca.expired", message)

    def _policy(self, ref: ClusterRef) -> SigningPolicy:
        return SigningPolicy.of(self._configuration, ref)


def _overtaken(name: str) -> TransientError:
    return TransientError("kubernetes.conflict", f"CSR {name}: it changed at each of {_TRIES} tries to write to it")


def _facts(pem: bytes, name: str) -> IssuedCertificate:
    facts = pki.facts_of(pem)
    if facts is None:
        raise BrokenError("certificate.wrong", f"CSR {name}: the certificate cannot be read.")
    return facts
