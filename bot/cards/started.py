"""The answer to who started an operation: where it can be followed.

The operation's own message is posted by its workflow.
"""

from __future__ import annotations

from bot.cards import blocks as b
from bot.cards.blocks import Message


def started_message(what: str, *, channel: str, url: str) -> Message:
    """Say that an operation runs.

    Args:
        what: Operation and cluster, such as "deploy of crdb".
        channel: Where it is shown; empty: in this very channel.
        url: The run in Temporal's Web UI.
    """
    head = f"{what[:1].upper()}{what[1:]} has started. Follow it "
    elements = [b.text(head)]
    if channel:
        elements += [b.text("in "), {"type": "channel", "channel_id": channel}]
    else:
        elements.append(b.text("in this channel"))
    elements += [b.text(" or "), {"type": "link", "url": url, "text": "in Temporal"}, b.text(".")]
    return Message(text=b.notice(f"{head}in {channel or 'this channel'}."), blocks=[b.rich(b.line(*elements))])
