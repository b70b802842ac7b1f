"""What certagent keeps from one run to the next, and its written form.

Where it is kept is in `store.py` (a node's volume, a client's Secret); what follows from it is in `decision.py`.
"""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Key, certificate, and what was asked with them. Its `repr` is safe to print: it shows neither."""

    key_pem: bytes | None = None
    certificate_pem: bytes | None = None
    pod_uid: str = ""  # of the pod that asked, or is about to ask, with this key
    csr_name: str = ""  # under which it asks; stored before asking
    csr_uid: str = ""  # what the API server answered; empty until it did
    decided_csr_uid: str = ""  # the last CSR of this key that was denied or failed: it may be collected, the no stays
    ask_again: str = ""  # value of the ask-again file when this key was made: already acted upon

    def __repr__(self) -> str:
        return f"Kept({self.csr_name!r}, has_key={bool(self.key_pem)}, has_certificate={bool(self.certificate_pem)})"


_STATE_FIELDS = ("pod_uid", "csr_name", "csr_uid", "decided_csr_uid", "ask_again")


def to_state_json(kept: Kept, *, key_hash: str) -> bytes:
    """Write everything but key and certificate; `key_hash` ties it to the key it was written for."""
    fields = asdict(kept)
    state = {"version": 1, "key_hash": key_hash} | {name: fields[name] for name in _STATE_FIELDS}
    return json.dumps(state, sort_keys=True, indent=1).encode() + b"\n"


def from_state_json(text: bytes | None, *, key_hash: str) -> dict[str, str]:
    """Read the fields that belong to this key; nothing if the state is missing, broken, or another key's.

    A crash between writing a new key and its state leaves the old key's state behind; it must not count for the new.
    """
    try:
        state = json.loads(text or b"{}")
    except ValueError:
        return {}
    if not isinstance(state, dict) or state.get("key_hash") != key_hash:
        return {}
    return {name: str(state.get(name, "")) for name in _STATE_FIELDS}
