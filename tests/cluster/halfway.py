"""An `up` in a process of its own that is killed before it is through. What it left is for the tests to look at."""

import subprocess
import sys
from pathlib import Path


def begin_up(name: str, state: Path, *, until: str) -> subprocess.Popen[str]:
    """Run `up` in a process of its own as far as it says `until`."""
    command = [sys.executable, "-m", "devtools.cluster", "up", f"--name={name}", f"--state={state}"]
    caller = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert caller.stderr
    assert any(until in line for line in caller.stderr)
    return caller


def kill(caller: subprocess.Popen[str]) -> None:
    """End it as if it had never been told."""
    caller.kill()
    caller.wait()
    assert caller.stderr
    caller.stderr.close()
