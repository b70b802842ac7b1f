"""Limits of the layout blocks, one entry a block type; a type that has no entry is refused.

Left out on purpose, so that a message with one fails here: video, file, call, card, carousel, container, data_table.
Elements are in `limits_elements.py`, rich text in `limits_rich.py`, whole messages and views in `limits.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devtools.console.limits_elements import IN_ACTIONS, IN_INPUT, IN_SECTION, element
from devtools.console.limits_rich import rich_text, table_cell
from devtools.console.limits_text import (
    Check,
    Json,
    Report,
    boolean,
    counted_string,
    list_of,
    one_of,
    plain,
    plain_or_mrkdwn,
    shape,
    string,
    web_address,
)

COMMON: dict[str, Check] = {"block_id": string(255)}
STATUSES = ("pending", "in_progress", "complete", "error")


def _in_context(report: Report, pointer: str, value: Any) -> None:
    if isinstance(value, dict) and value.get("type") == "image":
        element(("image",))(report, pointer, value)
    else:
        # Slack documents no limit for this one text; 2,000 is what it was seen to take.
        plain_or_mrkdwn(2000)(report, pointer, value)


def _source(report: Report, pointer: str, value: Any) -> None:
    shape(report, pointer, value, fields={"url": web_address, "text": string(150)}, required=("url", "text"))


def _column(report: Report, pointer: str, value: Any) -> None:
    shape(report, pointer, value, fields={"align": one_of("left", "center", "right"), "is_wrapped": boolean})


def _task(report: Report, pointer: str, value: Any) -> None:
    fields = {
        **COMMON,
        "task_id": string(255),
        "title": counted_string(256),
        "details": rich_text,
        "output": rich_text,
        "sources": list_of(_source, maximum=10),
        "status": one_of(*STATUSES),
    }
    if isinstance(value, dict) and value.get("type") != "task_card":
        report.add(f"{pointer}/type", message=f"unsupported type: {value.get('type')}")
    shape(report, pointer, value, fields=fields, required=("task_id", "title", "status"))


def _section(report: Report, pointer: str, value: Json) -> None:
    if "text" not in value and "fields" not in value:
        report.add(pointer, message="missing required field: text or fields")


def _actions(report: Report, pointer: str, value: Json) -> None:
    seen: set[str] = set()
    for index, item in enumerate(value["elements"] if isinstance(value.get("elements"), list) else []):
        name = item.get("action_id") if isinstance(item, dict) else None
        if name is not None and name in seen:
            report.add(
                f"{pointer}/elements/{index}/action_id", message=f"`action_id` {name!r} is already used in this block"
            )
        seen.add(str(name))


def _table(report: Report, pointer: str, value: Json) -> None:
    rows = value.get("rows")
    if isinstance(rows, list) and len({len(row) for row in rows if isinstance(row, list)}) > 1:
        report.add(f"{pointer}/rows", message="every row must have the same number of cells")


def _input(report: Report, pointer: str, value: Json) -> None:
    if isinstance(value.get("element"), dict) and "confirm" in value["element"]:
        report.add(f"{pointer}/element/confirm", message="no such field: confirm")


BLOCKS: dict[str, tuple[dict[str, Check], tuple[str, ...]]] = {
    "header": ({"text": plain(150)}, ("text",)),
    "section": (
        {
            "text": plain_or_mrkdwn(3000),
            "fields": list_of(plain_or_mrkdwn(2000), maximum=10),
            "accessory": element(IN_SECTION),
            "expand": boolean,
        },
        (),
    ),
    "divider": ({}, ()),
    "context": ({"elements": list_of(_in_context, maximum=10)}, ("elements",)),
    "actions": ({"elements": list_of(element(IN_ACTIONS), maximum=25)}, ("elements",)),
    "input": (
        {
            "label": plain(2000),
            "element": element(IN_INPUT),
            "hint": plain(2000),
            "optional": boolean,
            "dispatch_action": boolean,
        },
        ("label", "element"),
    ),
    "image": (
        {"image_url": web_address, "alt_text": counted_string(2000), "title": plain(2000)},
        ("image_url", "alt_text"),
    ),
    "markdown": ({"text": counted_string(12_000)}, ("text",)),
    "table": (
        {
            "rows": list_of(list_of(table_cell, maximum=20), maximum=100),
            "column_settings": list_of(_column, maximum=20),
        },
        ("rows",),
    ),
    "plan": ({"title": counted_string(256), "tasks": list_of(_task, maximum=50, minimum=0)}, ("title",)),
    "alert": (
        {"text": plain_or_mrkdwn(3000), "level": one_of("default", "info", "warning", "error", "success")},
        ("text",),
    ),
}
RELATIONS: dict[str, Callable[[Report, str, Json], None]] = {
    "section": _section,
    "actions": _actions,
    "table": _table,
    "input": _input,
}
SURFACES = {"alert": ("modal",), "table": ("message",), "plan": ("message",), "task_card": ("message",)}
MOST_ALIKE = {"table": 1}


def block(report: Report, pointer: str, value: Any) -> None:
    """Check one block of any type."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "task_card":
        _task(report, pointer, value)
    elif kind == "rich_text":
        # The block itself is what `details` of a task card also is: checked as one.
        rich_text(report, pointer, value)
    elif kind not in BLOCKS:
        report.add(f"{pointer}/type", message=f"unsupported type: {kind}")
        return
    else:
        fields, required = BLOCKS[str(kind)]
        shape(report, pointer, value, fields={**COMMON, **fields}, required=required)
        relation = RELATIONS.get(str(kind))
        if relation and isinstance(value, dict):
            relation(report, pointer, value)
    if report.surface not in SURFACES.get(str(kind), (report.surface,)):
        report.add(f"{pointer}/type", message=f"{kind} is not allowed in a {report.surface}")
    name = value.get("block_id")
    if isinstance(name, str):
        if name in report.block_ids:
            report.add(f"{pointer}/block_id", message=f"`block_id` {name!r} is already used by another block")
        report.block_ids.add(name)


def blocks(report: Report, pointer: str, value: Any, *, maximum: int) -> None:
    """Check a list of blocks, and what they must not have in common."""
    list_of(block, maximum=maximum, minimum=0)(report, pointer, value)
    if not isinstance(value, list):
        return
    kinds = [item.get("type") for item in value if isinstance(item, dict)]
    for kind, most in MOST_ALIKE.items():
        if kinds.count(kind) > most:
            report.add(pointer, message=f"no more than {most} {kind} block allowed")
    if "plan" in kinds and "task_card" in kinds:
        report.add(pointer, message="a plan block and a task_card block cannot stand in one message")
