"""Tables: columns of three types, rows by primary key, and the refusals of rows that do not fit.

Values travel and are kept as JSON: an INT as a number, a DECIMAL and a STRING as text. Not here: databases and names of
tables (catalog.py), the text of literals (sqltext.py).
"""

from decimal import Decimal, InvalidOperation

from devtools.cockroach.failure import RemoteError

INT, DECIMAL, STRING = "INT8", "DECIMAL", "STRING"
TYPES = {
    "int": INT, "int8": INT, "bigint": INT, "integer": INT,
    "decimal": DECIMAL, "numeric": DECIMAL,
    "string": STRING, "text": STRING,
}  # fmt: skip
_INT_LIMIT = 2**63
_DECIMAL_DIGITS = 1000

Value = int | str | None
#: A literal of a statement: NULL, a number (as written) or a text in quotes.
Literal = dict[str, str]


def number(text: str) -> Literal:
    """A number as written."""
    return {"number": text}


def quoted(text: str) -> Literal:
    """A text in quotes."""
    return {"string": text}


NULL: Literal = {}


class Table:
    """One table and its rows."""

    def __init__(self, name: str, *, columns: list[list[str]], key: str) -> None:
        self.name = name
        self.columns = [column for column, _ in columns]
        self.types = dict(columns)
        self.key = key
        self._rows: dict[Value, list[Value]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[list[Value]]:
        """The rows in order of the primary key."""
        by_value = (lambda key: Decimal(key)) if self.types[self.key] == DECIMAL else (lambda key: key)
        return [self._rows[key] for key in sorted(self._rows, key=by_value)]

    def fitting(self, columns: list[str], rows: list[list[Literal]]) -> list[list[Value]]:
        """The rows as they would be kept.

        Raises:
            RemoteError: a row does not fit, or its key is there already.
        """
        names = columns or self.columns
        for name in names:
            if name not in self.types:
                raise RemoteError(f'column "{name}" does not exist', sqlstate="42703")
        if len(set(names)) != len(names):
            raise RemoteError("multiple assignments to the same column", sqlstate="42601")
        fresh: dict[Value, list[Value]] = {}
        for row in rows:
            if len(row) > len(names) or (columns and len(row) < len(names)):
                more = "more" if len(row) > len(names) else "fewer"
                raise RemoteError(
                    f"INSERT has {more} expressions than target columns, {len(row)} expressions for "
                    f"{len(names)} targets",
                    sqlstate="42601",
                )
            given = dict(zip(names, row, strict=False))
            kept = [_value(given.get(name, NULL), kind=self.types[name], column=name) for name in self.columns]
            key = kept[self.columns.index(self.key)]
            if key is None:
                raise RemoteError(f'null value in column "{self.key}" violates not-null constraint', sqlstate="23502")
            if key in self._rows or key in fresh:
                shown = f"'{key}'" if self.types[self.key] == STRING else key
                raise RemoteError(
                    f'duplicate key value violates unique constraint "{self.name}_pkey"',
                    sqlstate="23505",
                    detail=f"Key ({self.key})=({shown}) already exists.",
                )
            fresh[key] = kept
        return list(fresh.values())

    def add(self, rows: list[list[Value]]) -> None:
        """Keep rows that `fitting` returned."""
        at = self.columns.index(self.key)
        self._rows.update({row[at]: row for row in rows})


def _value(literal: Literal, *, kind: str, column: str) -> Value:
    if not literal:
        return None
    is_text = "string" in literal
    text = literal["string"] if is_text else literal["number"]
    if kind == STRING:
        if not is_text:
            raise RemoteError(f'value type decimal doesn\'t match type string of column "{column}"', sqlstate="42804")
        return text
    try:
        value = Decimal(text.strip())
        if not value.is_finite() or abs(value.adjusted()) > _DECIMAL_DIGITS:
            raise InvalidOperation
    except InvalidOperation:
        name = "int" if kind == INT else "decimal"
        raise RemoteError(f'could not parse "{text}" as type {name}', sqlstate="22P02") from None
    if kind == DECIMAL:
        return _plain(value)
    if is_text and value != value.to_integral_value():
        raise RemoteError(f'could not parse "{text}" as type int: invalid syntax', sqlstate="22P02")
    whole = int(value.to_integral_value())
    if not -_INT_LIMIT <= whole < _INT_LIMIT:
        raise RemoteError("integer out of range for type int", sqlstate="22003")
    return whole


def _plain(value: Decimal) -> str:
    """A decimal without zeros at its end, as the procedure by hand shows it: 1000.50 reads 1000.5."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def numeric_columns(table: "Table") -> list[int]:
    """The places of the columns that hold numbers; a table prints them to the right."""
    return [at for at, name in enumerate(table.columns) if table.types[name] != STRING]
