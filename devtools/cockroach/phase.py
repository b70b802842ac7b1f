"""The phases of a node's life, in order, and how the health page words that it is not ready in each.

Not here: what moves a node from one to the next (server.py).
"""

WAITING, STARTING, SERVING, DRAINING, REMOVED = "waiting", "starting", "serving", "draining", "removed"

_WORDS = {
    WAITING: "node is waiting for cluster initialization",
    STARTING: "node is not healthy",
    DRAINING: "node is shutting down",
    REMOVED: "node is shutting down",
}


class Life:
    """The phase a node is in."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.farewell = ""  # what the others said when they refused this node for good

    def not_ready(self, *, is_live: bool, is_active: bool = True) -> str:
        """Why the node is not ready; empty when it is. For one that is to leave the vendor's words are not known."""
        if self.phase == SERVING and is_live:
            return "" if is_active else _WORDS[REMOVED]
        if self.phase == SERVING:
            return _WORDS[STARTING]
        return _WORDS[self.phase]
