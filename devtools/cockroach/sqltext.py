"""The text of SQL statements: words, names, strings and numbers, and what may be repeated of a statement in an error.

Not here: which sequences of tokens mean something (statements.py).
"""

import re

from devtools.cockroach.failure import RemoteError

WORD, NAME, STRING, NUMBER, MARK, END = "word", "name", "string", "number", "mark", "end"

LIMIT = 64 * 1024  # of one statement, in characters

_TOKEN = re.compile(
    r"\s*+(?:--[^\n]*+\s*+)*+(?:"
    r"(?P<word>[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*)"
    r'|"(?P<name>(?:[^"]|"")+)"'
    r"|'(?P<string>(?:[^']|'')*)'"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<mark>\S))"
)
_SECRET = re.compile(r"(\bPASSWORD\b\s*)(.*)", re.IGNORECASE | re.DOTALL)


class Token:
    """One token: its kind, its value, and where it ends in the text."""

    def __init__(self, kind: str, value: str) -> None:
        self.kind = kind
        self.value = value

    @property
    def folded(self) -> str:
        """A name as the database compares it: unquoted names in lower case."""
        return self.value.lower() if self.kind == WORD else self.value


def tokens(text: str) -> list[Token]:
    """Every token of a statement, and one that marks the end."""
    if len(text) > LIMIT:
        raise RemoteError(
            f"statement of {len(text)} characters, at most {LIMIT} expected by the stand-in", sqlstate="54000"
        )
    found, at, length = [], 0, len(text.rstrip())
    while at < length:
        match = _TOKEN.match(text, at)
        if match is None:  # a comment to the end
            break
        kind = match.lastgroup or MARK
        value = match[kind]
        if kind in (NAME, STRING):
            quote = '"' if kind == NAME else "'"
            value = value.replace(quote * 2, quote)
        elif kind == MARK and value in "'\"":
            raise syntax_error(text, near="EOF")
        found.append(Token(kind, value))
        at = match.end()
    return [*found, Token(END, "EOF")]


def redacted(text: str) -> str:
    """A statement that may be shown: nothing behind the word PASSWORD."""
    return _SECRET.sub(r"\1'*****'", text)


def syntax_error(text: str, *, near: str) -> RemoteError:
    """The refusal of everything that is not understood."""
    if _SECRET.search(text):
        near = "password"  # the token may be a piece of it
    return RemoteError(
        f'at or near "{near.lower() if near != "EOF" else near}": syntax error',
        sqlstate="42601",
        detail=f"source SQL:\n{redacted(text)}\n^",
        hint="this is a stand-in, not a database; it knows a short list of statements",
    )
