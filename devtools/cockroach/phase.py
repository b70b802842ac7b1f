"""The phases of a node's life, in order, and how the health page words that it is not ready in each.

Not here: what moves a node from one to the next (server.py).
"""

WAITING, STARTING, SERVING, DRAINING = "waiting", "starting", "serving", "draining"

_WORDS = {
    WAITING: "node is waiting for cluster initialization",
    STARTING: "node is not healthy",
    DRAINING: "node is shutting down",
}


class Life:
    """The phase a node is in."""

    def __init__(self, phase: str) -> None:
        self.phase = phase

    def not_ready(self, *, is_live: bool) -> str:
        """Why the node is not ready; empty when it is."""
        if self.phase == SERVING:
            return "" if is_live else _WORDS[STARTING]
        return _WORDS[self.phase]
