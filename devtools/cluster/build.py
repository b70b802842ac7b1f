"""Builds the node's program and the pause image, once for each state of their inputs.

The result is kept outside the checkout, in a folder named by a hash of the inputs, and appears there whole or not
at all. Everything about Go itself is in `toolchain.py`.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools.cluster import archive, toolchain
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import KUBERNETES_VERSION, PAUSE_IMAGE, cache_folder
from devtools.cluster.report import Report, elapsed

SOURCE = Path(__file__).with_name("go")
PROGRESS_SECONDS = 10.0
# Changes when this file makes something else of the same inputs.
FORMAT = "1"


def _linker_flags() -> str:
    major, minor = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
    stamps = {  # without them the program calls itself v0.0.0-master, which clients trip over
        "gitVersion": KUBERNETES_VERSION,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "unknown",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{key}={stamps[key]}" for key in stamps)])


FLAGS = ["-trimpath", "-ldflags", _linker_flags()]
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


@dataclass(frozen=True)
class Built:
    """What a build made."""

    folder: Path

    @property
    def program(self) -> Path:
        """The node's program: every component of Kubernetes in one."""
        return self.folder / "hyper"

    @property
    def kubectl(self) -> Path:
        """The same program under the name that makes it kubectl."""
        return self.folder / "kubectl"

    @property
    def pause_archive(self) -> Path:
        """The image that holds a pod's namespaces."""
        return self.folder / "pause.tar"

    def is_whole(self) -> bool:
        """True once everything is there."""
        return all(path.exists() for path in (self.program, self.kubectl, self.pause_archive))


def inputs(source: Path = SOURCE) -> list[Path]:
    """Files that the result depends on."""
    return sorted([source / "go.mod", source / "go.sum", *source.glob("**/*.go")])


def input_hash(source: Path = SOURCE) -> str:
    """Names the result: files, versions and flags."""
    sum_ = hashlib.sha256()
    settings = [FORMAT, PAUSE_IMAGE, *FLAGS, *(f"{key}={value}" for key, value in ENVIRONMENT.items())]
    for setting in settings:
        sum_.update(setting.encode() + b"\0")
    for path in inputs(source):
        sum_.update(f"{path.relative_to(source)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return sum_.hexdigest()[:20]


def expected(*, cache: Path | None = None, source: Path = SOURCE) -> Built:
    """Where the result of the inputs as they are now is, or will be."""
    return Built((cache or cache_folder()) / input_hash(source))


def build(*, report: Report, cache: Path | None = None, source: Path = SOURCE) -> Built:
    """Build what is not there yet; a second build of the same waits for the first.

    Raises:
        ClusterError: The Go compiler failed; its words are in the message.
    """
    built = expected(cache=cache, source=source)
    if built.is_whole():
        return built
    built.folder.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(built.folder.with_name(built.folder.name + ".lock"), report=report):
        if built.is_whole():
            return built
        part = built.folder.with_name(built.folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        _compile(part, source=source, cache=built.folder.parent, report=report)
        shutil.rmtree(built.folder, ignore_errors=True)
        part.replace(built.folder)
    return built


@contextmanager
def _only_one(lock: Path, *, report: Report) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another build of the same program")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(folder: Path, *, source: Path, cache: Path, report: Report) -> None:
    least = toolchain.wanted((source / "go.mod").read_text())
    go = toolchain.ensure(cache, least=least, report=report)
    started = time.monotonic()
    report(f"building Kubernetes {KUBERNETES_VERSION} from its Go modules (7 to 11 min on two cores the first time)")
    packages = _go([go, "list", "-deps", ".", "./pause"], source=source, report=report, doing="fetching Go modules")
    _go(
        [go, "build", "-v", *FLAGS, "-o", f"{folder}/", ".", "./pause"],
        source=source,
        report=report,
        doing=f"compiling {len(packages)} packages where not done before",
    )
    (folder / "devcluster").replace(folder / "hyper")  # Go names it after the module
    (folder / "kubectl").symlink_to("hyper")
    content = (folder / "pause").read_bytes()
    archive.write(folder / "pause.tar", name=PAUSE_IMAGE, files={"pause": (content, 0o755)}, entrypoint=["/pause"])
    report(f"built in {elapsed(started)}")


def _go(argv: list[str], *, source: Path, report: Report, doing: str) -> list[str]:
    """Run Go to its end and give back the lines that it prints; a line of progress now and then."""
    lines: list[str] = []
    errors: list[str] = []
    process = subprocess.Popen(
        argv,
        cwd=source,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    readers = [
        threading.Thread(target=stream.extend, args=(pipe,), daemon=True)
        for stream, pipe in ((lines, process.stdout), (errors, process.stderr))
    ]
    for reader in readers:
        reader.start()
    started = time.monotonic()
    try:
        while True:
            try:
                process.wait(timeout=PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                done = f", {len(errors)} done" if errors else ""
                report(f"{doing}{done} ({elapsed(started)})")
    finally:
        process.kill()
        process.wait()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()
    if process.returncode:
        # With -v the names of packages are between the words of the compiler.
        said = [line.rstrip() for line in errors if not re.fullmatch(r"[\w.~/-]+\s*", line)]
        raise ClusterError(f"`{' '.join(argv[:2])}` failed:\n" + "\n".join(said[-15:] or ["no output"]))
    return [line.rstrip() for line in lines]
