"""A change that needs certificates: waits until every pod's request has been decided by people.

It hears from the `Certify` runs by signal how each request ended, and looks at the pods itself now and then, so that
neither a lost signal nor a certificate that was there all along holds it up. The life of one request is `certify`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.cluster import ClusterActivities
    from activities.payloads import AskAgainRequest, BehindRequest, ClusterRequest, PodCertificate
    from activities.running import RunningActivities
    from domain.errors import BrokenError, RefusedError
    from domain.model import CLIENT_POD, ClusterRef, ClusterSpec, NodeRef, Person
    from operations.messages import (
        ASK_AGAIN,
        ASKED_BY,
        CERTIFICATE_CHANGED,
        AskedBy,
        CertificateChanged,
        Decision,
        DecisionReceipt,
    )
    from workflows.base import OperationWorkflow
    from workflows.problems import refusal
    from workflows.retries import APPLY, ASKED_WITHIN, DECIDED_WITHIN, LOOK_AGAIN, LOOK_SELDOM, OBSERVE

Done = TypeVar("Done")

_State = Literal["coming", "waiting", "have", "refused"]
_REFUSED = frozenset({"denied", "failed"})


class CertifiedWorkflow(OperationWorkflow[Done]):
    """A change with a step `certificates`."""

    def _begin(self, ref: ClusterRef, headline: str) -> None:
        super()._begin(ref, headline)
        self._pods: dict[str, PodCertificate] = {}
        self._has_looked = False
        self._heard: dict[str, CertificateChanged] = {}
        self._issued: set[str] = set()
        self._decided_by: set[str] = set()
        self._ask_again: str | None = None
        self._asked_again: dict[str, tuple[str, datetime]] = {}
        self._certificates_step = "certificates"

    @workflow.signal(name=CERTIFICATE_CHANGED)
    def certificate_changed(self, change: CertificateChanged) -> None:
        """Hear from a Certify: its request has ended, or waits for a person again."""
        self._heard[change.pod] = change
        self._decided_by.update(change.by)
        if change.state == "issued":
            self._issued.add(change.csr)
        if self._pods and not self._is_over:
            self._say()

    @workflow.update(name=ASK_AGAIN, description="Let the pods whose request was denied or failed ask again")
    async def ask_again(self, decision: Decision) -> DecisionReceipt:
        """Remember to set the annotation that certagent waits for."""
        self._ask_again = workflow.uuid4().hex[:8]
        return DecisionReceipt(sentence="The pods ask again.")

    @ask_again.validator
    def _may_ask_again(self, decision: Decision) -> None:
        self.require_running()
        if not self._status.may_ask_again:
            raise refusal(RefusedError("certify.not-refused", "No request was denied or failed: nothing to ask again."))
        self.require_operator(decision, "ask again for")

    async def _tell_open_certifies(self, person: Person | None = None) -> None:
        """Four-eyes: whoever starts, resumes or alters a change is excluded from its open approvals."""
        found = await workflow.execute_activity_method(
            RunningActivities.open_certifies,
            BehindRequest(ref=self._status.ref),
            summary="which requests are open already",
            **OBSERVE,
        )
        asked = AskedBy(
            person=person or self._status.requester, workflow_id=self._status.workflow_id, run_id=self._status.run_id
        )
        for run in found.runs:
            certify = workflow.get_external_workflow_handle(run.workflow_id, run_id=run.run_id)
            try:
                await certify.signal(ASKED_BY, asked)
            except FailureError:
                workflow.logger.info("request closed meanwhile", extra={"certify": run.workflow_id})

    async def _certificates(self, spec: ClusterSpec, *, is_first: bool, step: str = "certificates") -> None:
        """Wait until all node pods and the client pod have their certificate.

        Where everything was made a moment ago there is nothing to see yet: signals tell, or the first look a minute on.
        """
        names = (*(NodeRef(ordinal=o).pod for o in range(spec.nodes)), CLIENT_POD)
        begun = workflow.now()
        self._certificates_step = step
        with self._step(step):
            self._pods = {name: PodCertificate(pod=name, state="starting") for name in names}
            try:
                await self._until_certified(spec, begun, is_first=is_first)
            finally:
                self._pods = {}  # what is heard from now on belongs to no step

    async def _until_certified(self, spec: ClusterSpec, begun: datetime, *, is_first: bool) -> None:
        if not is_first:
            await self._look_at_pods(spec)
        self._say()
        while not self._is_complete():
            waited = workflow.now() - begun
            is_news = await self._wait(
                lambda: self._is_complete() or self._ask_again is not None,
                timeout=min(self._patience(), max(DECIDED_WITHIN - waited, timedelta(seconds=1))),
                summary="people decide; then look at the pods again",
            )
            if self._ask_again is not None:
                await self._let_ask_again()
            if not is_news:
                await self._look_at_pods(spec)
                self._check_deadlines(begun)
            self._say()

    async def _look_at_pods(self, spec: ClusterSpec) -> None:
        self._heard.clear()
        self._has_looked = True
        progress = await workflow.execute_activity_method(
            ClusterActivities.certificates,
            ClusterRequest(ref=self._status.ref, spec=spec),
            summary="which pods have their certificate",
            **OBSERVE,
        )
        found = {pod.pod: pod for pod in progress.pods}
        self._pods = {name: found.get(name) or PodCertificate(pod=name, state="no-pod") for name in self._pods}

    def _states(self) -> dict[str, _State]:
        """How far each pod is, by the last look and by what was heard since."""
        return {name: self._state(pod) for name, pod in self._pods.items()}

    def _state(self, pod: PodCertificate) -> _State:
        heard = self._heard.get(pod.pod)
        if pod.state == "present" or pod.csr in self._issued:
            return "have"
        state = pod.state if heard is None or heard.state in ("reading", "gone") else heard.state
        csr = pod.csr if heard is None else heard.csr
        if state in _REFUSED:
            return "coming" if self._asked_again.get(pod.pod, ("", None))[0] == csr else "refused"
        return {"issued": "have", "starting": "coming", "no-pod": "coming"}.get(state, "waiting")  # type: ignore[return-value]

    def _is_complete(self) -> bool:
        return all(state == "have" for state in self._states().values())

    def _patience(self) -> timedelta:
        return LOOK_AGAIN if "coming" in self._states().values() else LOOK_SELDOM

    def _say(self) -> None:
        states = self._states()
        have = sum(state == "have" for state in states.values())
        waiting = sum(state == "waiting" for state in states.values())
        coming = [name for name, state in states.items() if state == "coming"]
        refused = [name for name, state in states.items() if state == "refused"]
        parts = [f"{have} of {len(states)} in place"]
        parts += [f"{waiting} {'waits' if waiting == 1 else 'wait'} for a person"] if waiting else []
        if coming:
            # Before the first look it is not known who has asked already: the cards say so.
            parts.append(f"to ask yet: {', '.join(coming)}" if self._has_looked else "a card for each follows here")
        parts += [f"refused: {', '.join(refused)}"] if refused else []
        is_new = bool(refused) and not self._status.may_ask_again
        self._edit(may_ask_again=bool(refused))
        self._detail(self._certificates_step, "; ".join(parts), "person" if have < len(states) else "running")
        if is_new:
            self._show(is_urgent=True)  # there is a button now that somebody waits for

    async def _let_ask_again(self) -> None:
        value, self._ask_again = self._ask_again or "", None
        refused = tuple(name for name, state in self._states().items() if state == "refused")
        for name in refused:
            heard = self._heard.get(name)
            csr = heard.csr if heard else self._pods[name].csr
            self._asked_again[name] = (csr, workflow.now())
        await workflow.execute_activity_method(
            ClusterActivities.ask_again,
            AskAgainRequest(ref=self._status.ref, pods=refused, value=value),
            summary=f"let {len(refused)} pods ask again",
            **APPLY,
        )

    def _check_deadlines(self, begun: datetime) -> None:
        """Raise when a deadline has passed, naming what was waited for."""
        now, silent = workflow.now(), []
        for name, state in self._states().items():
            since = self._asked_again[name][1] if name in self._asked_again else begun
            if state == "coming" and now - since >= ASKED_WITHIN:
                silent.append(f"{name}: {self._pods[name].detail or self._pods[name].state}")
        if silent:
            raise BrokenError(
                "deploy.not-asked",
                f"Within 5 minutes these pods asked for no certificate: {'; '.join(silent)}.",
                hint=f"The objects stay. Mend the cause, then the same /crdb {self.operation} goes on.",
            )
        if now - begun >= DECIDED_WITHIN:
            raise RefusedError(
                "deploy.not-approved",
                "Not all certificates were decided within 24 hours.",
                hint=f"The objects stay. The same /crdb {self.operation} goes on from here.",
            )
