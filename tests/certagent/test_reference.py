"""The reference page names every option and every log event that the code has."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "certagent.md").read_text()
SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "certagent").glob("*.py")))
OPTIONS = sorted(set(re.findall(r'add\(\s*"(--[a-z-]+)"', SOURCE)))
EVENTS = sorted(
    set(re.findall(r'LOG\.\w+\(\s*"([a-z ]+)"', SOURCE) + re.findall(r'event="([a-z ]+)"', SOURCE))
    | {"csr denied", "csr failed", "csr collected"}  # made of the CSR's state
)


def test_the_source_was_read() -> None:
    assert len(OPTIONS) == 19
    assert {"started", "waiting", "files written", "api call gave up", "csr vanished"} <= set(EVENTS)


@pytest.mark.parametrize("option", OPTIONS)
def test_names_the_option(option: str) -> None:
    assert f"| `{option}` |" in PAGE


@pytest.mark.parametrize("event", EVENTS)
def test_names_the_event(event: str) -> None:
    assert f"`{event}`" in PAGE.partition("## Log")[2].partition("## Termination")[0]
