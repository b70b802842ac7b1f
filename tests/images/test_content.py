"""What is in the images, and that their programs start."""

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

import pytest

from devtools.images import wheels
from tests.images.conftest import Archive

pytestmark = pytest.mark.processes

SITE = wheels.SITE
NAMES = re.findall(r"^([a-z0-9-]+)==", wheels.LOCK.read_text(), flags=re.MULTILINE)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")


@pytest.fixture(scope="module")
def agent_root(agent_archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return agent_archive.unpack(tmp_path_factory.mktemp("agent"))


@pytest.fixture(scope="module")
def database_root(database_archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return database_archive.unpack(tmp_path_factory.mktemp("database"))


def _inside(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    inside = ["chroot", "--userspec=1000:1000", str(root), *command]
    return subprocess.run(
        inside, capture_output=True, text=True, timeout=30, check=False, env={"PATH": os.environ["PATH"]}
    )


def _modules(root: Path) -> set[str]:
    return {path.relative_to(root / SITE).as_posix() for path in (root / SITE).rglob("*.py")}


def test_the_agent_has_every_module_of_its_packages_but_the_asynchronous_client(agent_root: Path) -> None:
    dropped = ("kubernetes/aio/", "kubernetes/test/")
    expected = {
        file.as_posix()
        for name in NAMES
        for file in importlib.metadata.files(name) or ()
        if file.suffix == ".py" and not file.as_posix().startswith(("..", *dropped))
    }

    found = _modules(agent_root)

    assert expected - found == set()
    assert not (agent_root / SITE / "kubernetes/aio").exists()
    assert {f"certagent/{path.name}" for path in Path("certagent").glob("*.py")} <= found


def test_the_database_has_the_standin_and_its_version(database_root: Path) -> None:
    assert (database_root / "cockroach/VERSION").read_text() == "v25.2.3\n"
    assert (database_root / "cockroach/lib/devtools/cockroach/server.py").is_file()


@pytest.mark.parametrize("name", ["agent_root", "database_root"])
def test_every_module_is_compiled_ahead(name: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(name)
    ours = [path for path in root.rglob("*.py") if "etc/" not in path.as_posix()]

    missing = [path for path in ours if not any((path.parent / "__pycache__").glob(f"{path.stem}.cpython-311.pyc"))]

    # Some wheels carry templates and tests for newer Pythons, which cannot be compiled.
    assert [path for path in missing if "cockroach" in path.parts or "certagent" in path.parts] == []
    assert len(missing) < len(ours) / 100


@pytest.mark.parametrize("name", ["agent_root", "database_root"])
def test_there_is_no_shell(name: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(name)

    programs = sorted(path.name for folder in ("bin", "usr/bin") for path in (root / folder).iterdir())

    assert programs == ["python3", "python3.11", "sleep", "timeout"]


@pytest.mark.parametrize("name", ["agent_archive", "database_archive"])
def test_containers_run_without_privileges_by_default(name: str, request: pytest.FixtureRequest) -> None:
    archive: Archive = request.getfixturevalue(name)

    assert archive.config["config"]["User"] == "1000:1000"
    assert {(entry.uid, entry.gid, entry.mtime) for entry in archive.entries()} == {(0, 0, 0)}
    assert not [entry.name for entry in archive.entries() if entry.mode & 0o6000]


@needs_root
def test_the_database_program_starts(database_root: Path) -> None:
    done = _inside(database_root, "/cockroach/cockroach", "version", "--build-tag")

    assert (done.returncode, done.stdout) == (0, "v25.2.3\n")


@needs_root
def test_the_agent_program_starts_by_either_name(agent_root: Path) -> None:
    by_path = _inside(agent_root, "/crdbops/certagent", "--help")
    by_module = _inside(agent_root, "/usr/bin/python3", "-m", "certagent", "--help")

    assert (by_path.returncode, by_module.returncode) == (0, 0), by_path.stderr + by_module.stderr
    assert "--signer-name" in by_path.stdout


@needs_root
def test_timeout_ends_what_takes_too_long(database_root: Path) -> None:
    quick = _inside(database_root, "timeout", "-k", "5", "3", "sleep", "0.1")
    slow = _inside(database_root, "timeout", "-k", "5", "0.1", "sleep", "5")

    assert (quick.returncode, slow.returncode) == (0, 124)
