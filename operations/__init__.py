"""The catalogue: what can be asked for, in the order of help. One file an operation.

How things are done is `workflows`; what is decided is `domain`; nothing here has an effect.
"""

from __future__ import annotations

from domain.configuration import Configuration
from domain.errors import InvalidRequestError
from operations import approvals, csr, decide, deploy, drill, finalize, init, rollback, scale, status, upgrade, whoami
from operations.base import Operation

CATALOGUE: tuple[Operation, ...] = (
    deploy.OPERATION,
    init.OPERATION,
    scale.OPERATION,
    upgrade.OPERATION,
    finalize.OPERATION,
    rollback.OPERATION,
    drill.OPERATION,
    status.OPERATION,
    csr.OPERATION,
    approvals.OPERATION,
    decide.APPROVE,
    decide.DENY,
    decide.CANCEL,
    decide.PAUSE,
    decide.RESUME,
    whoami.OPERATION,
    decide.HELP,
)


def find(name: str) -> Operation | None:
    """Return the entry of that name, or None."""
    return next((entry for entry in CATALOGUE if entry.name == name), None)


def check_rules(configuration: Configuration) -> None:
    """Refuse rules for operations that do not exist: a misspelled one would silently leave the default in force.

    Composition roots call it after reading `crdbops.toml`, whose shape knows no operation's name.

    Raises:
        InvalidRequestError: `configuration.invalid`, naming every such rule.
    """
    unknown = sorted(name for name in configuration.operations if find(name) is None)
    if unknown:
        known = ", ".join(entry.name for entry in CATALOGUE)
        raise InvalidRequestError(
            "configuration.invalid",
            f"crdbops.toml: operations: found rules for {', '.join(unknown)}, expected operations among {known}",
            hint="see docs/reference/configuration.md",
        )
