"""What ends a run without a certificate: one error with a sentence for people.

Raised where it is noticed, logged and written as the termination message in `__main__.py` alone.
"""


class GivingUpError(Exception):
    """The run ends with exit code 1; the kubelet starts the next one after its back-off."""

    def __init__(self, message: str, *, event: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.event = event
        self.fields = fields


class OvertakenError(Exception):
    """Another run changed what is kept since it was read; read again and decide again."""
