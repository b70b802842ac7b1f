"""Printing rows the way the vendor's client prints them: csv, tsv, table, records, json, ndjson.

NULL is the word NULL in every text format. Not here: where rows come from (status.py, statements.py).
"""

import sys
from collections.abc import Collection, Sequence

from devtools.cockroach.failure import BAD_FLAG, VerbError

FORMATS = ("tsv", "csv", "table", "records", "ndjson", "json")
Cell = str | int | bool | None


def chosen(asked: str) -> str:
    """The format asked for, or the default: table on a terminal, tsv otherwise."""
    if not asked:
        return "table" if sys.stdout.isatty() else "tsv"
    if asked not in FORMATS:
        raise VerbError(
            f'invalid argument "{asked}" for "--format" flag: invalid table display format: "{asked}" '
            f"(possible values: {', '.join(FORMATS)})",
            code=BAD_FLAG,
        )
    return asked


def text_of(cell: Cell) -> str:
    """One cell as text."""
    if cell is None:
        return "NULL"
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def render(columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, form: str, numeric: Collection[int] = ()) -> str:
    """All rows in one format, with its header; a table has the columns of numbers to the right."""
    if form in ("json", "ndjson"):
        import json

        objects = [json.dumps(dict(zip(columns, row, strict=True)), sort_keys=True) for row in rows]
        return "[" + ",\n".join(objects) + "]\n" if form == "json" else "".join(line + "\n" for line in objects)
    texts = [[text_of(cell) for cell in row] for row in rows]
    if form == "records":
        return _records(columns, texts)
    if form == "table":
        return _table(columns, texts, numeric=numeric)
    quote = _csv if form == "csv" else _tsv
    separator = "," if form == "csv" else "\t"
    return "".join(_line([quote(cell) for cell in row], separator) for row in [list(columns), *texts])


def _line(cells: list[str], separator: str) -> str:
    """One line; a lone empty cell is quoted, or the line would read as no row at all."""
    return '""\n' if cells == [""] else separator.join(cells) + "\n"


def _csv(cell: str) -> str:
    if any(mark in cell for mark in ',"\n\r') or cell.startswith(" "):
        doubled = cell.replace('"', '""')
        return f'"{doubled}"'
    return cell


def _tsv(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Collection[int]) -> str:
    """A frame around the rows, as in the documented procedure."""
    widths = [max([len(name), *(len(row[at]) for row in rows)]) for at, name in enumerate(columns)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(cells: Sequence[str], *, head: bool = False) -> str:
        placed = []
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            placed.append(cell.center(width) if head else cell.rjust(width) if at in numeric else cell.ljust(width))
        return "| " + " | ".join(placed) + " |"

    lines = [rule, line(columns, head=True), rule, *(line(row) for row in rows), rule]
    lines.append(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")
    return "\n".join(lines) + "\n"


def _records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    width = max((len(name) for name in columns), default=0)
    parts = []
    for number, row in enumerate(rows, start=1):
        parts.append(f"-[ RECORD {number} ]\n")
        parts += [f"{name.ljust(width)} | {cell}\n" for name, cell in zip(columns, row, strict=True)]
    return "".join(parts)
