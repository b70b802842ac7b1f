"""The transcript of a scenario: who did what and what was seen, with the seconds; a check that fails ends the story."""

from __future__ import annotations

import time


class Told:
    """Prints a scenario as it goes."""

    def __init__(self, begun: float) -> None:
        self._begun = begun

    def progress(self, line: str) -> None:
        """Print a line of the world's progress."""
        print(line, flush=True)

    def say(self, line: str) -> None:
        """Print what was done or seen."""
        print(f"[{time.monotonic() - self._begun:5.1f} s] {line}", flush=True)

    def check(self, what: str, is_so: bool, *, found: object = "") -> None:
        """Say that something is as it must be.

        Raises:
            AssertionError: It is not; `found` is shown.
        """
        if not is_so:
            raise AssertionError(f"expected: {what}; found: {found}")
        self.say(f"ok: {what}")
