"""`cockroach init`: waits until the target answers, then initializes it, once.

It waits without bound, as the vendor's does: the caller sets the deadline. Not here: what the node does (server.py).
"""

import sys
import time

from devtools.cockroach import client, flags, wire
from devtools.cockroach.failure import RemoteError, VerbError

_TRY_SECONDS = 5.0
_PAUSE_SECONDS = 1.0


def run(args: list[str]) -> int:
    """Initialize the cluster of the node given by --host."""
    given = flags.parse(args, known=client.FLAGS, short=client.SHORT)
    target = client.Target(given)
    while problem := _not_ready(target):
        sys.stderr.write(f"warning: node not ready to perform cluster initialization: {problem} (retrying)\n")
        sys.stderr.flush()
        time.sleep(_PAUSE_SECONDS)
    try:
        target.ask(wire.BOOTSTRAP, {})
    except client.DialError as error:
        raise error.decorated() from error
    except RemoteError as error:
        if "cluster has already been initialized" in error.message:
            raise VerbError(error.message) from error
        raise client.worded(error) from error
    sys.stdout.write("Cluster successfully initialized\n")
    return 0


def _not_ready(target: client.Target) -> str:
    try:
        target.ask(wire.HEALTH, {}, limit=_TRY_SECONDS)
    except client.DialError as error:
        return error.message
    except TimeoutError:
        return 'operation "init-open-conn" timed out after 5s: context deadline exceeded'
    except (RemoteError, VerbError) as error:
        return error.message.rsplit("\n", 1)[-1]
    return ""
