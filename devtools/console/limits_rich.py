"""Limits of rich text: sections, lists, quotes, preformatted text, and the cells of a table.

Plain and mrkdwn text objects are in `limits_text.py`.
"""

from __future__ import annotations

from typing import Any

from devtools.console.limits_text import (
    Check,
    Report,
    boolean,
    counted_string,
    integer,
    list_of,
    matching,
    one_of,
    shape,
    string,
    web_address,
)


def _style(report: Report, pointer: str, value: Any) -> None:
    names = ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink")
    shape(report, pointer, value, fields=dict.fromkeys(names, boolean))


INLINE: dict[str, tuple[dict[str, Check], tuple[str, ...]]] = {
    "text": ({"text": counted_string(12_000), "style": _style}, ("text",)),
    "link": ({"url": web_address, "text": counted_string(3000), "unsafe": boolean, "style": _style}, ("url",)),
    "emoji": ({"name": string(100), "unicode": string(100), "style": _style}, ("name",)),
    "user": ({"user_id": matching("[UW][A-Z0-9]+", example="U0123ABC"), "style": _style}, ("user_id",)),
    "usergroup": ({"usergroup_id": matching("S[A-Z0-9]+", example="S0123ABC"), "style": _style}, ("usergroup_id",)),
    "channel": ({"channel_id": matching("[CGD][A-Z0-9]+", example="C0123ABC"), "style": _style}, ("channel_id",)),
    "broadcast": ({"range": one_of("here", "channel", "everyone"), "style": _style}, ("range",)),
    "date": (
        {
            "timestamp": integer(0, 2**40),
            "format": string(300),
            "url": web_address,
            "fallback": string(300),
            "style": _style,
        },
        ("timestamp", "format"),
    ),
    "color": ({"value": matching("#[0-9a-fA-F]{6}", example="#F405B3")}, ("value",)),
}


def _inline(report: Report, pointer: str, value: Any) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in INLINE:
        report.add(f"{pointer}/type", message=f"unsupported type: {kind}")
        return
    fields, required = INLINE[str(kind)]
    shape(report, pointer, value, fields=fields, required=required)


_INLINES = list_of(_inline, maximum=1000, minimum=0)


def _list_item(report: Report, pointer: str, value: Any) -> None:
    if isinstance(value, dict) and value.get("type") != "rich_text_section":
        report.add(f"{pointer}/type", message=f"unsupported type: {value.get('type')}")
    shape(report, pointer, value, fields={"elements": _INLINES}, required=("elements",))


PARTS: dict[str, dict[str, Check]] = {
    "rich_text_section": {"elements": _INLINES},
    "rich_text_preformatted": {"elements": _INLINES, "border": integer(0, 1), "language": string(50)},
    "rich_text_quote": {"elements": _INLINES, "border": integer(0, 1)},
    "rich_text_list": {
        "elements": list_of(_list_item, maximum=1000),
        "style": one_of("bullet", "ordered"),
        "indent": integer(0, 8),
        "offset": integer(0, 100_000),
        "border": integer(0, 1),
    },
}


def _part(report: Report, pointer: str, value: Any) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in PARTS:
        report.add(f"{pointer}/type", message=f"unsupported type: {kind}")
        return
    required = ("elements", "style") if kind == "rich_text_list" else ("elements",)
    shape(report, pointer, value, fields=PARTS[str(kind)], required=required)


def rich_text(report: Report, pointer: str, value: Any) -> None:
    """The whole rich_text block."""
    if isinstance(value, dict) and value.get("type") != "rich_text":
        report.add(f"{pointer}/type", message=f"must be rich_text; found {value.get('type')!r}")
    fields: dict[str, Check] = {"block_id": string(255), "elements": list_of(_part, maximum=1000)}
    shape(report, pointer, value, fields=fields, required=("elements",))


def table_cell(report: Report, pointer: str, value: Any) -> None:
    """Check one cell of a table."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "rich_text":
        rich_text(report, pointer, value)
    elif kind == "raw_text":
        shape(report, pointer, value, fields={"text": counted_string(3000)}, required=("text",))
    else:
        report.add(f"{pointer}/type", message=f"must be raw_text or rich_text; found {kind!r}")
