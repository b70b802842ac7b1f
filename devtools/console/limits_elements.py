"""Limits of the interactive elements: buttons, menus, tick boxes, inputs; and which of them may stand where.

Text objects and options are in `limits_text.py`; the blocks that hold elements in `limits_blocks.py`.
"""

from __future__ import annotations

from typing import Any

from devtools.console.limits_text import (
    Check,
    Report,
    boolean,
    confirm,
    counted_string,
    integer,
    list_of,
    matching,
    one_of,
    option,
    option_groups,
    options,
    plain,
    shape,
    string,
    web_address,
)

ACTION: dict[str, Check] = {"action_id": string(255), "confirm": confirm}
FOCUS: dict[str, Check] = {"focus_on_load": boolean}
PLACEHOLDER: dict[str, Check] = {"placeholder": plain(150)}
MENU: dict[str, Check] = {**ACTION, **FOCUS, **PLACEHOLDER}
SEVERAL: dict[str, Check] = {"max_selected_items": integer(1, 100)}
CONVERSATIONS: dict[str, Check] = {
    "default_to_current_conversation": boolean,
    "response_url_enabled": boolean,
    "filter": lambda report, pointer, value: None,
}


def _identifier(prefixes: str) -> Check:
    return matching(f"[{prefixes}][A-Z0-9]+", example=f"{prefixes[0]}0123ABC")


def _dispatch(report: Report, pointer: str, value: Any) -> None:
    actions = list_of(one_of("on_enter_pressed", "on_character_entered"), maximum=2)
    shape(report, pointer, value, fields={"trigger_actions_on": actions})


TYPED: dict[str, Check] = {"action_id": string(255), **FOCUS, **PLACEHOLDER, "dispatch_action_config": _dispatch}
NUMBER = matching(r"-?\d+(\.\d+)?", example='"3" (a string)')

ELEMENTS: dict[str, tuple[dict[str, Check], tuple[str, ...]]] = {
    "button": (
        {
            **ACTION,
            "text": plain(75),
            "url": web_address,
            "value": string(2000),
            "style": one_of("primary", "danger"),
            "accessibility_label": string(75),
        },
        ("text",),
    ),
    "static_select": (
        {**MENU, "options": options(100), "option_groups": option_groups, "initial_option": option()},
        (),
    ),
    "multi_static_select": (
        {
            **MENU,
            **SEVERAL,
            "options": options(100),
            "option_groups": option_groups,
            "initial_options": options(100),
        },
        (),
    ),
    "users_select": ({**MENU, "initial_user": _identifier("UW")}, ()),
    "multi_users_select": ({**MENU, **SEVERAL, "initial_users": list_of(_identifier("UW"), maximum=100)}, ()),
    "channels_select": ({**MENU, "initial_channel": _identifier("C"), "response_url_enabled": boolean}, ()),
    "conversations_select": ({**MENU, **CONVERSATIONS, "initial_conversation": _identifier("CGDU")}, ()),
    "overflow": ({**ACTION, "options": options(5, has_url=True)}, ("options",)),
    "radio_buttons": (
        {**ACTION, **FOCUS, "options": options(10, mrkdwn=True), "initial_option": option(mrkdwn=True)},
        ("options",),
    ),
    "checkboxes": (
        {**ACTION, **FOCUS, "options": options(10, mrkdwn=True), "initial_options": options(10, mrkdwn=True)},
        ("options",),
    ),
    "datepicker": ({**MENU, "initial_date": matching(r"\d{4}-\d\d-\d\d", example="2026-11-30")}, ()),
    "timepicker": ({**MENU, "initial_time": matching(r"\d\d:\d\d", example="14:05"), "timezone": string(100)}, ()),
    "plain_text_input": (
        {
            **TYPED,
            "initial_value": string(3000, minimum=0),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
        (),
    ),
    "number_input": (
        {**TYPED, "is_decimal_allowed": boolean, "initial_value": NUMBER, "min_value": NUMBER, "max_value": NUMBER},
        ("is_decimal_allowed",),
    ),
    "email_text_input": ({**TYPED, "initial_value": string(3000)}, ()),
    "url_text_input": ({**TYPED, "initial_value": web_address}, ()),
    "image": ({"image_url": web_address, "alt_text": counted_string(2000)}, ("image_url", "alt_text")),
}

_MENUS = ("static_select", "users_select", "channels_select", "conversations_select")
_SEVERAL = ("multi_static_select", "multi_users_select")
_CHOICES = ("radio_buttons", "checkboxes", "datepicker", "timepicker")
IN_ACTIONS = ("button", "overflow", *_MENUS, *_CHOICES)
IN_SECTION = ("image", "button", "overflow", *_MENUS, *_SEVERAL, *_CHOICES)
IN_INPUT = (
    "plain_text_input",
    "number_input",
    "email_text_input",
    "url_text_input",
    *_MENUS,
    *_SEVERAL,
    *_CHOICES,
)


def element(allowed: tuple[str, ...]) -> Check:
    """Check an element that must be of one of these types."""

    def check(report: Report, pointer: str, value: Any) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in allowed:
            report.add(f"{pointer}/type", message=f"unsupported type: {kind}")
            return
        fields, required = ELEMENTS[str(kind)]
        shape(report, pointer, value, fields=fields, required=required)
        _relations(report, pointer, value)

    return check


def _list(value: dict[str, Any], *, key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _relations(report: Report, pointer: str, value: dict[str, Any]) -> None:
    """What one key of an element demands of another."""
    kind = value["type"]
    if kind.endswith("static_select") and ("options" in value) == ("option_groups" in value):
        report.add(pointer, message="must have either options or option_groups")
    groups = [group for group in _list(value, key="option_groups") if isinstance(group, dict)]
    choices = _list(value, key="options") + [item for group in groups for item in _list(group, key="options")]
    first = value.get("initial_option")
    if first is not None and first not in choices:
        report.add(f"{pointer}/initial_option", message="must be exactly one of the options")
    for index, chosen in enumerate(_list(value, key="initial_options")):
        if chosen not in choices:
            report.add(f"{pointer}/initial_options/{index}", message="must be exactly one of the options")
    low, high = value.get("min_length"), value.get("max_length")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        report.add(f"{pointer}/min_length", message="must not be greater than max_length")
