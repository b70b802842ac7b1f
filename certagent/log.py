"""The log (one JSON line an event, on standard error) and the termination message (one sentence for people).

What is said stands at the call sites; `docs/reference/certagent.md` lists it. Neither ever holds a key or a token.
"""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

LOG = logging.getLogger("certagent")

# What logging puts on every record by itself; the rest of a record's attributes came with `extra`.
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LONGEST_MESSAGE = 2000  # bytes; the kubelet keeps 4096


class JsonFormatter(logging.Formatter):
    """One line a record: time, level, event, the run's fields, then the event's own."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. An exception is told by its type and place alone: its text may quote what it read."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._fields,
            **{name: value for name, value in vars(record).items() if name not in _OWN_ATTRIBUTES},
        }
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(stream: TextIO, *, fields: dict[str, str]) -> None:
    """Send our events and the libraries' warnings to the stream; repeating it replaces the stream."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(fields))
    for name, level in ((LOG.name, logging.INFO), ("kubernetes", logging.WARNING), ("urllib3", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False


def write_termination_message(path: Path, *, text: str) -> None:
    """Leave the sentence for `kubectl describe pod`. Not being able to is logged and changes nothing else."""
    line = " ".join(text.split())
    try:
        path.write_text(line.encode()[:_LONGEST_MESSAGE].decode(errors="ignore"), encoding="utf-8")
    except OSError as error:
        LOG.warning("termination message not written", extra={"reason": f"{error.strerror}: {path}"})
