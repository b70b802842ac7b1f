"""Help, made of the catalogue: a line and an example for every command, or all about one of them.

What can be asked for is `operations`.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Json, Message
from bot.fields import REF, bare_of
from domain.configuration import Configuration
from operations import CATALOGUE, find
from operations.base import Operation

_WHO = {"viewer": "everybody here", "operator": "operators", "approver": "approvers"}


def help_message(verb: str, *, configuration: Configuration, channel: str, version: str) -> Message:
    """Draw help for one verb or for all."""
    operation = find(verb) if verb else None
    drawn = _one(operation, configuration) if operation else _all(configuration, channel)
    drawn.append(b.context(f"crdb-chatops {b.escape(version)}  ·  all of it: docs/reference/commands.md"))
    said = f"Help for /crdb {verb}" if operation else "Help: " + ", ".join(entry.example for entry in CATALOGUE)
    return Message(text=b.notice(said), blocks=drawn)


def who_may(operation: Operation, configuration: Configuration) -> str:
    """Say who may ask for an operation here."""
    rule = configuration.operations.get(operation.name)
    return _WHO[rule.ask if rule else operation.role]


def _all(configuration: Configuration, channel: str) -> list[Json]:
    rows: list[list[Json]] = []
    for entry in CATALOGUE:
        if entry.beside:
            rows[-1] += [b.text("; "), b.text(entry.example, "code")]
        else:
            rows.append([b.text(entry.example, "code"), b.text(f"  {entry.summary}")])
    here = sorted(name for name, cluster in configuration.clusters.items() if cluster.channel == channel)
    if len(here) == 1:
        where = f"In this channel a command without a cluster is about {here[0]}."
    else:
        names = ", ".join(here or sorted(configuration.clusters)) or "none"
        where = f"Name the cluster after the command, as in /crdb status NAME. Clusters: {names}."
    return [b.header("What can be asked for"), b.rich(b.listed(rows)), b.rich(b.line(b.text(b.cut(where, 600))))]


def _one(operation: Operation, configuration: Configuration) -> list[Json]:
    drawn = [
        b.header(f"/crdb {operation.name}"),
        b.rich(
            b.line(
                b.text(operation.summary[:1].upper() + operation.summary[1:] + ". "),
                b.text(f"Asked by {who_may(operation, configuration)}. For example "),
                b.text(operation.example, "code"),
            )
        ),
    ]
    rows = [[b.text(shown, "code"), b.text(f"  {said}")] for shown, said in arguments(operation)]
    return [*drawn, b.rich(b.listed(rows))] if rows else drawn


def arguments(operation: Operation) -> list[tuple[str, str]]:
    """Return how each argument is written, and what it means, from the request model."""
    bare = bare_of(operation.request)
    rows: list[tuple[str, str]] = []
    for name, info in operation.request.model_fields.items():
        if name == REF:
            shown = "[CLUSTER]"
        elif name in bare:
            shown = name.upper() if info.is_required() else f"[{name.upper()}]"
        elif info.annotation is bool:
            shown = f"[--{name}]"
        else:
            shown = f"[{name}=…]"
        rows.append((shown, info.description or ""))
    return rows
