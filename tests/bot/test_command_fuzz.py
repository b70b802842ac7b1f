"""Ten thousand generated lines: each becomes a request or one message that says what was found, expected, and works."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable

import pytest

from bot.cards.failure import failure_message
from bot.command import Command, CommandError, is_start, parse
from devtools.console import check_message
from operations import CATALOGUE
from tests.bot import given

LINES, SEED = 10_000, 20261125
CPU_SECONDS = 10.0
CONFIGURATION = given.configuration()
CHANNELS = ("C0OPS", "C0PRV", "D0ERIN", "C0GEN", "")
VERBS = [entry.name for entry in CATALOGUE]
EXAMPLES = [entry.example.removeprefix("/crdb ") for entry in CATALOGUE]
KEYS = sorted({name for entry in CATALOGUE for name in entry.request.model_fields} | {"cluster", "node", "force", "x"})
VALUES = (
    *("3", "0", "-1", "3.5", "1e9", "9" * 40, "\u0663", "v25.2.3", "25.2", "v25.2.3-rc.1", "1Gi", "100Gi", "1TB"),
    *("crdb", "Shop", "nope", "ab12cd34", "<@U0ADA|ada>", "<#C0OPS|db-ops>", "<https://a.example|a>", "true", "no"),
    *(
        '"two words"',
        "“curly”",
        "it’s",
        '"',
        "'",
        "\\",
        "",
        "=",
        "--",
        "—",
        "`x`",
        "&lt;b&gt;",
        "&amp;amp;",
        "<!channel>",
    ),
    *("${IFS}", "$(id)", "; rm -rf /", "../..", "\u202e", "\u200b", "\x00", "\ud800", "\ufeff", "é", "e\u0301", "🙂"),
    *("ß", "İ", "\U0010ffff", "a" * 200),
)
NOISE = "abcXYZ019 \t\n\"'`=-–—_.,:;<>&|/\\()[]{}*~!?#@$%^\u00a0\u200b\u202e\ud800éß🙂\x00\x1b"


def noise(chance: random.Random, most: int) -> str:
    return "".join(chance.choices(NOISE, k=chance.randrange(most)))


def typo(chance: random.Random, word: str) -> str:
    """A word as a hurried person types it."""
    at = chance.randrange(len(word)) if word else 0
    kinds: tuple[Callable[[], str], ...] = (
        lambda: word[:at] + word[at + 1 :],
        lambda: word[:at] + word[at : at + 1] * 2 + word[at + 1 :],
        lambda: word[:at] + chance.choice(NOISE) + word[at:],
        lambda: word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
        word.upper,
    )
    return chance.choice(kinds)()


def argument(chance: random.Random) -> str:
    key, value = chance.choice(KEYS), chance.choice(VALUES)
    key = typo(chance, key) if chance.random() < 0.2 else key
    forms = (
        value,
        f"{key}={value}",
        f"--{key}={value}",
        f"--{key} {value}",
        f"--{key}",
        f"—{key} {value}",
        f"{key} = {value}",
    )
    return chance.choice(forms)


def example(chance: random.Random) -> str:
    return chance.choice(EXAMPLES)


def hurried(chance: random.Random) -> str:
    words = example(chance).split(" ")
    at = chance.randrange(len(words))
    return " ".join([*words[:at], typo(chance, words[at]), *words[at + 1 :]])


def composed(chance: random.Random) -> str:
    verb = chance.choice(VERBS)
    return " ".join([verb, *(argument(chance) for _ in range(chance.randrange(5)))])


def extended(chance: random.Random) -> str:
    return f"{example(chance)} {argument(chance)}"


def garbage(chance: random.Random) -> str:
    return noise(chance, 60)


def long(chance: random.Random) -> str:
    return composed(chance) + noise(chance, 900)


KINDS = (example, hurried, composed, composed, extended, garbage, long)


def lines() -> list[tuple[str, str]]:
    chance = random.Random(SEED)
    return [(chance.choice(KINDS)(chance), chance.choice(CHANNELS)) for _ in range(LINES)]


def outcome(line: str, channel: str) -> Command | CommandError:
    try:
        return parse(line, configuration=CONFIGURATION, channel=channel)
    except CommandError as error:
        return error


@pytest.fixture(scope="module")
def spent() -> list[float]:
    """CPU seconds that reading all lines took."""
    return []


@pytest.fixture(scope="module")
def outcomes(spent: list[float]) -> list[tuple[str, Command | CommandError]]:
    begun = time.process_time()
    found = [(line, outcome(line, channel)) for line, channel in lines()]
    spent.append(time.process_time() - begun)
    return found


def test_no_line_is_unhandled_and_both_ends_are_met(
    outcomes: list[tuple[str, Command | CommandError]], spent: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    codes = Counter(found.code if isinstance(found, CommandError) else "understood" for _, found in outcomes)

    with capsys.disabled():
        print(f"\n{LINES} generated command lines in {spent[0]:.1f} s of CPU: {dict(codes.most_common())}")
    assert spent[0] < CPU_SECONDS
    assert sum(codes.values()) == LINES
    assert set(codes) == {
        "understood",
        "cluster.unknown",
        "command.bad-value",
        "command.missing-value",
        "command.no-cluster",
        "command.open-quote",
        "command.surplus",
        "command.too-long",
        "command.twice",
        "command.unknown",
        "command.unknown-argument",
    }


def test_every_bad_line_has_its_sentence(outcomes: list[tuple[str, Command | CommandError]]) -> None:
    bad = {error.message: error for _, error in outcomes if isinstance(error, CommandError)}

    silent = [e for e in bad.values() if not re.search("(?i)found", e.message) or "expected" not in e.message]
    without_example = [error for error in bad.values() if "/crdb" not in error.hint]
    assert [str(error) for error in silent] == []
    assert [str(error) for error in without_example] == []


def test_every_example_in_a_hint_works_in_its_channel(outcomes: list[tuple[str, Command | CommandError]]) -> None:
    hints = {error.hint for _, error in outcomes if isinstance(error, CommandError)}
    shown = {match for hint in hints for match in re.findall(r"/crdb [^;?]*", hint)}

    broken = [
        f"{line}: {found}"
        for line in sorted(shown)
        if isinstance(found := outcome(line.removeprefix("/crdb").strip(), "C0OPS"), CommandError)
    ]
    assert broken == []


def test_every_bad_line_is_shown_within_slacks_limits(outcomes: list[tuple[str, Command | CommandError]]) -> None:
    # Each sentence once: what differs by the line is cut to the same length.
    bad = {(error.code, len(error.message) // 20, len(error.understood) // 20): (line, error)
           for line, error in outcomes if isinstance(error, CommandError)}  # fmt: skip

    messages = [(line, failure_message(error, is_start=is_start(line))) for line, error in bad.values()]
    faults = [
        fault
        for _, said in messages
        for fault in check_message({"channel": "C0OPS", "text": said.text, "blocks": said.blocks})
    ]
    assert len(messages) > 50
    assert faults == []
    assert all("Nothing was started." in said.text for _, said in messages)
    assert not any("<!channel>" in said.text for _, said in messages)
