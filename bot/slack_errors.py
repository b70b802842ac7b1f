"""From Slack's errors to ours, once for the whole bot: what may succeed later, and what a person has to mend.

Ours to Temporal's is `bot.outbox`; ours to words is `bot.cards.failure`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from domain.errors import BrokenError, OpsError, TransientError

#: Slack's own troubles, sent with status 200.
_PASSING = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "rate_limited", "ratelimited"}
)
#: What never succeeds until a person has done something: in words, with what to do.
_FINAL: dict[str, tuple[str, str]] = {
    "channel_not_found": ("The channel does not exist, or the bot cannot see it.", "Invite the bot: /invite @crdb"),
    "not_in_channel": ("The bot is not in the channel.", "Invite it: /invite @crdb"),
    "is_archived": ("The channel is archived.", "Bind the cluster to another channel in crdbops.toml."),
    "restricted_action": ("A workspace rule forbids the bot to write there.", "Ask the workspace's admins."),
    "restricted_action_read_only_channel": ("The channel is read-only.", "Bind the cluster to another channel."),
    "invalid_auth": ("Slack refuses the bot's token.", "Check CRDBOPS_SLACK_BOT_TOKEN."),
    "not_authed": ("Slack found no token.", "Check CRDBOPS_SLACK_BOT_TOKEN."),
    "account_inactive": ("The bot's account is deactivated.", "Install the app again."),
    "token_revoked": ("The bot's token was revoked.", "Install the app again."),
    "token_expired": ("The bot's token has expired.", "Turn token rotation off and install the app again."),
    "missing_scope": ("A scope is missing.", "Compare the app's scopes with deploy/slack/manifest.json."),
    "message_not_found": ("The message is not there any more.", ""),
    "thread_not_found": ("The thread is not there any more.", ""),
    "cant_update_message": ("The message cannot be changed.", ""),
    "edit_window_closed": ("The message can no longer be changed.", ""),
    "msg_too_long": ("The message is too long for Slack.", ""),
    "msg_blocks_too_long": ("The message is too long for Slack.", ""),
    "invalid_blocks": ("Slack does not understand the message.", ""),
    "user_not_in_channel": ("The person is not in the channel.", ""),
}
#: When Slack asks to wait without saying how long.
_WAIT = timedelta(seconds=5)


def slack_error(error: SlackApiError, *, doing: str) -> OpsError:
    """Return what a refused call means."""
    response = error.response
    status = int(getattr(response, "status_code", 0) or 0)
    headers = getattr(response, "headers", None) or {}
    data = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or code in ("ratelimited", "rate_limited"):
        asked = str(headers.get("Retry-After") or headers.get("retry-after") or "")
        wait = timedelta(seconds=int(asked)) if asked.isdecimal() else _WAIT
        return TransientError("slack.rate-limited", f"Slack asks to wait before {doing}.", retry_after=wait)
    if status >= 500 or not code or code in _PASSING:
        return TransientError("slack.unavailable", f"Slack did not do it ({code or status}): {doing}.")
    words, hint = _FINAL.get(code, (f"Slack refused: {code}.", ""))
    return BrokenError(f"slack.{code.replace('_', '-')}", f"{words} ({doing})", hint=hint)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what a call to Slack raises into errors of ours.

    Args:
        doing: What was tried, such as "posting a card".
    """
    try:
        yield
    except SlackApiError as error:
        raise slack_error(error, doing=doing) from error
    except (TimeoutError, SlackClientError, aiohttp.ClientError, OSError) as error:
        raise TransientError("slack.unreachable", f"Slack cannot be reached: {doing}.") from error
