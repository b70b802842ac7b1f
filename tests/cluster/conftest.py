"""A dev cluster that many tests share, and an image with a shell small enough to be made on the spot."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.cluster import Cluster, archive
from devtools.cluster.build import build
from devtools.cluster.report import silent
from tests.cluster.objects import PROBE_IMAGE, apply


@pytest.fixture(scope="session")
def probe_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of this machine's dash with its libraries; without arguments it waits."""
    shell = ("/bin/dash", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6")
    files = {path: (Path(path).read_bytes(), 0o755) for path in shell}
    files["/pause"] = ((build(report=silent).folder / "pause").read_bytes(), 0o755)
    path = tmp_path_factory.mktemp("images") / "probe.tar"
    archive.write(path, name=PROBE_IMAGE, files=files, entrypoint=["/pause"])
    return path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, probe_archive: Path) -> Iterator[Cluster]:
    """A cluster that is up; tests work in namespaces of their own."""
    cluster = Cluster("shared", state_dir=tmp_path_factory.mktemp("cluster") / "shared", report=silent)
    try:
        cluster.up()
        cluster.load_image(probe_archive)
        yield cluster
    finally:
        cluster.down(purge=True)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that enforces restricted Pod Security."""
    name = f"ns-{secrets.token_hex(3)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose content may be large and is not kept."""
    yield tmp_path / "state"
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
