"""What can go wrong with the dev cluster, as a person should read it.

The product's own errors are in `domain/errors.py`; nothing here reaches a workflow.
"""

EXIT_FAILED = 1
EXIT_UNSUPPORTED = 2


class ClusterError(Exception):
    """Something did not work; the message says what was found and what to do."""


class UnsupportedMachineError(ClusterError):
    """This machine cannot run the dev cluster at all."""
