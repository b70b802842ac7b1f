"""Cache folders of the image builder: one folder a hash of inputs, filled elsewhere and moved into place whole.

Not here: what is built (recipes.py, base.py, wheels.py).
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


class BuildError(Exception):
    """An image could not be built; the message says what was found and what to do."""


class UnsupportedError(BuildError):
    """This machine cannot build images."""


def root() -> Path:
    """Where built things are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "crdb-chatops" / "images"


def hash_of(*inputs: str | bytes) -> str:
    """The first 12 hex digits of the hash over all inputs, each with its length in front."""
    digest = hashlib.sha256()
    for item in inputs:
        content = item.encode() if isinstance(item, str) else item
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.hexdigest()[:12]


def folder(name: str, *, fill: Callable[[Path], None], cache: Path | None = None) -> Path:
    """The cached folder of that name; `fill` makes its content when it is not there yet.

    Two processes that want the same folder wait for each other; a fill that fails leaves nothing.
    """
    home = cache or root()
    home.mkdir(parents=True, exist_ok=True)
    final = home / name
    if final.is_dir():
        os.utime(final)
        return final
    with _locked(home / f".{name}.lock"):
        if not final.is_dir():
            draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=home))
            try:
                draft.chmod(0o755)
                fill(draft)
                draft.rename(final)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return final


def keep_newest(prefix: str, *, count: int, cache: Path | None = None) -> None:
    """Delete older folders of one kind, so that each edit does not leave an archive behind for ever."""
    home = cache or root()
    found = sorted(home.glob(f"{prefix}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in found[count:]:
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Progress for the person who waits."""
    sys.stderr.write(f"images: {text}\n")
    sys.stderr.flush()


def run(command: Sequence[str], *, where: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a program and return its output.

    Raises:
        BuildError: it is not there, or it failed, with the last lines it printed.
    """
    try:
        done = subprocess.run(
            list(command),
            cwd=where,
            env=dict(env) if env is not None else None,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise UnsupportedError(
            f"{command[0]} is not on this machine; building images needs a Debian-like one"
        ) from error
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise BuildError(f"{' '.join(command[:4])} … ended with code {done.returncode}:\n{last}")
    return done.stdout
