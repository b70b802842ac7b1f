"""Every limit of a modal and of App Home."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools.console import check_view
from tests.console import cards
from tests.console.cards import plain, section

Json = dict[str, Any]


def modal(**changes: Any) -> Json:
    return {"type": "modal", "title": plain("Title"), "blocks": [section("text")], **changes}


LIMITS: list[tuple[str, int, Callable[[int], Json]]] = [
    ("blocks", 100, lambda n: modal(blocks=[section("t")] * n)),
    ("title", 24, lambda n: modal(title=plain("t" * n))),
    ("submit", 24, lambda n: modal(submit=plain("t" * n))),
    ("close", 24, lambda n: modal(close=plain("t" * n))),
    ("private metadata", 3000, lambda n: modal(private_metadata="m" * n)),
    ("callback id", 255, lambda n: modal(callback_id="c" * n)),
    ("external id", 255, lambda n: modal(external_id="e" * n)),
]


@pytest.mark.parametrize(("most", "make"), [pytest.param(most, make, id=name) for name, most, make in LIMITS])
def test_takes_what_is_exactly_at_the_limit(most: int, make: Callable[[int], Json]) -> None:
    assert check_view(make(most)) == []


@pytest.mark.parametrize(("most", "make"), [pytest.param(most, make, id=name) for name, most, make in LIMITS])
def test_refuses_what_is_one_over_the_limit(most: int, make: Callable[[int], Json]) -> None:
    assert len(check_view(make(most + 1))) == 1


WRONG: dict[str, tuple[Any, str]] = {
    "no object": ("modal", "must be an object"),
    "no type": ({"blocks": []}, "must be modal or home"),
    "no title": ({"type": "modal", "blocks": []}, "missing required field: title"),
    "input without submit": (modal(blocks=cards.deny_view()["blocks"]), "must define `submit`"),
    "home with a title": ({"type": "home", "blocks": [], "title": plain("t")}, "/view/title"),
    "mrkdwn title": (modal(title=cards.mrkdwn("t")), "/view/title/type"),
    "table in a modal": (modal(blocks=cards.table_blocks()), "not allowed in a modal"),
    "unknown key": (modal(width=3), "/view/width"),
    "too large in bytes": (modal(blocks=[section("t" * 2900)] * 95), "view_too_large"),
}


@pytest.mark.parametrize(("view", "words"), WRONG.values(), ids=WRONG.keys())
def test_refuses_and_says_where(view: Any, words: str) -> None:
    assert words in "; ".join(check_view(view))


@pytest.mark.parametrize(
    "view", [cards.deny_view(), cards.details_view(), cards.home_view()], ids=["deny", "details", "home"]
)
def test_takes_realistic_views(view: Json) -> None:
    assert check_view(view) == []
