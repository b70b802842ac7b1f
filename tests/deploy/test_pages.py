"""What the pages on operating claim: that each named test exists, and that commands and files they name are there."""

from __future__ import annotations

import re

import pytest

from devtools.scenarios.story import stories
from tests.architecture.source_tree import ROOT

TABLE = (ROOT / "docs" / "explanation" / "when-x-dies.md").read_text()
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ")][2:]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TABLE)))


def test_each_line_of_what_dies_names_a_test_or_a_scenario() -> None:
    assert len(ROWS) > 20
    bare = [row.split("|")[1].strip() for row in ROWS if "::test_" not in row and "make scenario NAME=" not in row]
    assert bare == []
    assert set(re.findall(r"make scenario NAME=([\w-]+)", TABLE)) <= set(stories())


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_named_test_exists(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), flags=re.MULTILINE), f"{path}::{name}"


@pytest.mark.parametrize("page", ["how-to/install.md", "how-to/recover-a-stuck-run.md", "tutorial/first-cluster.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = set(re.findall(r"(?<![\w/])((?:deploy|tests|docs)/[\w./-]*\w)", text)) - {"deploy/compose/files"}

    missing = [
        name for name in sorted(named) if not name.startswith("deploy/compose/files/") and not (ROOT / name).exists()
    ]
    assert not missing
