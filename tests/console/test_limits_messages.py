"""Every limit of a message, at the limit and one over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devtools.console import check_message
from tests.console import cards
from tests.console.cards import button, mrkdwn, plain

Json = dict[str, Any]


def message(*blocks: Json) -> Json:
    return {"text": "notification", "blocks": list(blocks)}


def actions(*elements: Json) -> Json:
    return message({"type": "actions", "elements": list(elements)})


def choice(number: int, *, text: int = 5, value: int = 5) -> Json:
    return {"text": plain("t" * text), "value": f"{number}".rjust(value, "v")}


def choices(kind: str, count: int, **more: Any) -> Json:
    return actions({"type": kind, "options": [choice(number) for number in range(count)], **more})


def confirmed(**changes: Json) -> Json:
    confirm = {"title": plain("t"), "text": plain("t"), "confirm": plain("y"), "deny": plain("n"), **changes}
    return actions(button("b", "a", confirm=confirm))


def sections(count: int) -> Json:
    return message(*[{"type": "section", "text": mrkdwn("t")} for _ in range(count)])


def fields(count: int, *, length: int = 5) -> Json:
    return message({"type": "section", "fields": [mrkdwn("t" * length) for _ in range(count)]})


def long_sum(characters: int) -> Json:
    whole, rest = divmod(characters, 3000)
    lengths = [3000] * whole + [rest] * bool(rest)
    return message(*[{"type": "section", "text": mrkdwn("t" * length)} for length in lengths])


def rows(count: int, columns: int) -> Json:
    cell = {"type": "raw_text", "text": "c"}
    return message({"type": "table", "rows": [[cell] * columns for _ in range(count)]})


def inputs(**element: Any) -> Json:
    field = {"type": "plain_text_input", "action_id": "a", **element}
    return message({"type": "input", "label": plain("l"), "element": field})


LIMITS: list[tuple[str, int, Callable[[int], Json]]] = [
    ("blocks", 50, sections),
    ("text", 40_000, lambda n: {"text": "t" * n}),
    ("all text in blocks", 13_200, long_sum),
    ("header text", 150, lambda n: message({"type": "header", "text": plain("t" * n)})),
    ("section text", 3000, lambda n: message({"type": "section", "text": mrkdwn("t" * n)})),
    ("fields", 10, fields),
    ("field text", 2000, lambda n: fields(1, length=n)),
    ("context elements", 10, lambda n: message({"type": "context", "elements": [mrkdwn("t")] * n})),
    ("actions", 25, lambda n: actions(*[button("b", f"a{number}") for number in range(n)])),
    ("button text", 75, lambda n: actions(button("b" * n, "a"))),
    ("button value", 2000, lambda n: actions(button("b", "a", value="v" * n))),
    ("action id", 255, lambda n: actions(button("b", "a" * n))),
    ("block id", 255, lambda n: message({"type": "divider", "block_id": "b" * n})),
    ("option text", 75, lambda n: actions({"type": "static_select", "options": [choice(1, text=n)]})),
    ("option value", 150, lambda n: actions({"type": "static_select", "options": [choice(1, value=n)]})),
    ("select options", 100, lambda n: choices("static_select", n)),
    ("overflow options", 5, lambda n: choices("overflow", n)),
    ("radio buttons", 10, lambda n: choices("radio_buttons", n)),
    ("tick boxes", 10, lambda n: choices("checkboxes", n)),
    ("confirm title", 100, lambda n: confirmed(title=plain("t" * n))),
    ("confirm text", 300, lambda n: confirmed(text=mrkdwn("t" * n))),
    ("confirm yes", 30, lambda n: confirmed(confirm=plain("t" * n))),
    ("confirm no", 30, lambda n: confirmed(deny=plain("t" * n))),
    ("markdown", 12_000, lambda n: message({"type": "markdown", "text": "t" * n})),
    ("table rows", 100, lambda n: rows(n, 2)),
    ("table columns", 20, lambda n: rows(1, n)),
    ("placeholder", 150, lambda n: inputs(placeholder=plain("t" * n))),
    ("longest input", 3000, lambda n: inputs(max_length=n)),
    ("label", 2000, lambda n: message({**inputs()["blocks"][0], "label": plain("t" * n)})),
]


@pytest.mark.parametrize(("most", "make"), [pytest.param(most, make, id=name) for name, most, make in LIMITS])
def test_takes_what_is_exactly_at_the_limit(most: int, make: Callable[[int], Json]) -> None:
    assert check_message(make(most)) == []


@pytest.mark.parametrize(("most", "make"), [pytest.param(most, make, id=name) for name, most, make in LIMITS])
def test_refuses_what_is_one_over_the_limit(most: int, make: Callable[[int], Json]) -> None:
    assert len(check_message(make(most + 1))) == 1


WRONG: dict[str, tuple[Json, str]] = {
    "neither text nor blocks": ({"text": ""}, "no_text"),
    "blocks without text": ({"blocks": [{"type": "divider"}]}, "missing_text_in_message"),
    "mrkdwn in a header": (message({"type": "header", "text": mrkdwn("t")}), "/blocks/0/text/type"),
    "empty section text": (message({"type": "section", "text": mrkdwn("")}), "/blocks/0/text/text"),
    "section with nothing": (message({"type": "section"}), "text or fields"),
    "unknown block": (message({"type": "marquee"}), "unsupported type: marquee"),
    "unknown key": (message({"type": "divider", "color": "red"}), "/blocks/0/color"),
    "unknown element": (actions({"type": "slider"}), "unsupported type: slider"),
    "input element in a section": (
        message({"type": "section", "text": mrkdwn("t"), "accessory": {"type": "plain_text_input"}}),
        "/blocks/0/accessory/type",
    ),
    "button in a context": (message({"type": "context", "elements": [button("b", "a")]}), "/blocks/0/elements/0"),
    "same action id twice in a block": (actions(button("b", "a"), button("c", "a")), "already used in this block"),
    "same block id twice": (
        message({"type": "divider", "block_id": "b"}, {"type": "divider", "block_id": "b"}),
        "already used by another block",
    ),
    "unknown style": (actions(button("b", "a", style="loud")), "must be one of primary, danger"),
    "script as an address": (actions(button("b", "a", url="javascript:alert(1)")), "valid URL"),
    "confirm without a no": (
        actions(button("b", "a", confirm={"title": plain("t"), "text": plain("t"), "confirm": plain("y")})),
        "missing required field: deny",
    ),
    "initial option that is no option": (
        choices("static_select", 2, initial_option=choice(7)),
        "exactly one of the options",
    ),
    "two options with one value": (
        actions({"type": "static_select", "options": [choice(1), choice(1)]}),
        "already used by another option",
    ),
    "select without options": (actions({"type": "static_select"}), "either options or option_groups"),
    "number input without decimals rule": (
        message({"type": "input", "label": plain("l"), "element": {"type": "number_input"}}),
        "is_decimal_allowed",
    ),
    "two tables": (
        message(*rows(1, 1)["blocks"], *rows(1, 1)["blocks"]),
        "no more than 1 table",
    ),
    "ragged table": (
        message({"type": "table", "rows": [[{"type": "raw_text", "text": "c"}], []]}),
        "/blocks/0/rows",
    ),
    "wrong word for a plan's end": (
        message({"type": "plan", "title": "p", "tasks": [{"task_id": "1", "title": "t", "status": "completed"}]}),
        "must be one of pending, in_progress, complete, error",
    ),
    "user mention by name": (
        message(
            {
                "type": "rich_text",
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "user", "user_id": "erin"}]},
                ],
            }
        ),
        "user_id",
    ),
    "metadata without a payload": ({"text": "t", "metadata": {"event_type": "e"}}, "event_payload"),
    "unknown argument": ({"text": "t", "colour": "red"}, "no such argument: colour"),
}


@pytest.mark.parametrize(("payload", "words"), WRONG.values(), ids=WRONG.keys())
def test_refuses_and_says_where(payload: Json, words: str) -> None:
    assert words in "; ".join(check_message(payload))


@pytest.mark.parametrize("blocks", ["text", 3, [None], [[]], ["text"], [{}], [{"type": "actions", "elements": 3}]])
def test_malformed_blocks_are_findings_and_never_a_crash(blocks: Any) -> None:
    assert check_message({"text": "t", "blocks": blocks})


@pytest.mark.parametrize(
    "blocks",
    [cards.help_blocks(), cards.progress_blocks("U0ERIN"), cards.csr_blocks(), cards.table_blocks()],
    ids=["help", "progress", "card", "table"],
)
def test_takes_realistic_messages(blocks: list[Json]) -> None:
    assert check_message({"text": "t", "blocks": blocks}) == []
