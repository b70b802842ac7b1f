"""Activities of ops on CSRs: read with verdict, write a person's decision, verify what was issued.

Signing is `signing`, under another identity. Facts are gathered in `csr_facts`, judged in `domain.csr`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.clients import pki
from activities.csr_facts import Surroundings, facts_of, look_at
from activities.csr_object import APPROVED_REASON, DENIED_REASON, Condition, CsrObject
from activities.evidence import evidence_of, rule_of
from activities.payloads import (
    CsrReading,
    CsrRequest,
    IssuedCertificate,
    RunningChange,
    VerifyRequest,
    WriteDecisionRequest,
    WriteOutcome,
)
from activities.ports import CsrPort, RunningPort
from domain.certificate import SigningPolicy, profile_of
from domain.configuration import Configuration
from domain.csr import judge
from domain.errors import BrokenError, NotReadyError, TransientError
from domain.model import ClusterRef, Person
from domain.roles import PolicySnapshot

#: Others may write to a CSR between reading and writing; after so many times somebody does it on purpose.
_TRIES = 5


def _now() -> datetime:
    return datetime.now(UTC)


class CertificateActivities:
    """Activities of ops on CSRs."""

    def __init__(
        self,
        csrs: CsrPort,
        running: RunningPort,
        configuration: Configuration,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._csrs = csrs
        self._running = running
        self._configuration = configuration
        self._clock = clock

    @activity.defn(name="certificates.read")
    async def read(self, request: CsrRequest) -> CsrReading:
        """Read a CSR, judge it, and take the policy snapshot. Repeating it only reads again."""
        policy = self._policy(request.ref)
        around = await look_at(self._csrs, policy, request.csr)
        csr = around.csr(request.csr)
        if csr is None or csr.uid != request.csr_uid:
            why = "the request is gone" if csr is None else "another request has its name now"
            return CsrReading(is_there=False, gone_because=why)
        facts = facts_of(csr, around, policy, now=self._clock())
        gone = _why_gone(csr, around)
        deciding = csr.condition("Denied") or csr.condition("Failed") or csr.condition("Approved")
        return CsrReading(
            is_there=not gone,
            gone_because=gone,
            state=csr.state,
            evidence=evidence_of(csr, facts, policy),
            verdict=judge(facts, policy),
            rule=rule_of(self._configuration, policy, facts),
            policy=PolicySnapshot.of(self._configuration),
            channel=self._configuration.clusters[request.ref.cluster].channel,
            is_approved_by_us=deciding is not None and deciding.reason == APPROVED_REASON,
            condition=f"{deciding.type}: {deciding.reason}: {deciding.message}" if deciding else "",
        )

    @activity.defn(name="certificates.approve")
    async def approve(self, request: WriteDecisionRequest) -> WriteOutcome:
        """Write Approved if the request still is what was shown. Repeating it finds its own condition: `already`.

        Who is behind it is asked as late as can be, beside the last reading: a change may have begun since the card.
        """
        for _ in range(_TRIES):
            around, behind = await asyncio.gather(
                look_at(self._csrs, self._policy(request.ref), request.csr), self._running.change(request.ref)
            )
            csr = around.csr(request.csr)
            if csr is None or csr.uid != request.csr_uid:
                return WriteOutcome(outcome="gone", sentence="The request is gone.")
            if decided := _decided_for_approval(csr, request):
                return decided
            if against := self._against_approval(csr, around, request):
                return against
            if _asked_unknown(behind, request):
                return WriteOutcome(outcome="asked", behind=behind)
            people = ", ".join(map(_said, request.people))
            message = f"approval {request.approval_id} by {people}"
            condition = Condition(type="Approved", status="True", reason=APPROVED_REASON, message=message)
            if await self._decide(csr, condition):
                return WriteOutcome(outcome="written", sentence=f"Approved by {people}.")
        raise _overtaken(request.csr)

    @activity.defn(name="certificates.deny")
    async def deny(self, request: WriteDecisionRequest) -> WriteOutcome:
        """Write Denied with the person's reason. Repeating it finds the request denied: `already`."""
        for _ in range(_TRIES):
            csr = await self._csrs.get(request.csr)
            if csr is None or csr.uid != request.csr_uid:
                return WriteOutcome(outcome="gone", sentence="The request is gone.")
            if found := csr.condition("Denied") or csr.condition("Failed"):
                return WriteOutcome(outcome="already", sentence=f"It was {found.type.lower()} already: {found.message}")
            if found := csr.condition("Approved"):
                return WriteOutcome(outcome="opposite", sentence=f"It was approved meanwhile: {found.message}")
            people = ", ".join(map(_said, request.people))
            message = f"approval {request.approval_id} denied by {people}: {request.reason}"
            condition = Condition(type="Denied", status="True", reason=DENIED_REASON, message=message[:1000])
            if await self._decide(csr, condition):
                return WriteOutcome(outcome="written", sentence=f"Denied by {people}.")
        raise _overtaken(request.csr)

    @activity.defn(name="certificates.verify")
    async def verify(self, request: VerifyRequest) -> IssuedCertificate:
        """Check the issued certificate: key, chain, names, usages, dates. Repeating it only reads again."""
        policy, csr = self._policy(request.ref), await self._csrs.get(request.csr)
        if csr is None or csr.uid != request.csr_uid:
            raise BrokenError("certificate.gone", f"CSR {request.csr}: found none of that uid, expected the signed.")
        if not csr.certificate_pem:
            raise NotReadyError(
                "certificate.not-issued",
                f"CSR {request.csr}: found no certificate yet, expected the signer's.",
                retry_after=timedelta(seconds=1),
            )
        ca_pem = await self._csrs.published_ca(request.ref)
        if request.ca_fingerprint and pki.fingerprint(ca_pem) != request.ca_fingerprint:
            raise BrokenError("ca.differs", f"CSR {request.csr}: the published CA is another one than was expected.")
        kind = policy.kind_of(csr.signer_name)
        decoded, _ = pki.decode_request(csr.request_pem)
        facts = pki.facts_of(csr.certificate_pem)
        if kind is None or decoded is None or facts is None:
            raise BrokenError("certificate.wrong", f"CSR {request.csr}: request or certificate cannot be read.")
        user = next((value for name, value in decoded.subject if name == "CN"), "")
        reasons = pki.reasons_against(
            csr.certificate_pem,
            request_pem=csr.request_pem,
            ca_pem=ca_pem,
            profile=profile_of(policy, kind=kind, pod=csr.pod, user=user),
            now=self._clock(),
        )
        if reasons:
            raise BrokenError(
                "certificate.wrong",
                f"CSR {request.csr}: the issued certificate is not what was approved: {'; '.join(reasons)}.",
                hint="Do not use it. Find out who may write certificates beside our signer.",
            )
        return facts

    def _policy(self, ref: ClusterRef) -> SigningPolicy:
        return SigningPolicy.of(self._configuration, ref)

    def _against_approval(
        self, csr: CsrObject, around: Surroundings, request: WriteDecisionRequest
    ) -> WriteOutcome | None:
        if gone := _why_gone(csr, around):
            return WriteOutcome(outcome="gone", sentence=gone.capitalize() + ".")
        policy = self._policy(request.ref)
        verdict = judge(facts_of(csr, around, policy, now=self._clock()), policy)
        if verdict.fingerprint != request.fingerprint or not verdict.is_approvable:
            return WriteOutcome(outcome="changed", sentence=f"The request changed: {verdict.summary()}.")
        return None

    async def _decide(self, csr: CsrObject, condition: Condition) -> bool:
        """Write a condition; False when the CSR has changed since it was read."""
        try:
            await self._csrs.decide(csr, condition)
        except TransientError as error:
            if error.code == "kubernetes.conflict":
                return False
            raise
        return True


