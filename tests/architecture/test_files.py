"""What every file keeps to: its size, its docstring, its name, and to speak of the project alone."""

from __future__ import annotations

import ast
import re

from tests.architecture.source_tree import PACKAGES, ROOT, all_texts, files, name_of, parse, production

SOURCE_LINES, TEST_LINES = 400, 600
#: Names under which anything can be hidden.
ATTICS = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "shared", "service"}
#: Code of ours in other languages is read like Python's.
SUFFIXES = (".py", ".go", ".js", ".ts", ".html", ".css", ".sh")


def _lines(path: object) -> int:
    return len((ROOT / str(path)).read_text().splitlines())


def test_no_file_is_too_long() -> None:
    named = {path: name_of(path) for path in all_texts() if path.suffix in SUFFIXES}
    too_long = [
        f"{name}: {_lines(path)} lines, at most {most}"
        for path, name in named.items()
        for most in (TEST_LINES if name.startswith("tests/") else SOURCE_LINES,)
        if _lines(path) > most
    ]

    assert not too_long, "split by noun:\n" + "\n".join(too_long)


def test_every_module_says_what_lives_in_it() -> None:
    missing = [name_of(path) for path in (*production(), *files("devtools")) if not ast.get_docstring(parse(path))]

    assert not missing, f"open with a docstring (what lives here, what does not and where that is): {missing}"


def test_no_module_is_an_attic() -> None:
    attics = [name_of(path) for path in (*production(), *files("devtools", "tests")) if path.stem in ATTICS]

    assert not attics, f"name it for the noun that a reader would look for: {attics}"


def test_no_package_hides_one_of_the_standard_library() -> None:
    hiding = {"operator", "platform", "types", "secrets", "logging", "token", "queue"} & set(PACKAGES)

    assert not hiding


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of a machine it was written on, and no host that it is downloaded from."""
    strange = [
        r"(?<![\w.~$}-])/wo" + r"rk(?![\w-])", r"(?<!\w)\.\./sha" + r"red\b", r"/tmp/bri" + r"ef",
        r"py" + r"pi\.org", r"python" + r"hosted\.org", r"proxy\.golang" + r"\.org", r"sum\.golang" + r"\.org",
        r"registry\.npm" + r"js\.org", r"deb\.debian" + r"\.org", r"storage\.googleapis" + r"\.com",
    ]  # fmt: skip
    pattern = re.compile("|".join(strange))
    found = [
        f"{name_of(path)}:{number}: {line.strip()[:90]}"
        for path in all_texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]

    assert not found, "say it without a place or a host:\n" + "\n".join(found)


def test_nobody_leaves_a_note_to_do_it_later() -> None:
    note = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = [
        f"{name_of(path)}:{number}"
        for path in all_texts()
        if path.suffix in SUFFIXES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if note.search(line)
    ]

    assert not found, f"do it, or open an issue: {found}"
