"""`cockroach sql -e …`: sends statements one by one, prints rows or the command's tag, stops at the first error.

Not here: what a statement means (statements.py, in the node's process). There is no interactive shell.
"""

import sys

from devtools.cockroach import client, flags, rows, wire
from devtools.cockroach.failure import VerbError


def run(args: list[str]) -> int:
    """Run the statements of -e, or of standard input."""
    known = client.FLAGS | {"execute": flags.MANY, "database": flags.VALUE}
    given = flags.parse(args, known=known, short=client.SHORT | {"e": "execute", "d": "database"})
    form = rows.chosen(given.one("format"))
    texts = given.each("execute")
    if not texts:
        if sys.stdin.isatty():
            raise VerbError("the stand-in has no interactive shell", hint='give a statement: sql -e "SELECT 1"')
        texts = [sys.stdin.read()]
    target = client.Target(given)
    database = given.one("database")
    for text in texts:
        for statement in split(text):
            answer = target.must_ask(wire.EXECUTE, {"statement": statement, "database": database})
            if answer["columns"]:
                shown = rows.render(answer["columns"], answer["rows"], form=form, numeric=answer["numeric"])
                sys.stdout.write(shown)
            else:
                sys.stdout.write(f"{answer['tag']}\n")
            sys.stdout.flush()
    return 0


def split(text: str) -> list[str]:
    """Statements between semicolons; a semicolon inside quotes does not end one."""
    parts, quote = [""], ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == ";":
            parts.append("")
            continue
        parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
