"""How a part of the stand-in says no: an error code in Slack's words, and what Slack puts beside it in the answer.

What is refused for its content is found in `limits.py`; where each refusal becomes an answer: `webapi.py`, `page.py`.
"""

from __future__ import annotations

from typing import Any

from devtools.console.limits import MISSING_TEXT
from devtools.console.limits_text import Finding, Json


class RefusalError(Exception):
    """Becomes `{"ok": false, "error": code, ...}` at the edge, both of the Web API and of the page's."""

    def __init__(self, error: str, **beside: Any) -> None:
        super().__init__(error)
        self.error = error
        self.beside = beside

    def answer(self) -> Json:
        """The answer's body."""
        return {"ok": False, "error": self.error, **self.beside}


def refuse_message(findings: list[Finding]) -> list[str]:
    """Raise in the shape that Slack uses for bad messages; hand back warnings when there is nothing worse."""
    bad = [finding for finding in findings if finding.error != MISSING_TEXT]
    if not bad:
        return [finding.error for finding in findings]
    if bad[0].error == "invalid_arguments":
        raise RefusalError(
            "invalid_arguments", response_metadata={"messages": [f"[ERROR] {finding}" for finding in bad]}
        )
    texts = [str(finding) for finding in bad]
    messages = {"messages": [f"[ERROR] {text}" for text in texts]}
    raise RefusalError(bad[0].error, errors=texts, response_metadata=messages)


def refuse_view(findings: list[Finding]) -> None:
    """Raise in the shape that Slack uses for bad views."""
    if findings:
        code = next((found.error for found in findings if found.error != "invalid_blocks"), "invalid_arguments")
        raise RefusalError(code, response_metadata={"messages": [f"[ERROR] {finding}" for finding in findings]})
