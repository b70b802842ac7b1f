"""The journal of a node on disk: entries that are on the disk before anybody is told of them.

One JSON object a line, synced at every append; a last line without its end was told to nobody and is dropped.
Not here: when an entry is acknowledged by a majority (replication.py), and the promises between
nodes, which are in the store (store.py).
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any

from devtools.cockroach.catalog import Operation
from devtools.cockroach.failure import RemoteError, VerbError
from devtools.cockroach.roster import Roster

_FILE = "STANDIN-JOURNAL.jsonl"
_CHUNK_BYTES = 1024 * 1024

Entry = dict[str, Any]  # term, id, op


def entry(term: int, operation: Operation, *, id: str = "") -> Entry:
    """One entry."""
    return {"term": term, "id": id, "op": operation}


def _lines(entries: list[Entry]) -> bytes:
    """Entries as they are on disk; reading and writing them again gives the same bytes."""
    return b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in entries)


class Journal:
    """Entries from 1 on, and the roster that they make."""

    def __init__(self, folder: str, *, on_sync: Callable[[float], None] = lambda _seconds: None) -> None:
        self.roster = Roster()
        self.bytes = 0
        self._path = os.path.join(folder, _FILE)
        self._entries: list[Entry] = []
        self._on_sync = on_sync
        self._file: int | None = None

    def open(self) -> None:
        """Read what is there.

        Raises:
            VerbError: a line in the middle cannot be read.
        """
        try:
            with open(self._path, "rb") as file:
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            lines = [b""]
        lines.pop()  # empty, or a line that was never synced whole
        try:
            for line in lines:
                self._take(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            where = f"line {len(self._entries) + 1} of {self._path}"
            raise VerbError(f"failed to create engines: journal is corrupt: {where}: {error}") from error
        self.bytes = sum(len(line) + 1 for line in lines)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._shorten(self.bytes)  # without a torn last line

    def _take(self, taken: Entry) -> None:
        operation = taken["op"]
        if self.roster.knows(operation):
            self.roster.apply(operation)
        self._entries.append(taken)

    @property
    def last(self) -> tuple[int, int]:
        """Term and place of the last entry: the larger, the more is in the journal."""
        return self.term_at(len(self._entries)), len(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, place: int) -> Entry:
        return self._entries[place - 1]

    def term_at(self, place: int) -> int:
        """The term of the entry at a place; 0 in front of the first and -1 behind the last."""
        if place == 0:
            return 0
        return int(self._entries[place - 1]["term"]) if place <= len(self._entries) else -1

    def chunk(self, place: int) -> list[Entry]:
        """Entries from a place on, as many as fit into a frame."""
        taken: list[Entry] = []
        size = 0
        for found in self._entries[place - 1 :]:
            size += len(json.dumps(found))
            if taken and size > _CHUNK_BYTES:
                break
            taken.append(found)
        return taken

    def append(self, fresh: list[Entry]) -> None:
        """Write entries; when this returns they survive a loss of power."""
        if not fresh or self._file is None:
            return
        began = time.perf_counter()
        lines = _lines(fresh)
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError as error:
            self._shorten(self.bytes)
            raise RemoteError(f"journal: {(error.strerror or str(error)).lower()}", sqlstate="53100") from error
        self.bytes += len(lines)
        for one in fresh:
            self._take(one)
        self._on_sync(time.perf_counter() - began)

    def cut(self, place: int) -> None:
        """Drop every entry behind a place."""
        if place >= len(self._entries) or self._file is None:
            return
        kept, self._entries, self.roster = self._entries[:place], [], Roster()
        for one in kept:
            self._take(one)
        self._shorten(len(_lines(kept)))
        os.fsync(self._file)

    def _shorten(self, size: int) -> None:
        if self._file is not None:
            os.ftruncate(self._file, size)
            os.lseek(self._file, size, os.SEEK_SET)
            self.bytes = size
