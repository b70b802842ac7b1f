"""A stand-in for a Slack workspace: Web API, signed deliveries to the bot, Slack's limits, a page to type and click in.

What lives here plays Slack on the wire and imports nothing else of this project, so that the bot under it is the bot
that meets Slack. The bot itself is in `bot/`; what this stand-in imitates and what it does not is told in
`docs/reference/stand-ins-slack.md`. In a test: `Console(port=0, bot_url=…)`; alone: `python -m devtools.console`.
"""

from devtools.console.limits import check_message, check_view
from devtools.console.server import Console

__all__ = ["Console", "check_message", "check_view"]
