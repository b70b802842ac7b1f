"""Errors that end a verb, and the exit codes that scripts match on.

Lives here: what is printed after `ERROR:` and the code the process ends with. Not here: when to raise them (each verb)
and how a refused connection or handshake is worded (client.py).
"""

OK = 0
UNSPECIFIED = 1
INTERRUPTED = 3
BAD_FLAG = 4


class VerbError(Exception):
    """A verb failed: message for a person, optional SQLSTATE and hint, and an exit code."""

    def __init__(
        self, message: str, *, code: int = UNSPECIFIED, sqlstate: str = "", hint: str = "", detail: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.sqlstate = sqlstate
        self.hint = hint
        self.detail = detail

    def text(self) -> str:
        """The lines printed to standard error, most important first."""
        lines = [f"ERROR: {self.message}"]
        for label, value in (("SQLSTATE", self.sqlstate), ("DETAIL", self.detail), ("HINT", self.hint)):
            if value:
                lines.append(f"{label}: {value}")
        return "\n".join(lines)


class RemoteError(Exception):
    """What the node at the other end of a connection answered in place of a result."""

    def __init__(
        self, message: str, *, code: str = "Unknown", sqlstate: str = "", hint: str = "", detail: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.sqlstate = sqlstate
        self.hint = hint
        self.detail = detail

    def to_wire(self) -> dict[str, str]:
        """The fields that cross the connection."""
        return {
            "message": self.message,
            "code": self.code,
            "sqlstate": self.sqlstate,
            "hint": self.hint,
            "detail": self.detail,
        }

    @classmethod
    def from_wire(cls, fields: dict[str, str]) -> "RemoteError":
        """Rebuild the error from the fields of `to_wire`."""
        return cls(
            fields.get("message", "unknown error"),
            code=fields.get("code", "Unknown"),
            sqlstate=fields.get("sqlstate", ""),
            hint=fields.get("hint", ""),
            detail=fields.get("detail", ""),
        )
