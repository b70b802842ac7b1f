"""How images are built: reproducibly, only what changed, from locked inputs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.images import BuildError, Image, agent_image, database_image, wheels
from devtools.images.cache import UnsupportedError, folder, keep_newest
from tests.images.conftest import Archive

pytestmark = pytest.mark.processes

TREE = Path(__file__).resolve().parents[2]


def _edited(package: Path, to: Path) -> Path:
    copy = to / package.name
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__init__.py").write_text('"""Edited."""\n')
    return copy


def test_the_same_inputs_give_the_same_image_in_another_cache(agent: Image, database: Image, other_cache: Path) -> None:
    again = [agent_image(at=other_cache), database_image(at=other_cache)]

    assert [(image.ref, image.digest) for image in again] == [(i.ref, i.digest) for i in (agent, database)]
    assert [
        image.archive.read_bytes() == first.archive.read_bytes()
        for image, first in zip(again, (agent, database), strict=True)
    ] == [True, True]


def test_a_change_in_certagent_changes_the_agent_alone(
    agent: Image, database: Image, other_cache: Path, tmp_path: Path
) -> None:
    edited = agent_image(source=_edited(TREE / "certagent", tmp_path), at=other_cache)

    assert edited.ref != agent.ref
    assert edited.digest != agent.digest
    assert database_image(at=other_cache).digest == database.digest


def test_a_change_in_the_standin_shows_in_the_digest_under_the_same_tag(
    database: Image, other_cache: Path, tmp_path: Path
) -> None:
    edited = database_image(source=_edited(TREE / "devtools/cockroach", tmp_path), at=other_cache)

    assert edited.ref == database.ref == "local.invalid/cockroach:v25.2.3"
    assert edited.digest != database.digest


def test_an_edit_costs_one_small_layer(agent: Image, agent_archive: Archive, other_cache: Path, tmp_path: Path) -> None:
    archive = Archive(agent_image(source=_edited(TREE / "certagent", tmp_path), at=other_cache).archive)

    before, after = (item.manifest["layers"] for item in (agent_archive, archive))
    archive.close()
    assert after[:-1] == before[:-1]
    assert after[-1]["size"] < 2_000_000


def test_the_archive_names_its_image_for_the_importer(agent: Image, agent_archive: Archive) -> None:
    assert agent_archive.entry["annotations"]["io.containerd.image.name"] == agent.ref
    assert agent_archive.entry["digest"] == agent.digest
    assert agent_archive.config["config"]["Entrypoint"] == ["/crdbops/certagent"]


def test_other_releases_are_other_images_that_differ_in_one_file(
    database: Image, database_archive: Archive, other_cache: Path
) -> None:
    other = database_image("v25.3.0", at=other_cache)
    archive = Archive(other.archive)

    before, after = (item.manifest["layers"] for item in (database_archive, archive))
    entries = [entry.name for entry in archive.entries() if entry.isfile()]
    archive.close()
    assert other.ref == "local.invalid/cockroach:v25.3.0"
    assert other.digest != database.digest
    assert after[:-1] == before[:-1]
    assert after[-1]["digest"] != before[-1]["digest"]
    assert entries[-1] == "cockroach/VERSION"


@pytest.mark.parametrize("version", ["25.2.3", "latest", "v25.2", "v25.2.3:x"])
def test_a_version_that_is_no_release_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"expected a release such as v25\.2\.3"):
        database_image(version, at=tmp_path)


def test_a_folder_without_a_package_is_refused(other_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="holds no Python package"):
        agent_image(source=tmp_path / "nothing", at=other_cache)


def test_a_fill_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fill(draft: Path) -> None:
        (draft / "half").write_text("half")
        raise BuildError("broken")

    with pytest.raises(BuildError, match="broken"):
        folder("thing", fill=fill, cache=tmp_path)

    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_only_the_newest_archives_are_kept(tmp_path: Path) -> None:
    for number in range(4):
        folder(f"thing-{number}", fill=lambda draft: None, cache=tmp_path)

    keep_newest("thing", count=2, cache=tmp_path)

    assert len(list(tmp_path.glob("thing-*"))) == 2


def test_the_agents_lock_has_hashes_no_download_host_and_the_projects_versions() -> None:
    pins = re.compile(r"^([a-z0-9-]+)==(\S+)", flags=re.MULTILINE)
    text = wheels.LOCK.read_text()
    project = dict(pins.findall((TREE / "requirements.lock").read_text()))

    locked = dict(pins.findall(text))

    assert "http" not in text.replace("aiohttp", "")
    assert text.count("--hash=sha256:") >= len(locked)
    assert {name: project.get(name) for name in locked} == locked


def test_the_command_line_tells_bad_input_by_its_exit_code() -> None:
    command = [sys.executable, "-m", "devtools.images", "build", "database", "--version", "newest"]

    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert "expected a release such as v25.2.3" in done.stderr
