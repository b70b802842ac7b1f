"""The build's cache, on a Go module that is small and of the same shape as the real one."""

import shutil
import threading
from pathlib import Path

import pytest

from devtools.cluster import archive, toolchain
from devtools.cluster.build import FLAGS, SOURCE, build, expected, input_hash
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import KUBERNETES_VERSION, PAUSE_IMAGE
from devtools.cluster.report import silent

GO_MOD = "module crdb-chatops.invalid/devcluster\n\ngo 1.20\n"
PROGRAM = 'package main\n\nimport "os"\n\nfunc main() { os.Exit(0) }\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "go"
    (source / "pause").mkdir(parents=True)
    (source / "go.mod").write_text(GO_MOD)
    (source / "go.sum").write_text("")
    (source / "main.go").write_text(PROGRAM)
    (source / "pause" / "main.go").write_text(PROGRAM)
    return source


needs_go = pytest.mark.skipif(not shutil.which("go"), reason="needs a Go of the machine's own")


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go", "pause/main.go"])
def test_hash_changes_with_every_input(source: Path, name: str) -> None:
    before = input_hash(source)

    (source / name).write_text((source / name).read_text() + "\n")

    assert input_hash(source) != before


def test_hash_does_not_depend_on_where_the_source_is(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "elsewhere"))

    assert input_hash(copy) == input_hash(source)


def test_result_is_kept_outside_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert expected().folder == tmp_path / "crdb-chatops" / "cluster" / input_hash()


def test_program_is_stamped_with_the_version_of_the_module_that_is_built() -> None:
    go_mod = (SOURCE / "go.mod").read_text()

    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}\n" in go_mod
    assert f"gitVersion={KUBERNETES_VERSION}" in FLAGS[-1]


@needs_go
@pytest.mark.timeout(180)
def test_two_builds_at_once_compile_once_and_a_third_not_at_all(source: Path, tmp_path: Path) -> None:
    lines: list[str] = []

    def run() -> None:
        build(report=lines.append, cache=tmp_path / "cache", source=source)

    builders = [threading.Thread(target=run) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    built = build(report=lines.append, cache=tmp_path / "cache", source=source)

    assert built.is_whole()
    assert built.kubectl.resolve() == built.program
    assert [image.name for image in archive.read(built.pause_archive)] == [PAUSE_IMAGE]
    assert len([line for line in lines if line.startswith("built in")]) == 1


@needs_go
@pytest.mark.timeout(180)
def test_compiler_error_is_shown_and_leaves_no_result(source: Path, tmp_path: Path) -> None:
    (source / "main.go").write_text("package main\n\nfunc main() { missing() }\n")

    with pytest.raises(ClusterError, match="undefined: missing"):
        build(report=silent, cache=tmp_path / "cache", source=source)

    assert not expected(cache=tmp_path / "cache", source=source).folder.exists()


def test_least_version_of_go_is_read_from_go_mod() -> None:
    assert toolchain.wanted(GO_MOD) == (1, 20)
    assert toolchain.wanted((SOURCE / "go.mod").read_text()) >= (1, 25)


def test_missing_go_has_no_version(tmp_path: Path) -> None:
    assert toolchain.version(str(tmp_path / "go")) is None
