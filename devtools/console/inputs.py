"""What people filled in: turns plain values into Slack's `state.values`, and checks what Slack's client checks.

A plain value is what a script would write: "text", a number, the value of an option, a list of such. Which element it
belongs to is looked up in the blocks.
"""

from __future__ import annotations

from typing import Any

from devtools.console.block_ids import elements
from devtools.console.limits_text import Json
from devtools.console.refusal import RefusalError

ONE_OPTION = ("static_select", "radio_buttons", "overflow")
SEVERAL_OPTIONS = ("checkboxes", "multi_static_select")
TYPED = ("plain_text_input", "number_input", "email_text_input", "url_text_input")
PICKED = {
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "multi_users_select": "selected_users",
}
INITIAL = {
    "users_select": "initial_user",
    "channels_select": "initial_channel",
    "conversations_select": "initial_conversation",
    "datepicker": "initial_date",
    "timepicker": "initial_time",
    "multi_users_select": "initial_users",
}


def all_options(element: Json) -> list[Json]:
    """List the options of an element, grouped or not."""
    grouped = [option for group in element.get("option_groups", []) for option in group["options"]]
    return [*element.get("options", []), *grouped]


def _option(element: Json, value: Any) -> Json:
    wanted = value.get("value") if isinstance(value, dict) else value
    for option in all_options(element):
        if option["value"] == wanted:
            return dict(option)
    known = ", ".join(repr(option["value"]) for option in all_options(element))
    raise RefusalError("no_such_option", detail=f"{element['action_id']} has no option {wanted!r}; it has {known}")


def filled(element: Json, value: Any) -> Json:
    """The entry of `state.values`, and the greater part of an action, for one element."""
    kind = element["type"]
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": None if value is None else _option(element, value)}
    if kind in SEVERAL_OPTIONS:
        wanted = value if isinstance(value, list) else [] if value is None else [value]
        return {"type": kind, "selected_options": [_option(element, item) for item in wanted]}
    if kind in TYPED:
        return {"type": kind, "value": None if value is None or value == "" else str(value)}
    return {"type": kind, PICKED.get(kind, "value"): value}


def initial(element: Json) -> Any:
    """Say what an element holds before anybody touched it."""
    kind = element["type"]
    if kind in ONE_OPTION:
        return element.get("initial_option")
    if kind in SEVERAL_OPTIONS:
        return element.get("initial_options", [])
    return element.get(INITIAL.get(kind, "initial_value"))


def initial_values(blocks: list[Json]) -> dict[str, Json]:
    """`state.values` of a view that nobody has touched yet. Buttons and overflow menus hold nothing."""
    values: dict[str, Json] = {}
    for block in blocks:
        for element in elements(block):
            if element["type"] not in ("button", "overflow"):
                entry = filled(element, initial(element))
                values.setdefault(block["block_id"], {})[element["action_id"]] = entry
    return values


def apply(blocks: list[Json], *, values: dict[str, Json], given: Json) -> None:
    """Write plain values into `values`, by block id and action id, or by either alone.

    Raises:
        RefusalError: A name in `given` that stands in no block.
    """
    left = dict(given)
    for block in blocks:
        for element in elements(block):
            name, action = block["block_id"], element["action_id"]
            if element["type"] in ("button", "overflow"):
                continue
            if isinstance(given.get(name), dict) and action in given[name]:
                values.setdefault(name, {})[action] = filled(element, given[name][action])
                left.pop(name, None)
            elif action in given or (name in given and not isinstance(given[name], dict)):
                key = action if action in given else name
                values.setdefault(name, {})[action] = filled(element, given[key])
                left.pop(key, None)
    if left:
        known = ", ".join(f"{block}.{action}" for block, entries in values.items() for action in entries)
        raise RefusalError("no_such_input", detail=f"the view has no input {', '.join(left)}; it has {known}")


def problems(blocks: list[Json], *, values: dict[str, Json]) -> dict[str, str]:
    """What Slack's own client complains about before it sends anything, by block id."""
    found: dict[str, str] = {}
    for block in blocks:
        if block.get("type") != "input":
            continue
        element = block["element"]
        entry = values.get(block["block_id"], {}).get(element["action_id"], {})
        content = next((value for key, value in entry.items() if key != "type"), None)
        if content in (None, "", []):
            if not block.get("optional"):
                found[block["block_id"]] = "Please complete this required field."
            continue
        problem = _typed_problem(element, str(content)) if element["type"] in TYPED else ""
        if problem:
            found[block["block_id"]] = problem
    return found


def _typed_problem(element: Json, content: str) -> str:
    if element["type"] == "number_input":
        return _number_problem(element, content)
    if len(content) < element.get("min_length", 0):
        return f"Please enter at least {element['min_length']} characters."
    if len(content) > element.get("max_length", 3000):
        return f"Please enter no more than {element.get('max_length', 3000)} characters."
    return ""


def _number_problem(element: Json, content: str) -> str:
    try:
        number = float(content)
    except ValueError:
        return "Please enter a number."
    if not element["is_decimal_allowed"] and not number.is_integer():
        return "Please enter a whole number."
    if "min_value" in element and number < float(element["min_value"]):
        return f"Please enter a number of at least {element['min_value']}."
    if "max_value" in element and number > float(element["max_value"]):
        return f"Please enter a number of at most {element['max_value']}."
    return ""
