"""Text hygiene: from what a chat client sends to plain words.

Clients put in curly quotes, long dashes, unusual spaces and entities. What the words mean is `bot.command`.
"""

from __future__ import annotations

import re
import shlex
import unicodedata

#: Longest line that is read.
LIMIT = 500

_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u202f\u2009\u3000\t\r\n"), " ")
_QUOTES = {
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033"), '"'),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032"), "'"),
}
#: A client turns two hyphens into one long dash.
_DASHES = {ord("\u2014"): "--", ord("\u2013"): "--", ord("\u2212"): "-", ord("\u2010"): "-", ord("\u2011"): "-"}
_TABLE = {**_SPACES, **_QUOTES, **_DASHES}
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#([CG][A-Z0-9]+)(?:\|[^>]*)?>")
_LINK = re.compile(r"<((?:https?|mailto):[^|>]*)(?:\|[^>]*)?>")


def clean(text: str) -> str:
    """Return the line as a person meant it: plain quotes, spaces and dashes, ids instead of mentions, no wrapping."""
    line = unicodedata.normalize("NFC", text).translate(_TABLE)
    # Zero-width and control characters (categories Cf, Cc) are never meant.
    line = "".join(c for c in line if unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Co", "Cn"))
    line = line.strip().strip("`").strip()
    for pattern in (_PERSON, _CHANNEL, _LINK):
        line = pattern.sub(r"\1", line)
    # Links are written out before entities, so that an escaped '<' never becomes one.
    for entity, character in _ENTITIES:
        line = line.replace(entity, character)
    return line


def words(line: str) -> list[str]:
    """Split a clean line into words; quotes keep words together.

    Raises:
        ValueError: A quote that is never closed.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    # An apostrophe inside a word, as in don't, opens no quote: only double quotes keep words together then.
    if line.count("'") % 2:
        lexer.quotes = '"'
    return list(lexer)
