"""The errors that a caller must stop for, each saying by its class what Temporal and the person shall see.

    OpsError(code, message, *, hint, **details)
     ├── RefusedError          policy, role, four-eyes or quorum says no          final, expected
     ├── InvalidRequestError   cannot be right: unknown cluster, bad version      final, expected
     ├── BusyError             another operation holds the cluster                final, expected
     ├── NotReadyError         the world has not caught up yet                    retried after `retry_after`
     ├── TransientError        network, 429, 5xx, 409 on write                    retried with back-off
     └── BrokenError           an answer that should not exist; needs a person    final

A refusal inside the domain is a value (`domain.verdict.Verdict`). Vendor exceptions become these in
`activities.clients`; these become Temporal's in `activities.failures`; a card is made of them in `bot.cards.failure`.
Messages never hold a Secret's content, a token or a key.
"""

from __future__ import annotations

from datetime import timedelta


class OpsError(Exception):
    """An error of ours with a stable code.

    Args:
        code: Area, dot, kebab words, for example ``deploy.use-scale``. Listed in docs/reference/errors.md.
        message: One sentence that names the object, what was found and what was expected.
        hint: What to do next, for the person who reads it.
        details: Small facts for the log and the card; never a secret.
    """

    def __init__(self, code: str, message: str, *, hint: str = "", **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" Hint: {self.hint}" if self.hint else "")


class RefusedError(OpsError):
    """Policy, role, four-eyes or quorum says no. Final and expected."""


class InvalidRequestError(OpsError):
    """The request cannot be right. Final and expected; nothing was changed."""


class BusyError(OpsError):
    """Another operation holds the cluster. Final and expected."""


class NotReadyError(OpsError):
    """The world has not caught up; the caller tries again after `retry_after`."""

    def __init__(self, code: str, message: str, *, retry_after: timedelta, hint: str = "", **details: object) -> None:
        super().__init__(code, message, hint=hint, **details)
        self.retry_after = retry_after


class TransientError(OpsError):
    """Network, 429, 5xx or a write conflict: the same call may succeed later.

    `retry_after` is what the other side asked for (the Retry-After header), when it did.
    """

    def __init__(
        self, code: str, message: str, *, retry_after: timedelta | None = None, hint: str = "", **details: object
    ) -> None:
        super().__init__(code, message, hint=hint, **details)
        self.retry_after = retry_after


class BrokenError(OpsError):
    """An answer that should not exist. A person has to look."""
