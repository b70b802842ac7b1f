"""`/crdb`: from a line of text to an operation and its request, by the catalogue alone.

Every bad line becomes one `CommandError` in three parts: what was understood, what is wrong, what to type. Nothing is
started here, and nobody's role is looked at.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.fields import REF, FieldError, Given, bare_of, read_fields
from bot.text import LIMIT, clean, words
from domain.configuration import Configuration
from domain.errors import InvalidRequestError
from domain.model import ClusterRef
from operations import CATALOGUE, find
from operations.base import Operation, Request

COMMAND = "/crdb"
#: Words that people type for what has another name here.
_SYNONYMS = {"?": "help", "-h": "help", "--help": "help", "csrs": "csr"}


class CommandError(InvalidRequestError):
    """A line that cannot be right. `understood` says how far it was."""

    def __init__(self, code: str, wrong: str, *, understood: str, hint: str) -> None:
        super().__init__(code, wrong, hint=hint, understood=understood)
        self.understood = understood


@dataclass(frozen=True)
class Command:
    """What a line asks for."""

    operation: Operation
    request: Request

    @property
    def ref(self) -> ClusterRef | None:
        """The cluster it is about, when it is about one."""
        ref = getattr(self.request, REF, None)
        return ref if isinstance(ref, ClusterRef) else None


def clusters_of(configuration: Configuration, channel: str) -> list[str]:
    """Return the names of the clusters that a channel is bound to."""
    return [name for name, cluster in configuration.clusters.items() if cluster.channel == channel]


def parse(text: str, *, configuration: Configuration, channel: str) -> Command:
    """Read what stands behind `/crdb`.

    Raises:
        CommandError: The line cannot be right.
    """
    line = clean(text)
    if len(line) > LIMIT:
        raise CommandError(
            "command.too-long",
            f"Found {len(line)} characters, expected at most {LIMIT}.",
            understood=f"{COMMAND} {line[:40]}…",
            hint=f"{COMMAND} help",
        )
    try:
        parts = words(line)
    except ValueError:
        raise CommandError(
            "command.open-quote",
            "Found a quote that is never closed, expected one at either end.",
            understood=f"{COMMAND} {line}",
            hint=f'{COMMAND} deny ab12cd34 "wrong pod"',
        ) from None
    if not parts:
        return _help("")
    verb = _SYNONYMS.get(parts[0].lower(), parts[0].lower())
    operation = find(verb)
    if operation is None:
        raise _unknown(verb, line)
    if operation.name == "help":
        return _help(parts[1] if len(parts) > 1 else "")
    try:
        given = read_fields(operation.request, parts[1:], clusters=frozenset(configuration.clusters))
        values = dict(given.values)
        if REF in operation.request.model_fields:
            values[REF] = _ref(given, configuration=configuration, channel=channel, operation=operation)
        return Command(operation=operation, request=operation.request.model_validate(values))
    except FieldError as error:
        hint = f"{error.hint}; for example {operation.example}" if error.hint else f"for example {operation.example}"
        raise CommandError(error.code, error.wrong, understood=_said(operation, line), hint=hint) from None
    except ValidationError as error:
        raise CommandError(
            "command.bad-value",
            _faults(error),
            understood=_said(operation, line),
            hint=f"for example {operation.example}",
        ) from None


def is_start(text: str) -> bool:
    """Whether a line asks to start something, or is none that is known."""
    verb = clean(text)[:LIMIT].split(maxsplit=1)[:1]
    operation = find(verb[0].lower()) if verb else None
    return operation is None or operation.kind == "change"


def _help(verb: str) -> Command:
    operation = find("help")
    assert operation is not None
    name = _SYNONYMS.get(verb.lower(), verb.lower()).removeprefix(COMMAND).strip()
    if name and find(name) is None:
        raise _unknown(name, f"help {verb}")
    return Command(operation=operation, request=operation.request.model_validate({"verb": name}))


def _ref(given: Given, *, configuration: Configuration, channel: str, operation: Operation) -> ClusterRef:
    known = ", ".join(sorted(configuration.clusters)) or "none"
    if given.cluster:
        name = given.cluster.lower()
        if name not in configuration.clusters:
            near = difflib.get_close_matches(name, configuration.clusters, n=1)
            raise FieldError(
                "cluster.unknown",
                f"Found cluster {given.cluster!r}, expected one of: {known}.",
                hint=f"did you mean {near[0]}?" if near else "",
            )
        return configuration.ref(name)
    here = clusters_of(configuration, channel)
    if len(here) == 1:
        return configuration.ref(here[0])
    if here:
        wrong = (
            f"Found {len(here)} clusters bound to this channel, expected one to be named: {', '.join(sorted(here))}."
        )
    else:
        wrong = f"Found no cluster bound to this channel, expected one to be named: {known}."
    first = sorted(here or configuration.clusters)
    # What else has to be said stands in the entry's own example, behind the operation's name.
    rest = operation.example.split()[2:] if bare_of(operation.request) else []
    example = " ".join([COMMAND, operation.name, first[0], *rest]) if first else f"{COMMAND} help"
    raise FieldError("command.no-cluster", wrong, hint=f"type {example}")


def _unknown(verb: str, line: str) -> CommandError:
    names = [entry.name for entry in CATALOGUE]
    near = difflib.get_close_matches(verb, names, n=1, cutoff=0.5)
    found = find(near[0]) if near else None
    return CommandError(
        "command.unknown",
        f"Found no command {verb[:40]!r}, expected one of: {', '.join(names)}.",
        understood=f"{COMMAND} {line[:80]}",
        hint=f"did you mean {found.example}?" if found else f"{COMMAND} help",
    )


def _said(operation: Operation, line: str) -> str:
    rest = line.split(maxsplit=1)[1:] or [""]
    return f"{operation.name}: {operation.summary}" + (f" — with {rest[0][:120]}" if rest[0] else "")


def _expected(fault: ErrorDetails) -> str:
    """Say what a value should have been; what pydantic says else is kept as it is."""
    limits = fault.get("ctx") or {}
    words = {
        "int_parsing": "a whole number",
        "int_from_float": "a whole number",
        "bool_parsing": "yes or no",
        "greater_than_equal": f"at least {limits.get('ge')}",
        "less_than_equal": f"at most {limits.get('le')}",
        "literal_error": str(limits.get("expected")),
        "string_too_short": f"at least {limits.get('min_length')} characters",
        "string_too_long": f"at most {limits.get('max_length')} characters",
    }
    return words.get(fault["type"], fault["msg"][:1].lower() + fault["msg"][1:])


def _faults(error: ValidationError) -> str:
    said = []
    for fault in error.errors():
        name = str(fault["loc"][0]) if fault["loc"] else "the command"
        value = fault.get("input")
        if fault["type"] == "missing":
            said.append(f"{name}: found nothing, expected a value")
        elif fault["type"] == "value_error":
            said.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
        else:
            said.append(f"{name}: found {str(value)[:60]!r}, expected {_expected(fault)}")
    return ". ".join(said) + "."
