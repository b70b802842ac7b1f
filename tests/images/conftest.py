"""Fixtures of the image builder's tests: the built images, and second caches that share the slow layers.

The first build on a machine fetches packages; later ones take a second.
"""

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from devtools.images import Image, agent_image, base, cache, database_image, wheels


class Archive:
    """An OCI archive, opened for questions."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path)  # noqa: SIM115 - closed by close()
        (self.entry,) = self._json("index.json")["manifests"]
        self.manifest = self._json(self._blob(self.entry["digest"]))
        self.config = self._json(self._blob(self.manifest["config"]["digest"]))

    def _open(self, name: str) -> IO[bytes]:
        file = self._tar.extractfile(name)
        assert file is not None
        return file

    def _json(self, name: str) -> Any:
        with self._open(name) as file:
            return json.load(file)

    @staticmethod
    def _blob(digest: str) -> str:
        return f"blobs/sha256/{digest.removeprefix('sha256:')}"

    def entries(self) -> list[tarfile.TarInfo]:
        """Every entry of every layer."""
        found = []
        for layer in self.manifest["layers"]:
            with self._open(self._blob(layer["digest"])) as file, tarfile.open(fileobj=file) as tar:
                found += tar.getmembers()
        return found

    def unpack(self, to: Path) -> Path:
        """Lay the layers over each other, in a folder that every user may enter."""
        to.chmod(0o755)
        for layer in self.manifest["layers"]:
            with self._open(self._blob(layer["digest"])) as file, tarfile.open(fileobj=file) as tar:
                tar.extractall(to, filter="fully_trusted")
        return to

    def close(self) -> None:
        """Close the file."""
        self._tar.close()


@pytest.fixture(scope="session", autouse=True)
def _debian_like() -> None:
    """Images are built of Debian packages; elsewhere there is nothing to test."""
    if shutil.which("dpkg") is None or shutil.which("apt-get") is None:
        pytest.skip("needs dpkg and apt-get")


@pytest.fixture(scope="session")
def agent() -> Image:
    return agent_image()


@pytest.fixture(scope="session")
def database() -> Image:
    return database_image()


@pytest.fixture(scope="session")
def agent_archive(agent: Image) -> Iterator[Archive]:
    archive = Archive(agent.archive)
    yield archive
    archive.close()


@pytest.fixture(scope="session")
def database_archive(database: Image) -> Iterator[Archive]:
    archive = Archive(database.archive)
    yield archive
    archive.close()


@pytest.fixture
def other_cache(tmp_path: Path) -> Path:
    """A cache without images, but with this machine's base layer and wheels."""
    home = tmp_path / "cache"
    home.mkdir()
    for folder in (base.base(), wheels.wheels()):
        (home / folder.name).symlink_to(folder)
    assert cache.root() != home
    return home
