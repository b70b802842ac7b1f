"""The loop: read what is kept and what is found, decide, do it, until the certificate is kept.

The decision itself is `decision.py`, waiting is `waiting.py`; writing the database's files and the exit are
`__main__.py`. Every effect is stored before or right after it happens, so that being killed anywhere loses nothing.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime

from certagent.api import AlreadyThereError, Api
from certagent.arguments import Options
from certagent.decision import Adopt, Ask, AskAnew, Facts, Hold, Refuse, Take, UseStored, Wait, decide
from certagent.facts import Reading, read_facts
from certagent.issued import leaf_pem, reasons_against
from certagent.kept import Kept
from certagent.log import LOG
from certagent.pace import Pace
from certagent.request import csr_object, hashed_csr_name, make_key
from certagent.store import Store
from certagent.trouble import GivingUpError, OvertakenError
from certagent.waiting import ASK_AGAIN, Waiting, ask_again_value


class Life:
    """One run."""

    def __init__(self, options: Options, *, api: Api, store: Store, ca_pem: bytes, pace: Pace) -> None:
        self._options = options
        self._api = api
        self._store = store
        self._ca_pem = ca_pem
        self._pace = pace
        self._waiting = Waiting(options, api=api, pace=pace)
        self._vanished = 0

    def run(self) -> Kept:
        """Return key and certificate once they are kept and good.

        Raises:
            GivingUpError: this run cannot; the next one may.
        """
        while True:
            try:
                kept = self._store.load()
                if self._step(kept):
                    return kept
            except OvertakenError:
                LOG.info("store overtaken", extra={"reason": "it was changed since it was read; it is read again"})

    def _step(self, kept: Kept) -> bool:
        reading = self._read(kept)
        match decide(self._facts(kept, reading)):
            case UseStored():
                return True
            case AskAnew() as act:
                self._ask_anew(act)
            case Ask() as act:
                self._ask(act, kept)
            case Adopt(uid=uid):
                LOG.info("csr adopted", extra={"csr": kept.csr_name, "csr_uid": uid})
                self._store.save(replace(kept, csr_name=kept.csr_name or self._options.base_csr_name, csr_uid=uid))
            case Wait(state=state) if reading:
                self._waiting.for_decision(kept.csr_name, state=state, version=reading.resource_version)
            case Take() if reading:
                certificate = leaf_pem(reading.certificate_pem or b"")
                self._store.save(replace(kept, certificate_pem=certificate))
                LOG.info("certificate issued", extra={"csr": kept.csr_name, "csr_uid": reading.found.uid})
            case Hold(uid=uid, state=state):
                held = replace(kept, csr_uid=uid, decided_csr_uid=uid)
                if held != kept:
                    self._store.save(held)
                self._waiting.to_be_asked_again(held, state=state, words=reading.words if reading else "")
            case Refuse(reasons=reasons):
                raise _refusal(kept.csr_name, reasons=reasons)
        return False

    def _read(self, kept: Kept) -> Reading | None:
        if kept.key_pem is None or kept.certificate_pem is not None:
            return None  # decided without any CSR: a restart asks nobody, not even the API server
        csr = self._api.read_csr(kept.csr_name or self._options.base_csr_name)
        if csr is None:
            return None
        return read_facts(csr, kept=kept, ca_pem=self._ca_pem, options=self._options, now=datetime.now(UTC))

    def _facts(self, kept: Kept, reading: Reading | None) -> Facts:
        reasons: tuple[str, ...] = ()
        if kept.key_pem and kept.certificate_pem:
            reasons = reasons_against(
                kept.certificate_pem,
                key_pem=kept.key_pem,
                ca_pem=self._ca_pem,
                options=self._options,
                now=datetime.now(UTC),
            )
        return Facts(
            kept=kept,
            pod_uid=self._options.pod_uid,
            ask_again=ask_again_value(self._options.ask_again_file),
            base_name=self._options.base_csr_name,
            hashed_name=hashed_csr_name(self._options, key_pem=kept.key_pem) if kept.key_pem else "",
            stored_reasons=reasons,
            found=reading.found if reading else None,
        )

    def _ask_anew(self, act: AskAnew) -> None:
        key = make_key()
        name = hashed_csr_name(self._options, key_pem=key) if act.is_hashed else self._options.base_csr_name
        LOG.info(act.event, extra={"csr": name, "reason": act.reason})
        kept = Kept(
            key_pem=key,
            pod_uid=self._options.pod_uid,
            csr_name=name,
            ask_again=ask_again_value(self._options.ask_again_file),
        )
        self._store.save(kept)  # before asking: a restart must find the key that it asked with
        self._create(kept)

    def _ask(self, act: Ask, kept: Kept) -> None:
        LOG.info(act.event, extra={"csr": act.name, "reason": act.reason})
        if kept.csr_uid:
            self._pause_between_vanishings()
        asking = replace(kept, csr_name=act.name, csr_uid="")
        if asking != kept:
            self._store.save(asking)
        self._create(asking)

    def _create(self, kept: Kept) -> None:
        body = csr_object(self._options, name=kept.csr_name, key_pem=kept.key_pem or b"")
        try:
            created = self._api.create_csr(body)
        except AlreadyThereError:
            LOG.info("csr exists already", extra={"csr": kept.csr_name})
            return  # the loop reads it and decides whose it is
        uid = created["metadata"].get("uid", "")
        LOG.info("csr asked", extra={"csr": kept.csr_name, "csr_uid": uid})
        self._store.save(replace(kept, csr_uid=uid))

    def _pause_between_vanishings(self) -> None:
        # Whoever deletes each CSR at once must not be met by a loop that creates them as fast.
        if self._vanished:
            time.sleep(min(self._pace.shortest_watch * 2**self._vanished, self._pace.longest_pause))
        self._vanished += 1


def _refusal(csr_name: str, *, reasons: tuple[str, ...]) -> GivingUpError:
    return GivingUpError(
        f"The certificate issued for CSR {csr_name} is refused, nothing was written: {'; '.join(reasons)}. "
        f"{ASK_AGAIN} It is looked at again by itself.",
        event="issued certificate refused",
        csr=csr_name,
        reasons=list(reasons),
    )
