"""The statements a node understands. Everything else is a syntax error (SQLSTATE 42601).

Lives here: from text to what it asks for: something this node answers by itself, a query, or an operation for the
journal. Not here: tokens (sqltext.py), meaning and refusals (catalog.py, queries.py), printing (sql.py, rows.py).
A later statement is one more branch of `parse`.
"""

from typing import Any

from devtools.cockroach import passwords, sqltext, tables
from devtools.cockroach.failure import RemoteError
from devtools.cockroach.sqltext import MARK, NAME, NUMBER, STRING, WORD, Token

HERE, QUERY, WRITE = "here", "query", "write"
_DEFAULT_DATABASE = "defaultdb"


class Statement:
    """What a statement asks for: where it is answered, and the question or operation."""

    def __init__(self, where: str, what: dict[str, Any]) -> None:
        self.where = where
        self.what = what


class _Reader:
    """Reads tokens one by one; whatever does not fit is the syntax error."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = sqltext.tokens(text)
        self._at = 0

    @property
    def ahead(self) -> Token:
        return self._tokens[self._at]

    def wrong(self) -> RemoteError:
        return sqltext.syntax_error(self._text, near=self.ahead.value)

    def take(self, *words: str) -> bool:
        """Take these words or marks if they are all ahead."""
        ahead = self._tokens[self._at : self._at + len(words)]
        if [token.value.upper() for token in ahead if token.kind in (WORD, MARK)] != list(words):
            return False
        self._at += len(words)
        return True

    def need(self, *words: str) -> None:
        for word in words:
            if not self.take(word):
                raise self.wrong()

    def one_of(self, *kinds: str) -> Token:
        token = self.ahead
        if token.kind not in kinds:
            raise self.wrong()
        self._at += 1
        return token

    def name(self) -> str:
        return self.one_of(WORD, NAME).folded

    def dotted(self) -> list[str]:
        parts = [self.name()]
        while self.take("."):
            parts.append(self.name())
        return parts

    def end(self) -> None:
        if self.ahead.kind != sqltext.END:
            raise self.wrong()


def parse(text: str, *, database: str = "") -> Statement:
    """What a statement asks for.

    Raises:
        RemoteError: it is not understood.
    """
    reader = _Reader(text.strip().rstrip(";").strip())
    if reader.take("SELECT"):
        found = _select(reader, database or _DEFAULT_DATABASE)
    elif reader.take("SHOW"):
        found = Statement(QUERY, _show(reader))
    else:
        found = Statement(WRITE, _write(reader, database or _DEFAULT_DATABASE))
    reader.end()
    return found


def _select(reader: _Reader, database: str) -> Statement:
    if reader.take("*"):
        reader.need("FROM")
        if reader.take("CRDB_INTERNAL", ".", "NODE_BUILD_INFO"):
            return Statement(HERE, {"kind": "build info", "field": ""})
        return Statement(QUERY, {"kind": "rows", **_table(reader, database)})
    if reader.take("VERSION", "(", ")"):
        return Statement(HERE, {"kind": "version"})
    if reader.take("CRDB_INTERNAL", ".", "CLUSTER_ID", "(", ")"):
        return Statement(HERE, {"kind": "cluster id"})
    if reader.take("CRDB_INTERNAL", ".", "NODE_EXECUTABLE_VERSION", "(", ")"):
        return Statement(HERE, {"kind": "executable version"})
    if reader.take("VALUE", "FROM", "CRDB_INTERNAL", ".", "NODE_BUILD_INFO", "WHERE", "FIELD", "="):
        return Statement(HERE, {"kind": "build info", "field": reader.one_of(STRING).value})
    if reader.ahead.value.upper() == "SUM":
        return Statement(HERE, {"kind": "store sums", "sums": _store_sums(reader)})
    if reader.take("VALUE", "FROM", "CRDB_INTERNAL", ".", "NODE_METRICS", "WHERE", "NAME", "="):
        return Statement(HERE, {"kind": "node metric", "name": reader.one_of(STRING).value})
    if reader.take("RANGE_ID", "FROM", "[", "SHOW", "CLUSTER", "RANGES", "]", "WHERE", "REPLICAS", "@", ">"):
        return Statement(HERE, _ranges_of_node(reader))
    sign = "-" if reader.take("-") else ""
    text = reader.one_of(NUMBER).value
    if not text.isdigit():
        raise reader.wrong()
    return Statement(HERE, {"kind": "integer", "value": int(sign + text)})


def _ranges_of_node(reader: _Reader) -> dict[str, Any]:
    """The first ranges with a replica on one node, in order."""
    reader.need("ARRAY", "[")
    node = reader.one_of(NUMBER).value
    reader.need("]", "ORDER", "BY", "RANGE_ID", "LIMIT")
    most = reader.one_of(NUMBER).value
    if not (node.isdigit() and most.isdigit()):
        raise reader.wrong()
    return {"kind": "ranges of node", "node": int(node), "most": int(most)}


def _store_sums(reader: _Reader) -> list[list[str]]:
    """Sums of metrics over crdb_internal.kv_store_status: for each the metric and the column's name."""
    sums: list[list[str]] = []
    while True:
        reader.need("SUM", "(", "(", "METRICS", "-", ">", ">")
        metric = reader.one_of(STRING).value
        reader.need(")", ":", ":", "DECIMAL", ")")
        if reader.take(":", ":") and not (reader.take("INT") or reader.take("INT8")):
            raise reader.wrong()
        sums.append([metric, reader.name() if reader.take("AS") else "sum"])
        if not reader.take(","):
            break
    reader.need("FROM", "CRDB_INTERNAL", ".", "KV_STORE_STATUS")
    return sums