def _decided_for_approval(csr: CsrObject, request: WriteDecisionRequest) -> WriteOutcome | None:
    if found := csr.condition("Denied") or csr.condition("Failed"):
        return WriteOutcome(outcome="opposite", sentence=f"It was {found.type.lower()}: {found.message}")
    found = csr.condition("Approved")
    if found is None:
        return None
    if found.reason == APPROVED_REASON and f"approval {request.approval_id} " in found.message:
        return WriteOutcome(outcome="already", sentence="It was approved by this very decision already.")
    # An approval from outside names nobody; the person's decision now stands beside it, and the signer checks that.
    return WriteOutcome(outcome="already", sentence=f"It was approved outside already: {found.reason}.")


def _why_gone(csr: CsrObject, around: Surroundings) -> str:
    if csr.state == "pending" and csr.pod_uid and not around.has_pod(csr):
        return f"pod {csr.pod}, which asked, no longer exists"
    return ""


def _asked_unknown(behind: RunningChange, request: WriteDecisionRequest) -> bool:
    return any(not any(asker.is_same_as(known) for known in request.asked_by) for asker in behind.askers)


def _said(person: Person) -> str:
    return f"{person.name} ({person.id})" if person.name else person.id


def _overtaken(name: str) -> TransientError:
    return TransientError("kubernetes.conflict", f"CSR {name}: it changed at each of {_TRIES} tries to write to it")
