from __future__ import annotations

from pathlib import Path

from bot.reference import PAGE, render

ROOT = Path(__file__).parents[2]


def test_the_commands_page_is_fresh() -> None:
    assert (ROOT / PAGE).read_text() == render(), "stale: run python -m bot.reference"
