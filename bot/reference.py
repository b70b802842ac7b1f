"""`docs/reference/commands.md`, made of the catalogue: `python -m bot.reference` writes it.

A test says when the page is stale.
What help says in chat is `bot.cards.help`.
"""

from __future__ import annotations

from pathlib import Path

from bot.cards.help import arguments
from operations import CATALOGUE
from operations.base import Operation

PAGE = Path("docs/reference/commands.md")

_HEAD = """# Commands

Made from the catalogue in `operations/` by `python -m bot.reference`; do not edit by hand.

A command is typed as `/crdb VERB [CLUSTER] [arguments]`. Verbs may be written in any case. In a channel that is bound
to exactly one cluster the cluster may be left out. An argument is written `key=value` or `--key value`, a switch as
`--key`; several words go in quotes. Whatever cannot be right is answered in three parts (what was understood, what is
wrong, what to type), seen by you alone, and nothing is started. `/crdb help VERB` says the same in the chat.

Kinds: a *change* takes its cluster's lock, so only one runs at a time; a *look* never does; a *decision* answers
something that waits for a person; *talk* is answered by the bot alone. Who may ask is the default; `crdbops.toml` may
say otherwise for each.
"""


def render() -> str:
    """Return the page's text."""
    return "\n".join([_HEAD, *(_entry(operation) for operation in CATALOGUE)])


def _entry(operation: Operation) -> str:
    rows = arguments(operation)
    lines = [
        f"## {operation.name}",
        "",
        f"{operation.summary[:1].upper()}{operation.summary[1:]}.",
        "",
        f"- kind: {operation.kind}",
        f"- who may ask: {operation.role}",
        f"- example: `{operation.example}`",
        "",
    ]
    if rows:
        lines += ["| argument | meaning |", "| --- | --- |"]
        lines += [f"| `{shown}` | {said[:1].upper()}{said[1:]} |" for shown, said in rows]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render())


if __name__ == "__main__":
    main()
