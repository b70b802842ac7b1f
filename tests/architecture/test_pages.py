"""The reference pages say what the code has: error codes, settings, and links that lead somewhere."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from tests.architecture import error_codes
from tests.architecture.source_tree import PACKAGES, ROOT, all_texts, files, name_of

SETTINGS = ROOT / "docs" / "reference" / "settings.md"


def test_the_errors_page_lists_every_code_and_no_other() -> None:
    complaints = error_codes.complaints()

    assert not complaints, "docs/reference/errors.md:\n" + "\n".join(complaints)


def test_every_error_code_says_what_it_means_and_what_to_do() -> None:
    rows = [line for line in error_codes.PAGE.read_text().splitlines() if line.startswith("| `")]
    thin = [
        row for row in rows if len(row.split(" | ")) < 3 or any(len(cell.strip(" |")) < 4 for cell in row.split(" | "))
    ]

    assert not thin


def _settings_classes() -> dict[str, type[BaseSettings]]:
    modules = [
        name_of(path).removesuffix(".py").replace("/", ".") for path in files(*PACKAGES) if path.stem == "settings"
    ]
    found = [value for name in modules for value in vars(importlib.import_module(name)).values()]
    return {
        value.__name__: value
        for value in found
        if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings
    }


def _names(settings: type[BaseSettings]) -> dict[str, str]:
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{name}".upper(): field.description or "" for name, field in settings.model_fields.items()}


@pytest.mark.parametrize("settings", _settings_classes().values(), ids=list(_settings_classes()))
def test_the_settings_page_lists_every_setting(settings: type[BaseSettings]) -> None:
    page = SETTINGS.read_text()
    missing = [f"| `{name}` | … | {text} |" for name, text in _names(settings).items() if f"| `{name}` |" not in page]

    assert not missing, "docs/reference/settings.md: add\n" + "\n".join(missing)


@pytest.mark.parametrize("settings", _settings_classes().values(), ids=list(_settings_classes()))
def test_every_setting_has_a_description(settings: type[BaseSettings]) -> None:
    bare = [name for name, text in _names(settings).items() if not text]

    assert not bare, f"{settings.__name__}: add Field(description=…) to {bare}"


def test_the_settings_page_lists_no_setting_that_is_gone() -> None:
    known = {name for settings in _settings_classes().values() for name in _names(settings)}
    listed = set(re.findall(r"^\| `(CRDBOPS_[A-Z_]+)` \|", SETTINGS.read_text(), flags=re.MULTILINE))

    assert listed <= known, f"docs/reference/settings.md: remove {sorted(listed - known)}"


def _dead_links(page: Path) -> list[str]:
    # What stands in a code block or between backticks is no link.
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return [target for target in targets if "://" not in target and not (page.parent / target).exists()]


@pytest.mark.parametrize("page", [path for path in all_texts() if path.suffix == ".md"], ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    dead = _dead_links(page)

    assert not dead, f"{name_of(page)}: {dead}"


def test_a_decision_page_has_context_choice_and_consequences() -> None:
    thin = [
        f"{path.name}: ## {heading}"
        for path in files("docs/decisions", suffix=".md")
        if re.match(r"\d{4}-", path.name)
        for heading in ("Context", "Choice", "Consequences")
        if f"\n## {heading}\n" not in path.read_text()
    ]

    assert not thin, f"add the heading: {thin}"
