"""One `up` or `down` of a cluster at a time, freed by the kernel whenever its holder ends.

The lock file is in the cluster's state folder and goes with it, so whoever waited looks whether it is still there.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.cluster.report import Report


@contextmanager
def held(path: Path, *, report: Report) -> Iterator[None]:
    """Hold the lock file `path`, made if needed; its folder must exist or is made too."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor, report=report)
            if _is_same(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)


def _lock(descriptor: int, *, report: Report) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report("waiting for another up or down of this cluster")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
