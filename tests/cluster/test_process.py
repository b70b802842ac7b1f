"""How a node is found among the machine's processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from devtools.cluster import process
from devtools.cluster.layout import Layout

FORKING = """
import os, signal
if os.fork() == 0:
    print("forked", flush=True)
signal.pause()
"""


def test_what_the_first_process_has_just_forked_is_not_taken_for_a_second_one(tmp_path: Path) -> None:
    layout = Layout.of("forking", state=tmp_path / "state")
    program = tmp_path / "node.py"
    program.write_text(FORKING)
    first = subprocess.Popen(
        [sys.executable, str(program), str(layout.root)], stdout=subprocess.PIPE, text=True, process_group=0
    )
    try:
        assert first.stdout
        assert first.stdout.readline() == "forked\n"

        assert process.first(layout) == [first.pid]
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
