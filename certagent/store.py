"""Where key, certificate and state are kept between runs: a node's data volume, or the client's Secret.

Both refuse to write over what another run wrote since the last read (`OvertakenError`). What is kept is described in
`kept.py`; the files for the database are another place and stand in `files.py`.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from certagent.api import Api, Object, decoded
from certagent.files import TEMPORARY, sync_directory, write_file
from certagent.kept import Kept, from_state_json, to_state_json
from certagent.log import LOG
from certagent.request import key_hash
from certagent.trouble import GivingUpError, OvertakenError


class Store(Protocol):
    """One holder of what is kept."""

    def load(self) -> Kept:
        """Read what is kept; an unreadable key counts as none."""

    def save(self, kept: Kept) -> None:
        """Replace what is kept. Raises OvertakenError if it is not what the last load or save of this store saw."""


def _assemble(key: bytes | None, certificate: bytes | None, state: bytes | None) -> Kept:
    if not key:
        return Kept()
    try:
        own = key_hash(key)
    except ValueError as error:
        LOG.warning("stored key unusable", extra={"reason": str(error)})
        return Kept()
    return Kept(key_pem=key, certificate_pem=certificate or None, **from_state_json(state, key_hash=own))


class NodeStore:
    """Directory `certs` of the data volume: node.key, node.crt, state.json."""

    def __init__(self, store_dir: Path) -> None:
        self._directory = store_dir / "certs"
        self._seen = ""

    def load(self) -> Kept:
        """Read the three files."""
        with self._locked():
            files = self._read()
        self._seen = _digest(files)
        return _assemble(*files)

    def save(self, kept: Kept) -> None:
        """Write key, certificate, state, in that order: state of another key is never taken for this one's."""
        state = to_state_json(kept, key_hash=key_hash(kept.key_pem)) if kept.key_pem else None
        wanted = (kept.key_pem, kept.certificate_pem, state)
        with self._locked():
            found = self._read()
            if _digest(found) != self._seen:
                raise OvertakenError
            for name, old, new in zip(("node.key", "node.crt", "state.json"), found, wanted, strict=True):
                if new is None:
                    (self._directory / name).unlink(missing_ok=True)
                    sync_directory(self._directory)
                elif new != old:
                    write_file(self._directory / name, content=new, mode=0o600)
        self._seen = _digest(wanted)

    def _read(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        key, certificate, state = (self._content(name) for name in ("node.key", "node.crt", "state.json"))
        return key, certificate, state

    def _content(self, name: str) -> bytes | None:
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            # fsGroup adds group bits at a mount; without a person's say the group has no business with the key.
            self._directory.chmod(0o700)
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise GivingUpError(
                f"The data volume cannot be used: {error.strerror}: {error.filename}. Expected a directory "
                "that belongs to this container's user. Check the pod's fsGroup and the volume.",
                event="store unusable",
                reason=f"{error.strerror}: {error.filename}",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for leftover in self._directory.glob(f".*{TEMPORARY}"):  # of a run that was killed while writing
                leftover.unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)


def _digest(files: tuple[bytes | None, ...]) -> str:
    parts = [hashlib.sha256(content).hexdigest() if content is not None else "-" for content in files]
    return " ".join(parts)


class SecretStore:
    """Keys `client.<user>.key`, `client.<user>.crt` and `state.json` of one Secret; the rest of it is left alone."""

    def __init__(self, api: Api, *, namespace: str, name: str, stem: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._names = (f"{stem}.key", f"{stem}.crt", "state.json")
        self._secret: Object | None = None

    def load(self) -> Kept:
        """Read the Secret by name."""
        self._secret = self._api.read_secret(self._name, namespace=self._namespace)
        data = self._secret.get("data") or {}
        return _assemble(*(decoded(data.get(name)) for name in self._names))

    def save(self, kept: Kept) -> None:
        """Replace the Secret under the resource version that was read."""
        if self._secret is None:
            raise OvertakenError
        state = to_state_json(kept, key_hash=key_hash(kept.key_pem)) if kept.key_pem else None
        values = dict(zip(self._names, (kept.key_pem, kept.certificate_pem, state), strict=True))
        self._secret = self._api.replace_secret(self._secret, values=values)
