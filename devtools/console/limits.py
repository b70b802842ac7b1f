"""Strict checks of whole messages and views against Slack's limits: what the stand-in refuses, and what unit tests ask.

`check_message` and `check_view` return sentences (empty: fine); `examine_message` and `examine_view` return findings
with Slack's error code. Blocks are in `limits_blocks.py`, elements in `limits_elements.py`, text in `limits_text.py`.
Which keys a Web API method takes beside the message is not here but with the method (`methods_*.py`).
"""

from __future__ import annotations

import json
from typing import Any

from devtools.console.limits_blocks import blocks
from devtools.console.limits_text import (
    Check,
    Finding,
    Json,
    Report,
    boolean,
    list_of,
    matching,
    plain,
    shape,
    string,
)

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MESSAGE_TEXT = 40_000
# Not documented: Slack was seen to refuse messages from about here on (bolt-js issue 2509).
MESSAGE_CHARACTERS = 13_200
VIEW_BYTES = 250_000
# Slack sends a message without `text`, but with a warning: a notification would be empty.
MISSING_TEXT = "missing_text_in_message"

MESSAGE_KEYS = ("channel", "user", "ts", "text", "blocks", "attachments", "thread_ts", "reply_broadcast", "metadata")
MESSAGE_FLAGS = (
    "mrkdwn",
    "unfurl_links",
    "unfurl_media",
    "replace_original",
    "delete_original",
    "response_type",
)


def check_message(payload: Json) -> list[str]:
    """Say what Slack would refuse or warn about in the arguments of chat.postMessage and its like.

    Args:
        payload: Arguments as given to the method: `text`, `blocks`, `metadata`, `thread_ts` and so on.
    """
    return [str(finding) for finding in examine_message(payload)]


def check_view(view: Json) -> list[str]:
    """Say what Slack would refuse in a modal or an App Home view."""
    return [str(finding) for finding in examine_view(view)]


def examine_message(payload: Json) -> list[Finding]:
    """Find what Slack would refuse or warn about, with its error codes."""
    report = Report(surface="message")
    for key in payload:
        if key not in MESSAGE_KEYS and key not in MESSAGE_FLAGS:
            report.add(f"/{key}", message=f"no such argument: {key}", error="invalid_arguments")
    text, items = payload.get("text"), payload.get("blocks")
    attached = payload.get("attachments")
    if text is not None and not isinstance(text, str):
        report.add("/text", message="must be a string", error="invalid_arguments")
    elif not text and not items and not attached:
        report.add("", message="a message needs text or blocks", error="no_text")
    elif not text:
        report.add(
            "", message="set `text` as well: it is the notification and what screen readers say", error=MISSING_TEXT
        )
    elif len(text) > MESSAGE_TEXT:
        report.add("", message=f"text must be less than {MESSAGE_TEXT + 1} characters", error="msg_too_long")
    if items is not None:
        blocks(report, "/blocks", items, maximum=MESSAGE_BLOCKS)
    if attached is not None:
        list_of(_attachment, maximum=100, minimum=0)(report, "/attachments", attached)
    if report.characters > MESSAGE_CHARACTERS:
        found = f"{report.characters} characters over all blocks, Slack takes about {MESSAGE_CHARACTERS}"
        report.add("", message=found, error="msg_blocks_too_long")
    if payload.get("metadata") is not None:
        _metadata(report, payload["metadata"])
    return report.findings


def examine_view(view: Any) -> list[Finding]:
    """Find what Slack would refuse in a view, with its error codes."""
    kind = view.get("type") if isinstance(view, dict) else None
    report = Report(surface=kind if kind in ("modal", "home") else "modal")
    fields: dict[str, Check] = {
        "blocks": lambda report, pointer, value: blocks(report, pointer, value, maximum=VIEW_BLOCKS),
        "private_metadata": string(3000, minimum=0),
        "callback_id": string(255, minimum=0),
        "external_id": string(255, minimum=0),
    }
    required: tuple[str, ...] = ("type", "blocks")
    if kind == "modal":
        modal_only = {
            "title": plain(24),
            "submit": plain(24),
            "close": plain(24),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
            "submit_disabled": boolean,
        }
        fields.update(modal_only)
        required = ("type", "title", "blocks")
    elif kind != "home":
        report.add("/view/type", message=f"must be modal or home; found {kind!r}")
    if shape(report, "/view", view, fields=fields, required=required):
        items = view.get("blocks") if isinstance(view.get("blocks"), list) else []
        has_input = any(isinstance(item, dict) and item.get("type") == "input" for item in items)
        if kind == "modal" and has_input and "submit" not in view:
            report.add("/view/submit", message="must define `submit` to use an `input` block in modals")
        if len(json.dumps(view)) > VIEW_BYTES:
            report.add("", message=f"a view must be smaller than {VIEW_BYTES} bytes", error="view_too_large")
    return report.findings


def _attachment(report: Report, pointer: str, value: Any) -> None:
    """Only what carries blocks: the older fields of attachments are refused."""
    fields: dict[str, Check] = {
        "color": matching("#?[0-9a-fA-F]{6}|good|warning|danger", example="#36a64f"),
        "fallback": string(3000, minimum=0),
        "blocks": lambda report, pointer, value: blocks(report, pointer, value, maximum=MESSAGE_BLOCKS),
    }
    shape(report, pointer, value, fields=fields)


def _metadata(report: Report, value: Any) -> None:
    before = len(report.findings)
    fields: dict[str, Check] = {"event_type": string(255), "event_payload": _object}
    shape(report, "/metadata", value, fields=fields, required=("event_type", "event_payload"))
    for index in range(before, len(report.findings)):
        found = report.findings[index]
        report.findings[index] = Finding("invalid_metadata_format", found.message, found.pointer)


def _object(report: Report, pointer: str, value: Any) -> None:
    if not isinstance(value, dict):
        report.add(pointer, message="must be an object")
