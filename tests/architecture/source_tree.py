"""The project's own files, parsed: what the architecture tests read.

Nothing here imports what it looks at, so that a module that does not load still gets its line.
"""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Folders with production code; devtools is code too, but makes no promise to users.
PACKAGES = ("domain", "operations", "tokens", "activities", "workflows", "gateway", "events", "certagent", "bot")
MODULES = ("worker.py", "cli.py")


@cache
def files(*folders: str, suffix: str = ".py") -> tuple[Path, ...]:
    """All files of some folders, in order, and without what tools leave there."""
    found = (path for folder in folders for path in (ROOT / folder).rglob(f"*{suffix}"))
    return tuple(sorted(path for path in found if "__pycache__" not in path.parts))


def production() -> tuple[Path, ...]:
    """Every Python file of production."""
    return files(*PACKAGES) + tuple(ROOT / name for name in MODULES if (ROOT / name).exists())


def name_of(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), filename=str(path))


@cache
def all_texts() -> tuple[Path, ...]:
    """Every text file that is or will be in the repository: tracked or new, and not ignored.

    Without git (an unpacked release) every file is looked at but those of hidden folders.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [name_of(path) for path in ROOT.rglob("*")]
    paths = [ROOT / name for name in listed if name]
    return tuple(path for path in paths if path.is_file() and not _is_foreign(path) and _is_text(path))


def _is_foreign(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part == "__pycache__" or part in (".venv", ".git") or part.endswith("_cache") for part in parts)


def _is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()[:8000]
