"""Cluster settings: those that this program knows, what they are at first, and which values they take.

A duration is kept as the vendor shows it, `00:00:10`. Those of a drain are shown and nothing else: how long a drain
takes here is a fault (faults.py). Not here: when the active version moves (finalizer.py), statements (statements.py).
"""

from devtools.cockroach import flags
from devtools.cockroach.failure import RemoteError, VerbError

VERSION = "version"
PRESERVE = "cluster.preserve_downgrade_option"
#: The phases of a drain, each with the vendor's default.
_DURATIONS = {
    "server.shutdown.initial_wait": "00:00:00",
    "server.shutdown.connections.timeout": "00:00:00",
    "server.shutdown.transactions.timeout": "00:00:10",
    "server.shutdown.lease_transfer_iteration.timeout": "00:00:05",
}
DEFAULTS = {VERSION: "", PRESERVE: "", **_DURATIONS}
UNCATEGORIZED = "XXUUU"  # the vendor's SQLSTATE of an error without one of its own


def read(name: str, value: str, *, active: str) -> str:
    """The value that a setting is given; an empty one is its default.

    Args:
        name: which setting.
        value: as a statement has it.
        active: the active cluster version.

    Raises:
        RemoteError: no such setting, or it does not take the value, as the vendor words it.
    """
    if name not in DEFAULTS:
        raise RemoteError(f'unknown cluster setting "{name}"', sqlstate="22023")
    if name == VERSION:
        raise RemoteError("the stand-in does not set the cluster version by hand", sqlstate="0A000")
    if name == PRESERVE and value and value != active:
        raise RemoteError(f"cannot set {name} to {value} (cluster version is {active})", sqlstate=UNCATEGORIZED)
    if name in _DURATIONS and value:
        return _clock(name, value)
    return value or DEFAULTS[name]


def _clock(name: str, value: str) -> str:
    try:
        seconds = int(flags.seconds(value, flag=name))
    except VerbError as error:
        raise RemoteError(f'could not parse "{value}" as type interval for {name}', sqlstate="22007") from error
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
