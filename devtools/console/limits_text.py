"""The smallest parts of a Slack payload and their limits: strings, numbers, text objects, options, confirm dialogs.

Also the means to write such a rule as a table: `shape()` checks an object's keys against a table of checks. Elements
(buttons, selects, inputs) are in `limits_elements.py`, blocks in `limits_blocks.py`, messages and views in `limits.py`.
The wording of a finding follows Slack's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that Slack would refuse; `pointer` is the JSON pointer to it, empty when the whole payload is meant."""

    error: str
    message: str
    pointer: str = ""

    def __str__(self) -> str:
        return f"{self.message} [json-pointer:{self.pointer}]" if self.pointer else f"{self.error}: {self.message}"


@dataclass
class Report:
    """What was found so far in one payload, and the names that must not appear twice in it."""

    surface: str
    findings: list[Finding] = field(default_factory=list)
    block_ids: set[str] = field(default_factory=set)
    characters: int = 0

    def add(self, pointer: str, *, message: str, error: str = "invalid_blocks") -> None:
        """Note one finding."""
        self.findings.append(Finding(error, message, pointer))


Check: TypeAlias = Callable[[Report, str, Any], None]


def shape(
    report: Report, pointer: str, value: Any, *, fields: Mapping[str, Check], required: tuple[str, ...] = ()
) -> bool:
    """Check an object's keys against a table. The key `type` is the caller's business. False: not an object at all."""
    if not isinstance(value, dict):
        report.add(pointer, message="must be an object")
        return False
    for key in required:
        if key not in value:
            report.add(pointer, message=f"missing required field: {key}")
    for key, part in value.items():
        if key == "type":
            continue
        if key not in fields:
            report.add(f"{pointer}/{key}", message=f"no such field: {key}")
        else:
            fields[key](report, f"{pointer}/{key}", part)
    return True


def string(maximum: int, *, minimum: int = 1) -> Check:
    """Check a string's length."""

    def check(report: Report, pointer: str, value: Any) -> None:
        if not isinstance(value, str):
            report.add(pointer, message="must be a string")
        elif len(value) > maximum:
            report.add(pointer, message=f"must be less than {maximum + 1} characters")
        elif len(value) < minimum:
            report.add(pointer, message=f"must be more than {minimum - 1} characters")

    return check


def boolean(report: Report, pointer: str, value: Any) -> None:
    """Check for true or false."""
    if not isinstance(value, bool):
        report.add(pointer, message="must be a boolean")


def integer(minimum: int, maximum: int) -> Check:
    """Check an integer's range."""

    def check(report: Report, pointer: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            report.add(pointer, message="must be an integer")
        elif not minimum <= value <= maximum:
            report.add(pointer, message=f"must be between {minimum} and {maximum}")

    return check


def one_of(*allowed: str) -> Check:
    """Check for one of a few words."""

    def check(report: Report, pointer: str, value: Any) -> None:
        if value not in allowed:
            report.add(pointer, message=f"must be one of {', '.join(allowed)}; found {value!r}")

    return check


def matching(pattern: str, *, example: str) -> Check:
    """Check a string's form."""

    def check(report: Report, pointer: str, value: Any) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            report.add(pointer, message=f"has the wrong form, expected for example {example}; found {value!r}")

    return check


def web_address(report: Report, pointer: str, value: Any) -> None:
    """Check for an address that Slack would link."""
    string(3000)(report, pointer, value)
    if isinstance(value, str) and not re.match(r"(https?|mailto|slack):", value):
        report.add(pointer, message="must be a valid URL, for example https://example.com")


def list_of(check_item: Check, *, maximum: int, minimum: int = 1) -> Check:
    """Check a list's length and each of its items."""

    def check(report: Report, pointer: str, value: Any) -> None:
        if not isinstance(value, list):
            report.add(pointer, message="must be an array")
            return
        if len(value) > maximum:
            report.add(pointer, message=f"no more than {maximum} items allowed")
        if len(value) < minimum:
            report.add(pointer, message=f"no fewer than {minimum} items allowed")
        for index, item in enumerate(value):
            check_item(report, f"{pointer}/{index}", item)

    return check


def _text(maximum: int, *, types: tuple[str, ...], minimum: int) -> Check:
    def check(report: Report, pointer: str, value: Any) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        flag = "emoji" if kind == "plain_text" else "verbatim"
        fields = {"text": string(maximum, minimum=minimum), flag: boolean}
        if not shape(report, pointer, value, fields=fields, required=("type", "text")):
            return
        if kind not in types:
            report.add(f"{pointer}/type", message=f"must be {' or '.join(types)}; found {kind!r}")
        if isinstance(value.get("text"), str):
            report.characters += len(value["text"])

    return check


def plain(maximum: int, *, minimum: int = 1) -> Check:
    """A text object that may only be plain_text."""
    return _text(maximum, types=("plain_text",), minimum=minimum)


def plain_or_mrkdwn(maximum: int, *, minimum: int = 1) -> Check:
    """Check a text object of either type."""
    return _text(maximum, types=("plain_text", "mrkdwn"), minimum=minimum)


def counted_string(maximum: int, *, minimum: int = 1) -> Check:
    """A string that people read, so it counts towards the sum over all blocks."""

    def check(report: Report, pointer: str, value: Any) -> None:
        string(maximum, minimum=minimum)(report, pointer, value)
        if isinstance(value, str):
            report.characters += len(value)

    return check


def option(*, has_url: bool = False, mrkdwn: bool = False) -> Check:
    """Check one option of a menu or of tick boxes."""
    text = plain_or_mrkdwn(75) if mrkdwn else plain(75)
    description = plain_or_mrkdwn(75) if mrkdwn else plain(75)
    fields: dict[str, Check] = {"text": text, "value": string(150), "description": description}
    if has_url:
        fields["url"] = web_address

    def check(report: Report, pointer: str, value: Any) -> None:
        shape(report, pointer, value, fields=fields, required=("text", "value"))

    return check


def options(maximum: int, *, minimum: int = 1, has_url: bool = False, mrkdwn: bool = False) -> Check:
    """Options with values that tell them apart."""
    every = list_of(option(has_url=has_url, mrkdwn=mrkdwn), maximum=maximum, minimum=minimum)

    def check(report: Report, pointer: str, value: Any) -> None:
        every(report, pointer, value)
        if isinstance(value, list):
            values = [item.get("value") for item in value if isinstance(item, dict)]
            for index, item in enumerate(values):
                if item in values[:index]:
                    report.add(f"{pointer}/{index}/value", message=f"value {item!r} is already used by another option")

    return check


def option_groups(report: Report, pointer: str, value: Any) -> None:
    """Check options in groups."""

    def group(report: Report, pointer: str, value: Any) -> None:
        shape(
            report, pointer, value, fields={"label": plain(75), "options": options(100)}, required=("label", "options")
        )

    list_of(group, maximum=100)(report, pointer, value)


def confirm(report: Report, pointer: str, value: Any) -> None:
    """Check a confirm dialog."""
    fields = {
        "title": plain(100),
        "text": plain_or_mrkdwn(300),
        "confirm": plain(30),
        "deny": plain(30),
        "style": one_of("primary", "danger"),
    }
    shape(report, pointer, value, fields=fields, required=("title", "text", "confirm", "deny"))
