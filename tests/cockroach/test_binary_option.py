"""The contract suite's own option: another program is what is run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cockroach.nodes import PATIENCE_SECONDS, TREE

pytestmark = pytest.mark.processes

ONE = "tests/cockroach/test_contract_start.py::test_an_unknown_flag_has_an_exit_code_of_its_own"


def test_the_suite_runs_the_binary_that_it_is_given(tmp_path: Path) -> None:
    ran, binary = tmp_path / "ran", tmp_path / "roach"
    binary.write_text(f'#!/bin/sh\necho "$@" >> {ran}\nexec {sys.executable} -m devtools.cockroach "$@"\n')
    binary.chmod(0o755)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ONE, "--cockroach-binary", str(binary)],
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert ran.read_text() == "start --nonsense=1 --join=localhost\n"