def _show(reader: _Reader) -> dict[str, Any]:
    if reader.take("CLUSTER", "SETTING"):
        return {"kind": "setting", "name": ".".join(reader.dotted())}
    if reader.take("ZONE", "CONFIGURATION"):
        if not reader.take("FROM"):
            reader.need("FOR")  # how it was written before v20.2
        reader.need("RANGE", "DEFAULT")
        return {"kind": "zone"}
    if reader.take("DATABASES"):
        return {"kind": "databases"}
    if reader.take("TABLES", "FROM"):
        return {"kind": "tables", "database": reader.name()}
    if reader.take("USERS"):
        return {"kind": "users"}
    raise reader.wrong()


def _write(reader: _Reader, database: str) -> dict[str, Any]:
    if reader.take("CREATE", "DATABASE"):
        return {"kind": "create database", "if_not_exists": _if_not_exists(reader), "name": reader.name()}
    if reader.take("CREATE", "TABLE"):
        return _create_table(reader, database)
    if reader.take("CREATE", "USER"):
        return _create_user(reader)
    if reader.take("INSERT", "INTO"):
        return _insert(reader, database)
    if reader.take("GRANT"):
        role = reader.name()
        reader.need("TO")
        return {"kind": "grant", "role": role, "user": reader.name()}
    if reader.take("ALTER"):
        reader.need("RANGE", "DEFAULT", "CONFIGURE", "ZONE", "USING", "NUM_REPLICAS", "=")
        text = reader.one_of(NUMBER).value
        if not text.isdigit():
            raise reader.wrong()
        return {"kind": "zone", "copies": int(text)}
    if reader.take("RESET", "CLUSTER", "SETTING"):
        return {"kind": "set", "name": ".".join(reader.dotted()), "value": ""}
    reader.need("SET", "CLUSTER", "SETTING")
    name = ".".join(reader.dotted())
    if not (reader.take("=") or reader.take("TO")):
        raise reader.wrong()
    value = "" if reader.take("DEFAULT") else reader.one_of(STRING).value
    return {"kind": "set", "name": name, "value": value}


def _if_not_exists(reader: _Reader) -> bool:
    return reader.take("IF", "NOT", "EXISTS")


def _table(reader: _Reader, database: str) -> dict[str, str]:
    """`table`, `database.table`, or `database.public.table`."""
    parts = reader.dotted()
    if len(parts) == 3 and parts[1] == "public":
        del parts[1]
    if len(parts) > 2:
        raise reader.wrong()
    return {"database": parts[0] if len(parts) == 2 else database, "name": parts[-1]}


def _create_table(reader: _Reader, database: str) -> dict[str, Any]:
    if_not_exists = _if_not_exists(reader)
    named = _table(reader, database)
    columns: list[list[str]] = []
    keys: list[str] = []
    reader.need("(")
    while True:
        column, kind = reader.name(), tables.TYPES.get(reader.ahead.value.lower())
        if kind is None or column in dict(columns):
            raise reader.wrong()
        reader.one_of(WORD)
        columns.append([column, kind])
        if reader.take("PRIMARY", "KEY"):
            keys.append(column)
        if not reader.take(","):
            break
    if len(keys) != 1:
        raise reader.wrong()
    reader.need(")")
    return {"kind": "create table", "if_not_exists": if_not_exists, **named, "columns": columns, "key": keys[0]}


def _insert(reader: _Reader, database: str) -> dict[str, Any]:
    named = _table(reader, database)
    columns: list[str] = []
    if reader.take("("):
        columns.append(reader.name())
        while reader.take(","):
            columns.append(reader.name())
        reader.need(")")
    reader.need("VALUES")
    rows = [_row(reader)]
    while reader.take(","):
        rows.append(_row(reader))
    return {"kind": "insert", **named, "columns": columns, "rows": rows}


def _row(reader: _Reader) -> list[tables.Literal]:
    reader.need("(")
    values = [_literal(reader)]
    while reader.take(","):
        values.append(_literal(reader))
    reader.need(")")
    return values


def _literal(reader: _Reader) -> tables.Literal:
    if reader.take("NULL"):
        return tables.NULL
    if reader.ahead.kind == STRING:
        return tables.quoted(reader.one_of(STRING).value)
    sign = "-" if reader.take("-") else ""
    return tables.number(sign + reader.one_of(NUMBER).value)


def _create_user(reader: _Reader) -> dict[str, Any]:
    """The operation holds the hash alone: neither the journal nor the way to it sees the password."""
    if_not_exists = _if_not_exists(reader)
    name, password = reader.name(), ""
    has_with = reader.take("WITH")
    if reader.take("PASSWORD"):
        password = "" if reader.take("NULL") else passwords.hashed(reader.one_of(STRING).value)
    elif has_with:
        raise reader.wrong()
    return {"kind": "create user", "if_not_exists": if_not_exists, "name": name, "password": password}
