"""Processes that tests fork from a server which has imported already what they run, so that each stands in a moment.

They live and die as other processes do: signals, exit codes and what they print are their own. What runs in them is in
`tests/bot/forked.py` and `tests/workflows/killed_worker.py`; each has at least one test that starts the real command.
"""

from __future__ import annotations

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pytest", "tests.workflows.killed_worker", "tests.bot.forked", "tests.workflows.warm"])
