"""Text of others on its way into a message: one line, no markup, no mention, nothing that turns a line around."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.cards import blocks as b


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param("node cockroachdb-0, 3 GiB – ½", "node cockroachdb-0, 3 GiB – ½", id="plain"),
        pytest.param("first\nsecond\r\nthird", "first second  third", id="line breaks"),
        pytest.param("red \x1b[31m\tbell\x07\x00", "red  [31m bell  ", id="control characters"),
        pytest.param("cockroachdb-0\u202egpj\u2066", "cockroachdb-0 gpj ", id="turned around"),
        pytest.param("a\u2028b\u200bc", "a b c", id="hidden"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_text_of_others_is_one_line_of_what_can_be_seen(given: str, shown: str) -> None:
    assert b.one_line(given) == shown


@pytest.mark.parametrize("written", [b.escape, b.notice, b.code])
def test_no_way_into_a_message_lets_a_line_break_or_a_mention_through(written: Callable[[str], str]) -> None:
    text = written("<!channel>\n<@U0ADA> *bold*\u202e")

    assert not {"\n", "<", "\u202e"} & {*text}
