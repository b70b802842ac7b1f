"""A node's store: who it is, which cluster it belongs to, which release wrote it, and what it promised the others.

One JSON file, written atomically, the journal, and a lock, in the directory of --store; other files and folders there
are left alone. Not here: the journal's entries (journal.py), what a promise is for (replication.py).
"""

import fcntl
import json
import os
import uuid
from typing import Any

from devtools.cockroach import release
from devtools.cockroach.failure import VerbError

_FILE = "STANDIN-STORE.json"
_LOCK = "LOCK"


class Store:
    """The durable facts of one node."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock: int | None = None
        self.store_id = ""
        self.cluster_id = ""
        self.node_id = 0
        self.version = ""  # active cluster version when last written
        self.written_by = ""  # binary that wrote last
        self.promised = 0  # entries of writers before this term are refused
        self.addresses: list[str] = []  # where the others were last heard of
        self.was_initialized = False

    def open(self, *, binary: str) -> None:
        """Lock and read the store; make it when it is not there.

        Raises:
            VerbError: unusable folder, or data of a release that this binary cannot open.
        """
        path = os.path.join(self.folder, _FILE)
        try:
            os.makedirs(self.folder, exist_ok=True)
            self._lock = os.open(os.path.join(self.folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise VerbError(
                f"failed to create engines: could not lock store {self.folder}: resource temporarily unavailable",
                hint="another process uses this store",
            ) from error
        except OSError as error:
            raise VerbError(
                f"failed to create engines: {self.folder}: {(error.strerror or str(error)).lower()}"
            ) from error
        if os.path.exists(path):
            self._read(path)
            self._check(binary=binary)
        self.store_id = self.store_id or str(uuid.uuid4())
        self.was_initialized = bool(self.cluster_id)
        self.save(binary=binary)

    def _read(self, path: str) -> None:
        try:
            with open(path, encoding="utf-8") as file:
                facts = json.load(file)
            self.store_id = facts["store_id"]
            self.cluster_id = facts["cluster_id"]
            self.node_id = int(facts["node_id"])
            self.version = facts["version"]
            self.written_by = facts["written_by"]
            self.promised = int(facts["promised"])
            self.addresses = [str(where) for where in facts["addresses"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VerbError(f"failed to create engines: store {self.folder} is corrupt: {error}") from error

    def _check(self, *, binary: str) -> None:
        if not self.version:
            return
        mine = release.series_of(binary)
        if release.is_outdated(mine, by=self.version):
            raise VerbError(
                f"cockroach version v{mine} is incompatible with data in store {self.folder}; "
                f"use version v{release.goal(self.version)} or later"
            )
        if release.is_ahead(mine, of=self.version):
            raise VerbError(
                f"store {self.folder}, last used with cockroach version v{self.version}, is too old for running "
                f"version v{mine} (which requires data from v{release.oldest_readable(mine)} or later)"
            )

    def save(self, *, binary: str = "") -> None:
        """Write every fact, atomically; when this returns they survive a loss of power."""
        self.written_by = binary or self.written_by
        facts: dict[str, Any] = {
            "store_id": self.store_id,
            "cluster_id": self.cluster_id,
            "node_id": self.node_id,
            "version": self.version,
            "written_by": self.written_by,
            "promised": self.promised,
            "addresses": self.addresses,
        }
        path = os.path.join(self.folder, _FILE)
        draft = f"{path}.tmp"
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
