"""What Slack's client makes of a text that somebody typed: escapes it, and turns names into mentions.

The other direction, from Slack's markup to what people see, happens in the page (`static/mrkdwn.js`).
"""

from __future__ import annotations

import re

from devtools.console.workspace import GROUPS, PERSONAS, Channel

NAMES = re.compile(r"(?<![\w@#/])([@#])([\w.-]*\w)|(https?://[^\s<>|]+)")


def escape(text: str) -> str:
    """Replace the three characters that Slack's markup uses."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def with_mentions(text: str, *, channels: list[Channel]) -> str:
    """An escaped text with `@erin` as `<@U0ERIN|erin>`, `#db-ops` as `<#C0OPS|db-ops>`, addresses as `<https://…>`."""

    def replace(match: re.Match[str]) -> str:
        sign, name, address = match.groups()
        if address:
            return f"<{address}>"
        if sign == "#":
            channel = next((one for one in channels if one.name == name and not one.is_im), None)
            return f"<#{channel.id}|{name}>" if channel else match.group()
        persona = next((one for one in PERSONAS if one.key == name), None)
        group = next((one for one in GROUPS if one.handle == name), None)
        return f"<@{persona.id}|{name}>" if persona else f"<!subteam^{group.id}|@{name}>" if group else match.group()

    return NAMES.sub(replace, escape(text))
