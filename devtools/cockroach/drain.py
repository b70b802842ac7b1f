"""`cockroach node drain`: takes a node's work from it, until nothing remains; the process goes on running.

Not here: what the node does (admin.py, server.py).
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from devtools.cockroach import client, flags, wire
from devtools.cockroach.failure import RemoteError, VerbError

DEFAULT_SECONDS = 600.0

Ask = Callable[[str, dict[str, Any]], Any]


def run(args: list[str]) -> int:
    """Drain one node."""
    known = client.FLAGS | {"self": flags.SWITCH, "drain-wait": flags.VALUE, "shutdown": flags.SWITCH}
    given = flags.parse(args, known=known, short=client.SHORT)
    seconds = flags.seconds(given.one("drain-wait", default="10m"), flag="drain-wait")
    if len(given.words) > 1:
        raise VerbError(f"accepts at most 1 arg(s), received {len(given.words)}")
    is_self = given.on("self")
    if not is_self and not given.words:
        _say("warning: draining a node without node ID or passing --self explicitly is deprecated.\n")
    if is_self and given.words:
        raise VerbError("cannot use --self with an explicit node ID")
    if given.words and not given.words[0].isdigit():
        raise VerbError(f"could not parse node_id {given.words[0]}")
    node = int(given.words[0]) if given.words else 0
    target = client.Target(given)

    def ask(method: str, params: dict[str, Any]) -> Any:
        return target.must_ask(method, params, is_worded=False)

    follow(ask, node, seconds=seconds)
    if given.on("shutdown"):
        ask(wire.DRAIN, {"node": node, "shutdown": True})
    sys.stdout.write("ok\n")
    return 0


def follow(ask: Ask, node: int, *, seconds: float) -> None:
    """Ask a node (0: the one at the other end) to drain until nothing remains.

    Args:
        ask: how to ask.
        node: who is to drain.
        seconds: how long at most; 0 for no bound.

    Raises:
        VerbError: it took too long, or was refused.
    """
    ends_at = time.monotonic() + seconds if seconds else None
    while True:
        _say("node is draining... ")
        try:
            remaining = int(ask(wire.DRAIN, {"node": node})["remaining"])
        except RemoteError as error:
            _say("\n")
            if "waiting for init" in error.message:
                raise VerbError("node cannot be drained before it has been initialized") from error
            raise VerbError(f"error sending drain request: {client.worded(error).message}") from error
        _say(f"remaining: {remaining}{'' if remaining else ' (complete)'}\n")
        if not remaining:
            return
        if ends_at is not None and time.monotonic() >= ends_at:
            raise VerbError("drain timeout")


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
